//! Starting the program, and seeing how it ends.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::program::{Run, SETTINGS, STOPPED};

/// The variable that names the fault which a program is to have.
pub(crate) const FAULT: &str = "FIRESTEEL_MUTANT";

/// How a process has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The job has read everything.
    Drained,
    /// It was ended from outside, or at a point.
    Crashed,
    /// The job has stopped with this error.
    Stopped(String),
}

/// The program, ready to be started: this test program, told to run the one test that is it.
pub(crate) fn command(run: &Run, mutant: Option<&str>) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a file"));
    command.args(["--exact", "program", "--ignored", "--nocapture"]);
    command.env(SETTINGS, serde_json::to_string(run).expect("settings can be written"));
    command.env_remove(FAULT);
    if let Some(mutant) = mutant {
        command.env(FAULT, mutant);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) fn start(run: &Run, mutant: Option<&str>) -> Ended {
    let output = command(run, mutant).output().expect("this program can be started");
    ended(output.status, &output.stderr)
}

/// What the way in which a process ended says.
pub(crate) fn ended(status: ExitStatus, stderr: &[u8]) -> Ended {
    let message = || String::from_utf8_lossy(stderr).into_owned();
    match (status.code(), status.signal()) {
        (Some(0), _) => Ended::Drained,
        (Some(code), _) if code == STOPPED => Ended::Stopped(message()),
        (None, Some(6 | 9)) => Ended::Crashed,
        _ => Ended::Stopped(format!("{status}: {}", message())),
    }
}

/// A folder for one case, in memory where the machine has such a place: that a process ends does no harm to it there.
pub(crate) fn folder() -> tempfile::TempDir {
    let shared = Path::new("/dev/shm");
    let made = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).expect("a folder can be made")
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a file can be copied");
        }
    }
}

/// All files below a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.expect("the folder can be listed").path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
