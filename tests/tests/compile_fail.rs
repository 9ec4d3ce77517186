//! Programs that the compiler refuses, with messages that say the way out.
//!
//! Each file in `tests/compile_fail` is a program; its lines `//! expect:` are pieces of what the compiler must say. Not
//! the whole text is compared: that belongs to the compiler and changes with its version.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use firesteel_tests::workspace;
use serde_json::Value;

/// A program that must not compile.
struct Case {
    name: String,
    path: PathBuf,
    expected: Vec<String>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile_fail");
    let paths = fs::read_dir(&folder).expect("the folder is there").map(|entry| entry.expect("it can be read").path());
    let mut cases: Vec<Case> = paths
        .map(|path| {
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("the program can be read");
            let expected =
                text.lines().filter_map(|line| line.strip_prefix("//! expect: ")).map(str::to_owned).collect();
            Case { name, path, expected }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// Makes a package of all cases outside of the workspace, so that the workspace itself compiles.
fn package(cases: &[Case]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail");
    let firesteel = workspace::root().join("crates/firesteel");
    let mut manifest = format!(
        "[package]\nname = \"compile-fail\"\nversion = \"0.0.0\"\nedition = \"2024\"\nautobins = false\n\n\
         [workspace]\n\n[dependencies]\nfiresteel = {{ path = {:?} }}\n",
        firesteel.display().to_string()
    );
    for Case { name, path, .. } in cases {
        write!(manifest, "\n[[bin]]\nname = {name:?}\npath = {:?}\n", path.display().to_string())
            .expect("a string takes all");
    }
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    fs::write(folder.join("Cargo.toml"), manifest).expect("the manifest can be written");
    fs::copy(workspace::root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file can be copied");
    folder
}

/// What the compiler calls errors, by program.
fn errors(folder: &Path) -> BTreeMap<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(folder)
        .args(["check", "--bins", "--keep-going", "--quiet", "--message-format=json"])
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()
        .expect("Cargo runs this test");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut errors: BTreeMap<String, String> = BTreeMap::new();
    for message in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if message["message"]["level"] == "error"
            && let (Some(program), Some(said)) =
                (message["target"]["name"].as_str(), message["message"]["rendered"].as_str())
        {
            errors.entry(program.to_owned()).or_default().push_str(said);
        }
    }
    assert!(
        !errors.is_empty(),
        "Cargo did not get as far as the programs: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    errors
}

#[test]
fn what_is_refused_is_refused_with_the_way_out() {
    let cases = cases();
    assert!(cases.len() >= 6, "only {} programs", cases.len());
    let errors = errors(&package(&cases));
    for Case { name, expected, .. } in &cases {
        let said = errors.get(name).unwrap_or_else(|| panic!("{name} compiles"));
        assert!(!expected.is_empty(), "{name} expects nothing");
        for piece in expected {
            assert!(said.contains(piece.as_str()), "{name}: no {piece:?} in\n{said}");
        }
    }
}
