//! Running the example `numbers` as a child process.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]
#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long a line may keep a test waiting that should come at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program that has ended left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` if a signal ended the process.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Fails unless the program ended with this code.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The number after `name` in the summary.
    #[track_caller]
    pub(crate) fn told(&self, name: &str) -> &str {
        let line = self.err.lines().find_map(|line| line.trim_start().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no line of {name} in:\n{}", self.err)).trim()
    }

    /// How often a text stands on standard error.
    pub(crate) fn times(&self, text: &str) -> usize {
        self.err.matches(text).count()
    }
}

/// The example, which `cargo test` has built beside the tests.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(|folder| folder.parent()).unwrap().join("examples/numbers");
    assert!(program.exists(), "{} is missing: cargo test -p firesteel-launch builds it", program.display());
    program
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).env_remove("RUST_BACKTRACE");
    command
}

/// Runs the program to its end, with nothing on standard input.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, &[])
}

/// As [`run`], with variables of the environment.
#[track_caller]
pub(crate) fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let output = command(arguments).stdin(Stdio::null()).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("the program writes text");
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A running program whose lines are read one by one. It is killed if the test ends before it does.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Option<Lines>,
    err: Lines,
}

/// Lines that another thread reads, those of the past and those that come.
struct Lines {
    past: String,
    coming: Receiver<String>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (lines, coming) = channel();
        let read = move || {
            // An error means that the test reads no further; dropping the pipe tells the program.
            let _ = BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| lines.send(line));
        };
        std::thread::Builder::new().spawn(read).expect("a thread starts");
        Self { past: String::new(), coming }
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.coming.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("no {text:?}, {error}, in:\n{}", self.past));
            self.past += &format!("{line}\n");
            if line.contains(text) {
                return line;
            }
        }
    }

    fn all(mut self) -> String {
        self.past.extend(self.coming.into_iter().map(|line| line + "\n"));
        self.past
    }
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stdin = child.stdin.take();
        let stdout: ChildStdout = child.stdout.take().unwrap();
        let stderr: ChildStderr = child.stderr.take().unwrap();
        Self { child, stdin, out: Some(Lines::of(stdout)), err: Lines::of(stderr) }
    }

    /// Waits for a line on standard output that contains a text.
    #[track_caller]
    pub(crate) fn out(&mut self, text: &str) -> String {
        self.out.as_mut().expect("the test reads on").wait_for(text)
    }

    /// Waits for a line on standard error that contains a text.
    #[track_caller]
    pub(crate) fn err(&mut self, text: &str) -> String {
        self.err.wait_for(text)
    }

    /// Sends a signal: `INT`, `TERM`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("the system has kill").success());
    }

    /// Writes a line to standard input.
    pub(crate) fn type_line(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Closes standard output, as `head` does when it has enough.
    pub(crate) fn stop_reading(&mut self) {
        self.out = None;
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let out = self.out.take().map(Lines::all).unwrap_or_default();
        let (_, nothing) = channel();
        let err = std::mem::replace(&mut self.err, Lines { past: String::new(), coming: nothing }).all();
        Ended { code: self.child.wait().unwrap().code(), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended already, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a file of these lines, and the file's path.
pub(crate) fn file(lines: &[&str]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.txt");
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}
