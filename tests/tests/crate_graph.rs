//! The crate graph points downwards, and the crates need no more than they should.

use firesteel_tests::workspace::{Kind, Package};
use firesteel_tests::{layers, resolved, workspace};

fn package(name: &str) -> Package {
    workspace::packages().into_iter().find(|package| package.name == name).expect("the package is in the workspace")
}

#[test]
fn dependencies_point_downwards() {
    let packages = workspace::packages();
    assert!(packages.len() > 10, "Cargo lists the whole workspace");
    assert_eq!(layers::faults(&packages), Vec::<String>::new());
}

#[test]
fn a_connector_author_depends_on_little() {
    let connect = package("firesteel-connect");
    let ours = ["firesteel-budget", "firesteel-error", "firesteel-window"];
    assert_eq!(connect.names(Kind::Normal), [&ours[..], &["serde", "simdutf8", "thiserror", "tracing"]].concat());
    assert_eq!(connect.names(Kind::Build), Vec::<&str>::new());
}

#[test]
fn a_library_crate_has_no_build_script_dependencies() {
    for package in workspace::packages() {
        assert_eq!(package.names(Kind::Build), Vec::<&str>::new(), "{}", package.name);
    }
}

#[test]
fn the_engine_has_no_async_runtime() {
    for name in ["firesteel-core", "firesteel-scheduler", "firesteel-streaming"] {
        let built = resolved::built(&["--all-features", "--edges", "normal,build", "--package", name]);
        assert!(built.len() > 5, "Cargo lists what {name} is built from");
        assert_eq!(resolved::async_runtimes(&built), Vec::<String>::new());
    }
}

/// The member that is C++ inside.
const NATIVE: &str = "firesteel-state-rocksdb";
/// What the feature `parquet-zstd` brings, which is C.
const ZSTD: &str = "zstd";
/// What the feature `schema-registry-tls` brings: cryptography, in C and assembler.
const TLS: &str = "ring";

#[test]
fn default_members_need_no_c_compiler() {
    let built = resolved::built(&["--edges", "normal,build,dev"]);
    assert!(built.iter().any(|package| package.name == "firesteel-examples"), "the default members are chosen");
    assert_eq!(resolved::native(&built), Vec::<String>::new());
}

#[test]
fn only_the_features_rocksdb_parquet_zstd_and_schema_registry_tls_ask_for_a_c_compiler() {
    let built = resolved::built(&["--all-features", "--edges", "normal,build,dev"]);
    let native = resolved::native(&built);
    assert!(!native.is_empty(), "the feature is on");
    for path in native {
        assert!(path.split(" > ").any(|name| [NATIVE, ZSTD, TLS].contains(&name)), "{path}");
    }
}

#[test]
fn all_libraries_but_the_one_with_c_are_default_members() {
    let built = resolved::built(&["--edges", "normal"]);
    let is_member = |name: &str| built.iter().any(|package| package.path == [name]);
    for package in
        workspace::packages().iter().filter(|package| package.folder.starts_with(workspace::root().join("crates")))
    {
        assert_eq!(is_member(&package.name), package.name != NATIVE, "{} in default-members", package.name);
    }
}

#[test]
fn the_facade_names_what_it_hands_on_and_holds_no_logic() {
    let folder = package("firesteel").folder.join("src");
    let mut names = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let text = std::fs::read_to_string(&path).expect("sources are text");
        for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
            assert!(!line.contains('*'), "{}: {line}", path.display());
            for word in ["fn ", "struct ", "enum ", "impl ", "macro_rules"] {
                assert!(!line.contains(word), "{}: {line}", path.display());
            }
            names += line.matches(',').count();
        }
    }
    assert!(names > 100, "only {names} names");
    // What only those need who run jobs, or write operators or connectors.
    let root = std::fs::read_to_string(folder.join("lib.rs")).expect("sources are text");
    let words: Vec<&str> =
        root.lines().filter(|line| !line.starts_with("//")).flat_map(|line| line.split([' ', ','])).collect();
    for plumbing in
        ["Lineage", "JobRunner", "Work", "Node", "Step", "Blocks", "TaskContext", "Source", "SourceReader", "Sink"]
    {
        assert!(!words.contains(&plumbing), "{plumbing} is no name for the root");
    }
}
