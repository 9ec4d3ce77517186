//! What the documents say about the workspace is there: files, tests, crates, invariants.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use firesteel_tests::documents::{invariants, links, tests_named};
use firesteel_tests::workspace;

/// All files below a folder with this extension, sorted.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of types in what a file exports.
fn exported(text: &str) -> BTreeSet<&str> {
    let statements = text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let words = statements.flat_map(|statement| statement.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.filter(|word| word.starts_with(char::is_uppercase)).collect()
}

#[test]
fn whatever_streams_need_is_reachable_from_the_facade() {
    let crates = workspace::root().join("crates");
    let streaming = read(&crates.join("firesteel-streaming/src/lib.rs"));
    let facade = files(&crates.join("firesteel/src"), "rs").iter().map(|path| read(path)).collect::<Vec<_>>().concat();
    let (all, reachable) = (exported(&streaming), exported(&facade));
    assert!(all.len() > 40, "{all:?}");
    let missing: Vec<_> = all.difference(&reachable).collect();
    assert!(missing.is_empty(), "the facade does not re-export {missing:?}");
}

/// The documents: those at the root and those in `docs`.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md"].iter().map(|name| workspace::root().join(name)).collect();
    found.extend(files(&workspace::root().join("docs"), "md"));
    assert!(found.len() > 5, "{found:?}");
    found
}

/// All Rust sources of the members.
fn sources() -> Vec<PathBuf> {
    let found: Vec<PathBuf> = workspace::packages().iter().flat_map(|package| files(&package.folder, "rs")).collect();
    assert!(found.len() > 100, "only {} sources", found.len());
    found
}

#[test]
fn links_lead_to_files() {
    for document in documents() {
        let folder = document.parent().expect("a document lies in a folder");
        for link in links(&read(&document)) {
            assert!(folder.join(&link).exists(), "{}: {link} does not exist", document.display());
        }
    }
}

#[test]
fn tests_that_documents_name_exist() {
    let mut named = 0;
    for document in documents() {
        for test in tests_named(&read(&document)) {
            let text = read(&workspace::root().join(&test.file));
            let there = text.contains(&format!("fn {}(", test.name));
            assert!(there, "{}: {} has no test {}", document.display(), test.file, test.name);
            named += 1;
        }
    }
    assert!(named > 20, "only {named} tests are named");
}

#[test]
fn each_invariant_has_its_number_and_a_test() {
    let text = read(&workspace::root().join("docs/invariants.md"));
    let sections: Vec<&str> = text.split("\n## ").skip(1).collect();
    assert!(sections.len() > 10, "only {} invariants", sections.len());
    for (section, expected) in sections.iter().zip(1..) {
        assert_eq!(invariants(section).first(), Some(&expected), "{section}");
        assert!(!tests_named(section).is_empty(), "INV-{expected} names no test");
    }
}

#[test]
fn invariants_that_are_cited_exist() {
    let known: BTreeSet<u32> = invariants(&read(&workspace::root().join("docs/invariants.md"))).into_iter().collect();
    // This package speaks of made-up ones.
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in sources().into_iter().filter(|file| !file.starts_with(own)).chain(documents()) {
        for number in invariants(&read(&file)) {
            assert!(known.contains(&number), "{}: there is no INV-{number}", file.display());
        }
    }
}

#[test]
fn the_maps_show_every_crate() {
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = read(&workspace::root().join(document));
        for package in workspace::packages() {
            let folder = package.folder.strip_prefix(workspace::root()).expect("a member lies in the workspace");
            let name = folder.file_name().expect("a member has a folder").to_string_lossy();
            assert!(text.contains(&format!("`{name}`")), "{document} does not show {name}");
        }
    }
}

#[test]
fn a_decision_says_how_it_is_confirmed_and_on_what_it_rests() {
    let decisions = files(&workspace::root().join("docs/adr"), "md");
    assert!(decisions.len() > 5, "{decisions:?}");
    for (decision, number) in decisions.iter().zip(1..) {
        let name = decision.file_name().expect("a file has a name").to_string_lossy();
        assert!(name.starts_with(&format!("{number:04}-")), "{name} is not the {number}th");
        let text = read(decision);
        for part in ["## Decision", "## Confirmation", "## Evidence"] {
            assert!(text.contains(part), "{name} has no part {part:?}");
        }
        assert!(!tests_named(&text).is_empty(), "{name} names no test");
    }
}

#[test]
fn members_share_lints_and_license() {
    for package in workspace::packages() {
        let manifest = read(&package.folder.join("Cargo.toml"));
        for line in ["license.workspace = true", "rust-version.workspace = true", "[lints]\nworkspace = true"] {
            assert!(manifest.contains(line), "{}: no {line:?}", package.name);
        }
    }
}

#[test]
fn what_the_workspace_offers_is_used() {
    let workspace_manifest = read(&workspace::root().join("Cargo.toml"));
    let offered: Vec<&str> = workspace_manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
        .collect();
    assert!(offered.len() > 20, "{offered:?}");
    let packages = workspace::packages();
    let used: BTreeSet<&str> =
        packages.iter().flat_map(|package| &package.dependencies).map(|dependency| dependency.name.as_str()).collect();
    let unused: Vec<&str> = offered.into_iter().filter(|name| !used.contains(name)).collect();
    assert_eq!(unused, Vec::<&str>::new(), "nobody uses these workspace dependencies");
}
