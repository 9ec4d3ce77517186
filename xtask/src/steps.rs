//! Steps of a task, how long they took and what came of them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it should, and perhaps has something to tell.
    Passed(String),
    /// It did not, and why.
    Failed(String),
    /// It was not tried, and why.
    Skipped(String),
}

/// A step that was done.
struct Step {
    name: String,
    outcome: Outcome,
    took: Duration,
}

/// The steps done so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

impl Steps {
    /// Does a step: says so, times it, keeps its outcome. Returns whether it passed.
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce() -> Outcome) -> bool {
        eprintln!("\n==> {name}");
        let began = now();
        let outcome = work();
        let took = began.elapsed();
        let passed = matches!(outcome, Outcome::Passed(_));
        let (result, note) = outcome.words();
        eprintln!(
            "<== {name}: {result} after {}{}",
            text(took),
            if note.is_empty() { "" } else { ", " }.to_owned() + note
        );
        self.done.push(Step { name: name.to_owned(), outcome, took });
        passed
    }

    /// Notes a step that makes no sense after what failed before.
    pub(crate) fn skip(&mut self, name: &str, reason: &str) {
        let outcome = Outcome::Skipped(reason.to_owned());
        self.done.push(Step { name: name.to_owned(), outcome, took: Duration::ZERO });
    }

    /// Whether nothing failed. What was skipped was skipped because something failed.
    pub(crate) fn all_passed(&self) -> bool {
        self.done.iter().all(|step| matches!(step.outcome, Outcome::Passed(_)))
    }

    /// One line for each step, and the total.
    pub(crate) fn table(&self) -> String {
        let width = self.done.iter().map(|step| step.name.chars().count()).max().unwrap_or(0).max("in all".len());
        let mut table = String::from("\n");
        let mut line = |name: &str, result: &str, took: Duration, note: &str| {
            let row = format!("{name:width$}  {result:7} {:>9}  {note}", text(took));
            let _ = writeln!(table, "{}", row.trim_end());
        };
        for step in &self.done {
            let (result, note) = step.outcome.words();
            line(&step.name, result, step.took, note);
        }
        let total = self.done.iter().map(|step| step.took).sum();
        line("in all", if self.all_passed() { "ok" } else { "FAILED" }, total, "");
        table
    }
}

impl Outcome {
    fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Passed(note) => ("ok", note),
            Self::Failed(note) => ("FAILED", note),
            Self::Skipped(note) => ("skipped", note),
        }
    }
}

/// Tenths of a second below a minute, whole seconds above.
fn text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a person waits for a step has nothing to do with the engine's clock"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_step_and_one_failure_spoils_it() {
        let mut steps = Steps::default();
        assert!(steps.run("build", || Outcome::Passed(String::new())));
        assert!(steps.all_passed());
        assert!(!steps.run("tests", || Outcome::Failed("2 failed".to_owned())));
        steps.skip("more", "the build failed");
        assert!(!steps.all_passed());
        let table = steps.table();
        let lines: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["build", "ok", "0.0", "s"]);
        assert_eq!(lines[1], ["tests", "FAILED", "0.0", "s", "2", "failed"]);
        assert_eq!(lines[2], ["more", "skipped", "0.0", "s", "the", "build", "failed"]);
        assert_eq!(lines[3], ["in", "all", "FAILED", "0.0", "s"]);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(text(Duration::from_millis(9_940)), "9.9 s");
        assert_eq!(text(Duration::from_secs(125)), "2 min 05 s");
    }
}
