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
    assert_eq!(connect.names(Kind::Normal), ["firesteel-window", "serde", "thiserror", "tracing"]);
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
        let built = resolved::built(&["--edges", "normal,build", "--package", name]);
        assert!(built.len() > 5, "Cargo lists what {name} is built from");
        assert_eq!(resolved::async_runtimes(&built), Vec::<String>::new());
    }
}

#[test]
fn default_members_need_no_c_compiler() {
    let built = resolved::built(&["--edges", "normal,build,dev"]);
    assert!(built.iter().any(|package| package.name == "firesteel-examples"), "the default members are chosen");
    assert_eq!(resolved::native(&built), Vec::<String>::new());
}
