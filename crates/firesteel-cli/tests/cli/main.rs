//! The command on checkpoints that the tests make themselves, sound and damaged.
//!
//! What people see stands in `golden/`. After a deliberate change: `FIRESTEEL_GOLDEN=write cargo test -p firesteel-cli`.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod damage;
mod diff;
mod job;
mod process;
mod real;
mod state;
mod tables;

use std::fs;
use std::path::Path;

use firesteel_cli::Outcome;

/// What a command left.
struct Ran {
    outcome: Outcome,
    out: String,
    err: String,
}

impl Ran {
    /// The output as JSON, line by line.
    fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Runs `firesteel checkpoint COMMAND FOLDER …`; the folder is `DIR` in what comes back.
fn run(command: &str, folder: &Path, more: &[&str]) -> Ran {
    let (mut out, mut err) = (vec![], vec![]);
    let folder = folder.to_str().unwrap();
    let words = ["firesteel", "checkpoint", command, folder].into_iter().chain(more.iter().copied());
    let outcome = firesteel_cli::run(words, &mut out, &mut err);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(folder, "DIR");
    Ran { outcome, out: text(out), err: text(err) }
}

/// Compares with what was seen to be right.
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden").join(name);
    if std::env::var_os("FIRESTEEL_GOLDEN").is_some_and(|value| value == "write") {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{name} has changed: is that meant?");
}
