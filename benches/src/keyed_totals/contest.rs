//! Runs a side of W3 in a process of its own and watches it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::assignment::{Assignment, EVENTS, MEASURED, MEASURING, Run};
use super::sides::{Program, Side};
use crate::process_tree;

/// Between two looks at the memory of a side.
const LOOK: Duration = Duration::from_millis(50);

/// What came of a run, and what was seen of it from outside.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What the side says.
    pub run: Run,
    /// The most bytes that it and its children had at once until its measured part ended.
    pub peak_resident: Option<u64>,
    /// The processor time of its measured part, in seconds.
    pub processor: Option<f64>,
}

/// Where the peers' programs are and which Python each needs.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    /// The folder of the scripts.
    pub scripts: PathBuf,
    /// The Python of each peer, by name.
    pub pythons: Vec<(String, PathBuf)>,
}

/// Why a side could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ContestError {
    /// There is no Python that has this peer.
    #[error(
        "no Python was named that has {0}: `cargo xtask bench --peers` makes one, or name yours with --python {0}=PATH"
    )]
    NoPython(&'static str),
    /// A file or process could not be made.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The program ended without a result.
    #[error("{side} failed ({how}); the end of {log}:\n{tail}")]
    Failed {
        /// Which.
        side: &'static str,
        /// How its process ended.
        how: String,
        /// The file that has all it wrote.
        log: String,
        /// The last lines of it.
        tail: String,
    },
}

/// Runs `side`, whose events done so far go to `progress`. The folder of the assignment is emptied before and removed
/// afterwards.
///
/// # Errors
/// [`ContestError`].
pub fn observe(
    side: &Side,
    assignment: &Assignment,
    peers: &Peers,
    mut progress: impl FnMut(u64),
) -> Result<Observed, ContestError> {
    let folder = &assignment.folder;
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).map_err(|source| io(format!("{} cannot be made", folder.display()), source))?;
    let log = folder.with_extension("log");
    let file = File::create(&log).map_err(|source| io(format!("{} cannot be made", log.display()), source))?;
    let mut command = command(side, assignment, peers)?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn();
    let child = child.map_err(|source| io(format!("{command:?} cannot be started"), source))?;
    let watched = watch(child, &mut progress);
    let _ = fs::remove_dir_all(folder);
    match watched {
        Ok(observed) => {
            let _ = fs::remove_file(&log);
            Ok(observed)
        }
        Err(how) => {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines[lines.len().saturating_sub(20)..].join("\n");
            Err(ContestError::Failed { side: side.name, how, log: log.display().to_string(), tail })
        }
    }
}

fn io(what: String, source: std::io::Error) -> ContestError {
    ContestError::Io { what, source }
}

/// The call of a side: this program again, or a script.
fn command(side: &Side, assignment: &Assignment, peers: &Peers) -> Result<Command, ContestError> {
    let mut command = match side.program {
        Program::Here { .. } => {
            let this = std::env::current_exe().map_err(|source| io("this program is not found".to_owned(), source))?;
            let mut command = Command::new(this);
            command.args(["side", side.name]);
            command.args(["--batch", &assignment.batch.to_string(), "--epoch", &assignment.epoch.to_string()]);
            if let Some(bytes) = assignment.memory {
                command.args(["--memory", &bytes.to_string()]);
            }
            command
        }
        Program::Script(script) => {
            let python = peers.pythons.iter().find(|(name, _)| name == side.name);
            let (_, python) = python.ok_or(ContestError::NoPython(side.name))?;
            let mut command = Command::new(python);
            // Its modules are not compiled into the folder of the sources.
            command.env("PYTHONDONTWRITEBYTECODE", "1").arg("-u").arg(peers.scripts.join(script));
            command
        }
    };
    command.args(["--keys", &assignment.events.keys.to_string(), "--shape", assignment.events.shape.name()]);
    command.args(["--key", assignment.key.name()]);
    command.args(["--events", &assignment.count.to_string(), "--warm-up", &assignment.warm_up.to_string()]);
    command.args(["--threads", &assignment.threads.to_string()]).arg("--folder").arg(&assignment.folder);
    Ok(command)
}

/// Reads the lines of a side until it ends; how it ended if it has no result.
fn watch(mut child: Child, progress: &mut impl FnMut(u64)) -> Result<Observed, String> {
    let output = child.stdout.take().ok_or("its output is not piped")?;
    let (sender, lines) = mpsc::channel();
    let reader = thread::Builder::new().name("output of a side".to_owned()).spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    reader.map_err(|error| error.to_string())?;
    let (mut run, mut peak, mut began, mut ended) = (None, None, None, None);
    loop {
        let usage = process_tree::usage(child.id());
        if ended.is_none() {
            peak = peak.max(usage.map(|usage| usage.resident));
        }
        match lines.recv_timeout(LOOK) {
            Ok(line) if line == MEASURING => began = usage.map(|usage| usage.processor),
            Ok(line) if line == MEASURED => ended = usage.map(|usage| usage.processor),
            Ok(line) => match line.strip_prefix(EVENTS) {
                Some(count) => progress(count.trim().parse().unwrap_or_default()),
                // Java's libraries write to standard output as well.
                None => run = serde_json::from_str::<Run>(&line).ok().or(run),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let processor = began.zip(ended).map(|(began, ended)| ended - began);
    match run {
        Some(run) if status.success() => Ok(Observed { run, peak_resident: peak, processor }),
        _ => Err(status.to_string()),
    }
}

/// Where the scripts of this repository are.
#[must_use]
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

    use super::super::events::{KeyedEvents, Shape};
    use super::super::reference::Totals;
    use super::*;

    /// A script for the shell in place of a Python, which takes the same place in the call.
    fn contest(script: &str) -> (Result<Observed, ContestError>, Vec<u64>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("peer.sh"), script).unwrap();
        // `-u` makes the shell refuse unset variables, and Python write at once.
        let pythons = vec![("peer".to_owned(), PathBuf::from("/bin/sh"))];
        let peers = Peers { scripts: folder.path().to_owned(), pythons };
        let side = Side { name: "peer", program: Program::Script("peer.sh") };
        let events = KeyedEvents { keys: 10, shape: Shape::Uniform };
        let assignment = Assignment::new(events, 30, &folder.path().join("run"));
        let mut seen = Vec::new();
        let result = observe(&side, &assignment, &peers, |events| seen.push(events));
        assert!(!assignment.folder.exists());
        (result, seen)
    }

    #[test]
    fn a_side_is_heard_to_its_end() {
        let totals = Totals::of(KeyedEvents { keys: 10, shape: Shape::Uniform }, 30);
        let run = Run {
            system: "peer".to_owned(),
            version: "1".to_owned(),
            events: 20,
            seconds: 2.0,
            all_events: 30,
            totals,
            note: String::new(),
        };
        let json = serde_json::to_string(&run).unwrap();
        let script =
            format!("echo hello from a library\necho events 10\necho measuring\necho measured\necho '{json}'\n");
        let (observed, progress) = contest(&script);
        let observed = observed.unwrap();
        assert_eq!(observed.run, run);
        assert_eq!(progress, [10]);
    }

    #[test]
    fn a_side_without_a_result_is_reported_with_its_last_words() {
        for script in ["echo no state store >&2; exit 3", "echo no state store >&2"] {
            let error = contest(script).0.unwrap_err().to_string();
            assert!(error.contains("peer failed") && error.contains("no state store"), "{error}");
        }
    }

    #[test]
    fn a_peer_without_its_python_is_named_with_the_way_out() {
        let side = Side { name: "flink", program: Program::Script("flink_totals.py") };
        let events = KeyedEvents { keys: 10, shape: Shape::Uniform };
        let folder = tempfile::tempdir().unwrap();
        let error = observe(&side, &Assignment::new(events, 30, folder.path()), &Peers::default(), |_| {});
        assert!(error.unwrap_err().to_string().contains("cargo xtask bench --peers"));
    }
}
