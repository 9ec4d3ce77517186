//! Runs the fuzz targets: what reads bytes from outside, each for a while, beginning with the golden files.
//!
//! Needs a nightly toolchain, cargo-fuzz and a C++ compiler. What a target has found out is kept in `fuzz/corpus` of
//! the target directory, so that the next run resumes from there; an input that breaks one is in `fuzz/artifacts` of
//! its crate.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::steps::{Outcome, Steps};
use crate::workspace;

/// The crate whose decoders are fuzzed.
const CRATE: &str = "crates/firesteel-state";
/// Its golden files.
const GOLDEN: &str = "tests/golden/format-1";
/// Bytes of the header and the checksum around a manifest's body, which its decoder does not see.
const MANIFEST: (usize, usize) = (20, 8);

/// What a target starts with: golden files by their extension, without this many bytes at both ends.
const SEEDS: [(&str, &str, (usize, usize)); 3] =
    [("segment", "log", (0, 0)), ("manifest", "manifest", MANIFEST), ("memory_snapshot", "mem", (0, 0))];

/// Runs every target for this many seconds.
pub(crate) fn run(steps: &mut Steps, seconds: u64) {
    let folder = workspace::root().join(CRATE);
    let targets = match files(&folder.join("fuzz/fuzz_targets")) {
        Ok(targets) => targets,
        Err(error) => {
            steps.run("fuzz targets", || Outcome::Failed(format!("they cannot be listed: {error}")));
            return;
        }
    };
    if !steps.run("cargo-fuzz and a nightly toolchain are there", is_there) {
        return;
    }
    for target in targets.iter().filter_map(|path| path.file_stem().and_then(OsStr::to_str)) {
        steps.run(target, || fuzz(&folder, target, seconds));
    }
}

/// Cargo of the nightly toolchain: only there, the compiler can instrument a program for a fuzzer.
fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz"]);
    command
}

fn is_there() -> Outcome {
    let output = nightly().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if output.is_ok_and(|status| status.success()) {
        return Outcome::Passed(String::new());
    }
    Outcome::Failed(
        "they come with: rustup toolchain install nightly --profile minimal; cargo install cargo-fuzz".into(),
    )
}

fn fuzz(folder: &Path, target: &str, seconds: u64) -> Outcome {
    let corpus = workspace::target_dir().join("fuzz/corpus").join(target);
    if let Err(error) = sow(&folder.join(GOLDEN), &corpus, target) {
        return Outcome::Failed(format!("{} cannot be filled: {error}", corpus.display()));
    }
    let mut command = nightly();
    command.current_dir(folder).args(["run", "--target-dir"]).arg(workspace::target_dir().join("fuzz/build"));
    command.arg(target).arg(&corpus).args(["--", "-print_final_stats=1"]).arg(format!("-max_total_time={seconds}"));
    match command.status() {
        Ok(status) if status.success() => Outcome::Passed(String::new()),
        Ok(_) => Outcome::Failed("see above for the input that broke it".to_owned()),
        Err(error) => Outcome::Failed(format!("rustup could not be run: {error}")),
    }
}

/// Puts what the target starts with into its corpus.
fn sow(golden: &Path, corpus: &Path, target: &str) -> io::Result<()> {
    fs::create_dir_all(corpus)?;
    let Some((_, extension, (head, tail))) = SEEDS.iter().find(|(name, ..)| *name == target) else { return Ok(()) };
    for folder in files(golden)? {
        for path in files(&folder)?.iter().filter(|path| path.extension() == Some(OsStr::new(extension))) {
            let bytes = fs::read(path)?;
            let body = bytes.get(*head..bytes.len() - tail).unwrap_or_default();
            fs::write(corpus.join(path.file_name().unwrap_or_default()), body)?;
        }
    }
    Ok(())
}

/// What is in a folder, by name.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seeded_target_exists_and_has_seeds() {
        let folder = workspace::root().join(CRATE);
        for (target, ..) in SEEDS {
            assert!(folder.join("fuzz/fuzz_targets").join(target).with_extension("rs").is_file(), "{target}");
            let corpus = workspace::target_dir().join("fuzz/test-corpus").join(target);
            sow(&folder.join(GOLDEN), &corpus, target).expect("the corpus is filled");
            let seeds = files(&corpus).expect("the corpus is there");
            assert!(seeds.iter().all(|seed| fs::metadata(seed).is_ok_and(|seed| seed.len() > 8)) && !seeds.is_empty());
        }
    }
}
