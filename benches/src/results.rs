//! Measurements as JSON lines, for programs that watch them over time.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::report::Figure;

/// One line of the file.
#[derive(Debug, Serialize)]
struct Line<'a> {
    workload: String,
    side: &'a str,
    threads: usize,
    batch: usize,
    value: f64,
    unit: &'static str,
    correct: bool,
    min: f64,
    max: f64,
    rounds: usize,
}

/// The file that measurements are appended to.
#[derive(Debug)]
pub struct Results(File);

impl Results {
    /// Creates the file at `path` and the directories above it, or empties it.
    ///
    /// # Errors
    ///
    /// Whatever the file system refuses.
    pub fn create(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        File::create(path).map(Self)
    }

    /// Appends one measurement.
    ///
    /// # Errors
    ///
    /// Whatever the file system refuses.
    pub fn append(&mut self, figure: &Figure) -> io::Result<()> {
        let line = Line {
            workload: figure.workload.to_string(),
            side: figure.side,
            threads: figure.setting.threads,
            batch: figure.setting.batch,
            value: figure.median().round(),
            unit: "events/s",
            correct: figure.correct,
            min: figure.min().round(),
            max: figure.max().round(),
            rounds: figure.rates.len(),
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.0.write_all(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Setting, Workload};

    #[test]
    fn a_new_run_replaces_the_file_and_a_line_is_a_json_object() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bench/results.jsonl");
        let figure = Figure {
            workload: Workload::W1a,
            side: "firesteel",
            setting: Setting { threads: 2, batch: 1_000 },
            rates: vec![3.0, 1.0, 2.0],
            correct: true,
        };
        for _ in 0..2 {
            Results::create(&path).unwrap().append(&figure).unwrap();
        }
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            concat!(
                r#"{"workload":"W1a","side":"firesteel","threads":2,"batch":1000,"#,
                r#""value":2.0,"unit":"events/s","correct":true,"min":1.0,"max":3.0,"rounds":3}"#,
                "\n"
            )
        );
    }
}
