//! DuckDB, Polars, DataFusion and Spark, by way of Python, where a Python has them.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Error, Found, Kind};

/// What they are called, and their packages.
pub(super) const NAMES: [&str; 4] = ["duckdb", "polars", "datafusion", "pyspark"];

/// The program that runs one of them.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/formats.py");

/// Which of them the Python has.
pub(super) fn there(python: &Path) -> Vec<&'static str> {
    let has = |name: &&'static str| {
        let mut import = Command::new(python);
        import.args(["-c", &format!("import {name}")]).stdout(Stdio::null()).stderr(Stdio::null());
        import.status().is_ok_and(|status| status.success())
    };
    NAMES.into_iter().filter(has).collect()
}

/// The seconds that one of them takes, without its start, and what it finds.
pub(super) fn run(python: &Path, peer: &str, kind: Kind, path: &Path, threads: usize) -> Result<(f64, Found), Error> {
    let kind = format!("{kind:?}").to_lowercase();
    let mut program = Command::new(python);
    program.arg(PROGRAM).args([peer, &kind]).arg(path).arg(threads.to_string());
    // It is known only before the package is loaded.
    program.env("POLARS_MAX_THREADS", threads.to_string());
    let output = program.stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<&str> = text.split_whitespace().collect();
    let [seconds, rows, kept, letters] = numbers[..] else { return Err(format!("{peer} says {text:?}").into()) };
    Ok((seconds.parse()?, (rows.parse()?, kept.parse()?, letters.parse()?)))
}
