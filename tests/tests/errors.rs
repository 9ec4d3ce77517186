//! Every public error has a code and a class, and the documentation knows them all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use firesteel_tests::documents::error_codes;
use firesteel_tests::errors::{Code, code_itself, codes, public_errors};
use firesteel_tests::workspace;

/// The sources of all crates below `crates`, without their tests.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let crates = workspace::root().join("crates");
    let mut ahead: Vec<PathBuf> = workspace::packages()
        .into_iter()
        .map(|package| package.folder.join("src"))
        .filter(|path| path.starts_with(&crates))
        .collect();
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("sources are text");
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 100, "only {} sources", found.len());
    found.retain(|(path, _)| !path.ends_with("tests.rs"));
    found
}

#[test]
fn every_code_is_documented_and_belongs_to_one_error() {
    let given: Vec<Code> = sources().iter().flat_map(|(_, text)| codes(text)).collect();
    let mut owners = BTreeMap::new();
    for Code { name, code } in &given {
        if let Some(other) = owners.insert(code.clone(), name.clone()) {
            panic!("{code} is that of {other} and of {name}");
        }
    }
    assert!(owners.len() > 40, "only {} codes", owners.len());

    let document = std::fs::read_to_string(workspace::root().join("docs/errors.md")).expect("there is such a document");
    let mut documented = BTreeMap::new();
    let classes =
        ["Retryable", "Record", "Program", "Fatal", "Unknown", "Fenced", "Closed"].map(|class| format!("`{class}`"));
    let classes: Vec<&str> = classes.iter().map(String::as_str).chain(["of its cause", "by what", "as the"]).collect();
    for line in document.lines().filter(|line| line.starts_with("| `FS-")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [code, name, class, way_out] = cells[..] else { panic!("not four columns: {line}") };
        assert!(classes.iter().any(|known| class.starts_with(known)), "{line}");
        assert!(!way_out.is_empty(), "{line}");
        let again = documented.insert(code.trim_matches('`').to_owned(), name.trim_matches('`').to_owned());
        assert_eq!(again, None, "{line}");
    }
    assert_eq!(documented, owners);
}

#[test]
fn every_public_error_has_codes_and_a_class() {
    let mut seen = 0;
    for (path, text) in sources() {
        let coded: BTreeSet<String> =
            codes(&text).iter().map(|code| code.name.split(':').next().unwrap_or_default().to_owned()).collect();
        for name in public_errors(&text) {
            assert!(coded.contains(&name), "{}: {name} has no codes: give it some with codes!", path.display());
            let starts = [format!("\nimpl {name} {{\n"), format!("\nimpl<T> {name}<T> {{\n")];
            let own = starts.iter().flat_map(|start| text.split(start).skip(1));
            let own = own.filter_map(|text| text.split("\n}\n").next());
            let classes = own.filter(|text| text.contains("pub fn class(&self) -> Class {")).count();
            assert_eq!(classes, 1, "{}: {name} has no class", path.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} errors");
}

#[test]
fn a_message_begins_with_its_code() {
    for (path, text) in sources() {
        let given = codes(&text);
        let code = code_itself(&text);
        for Code { name, code: known } in &given {
            let by_itself = code.contains(&format!("\"{known}: ")) || code.contains("write!(f, \"{}: \", self.code())");
            assert!(by_itself, "{}: no message of {name} begins with {known}", path.display());
        }
        // Nobody invents one in passing.
        let known: BTreeSet<&str> = given.iter().map(|code| &*code.code).collect();
        for told in code.lines().filter(|line| line.contains("error(") || line.contains("\"FS-")).flat_map(error_codes)
        {
            assert!(known.contains(told) || !code.contains(&format!("\"{told}: ")), "{}: {told}", path.display());
        }
    }
}
