//! The tasks, each a list of steps.

use crate::cargo::Cargo;
use crate::command_line::{Benchmarks, Crash, Kind, Selection};
use crate::house;
use crate::kafka;
use crate::peers;
use crate::python;
use crate::steps::{Outcome, Steps};
use crate::toolchain;
use crate::workspace;

/// The package of the benchmarks. It is no default member: the engines it compares with take minutes to build.
const BENCHES: &str = "firesteel-benches";

/// The package with C++ inside. It is no default member, so that plain Cargo needs no C++ compiler.
const NATIVE: &str = "firesteel-state-rocksdb";
/// The packages that have it inside with all of their features, and the one that compiles SQLite.
const WITH_NATIVE: [&str; 3] = ["firesteel", "json-to-sqlite", NATIVE];

/// The package whose tests let other programs loose on logs.
const WITH_LOG_TOOLS: &str = "firesteel-connect-file";

/// The package of tests against real servers and tools, which are installed first.
const INTEGRATION: &str = "firesteel-integration";
const INTEGRATION_KAFKA: &str = "firesteel-integration-kafka";

/// All members but those three, as Cargo wants to be told.
const MEMBERS: [&str; 7] =
    ["--workspace", "--exclude", BENCHES, "--exclude", INTEGRATION, "--exclude", INTEGRATION_KAFKA];

/// Sees to it that the package with C++ inside can be built.
fn can_build_native(steps: &mut Steps) -> bool {
    steps.run("C++ compiler and libclang", toolchain::ensure)
}

/// Sees to it that the programs are there which tests let loose on logs.
fn has_log_tools(steps: &mut Steps) {
    steps.run("logrotate, packers and rsync", toolchain::ensure_log_tools);
}

/// Runs all tests but those of the benchmarks, or those that were chosen.
pub(crate) fn test(steps: &mut Steps, selection: &Selection) {
    if *selection != Selection::default() {
        let needs_native = |name: &String| WITH_NATIVE.contains(&name.as_str());
        let all = selection.crates.is_empty();
        if (all || selection.crates.iter().any(needs_native)) && !can_build_native(steps) {
            steps.skip("chosen tests", "they cannot be built");
            return;
        }
        if all || selection.crates.iter().any(|name| name == WITH_LOG_TOOLS) {
            has_log_tools(steps);
        }
        steps.run("chosen tests", || {
            let mut arguments = strings(["test", "--all-features", "--no-fail-fast"]);
            if all {
                arguments.extend(strings(MEMBERS));
            }
            for name in &selection.crates {
                arguments.extend(["--package".to_owned(), name.clone()]);
            }
            arguments.push("--".to_owned());
            arguments.extend_from_slice(&selection.filters);
            Cargo::new(arguments).run_counting_tests()
        });
        return;
    }
    const TESTS: &str = "tests of crates and examples";
    const DOCS: &str = "examples in the documentation";
    has_log_tools(steps);
    // Without a C++ compiler, the rest is tested all the same.
    let members: &[&str] = if can_build_native(steps) { &MEMBERS } else { &[] };
    let cargo = |arguments: &[&str]| {
        let features = if members.is_empty() { &[][..] } else { &["--all-features"] };
        let words = [&["test"], members, features, arguments].concat();
        Cargo::new(words.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    if steps.run("build", || cargo(&["--no-run"]).run()) {
        steps.run(TESTS, || cargo(&["--no-fail-fast", "--tests"]).run_counting_tests());
        steps.run(DOCS, || cargo(&["--no-fail-fast", "--doc"]).run_counting_tests());
    } else {
        steps.skip(TESTS, "the build failed");
        steps.skip(DOCS, "the build failed");
    }
}

/// Checks the sources without running them.
pub(crate) fn lint(steps: &mut Steps) {
    steps.run("rules of the house", house::check);
    for (component, call) in [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])] {
        // Asked beforehand, because Cargo's own answer to a missing component does not say how to get it.
        if !steps.run(&format!("{component} is there"), || or_install(component, Cargo::new(call).run())) {
            return;
        }
    }
    can_build_native(steps);
    steps.run("formatting", || or_hint(Cargo::new(["fmt", "--all", "--check"]).run(), "cargo fmt mends it"));
    // All crates are looked at, also those after one that does not pass.
    const CLIPPY: [&str; 8] =
        ["clippy", "--workspace", "--all-targets", "--all-features", "--keep-going", "--", "-D", "warnings"];
    steps.run("clippy", || Cargo::new(CLIPPY).run());
    const RUSTDOC: [&str; 5] = ["doc", "--workspace", "--no-deps", "--all-features", "--keep-going"];
    steps.run("documentation", || Cargo::new(RUSTDOC).deny_rustdoc_warnings().run());
    steps.run("each crate on its own", each_crate_on_its_own);
}

/// Builds the documentation and says where it lies.
pub(crate) fn doc(steps: &mut Steps) {
    if !can_build_native(steps) {
        steps.skip("documentation", "it cannot be built");
        return;
    }
    steps.run("documentation", || {
        let words = [&["doc", "--no-deps", "--all-features"][..], &MEMBERS].concat();
        match Cargo::new(words.into_iter().map(str::to_owned).collect::<Vec<_>>()).deny_rustdoc_warnings().run() {
            Outcome::Passed(_) => {
                let index = workspace::target_dir().join("doc/firesteel/index.html");
                println!("{}", index.display());
                Outcome::Passed(String::new())
            }
            failed => failed,
        }
    });
}

/// Runs the benchmarks.
pub(crate) fn bench(steps: &mut Steps, benchmarks: &Benchmarks) {
    if benchmarks.only == Some(Kind::Durable) {
        durable(steps, benchmarks);
        return;
    }
    let program = match benchmarks.only {
        Some(Kind::Slow) => Some(("records that take long", "firesteel-slow")),
        Some(Kind::Lines) => Some(("lines of a log beside wc and zcat", "firesteel-lines")),
        Some(Kind::Formats) => {
            Some(("JSON, CSV and Parquet decoded beside loops written by hand", "firesteel-formats-bench"))
        }
        Some(Kind::Nexmark) => Some(("questions to the events of an auction house", "firesteel-nexmark")),
        Some(Kind::OverTime) => Some(("windows, sessions, joins and deduplication", "firesteel-over-time")),
        Some(Kind::Latency) => Some(("from a line on a socket to its result", "firesteel-latency")),
        _ => None,
    };
    if let Some((title, binary)) = program {
        steps.run(title, || {
            let mut arguments = strings(["run", "--release", "--package", BENCHES, "--bin", binary, "--"]);
            arguments.extend_from_slice(&benchmarks.arguments);
            Cargo::new(arguments).run()
        });
        return;
    }
    let wanted = |kind| benchmarks.only.is_none_or(|only| only == kind);
    if wanted(Kind::Throughput) {
        // Cargo's profile `bench`, not `release`: it may take longer to build.
        steps.run("throughput beside other engines", || {
            let mut arguments = strings(["run", "--profile", "bench", "--package", BENCHES, "--"]);
            arguments.extend_from_slice(&benchmarks.arguments);
            Cargo::new(arguments).run()
        });
    }
    if wanted(Kind::Small) {
        steps.run("small benchmarks", || {
            let mut arguments = strings(["bench", "--package", BENCHES, "--benches", "--"]);
            if benchmarks.only == Some(Kind::Small) {
                arguments.extend_from_slice(&benchmarks.arguments);
            }
            Cargo::new(arguments).run()
        });
    }
}

/// Runs the workload with durable state. It is never run unasked: it takes minutes, and its peers gigabytes of disk.
fn durable(steps: &mut Steps, benchmarks: &Benchmarks) {
    const CONTEST: &str = "running totals as durable state";
    if !can_build_native(steps) {
        steps.skip(CONTEST, "it cannot be built");
        return;
    }
    let mut arguments = strings(["run", "--profile", "bench", "--package", BENCHES, "--features", "rocksdb"]);
    arguments.extend(strings(["--bin", "firesteel-durable", "--"]));
    if benchmarks.peers {
        let mut ready = steps.run("Java is there", peers::java);
        for peer in peers::PEERS {
            ready &= steps.run(peer, || match peers::python_of(peer) {
                Ok(python) => {
                    arguments.extend(["--python".to_owned(), format!("{peer}={}", python.display())]);
                    Outcome::Passed(python.display().to_string())
                }
                Err(why) => Outcome::Failed(why),
            });
        }
        if !ready {
            steps.skip(CONTEST, "a peer cannot be run");
            return;
        }
    }
    arguments.extend_from_slice(&benchmarks.arguments);
    steps.run(CONTEST, || Cargo::new(arguments).run());
}

/// Kills the processes of a job for a while.
pub(crate) fn crash(steps: &mut Steps, crash: &Crash) {
    steps.run("processes killed at any moment", || {
        let mut arguments = strings(["test", "--package", "firesteel-tests", "--test", "crash", "--", "--nocapture"]);
        arguments.extend(strings(["--exact", "kills::a_process_may_be_killed_at_any_moment"]));
        let mut cargo = Cargo::new(arguments).with("FIRESTEEL_CRASH_SECONDS", crash.seconds);
        if let Some(seed) = crash.seed {
            cargo = cargo.with("FIRESTEEL_CRASH_SEED", seed);
        }
        cargo.run_counting_tests()
    });
}

/// Runs connectors against real servers.
pub(crate) fn integration(steps: &mut Steps) {
    const TESTS: &str = "connectors against real servers";
    let requirements = workspace::root().join("tests/integration/s3.txt");
    let mut s3 = None;
    steps.run("server for objects", || match python::environment("s3", &requirements) {
        Ok(python) => {
            s3 = Some(python.clone());
            Outcome::Passed(python.display().to_string())
        }
        Err(why) => Outcome::Failed(why),
    });
    let mut jars = None;
    // A broker that runs already needs neither Java nor Maven.
    if std::env::var_os("FIRESTEEL_KAFKA").is_none() {
        if steps.run("Java and Maven", toolchain::ensure_broker_tools) {
            steps.run("broker of Kafka", || match kafka::jars() {
                Ok(folder) => {
                    jars = Some(folder.clone());
                    Outcome::Passed(folder.display().to_string())
                }
                Err(why) => Outcome::Failed(why),
            });
        }
        if jars.is_none() {
            steps.skip(TESTS, "the broker is not there");
            return;
        }
    }
    let Some(s3) = s3 else {
        steps.skip(TESTS, "the server for objects is not there");
        return;
    };
    steps.run(TESTS, || {
        let packages = ["--package", INTEGRATION, "--package", INTEGRATION_KAFKA];
        let mut cargo = Cargo::new([&["test", "--no-fail-fast"][..], &packages].concat());
        cargo = cargo.with("FIRESTEEL_S3_PYTHON", s3.display());
        if let Some(jars) = &jars {
            cargo = cargo.with("FIRESTEEL_KAFKA_JARS", jars.display());
        }
        cargo.run_counting_tests()
    });
}

/// What has to pass before a change is merged.
pub(crate) fn ci(steps: &mut Steps) {
    lint(steps);
    test(steps, &Selection::default());
    integration(steps);
    steps.run("tests of the benchmarks", || {
        Cargo::new(["test", "--package", BENCHES, "--no-fail-fast"]).run_counting_tests()
    });
    steps.run("every workload once", || {
        // Unoptimized and on little data: it fails on a wrong result, and nobody looks at the time.
        let mut arguments = strings(["run", "--package", BENCHES, "--"]);
        arguments.extend(strings(["--events", "50000", "--records", "5000", "--batch", "5000", "--threads", "1,2"]));
        let results = workspace::target_dir().join("bench/smoke.jsonl");
        arguments.extend(["--rounds".to_owned(), "1".to_owned()]);
        arguments.extend(["--results".to_owned(), results.display().to_string()]);
        Cargo::new(arguments).run()
    });
    steps.run("durable state once, without peers", || {
        let mut arguments = strings(["run", "--package", BENCHES, "--bin", "firesteel-durable", "--"]);
        arguments.extend(strings(["--keys", "5000", "--shape", "uniform,zipf", "--events", "50000", "--rounds", "1"]));
        let results = workspace::target_dir().join("bench/durable-smoke.jsonl");
        arguments.extend(strings(["--key", "number,text", "--batch", "5000"]));
        arguments.extend(["--results".to_owned(), results.display().to_string()]);
        Cargo::new(arguments).run()
    });
    steps.run("records that take long once", || {
        let arguments = ["run", "--package", BENCHES, "--bin", "firesteel-slow", "--", "--less", "20"];
        Cargo::new(arguments).run()
    });
    steps.run("files decoded once", || {
        let arguments = [
            "run",
            "--package",
            BENCHES,
            "--bin",
            "firesteel-formats-bench",
            "--",
            "--megabytes",
            "2",
            "--rounds",
            "1",
        ];
        Cargo::new(arguments).run()
    });
    steps.run("lines of a log once", || {
        let arguments =
            ["run", "--package", BENCHES, "--bin", "firesteel-lines", "--", "--megabytes", "5", "--rounds", "1"];
        Cargo::new(arguments).run()
    });
}

/// Checks every library crate alone. Built together, crates see features that only another one has asked for.
fn each_crate_on_its_own() -> Outcome {
    let names = match workspace::library_crates() {
        Ok(names) => names,
        Err(error) => return Outcome::Failed(format!("the folder of the crates cannot be read: {error}")),
    };
    for name in &names {
        for features in ["--no-default-features", "--all-features"] {
            if let Outcome::Failed(why) = Cargo::new(["check", "--quiet", "--package", name, features]).run() {
                return Outcome::Failed(format!("{name} {features}: {why}"));
            }
        }
    }
    Outcome::Passed(format!("{} crates", names.len()))
}

fn or_install(component: &str, outcome: Outcome) -> Outcome {
    or_hint(outcome, &format!("rustup component add {component}"))
}

/// Adds the way out to a failure.
fn or_hint(outcome: Outcome, hint: &str) -> Outcome {
    match outcome {
        Outcome::Failed(why) => Outcome::Failed(format!("{why}; {hint}")),
        other => other,
    }
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}
