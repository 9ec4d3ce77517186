//! Calls of Cargo, and what is read off their output.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write as _, stdout};
use std::process::{Command, ExitStatus, Stdio};

use crate::steps::Outcome;
use crate::workspace;

/// One call of Cargo at the root of the workspace.
pub(crate) struct Cargo {
    command: Command,
}

impl Cargo {
    /// The Cargo that started this program, with these arguments.
    pub(crate) fn new<I: IntoIterator<Item: Into<String>>>(arguments: I) -> Self {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.current_dir(workspace::root()).args(arguments.into_iter().map(Into::into));
        Self { command }
    }

    /// Sets a variable of its environment.
    pub(crate) fn with(mut self, variable: &str, value: impl ToString) -> Self {
        self.command.env(variable, value.to_string());
        self
    }

    /// Makes rustdoc refuse what it would warn of.
    pub(crate) fn deny_rustdoc_warnings(mut self) -> Self {
        let mut flags = env::var("RUSTDOCFLAGS").unwrap_or_default();
        flags.push_str(" -D warnings");
        self.command.env("RUSTDOCFLAGS", flags.trim_start());
        self
    }

    /// Runs it with this program's output.
    pub(crate) fn run(mut self) -> Outcome {
        let line = self.line();
        eprintln!("    {line}");
        outcome(&line, self.command.status())
    }

    /// Runs tests, passes their output on, and counts them.
    pub(crate) fn run_counting_tests(mut self) -> Outcome {
        let line = self.line();
        eprintln!("    {line}");
        let mut child = match self.command.stdout(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => return outcome(&line, Err(error)),
        };
        let mut counts = Counts::default();
        if let Some(output) = child.stdout.take() {
            let mut output = BufReader::new(output);
            let mut text = Vec::new();
            // Bytes, not text: a test may print what is not UTF-8.
            while output.read_until(b'\n', &mut text).is_ok_and(|read| read > 0) {
                counts.read(&String::from_utf8_lossy(&text));
                let _ = stdout().write_all(&text);
                text.clear();
            }
        }
        counts.judge(outcome(&line, child.wait()))
    }

    fn line(&self) -> String {
        let mut line = String::from("cargo");
        for argument in self.command.get_args() {
            line.push(' ');
            line.push_str(&argument.to_string_lossy());
        }
        line
    }
}

fn outcome(line: &str, status: std::io::Result<ExitStatus>) -> Outcome {
    match status {
        Ok(status) if status.success() => Outcome::Passed(String::new()),
        Ok(status) => Outcome::Failed(status.code().map_or_else(
            || "ended by a signal".to_owned(),
            // Cargo's own code for a failed build or test says nothing beyond the messages above.
            |code| if code == 101 { "see above".to_owned() } else { format!("exit code {code}") },
        )),
        Err(error) => Outcome::Failed(format!("`{line}` could not be run: {error}")),
    }
}

/// Tests counted from the lines with which each test program ends.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// Takes in one line: `test result: ok. 5 passed; 0 failed; 1 ignored; …`.
    fn read(&mut self, line: &str) {
        let Some((_, counts)) = line.trim_start().strip_prefix("test result:").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split(';') {
            let Some((number, what)) = count.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what.trim() {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// The outcome with the counts. That nothing ran is no success: a wrong filter looks just like that.
    fn judge(&self, outcome: Outcome) -> Outcome {
        let Self { passed, failed, ignored } = self;
        let ignored = if *ignored == 0 { String::new() } else { format!(", {ignored} ignored") };
        match outcome {
            Outcome::Passed(_) if passed + failed == 0 => Outcome::Failed("no test ran".to_owned()),
            Outcome::Passed(_) => Outcome::Passed(format!("{passed} passed{ignored}")),
            Outcome::Failed(_) if *failed > 0 => Outcome::Failed(format!("{failed} failed, {passed} passed{ignored}")),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_over_all_programs() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
        ] {
            counts.read(line);
        }
        assert_eq!(counts, Counts { passed: 6, failed: 1, ignored: 1 });
        let failed = counts.judge(Outcome::Failed("see above".to_owned()));
        assert_eq!(failed, Outcome::Failed("1 failed, 6 passed, 1 ignored".to_owned()));
    }

    #[test]
    fn a_run_without_tests_does_not_pass() {
        let passed = Outcome::Passed(String::new());
        assert_eq!(Counts::default().judge(passed.clone()), Outcome::Failed("no test ran".to_owned()));
        assert_eq!(Counts { passed: 1, ..Counts::default() }.judge(passed), Outcome::Passed("1 passed".to_owned()));
    }

    #[test]
    fn a_failure_before_any_test_keeps_its_reason() {
        let broken = Outcome::Failed("see above".to_owned());
        assert_eq!(Counts::default().judge(broken.clone()), broken);
    }
}
