//! The tasks, each a list of steps.

use crate::cargo::Cargo;
use crate::command_line::{Benchmarks, Kind, Selection};
use crate::house;
use crate::steps::{Outcome, Steps};
use crate::workspace;

/// The package of the benchmarks. It is no default member: the engines it compares with take minutes to build.
const BENCHES: &str = "firesteel-benches";

/// Runs the tests of the default members, or those that were chosen.
pub(crate) fn test(steps: &mut Steps, selection: &Selection) {
    if *selection != Selection::default() {
        steps.run("chosen tests", || {
            let mut arguments = strings(["test", "--all-features", "--no-fail-fast"]);
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
    if steps.run("build", || Cargo::new(["test", "--all-features", "--no-run"]).run()) {
        steps.run(TESTS, || Cargo::new(["test", "--all-features", "--no-fail-fast", "--tests"]).run_counting_tests());
        steps.run(DOCS, || Cargo::new(["test", "--all-features", "--no-fail-fast", "--doc"]).run_counting_tests());
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
    steps.run("formatting", || or_hint(Cargo::new(["fmt", "--all", "--check"]).run(), "cargo fmt mends it"));
    // All crates are looked at, also those behind one that does not pass.
    const CLIPPY: [&str; 8] =
        ["clippy", "--workspace", "--all-targets", "--all-features", "--keep-going", "--", "-D", "warnings"];
    steps.run("clippy", || Cargo::new(CLIPPY).run());
    const RUSTDOC: [&str; 5] = ["doc", "--workspace", "--no-deps", "--all-features", "--keep-going"];
    steps.run("documentation", || Cargo::new(RUSTDOC).deny_rustdoc_warnings().run());
    steps.run("each crate on its own", each_crate_on_its_own);
}

/// Builds the documentation and says where it lies.
pub(crate) fn doc(steps: &mut Steps) {
    steps.run("documentation", || {
        match Cargo::new(["doc", "--no-deps", "--all-features"]).deny_rustdoc_warnings().run() {
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

/// What has to pass before a change is merged.
pub(crate) fn ci(steps: &mut Steps) {
    lint(steps);
    test(steps, &Selection::default());
    steps.run("tests of the benchmarks", || {
        Cargo::new(["test", "--package", BENCHES, "--no-fail-fast"]).run_counting_tests()
    });
    steps.run("every workload once", || {
        // Unoptimised and on little data: it fails on a wrong result, and nobody looks at the time.
        let mut arguments = strings(["run", "--package", BENCHES, "--"]);
        arguments.extend(strings(["--events", "50000", "--records", "5000", "--batch", "5000", "--threads", "1,2"]));
        let results = workspace::target_dir().join("bench/smoke.jsonl");
        arguments.extend(["--rounds".to_owned(), "1".to_owned()]);
        arguments.extend(["--results".to_owned(), results.display().to_string()]);
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
