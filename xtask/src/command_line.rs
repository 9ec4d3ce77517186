//! The command line: what was asked for.
//!
//! Written by hand, because a parser crate would take longer to build than all the rest of this program.

/// The text that `--help` prints and that follows a wrong command line.
pub(crate) const USAGE: &str = "\
Development tasks of the Firesteel workspace.

Usage: cargo xtask <TASK> [OPTIONS]

Tasks:
  test [-p CRATE]... [-- FILTER...]
              Run all tests: unit, integration, conformance and compile-fail tests, those of
              the example programs, and the examples in the documentation. One crate needs a C++
              compiler and libclang, the tests of another one logrotate, gzip, zstd, xz, bzip2 and
              rsync: if apt can install what is missing of them, it does.
              -p      only of this crate; may be given more than once
              FILTER  goes to the test programs, such as a part of a test's name
  lint        Check the formatting, clippy, the documentation, every crate on its own,
              and the rules of the house (`xtask/src/house.rs`). Warnings are errors.
  doc         Build the documentation of the workspace and print where it lies.
  bench [throughput | small | durable | slow | lines | formats | nexmark | over-time | latency] [-- ARGS...]
              Run the benchmarks: the throughput workloads beside other engines, which also
              write target/bench/results.jsonl, and the small ones under criterion; both
              without a choice. `durable` is the workload with durable state, `slow` that with
              records that take long, `lines` a log beside wc and zcat, `formats` a log of JSON, named
              by ARGS, beside a loop written by hand, `nexmark` and `over-time` questions to streams
              beside Flink and DuckDB where ARGS name a Python that has them, `latency` how long lines
              from a socket take. ARGS go to the benchmark program: keys are texts
              with `throughput -- --workload W1c` and `durable -- --key text`. To see those of
              the workloads:
              cargo xtask bench throughput -- --help
  bench --peers [-- ARGS...]
              Run the workload with durable state beside Spark and Flink, which are installed
              from PyPI into a folder of the user's cache. Needs Python and Java; takes ten
              minutes and more. To see what ARGS there are: cargo xtask bench durable -- --help
  crash [--seconds N] [--seed N]
              Kill the processes of a job with a checkpoint at any moment, for this many seconds
              (60 without a choice), and check that they lose and double nothing; the tests of
              every fail point are among those of `test`
  fuzz [--seconds N]
              Feed the decoders of changelogs and snapshots with what a fuzzer makes of good
              files, each for this many seconds (60 without a choice). Needs a nightly toolchain
              and cargo-fuzz
  integration Run connectors against real servers, which are installed from PyPI and Maven's registry into
              folders of the user's cache. Needs Python, and Java and Maven, which are installed where
              apt can do that. FIRESTEEL_KAFKA=HOST:PORT has a broker of Kafka tested that runs already
  ci          Lint, test, also against real servers, and run every throughput workload once on little data, for its
              result and not for its speed: what has to pass before a change is merged.

The exit code is 0 when every step passed, 1 when one failed, 2 when the command line is wrong.
Set CARGO_TARGET_DIR to build elsewhere than in target/.
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The usage text.
    Help,
    /// Run tests.
    Test(Selection),
    /// Check the sources.
    Lint,
    /// Build the documentation.
    Doc,
    /// Run benchmarks.
    Bench(Benchmarks),
    /// Kill processes for a while.
    Crash(Crash),
    /// Fuzz every decoder for this many seconds.
    Fuzz(u64),
    /// Run connectors against real servers.
    Integration,
    /// Lint, test and try the benchmarks.
    Ci,
}

/// Which tests to run; all without a choice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The crates, or none for all.
    pub(crate) crates: Vec<String>,
    /// What the test programs get.
    pub(crate) filters: Vec<String>,
}

/// Which benchmarks to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Benchmarks {
    /// Which of them, or both kinds.
    pub(crate) only: Option<Kind>,
    /// Whether the systems on the JVM take part.
    pub(crate) peers: bool,
    /// What the benchmark program gets.
    pub(crate) arguments: Vec<String>,
}

/// How long to kill processes, and when.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    /// For this many seconds.
    pub(crate) seconds: u64,
    /// What the moments follow from; the test's own without a choice.
    pub(crate) seed: Option<u64>,
}

/// A kind of benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole workloads beside other engines.
    Throughput,
    /// Single pieces under criterion.
    Small,
    /// The workload with durable state.
    Durable,
    /// Records that take long.
    Slow,
    /// Lines of a log.
    Lines,
    /// Records of files that have to be decoded.
    Formats,
    /// Questions to the events of an auction house.
    Nexmark,
    /// Windows that overlap, sessions, joins, deduplication.
    OverTime,
    /// From a line on a socket to its result.
    Latency,
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// What does not make sense, in words for the person who typed it.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Request, String> {
    let mut before: Vec<String> = arguments.into_iter().collect();
    let after = match before.iter().position(|argument| argument == "--") {
        Some(at) => {
            let after = before.split_off(at + 1);
            before.pop();
            after
        }
        None => Vec::new(),
    };
    if before.iter().any(|argument| argument == "-h" || argument == "--help") {
        return Ok(Request::Help);
    }
    let mut before = before.into_iter();
    let Some(task) = before.next() else { return Err("which task?".to_owned()) };
    let request = match task.as_str() {
        "help" => Request::Help,
        "test" => return Ok(Request::Test(Selection { crates: crates(before)?, filters: after })),
        "bench" => return Ok(Request::Bench(benchmarks(before, after)?)),
        "crash" => return Ok(Request::Crash(crash(before)?)),
        "fuzz" => return Ok(Request::Fuzz(fuzz(before)?)),
        "lint" => Request::Lint,
        "doc" => Request::Doc,
        "integration" => Request::Integration,
        "ci" => Request::Ci,
        other => return Err(format!("there is no task {other:?}")),
    };
    match before.chain(after).next() {
        Some(extra) => Err(format!("{task} takes no {extra:?}")),
        None => Ok(request),
    }
}

fn crates(mut arguments: impl Iterator<Item = String>) -> Result<Vec<String>, String> {
    let mut crates = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-p" | "--package" => crates.push(arguments.next().ok_or("-p needs the name of a crate")?),
            other => return Err(format!("test takes no {other:?}; what is for the test programs goes after --")),
        }
    }
    Ok(crates)
}

fn crash(mut arguments: impl Iterator<Item = String>) -> Result<Crash, String> {
    let mut crash = Crash { seconds: 60, seed: None };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => crash.seconds = number(&argument, arguments.next())?,
            "--seed" => crash.seed = Some(number(&argument, arguments.next())?),
            other => return Err(format!("crash takes no {other:?}")),
        }
    }
    Ok(crash)
}

fn fuzz(mut arguments: impl Iterator<Item = String>) -> Result<u64, String> {
    let mut seconds = 60;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => seconds = number(&argument, arguments.next())?,
            other => return Err(format!("fuzz takes no {other:?}")),
        }
    }
    Ok(seconds)
}

fn number(argument: &str, text: Option<String>) -> Result<u64, String> {
    let text = text.ok_or_else(|| format!("{argument} needs a number"))?;
    text.parse().map_err(|_| format!("{argument} needs a number, not {text:?}"))
}

fn benchmarks(before: impl Iterator<Item = String>, arguments: Vec<String>) -> Result<Benchmarks, String> {
    let mut benchmarks = Benchmarks { arguments, ..Benchmarks::default() };
    for argument in before {
        let kind = match argument.as_str() {
            "--peers" => {
                benchmarks.peers = true;
                continue;
            }
            "throughput" => Kind::Throughput,
            "small" => Kind::Small,
            "durable" => Kind::Durable,
            "slow" => Kind::Slow,
            "lines" => Kind::Lines,
            "formats" => Kind::Formats,
            "nexmark" => Kind::Nexmark,
            "over-time" => Kind::OverTime,
            "latency" => Kind::Latency,
            other => return Err(format!("bench takes no {other:?}; what is for the benchmarks goes after --")),
        };
        if benchmarks.only.replace(kind).is_some() {
            return Err(format!("bench takes one kind of benchmarks or none, not {argument:?} as well"));
        }
    }
    if benchmarks.peers && *benchmarks.only.get_or_insert(Kind::Durable) != Kind::Durable {
        return Err("--peers take part in the durable workload only".to_owned());
    }
    Ok(benchmarks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_task_alone_means_everything() {
        assert_eq!(parsed("test"), Ok(Request::Test(Selection::default())));
        assert_eq!(parsed("bench"), Ok(Request::Bench(Benchmarks::default())));
        assert_eq!(parsed("ci"), Ok(Request::Ci));
        assert_eq!(parsed("integration"), Ok(Request::Integration));
        assert_eq!(parsed("crash"), Ok(Request::Crash(Crash { seconds: 60, seed: None })));
    }

    #[test]
    fn what_follows_two_dashes_is_passed_on_as_it_is() {
        let Ok(Request::Test(selection)) = parsed("test -p a --package b -- -p --help x") else {
            panic!("a test was asked for")
        };
        assert_eq!(selection.crates, ["a", "b"]);
        assert_eq!(selection.filters, ["-p", "--help", "x"]);
        let Ok(Request::Bench(benchmarks)) = parsed("bench small -- --events 5") else {
            panic!("benchmarks were asked for")
        };
        assert_eq!(benchmarks.only, Some(Kind::Small));
        assert_eq!(benchmarks.arguments, ["--events", "5"]);
    }

    #[test]
    fn peers_take_part_in_the_durable_workload() {
        let peers = Benchmarks { only: Some(Kind::Durable), peers: true, arguments: Vec::new() };
        assert_eq!(parsed("bench --peers"), Ok(Request::Bench(peers)));
        let alone = Benchmarks { only: Some(Kind::Durable), ..Benchmarks::default() };
        assert_eq!(parsed("bench durable"), Ok(Request::Bench(alone)));
        let slow = Benchmarks { only: Some(Kind::Slow), ..Benchmarks::default() };
        assert_eq!(parsed("bench slow"), Ok(Request::Bench(slow)));
        let lines = Benchmarks { only: Some(Kind::Lines), ..Benchmarks::default() };
        assert_eq!(parsed("bench lines"), Ok(Request::Bench(lines)));
    }

    #[test]
    fn crashes_and_fuzzing_take_numbers() {
        let expected = Crash { seconds: 5, seed: Some(7) };
        assert_eq!(parsed("crash --seed 7 --seconds 5"), Ok(Request::Crash(expected)));
        assert_eq!(parsed("fuzz"), Ok(Request::Fuzz(60)));
        assert_eq!(parsed("fuzz --seconds 5"), Ok(Request::Fuzz(5)));
    }

    #[test]
    fn help_is_given_wherever_it_is_asked_for() {
        for line in ["--help", "-h", "help", "test --help", "bench small -h"] {
            assert_eq!(parsed(line), Ok(Request::Help), "{line}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_named() {
        for (line, named) in [
            ("", "which task"),
            ("tset", "tset"),
            ("test window", "window"),
            ("test -p", "-p"),
            ("bench large", "large"),
            ("bench small 5", "5"),
            ("bench small durable", "durable"),
            ("bench small --peers", "--peers"),
            ("crash 60", "60"),
            ("crash --seconds", "--seconds"),
            ("crash --seconds long", "long"),
            ("fuzz segment", "segment"),
            ("lint --fix", "--fix"),
            ("ci -- fast", "fast"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
