//! Running the example programs from outside, as a person does.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a line may keep a test waiting that should come at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a program that has ended left behind.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The number after `name` in the summary.
    #[track_caller]
    pub(crate) fn told(&self, name: &str) -> String {
        let line = self.err.lines().find_map(|line| line.trim_start().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no line of {name} in:\n{}", self.err)).trim().to_owned()
    }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn run(program: &str, arguments: &[&str]) -> Ended {
    let output = Command::new(program).args(arguments).output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program writes text");
    Ended { status: output.status, out: text(output.stdout), err: text(output.stderr) }
}

/// Runs a program to its end, which must be a good one.
#[track_caller]
pub(crate) fn succeed(program: &str, arguments: &[&str]) -> Ended {
    let ended = run(program, arguments);
    assert!(ended.status.success(), "{}", ended.err);
    ended
}

/// A running program whose output is read line by line. It is killed if the test ends before it does.
pub(crate) struct Running {
    child: Child,
    out: Option<Receiver<String>>,
    err: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts a program.
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        // Without room to spare, so that the program notices when nobody reads on.
        let (lines, out) = sync_channel(0);
        let read = move || {
            // An error means that the test reads no further; dropping the pipe tells the program.
            let _ = stdout.lines().map_while(Result::ok).try_for_each(|line| lines.send(line));
        };
        std::thread::Builder::new().spawn(read).expect("a thread starts");
        let mut stderr = child.stderr.take().expect("it is piped");
        let read = move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).expect("the program writes text");
            text
        };
        let err = std::thread::Builder::new().spawn(read).expect("a thread starts");
        Self { child, out: Some(out), err: Some(err) }
    }

    /// The next line on standard output, waited for.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.out.as_ref().expect("the test reads on").recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => {
                let ended = error == RecvTimeoutError::Disconnected;
                let _ = self.child.kill();
                let err = self.err.take().unwrap().join().unwrap();
                panic!("{}; standard error:\n{err}", if ended { "the program has ended" } else { "no line comes" });
            }
        }
    }

    /// Reads standard output up to a line that fits, and returns that line.
    #[track_caller]
    pub(crate) fn line_with(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.line();
            if fits(&line) {
                return line;
            }
        }
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.expect("the system has kill").success());
    }

    /// Closes standard output, as `head` does when it has enough.
    pub(crate) fn stop_reading(&mut self) {
        self.out = None;
    }

    /// Waits for the end; `out` is what has not been read yet.
    pub(crate) fn end(mut self) -> Ended {
        let rest: Vec<String> = self.out.take().into_iter().flatten().map(|line| line + "\n").collect();
        let err = self.err.take().unwrap().join().unwrap();
        Ended { status: self.child.wait().unwrap(), out: rest.concat(), err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended already, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A table of the data folder: its rows, cut at the tabulators.
pub(crate) fn table(name: &str) -> Vec<Vec<String>> {
    let path = format!("{}/data/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the table is there");
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// The lines of the access log.
pub(crate) fn access_log() -> Vec<String> {
    let file = std::fs::File::open(firesteel_examples::ACCESS_LOG).expect("the log is there");
    let lines = BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines();
    lines.map(|line| line.expect("the log is text")).collect()
}
