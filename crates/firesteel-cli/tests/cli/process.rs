//! The command as a process.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::job::{Job, checkpoint};

fn firesteel() -> Command {
    Command::new(env!("CARGO_BIN_EXE_firesteel"))
}

#[test]
fn exit_codes_tell_how_it_went() {
    let folder = checkpoint();
    let code = |words: &[&str]| firesteel().arg("checkpoint").args(words).output().unwrap().status.code();
    let path = folder.path().to_str().unwrap();
    assert_eq!(code(&["verify", path]), Some(0));
    assert_eq!(code(&["show"]), Some(2));
    assert_eq!(code(&["state", path, "--operator", "nobody"]), Some(2));
    let log = folder.path().join("changelog/00000000000000000001.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[90] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    assert_eq!(code(&["verify", path]), Some(1));
}

#[test]
fn help_names_the_commands() {
    let help = firesteel().args(["checkpoint", "--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for command in ["show", "epochs", "state", "verify", "diff"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(command)), "{text}");
    }
    assert!(help.status.success());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = Job::new(folder.path());
    for _ in 0..200 {
        job.prepare();
        job.commit();
    }
    job.snapshot(4);
    let path = folder.path().to_str().unwrap();
    // More than a pipe holds.
    for words in [&["epochs", path, "--json"][..], &["state", path, "--operator", "counts", "--json"]] {
        let mut child = firesteel();
        child.arg("checkpoint").args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut first = [0; 10];
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut first).unwrap();
        assert_eq!(first[0], b'{');
        drop(out);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
        assert!(ended.status.success(), "{:?}", ended.status);
    }
}
