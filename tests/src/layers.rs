//! Which crate may depend on which: the order of the architecture, and a checker of it.
//!
//! ```
//! use firesteel_tests::layers::faults;
//! use firesteel_tests::workspace::{Dependency, Kind, Package};
//!
//! let upward = Dependency { name: "firesteel-streaming".to_owned(), kind: Kind::Normal };
//! let window = Package {
//!     name: "firesteel-window".to_owned(),
//!     folder: "crates/firesteel-window".into(),
//!     dependencies: vec![upward],
//! };
//! assert!(faults(&[window])[0].starts_with("firesteel-window may not depend on firesteel-streaming"));
//! ```
//!
//! It looks at what manifests declare, not at what code imports: what is not declared cannot be imported.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{Kind, Package};

/// What a package may use of the workspace in its own code.
#[derive(Clone, Copy)]
enum Uses {
    /// These, or fewer.
    Only(&'static [&'static str]),
    /// Every library crate that stands before it in [`LAYERS`].
    AllBelow,
}

/// A connector sees the contract, and nothing of the engine.
const CONTRACT: Uses = Uses::Only(&["firesteel-connect", "firesteel-error", "firesteel-window"]);

/// What runs on the engine sees all of it, and no concrete connector.
const ENGINE: Uses = Uses::Only(&[
    "firesteel-budget",
    "firesteel-connect",
    "firesteel-core",
    "firesteel-scheduler",
    "firesteel-state",
    "firesteel-streaming",
    "firesteel-window",
]);

/// The library crates from the bottom up.
const LAYERS: &[(&str, Uses)] = &[
    ("firesteel-error", Uses::Only(&[])),
    ("firesteel-budget", Uses::Only(&[])),
    ("firesteel-window", Uses::Only(&["firesteel-error"])),
    ("firesteel-object-store", Uses::Only(&["firesteel-error"])),
    ("firesteel-faults", Uses::Only(&[])),
    ("firesteel-disk", Uses::Only(&["firesteel-error", "firesteel-faults"])),
    // Of the window crate its aggregators and spans of time: folds of RDDs, of windows and of streams are one family.
    ("firesteel-core", Uses::Only(&["firesteel-budget", "firesteel-error", "firesteel-window"])),
    // Of the budget what receivers share, and how records are measured.
    ("firesteel-connect", Uses::Only(&["firesteel-budget", "firesteel-error", "firesteel-window"])),
    ("firesteel-formats", CONTRACT),
    ("firesteel-frames", Uses::Only(&["firesteel-connect", "firesteel-formats", "firesteel-window"])),
    ("firesteel-results", Uses::Only(&["firesteel-connect", "firesteel-formats"])),
    ("firesteel-schema-registry", Uses::Only(&["firesteel-connect", "firesteel-formats", "firesteel-window"])),
    (
        "firesteel-connect-file",
        Uses::Only(&[
            "firesteel-connect",
            "firesteel-disk",
            "firesteel-faults",
            "firesteel-formats",
            "firesteel-frames",
            "firesteel-results",
            "firesteel-window",
        ]),
    ),
    (
        "firesteel-connect-object-store",
        Uses::Only(&[
            "firesteel-connect",
            "firesteel-formats",
            "firesteel-frames",
            "firesteel-object-store",
            "firesteel-results",
            "firesteel-window",
        ]),
    ),
    ("firesteel-connect-kafka", Uses::Only(&["firesteel-connect", "firesteel-formats", "firesteel-window"])),
    ("firesteel-connect-memory", CONTRACT),
    ("firesteel-connect-socket", CONTRACT),
    ("firesteel-connect-wal", Uses::Only(&["firesteel-connect", "firesteel-disk", "firesteel-window"])),
    ("firesteel-scheduler", Uses::Only(&["firesteel-core", "firesteel-window"])),
    (
        "firesteel-state",
        Uses::Only(&["firesteel-budget", "firesteel-disk", "firesteel-error", "firesteel-faults", "firesteel-window"]),
    ),
    ("firesteel-state-object-store", Uses::Only(&["firesteel-object-store", "firesteel-state"])),
    ("firesteel-state-rocksdb", Uses::Only(&["firesteel-state", "firesteel-window"])),
    (
        "firesteel-streaming",
        Uses::Only(&[
            "firesteel-budget",
            "firesteel-connect",
            "firesteel-core",
            "firesteel-error",
            "firesteel-faults",
            "firesteel-scheduler",
            "firesteel-state",
            "firesteel-window",
        ]),
    ),
    ("firesteel-terminal", ENGINE),
    (
        "firesteel-launch",
        Uses::Only(&["firesteel-core", "firesteel-streaming", "firesteel-terminal", "firesteel-window"]),
    ),
    (
        "firesteel-testkit",
        // Scripted sources and recording sinks are those of memory.
        Uses::Only(&[
            "firesteel-connect",
            "firesteel-connect-memory",
            "firesteel-core",
            "firesteel-error",
            "firesteel-scheduler",
            "firesteel-streaming",
            "firesteel-window",
        ]),
    ),
    ("firesteel", Uses::AllBelow),
    // An operator of somebody else's: it has what the façade makes public, and nothing beside it.
    ("rate-limiter", Uses::Only(&["firesteel"])),
];

/// The members that are no libraries: nothing depends on them.
const PROGRAMS: &[(&str, Uses)] = &[
    ("firesteel-benches", Uses::AllBelow),
    // It looks at what jobs leave behind, and runs none.
    ("firesteel-cli", Uses::Only(&["firesteel-error", "firesteel-state", "firesteel-window"])),
    ("firesteel-examples", Uses::AllBelow),
    ("clicks-kafka", Uses::Only(&["firesteel"])),
    // Connectors of somebody else's have the contract, and the program in their package has the façade.
    ("json-to-sqlite", Uses::Only(&["firesteel", "firesteel-connect", "firesteel-window"])),
    ("firesteel-tests", Uses::AllBelow),
    ("firesteel-integration", Uses::AllBelow),
    // Brokers for tests, which know no connector.
    ("firesteel-integration-kafka", Uses::Only(&[])),
    ("xtask", Uses::Only(&[])),
];

/// The only circles, and only tests and examples close them: those of RDDs need something that runs jobs, those of
/// streams are written with the testkit, as users write theirs, and those of a backend run jobs with an operator that
/// somebody else has written.
const CIRCLES_OF_TESTS: &[(&str, &str)] = &[
    ("firesteel-core", "firesteel-scheduler"),
    ("firesteel-streaming", "firesteel-testkit"),
    ("firesteel-state-rocksdb", "rate-limiter"),
];

/// All dependencies between packages of the workspace that point the wrong way, in words.
///
/// What a package's tests use may also stand beside it, but not above: a dependency for tests closes no circle, save
/// those that are listed.
#[must_use]
pub fn faults(packages: &[Package]) -> Vec<String> {
    let members: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    // A made-up graph may leave packages out; what they are called still counts.
    let ours = |name: &str| members.contains(name) || uses(name).is_some();
    let mut faults = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some(allowed) = uses(name) else {
            faults.push(format!(
                "{name} has no place in the architecture: add it to LAYERS in tests/src/layers.rs and to ARCHITECTURE.md"
            ));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| ours(&dependency.name)) {
            let other = dependency.name.as_str();
            match dependency.kind {
                Kind::Normal | Kind::Build if !allows(name, allowed, other) => {
                    faults.push(format!("{name} may not depend on {other}: it stands no lower"));
                }
                Kind::Dev
                    if other != name
                        && !CIRCLES_OF_TESTS.contains(&(name, other))
                        && below(other, packages).contains(name) =>
                {
                    faults.push(format!("the tests of {name} may not depend on {other}, which depends on {name}"));
                }
                _ => {}
            }
        }
    }
    faults
}

fn uses(name: &str) -> Option<Uses> {
    LAYERS.iter().chain(PROGRAMS).find(|(known, _)| *known == name).map(|(_, uses)| *uses)
}

fn allows(name: &str, uses: Uses, other: &str) -> bool {
    let place = |name: &str| LAYERS.iter().position(|(known, _)| *known == name);
    match uses {
        Uses::Only(names) => names.contains(&other),
        Uses::AllBelow => place(other).is_some_and(|other| place(name).is_none_or(|own| other < own)),
    }
}

/// All that a package depends on in its own code, over any number of steps.
fn below<'a>(name: &str, packages: &'a [Package]) -> BTreeSet<&'a str> {
    let by_name: BTreeMap<&str, &Package> = packages.iter().map(|package| (package.name.as_str(), package)).collect();
    let mut found = BTreeSet::new();
    let mut ahead = vec![name];
    while let Some(next) = ahead.pop() {
        let Some(package) = by_name.get(next) else { continue };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind != Kind::Dev) {
            if found.insert(dependency.name.as_str()) {
                ahead.push(dependency.name.as_str());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, kind: Kind, dependencies: &[&str]) -> Package {
        let dependencies = dependencies.iter().map(|name| Dependency { name: (*name).to_owned(), kind }).collect();
        Package { name: name.to_owned(), folder: name.into(), dependencies }
    }

    #[test]
    fn a_graph_that_points_downwards_has_no_faults() {
        let mut streaming =
            package("firesteel-streaming", Kind::Normal, &["firesteel-core", "serde", "firesteel-connect"]);
        streaming.dependencies.push(Dependency { name: "firesteel-connect-memory".to_owned(), kind: Kind::Dev });
        let mut connect = package("firesteel-connect", Kind::Normal, &["firesteel-window"]);
        connect.dependencies.push(Dependency { name: "firesteel-connect".to_owned(), kind: Kind::Dev });
        let packages = [
            connect,
            package("firesteel-connect-memory", Kind::Normal, &["firesteel-connect"]),
            streaming,
            package(
                "firesteel",
                Kind::Normal,
                &["firesteel-terminal", "firesteel-connect-file", "firesteel-streaming"],
            ),
            package("firesteel-examples", Kind::Normal, &["firesteel", "clap"]),
        ];
        assert_eq!(faults(&packages), Vec::<String>::new());
    }

    #[test]
    fn every_edge_that_points_the_wrong_way_is_named() {
        for (from, kind, to) in [
            ("firesteel-core", Kind::Normal, "firesteel-streaming"),
            ("firesteel-core", Kind::Normal, "firesteel-connect"),
            ("firesteel-scheduler", Kind::Normal, "firesteel-connect"),
            ("firesteel-connect-file", Kind::Normal, "firesteel-core"),
            ("firesteel-connect-file", Kind::Normal, "firesteel-connect-socket"),
            ("firesteel-streaming", Kind::Normal, "firesteel-connect-memory"),
            ("firesteel-streaming", Kind::Build, "firesteel"),
            ("firesteel-testkit", Kind::Normal, "firesteel"),
            ("firesteel", Kind::Normal, "firesteel"),
            ("firesteel", Kind::Normal, "firesteel-examples"),
            ("firesteel-tests", Kind::Normal, "firesteel-examples"),
            ("xtask", Kind::Normal, "firesteel-core"),
        ] {
            let found = faults(&[package(from, kind, &[to])]);
            assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
            assert!(found[0].contains(from) && found[0].contains(to), "{found:?}");
        }
    }

    #[test]
    fn what_tests_use_closes_no_circle() {
        let packages = [
            package("firesteel-core", Kind::Dev, &["firesteel-scheduler", "firesteel-streaming"]),
            package("firesteel-scheduler", Kind::Normal, &["firesteel-core"]),
            package("firesteel-streaming", Kind::Normal, &["firesteel-scheduler"]),
        ];
        let found = faults(&packages);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("the tests of firesteel-core may not depend on firesteel-streaming"), "{found:?}");
    }

    #[test]
    fn a_new_crate_needs_a_place() {
        let found = faults(&[package("firesteel-sql", Kind::Normal, &[])]);
        assert!(found[0].contains("firesteel-sql has no place"), "{found:?}");
    }
}
