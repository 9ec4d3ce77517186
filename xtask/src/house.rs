//! The rules of the house: what neither the compiler nor clippy looks at.
//!
//! - A source file begins with `//!`: what it is for. Only `tests.rs` says it by its name.
//! - It has at most [`MOST_LINES`] lines of code, comments and blank lines not counted, unless a line `// Long file: …`
//!   says why it is one thing all the same.
//! - Nothing is left for later: no such marks, no macros that stand for missing code.
//! - A test that is ignored says why.
//! - The parts of a crate know each other one way.
//! - Texts and names, those of Markdown and of manifests among them, are free of the words that `docs/glossary.md` lists
//!   as not used.
//!
//! Programs that a test expects to be refused by the compiler (in a folder `compile_fail`) only have to be short.

mod circles;
mod rules;
mod words;

use std::fs;

use crate::steps::Outcome;
use crate::workspace;

/// The most lines of code that a file may have.
pub(crate) const MOST_LINES: usize = 450;

/// Checks all texts of the workspace and prints what breaks a rule.
pub(crate) fn check() -> Outcome {
    let words = match fs::read_to_string(workspace::root().join("docs/glossary.md")) {
        Ok(glossary) => words::Words::of_glossary(&glossary),
        Err(error) => Err(error.to_string()),
    };
    let words = match words {
        Ok(words) => words,
        Err(why) => return Outcome::Failed(format!("docs/glossary.md: {why}")),
    };
    let files = match workspace::texts() {
        Ok(files) => files,
        Err(error) => return Outcome::Failed(format!("the files cannot be listed: {error}")),
    };
    let (mut broken, mut crates) = (0_usize, circles::Crates::default());
    for file in &files {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return Outcome::Failed(format!("{} cannot be read: {error}", file.display())),
        };
        let path = file.strip_prefix(workspace::root()).unwrap_or(file);
        let mut faults = words.faults(&text);
        if path.extension().is_some_and(|extension| extension == "rs") {
            faults.extend(rules::faults(path, &text));
            crates.add(path, &text);
        }
        for fault in faults {
            eprintln!("{}:{}: {}", path.display(), fault.line, fault.what);
            broken += 1;
        }
    }
    for circle in crates.circles() {
        eprintln!("{circle}");
        broken += 1;
    }
    if broken == 0 {
        Outcome::Passed(format!("{} files", files.len()))
    } else {
        Outcome::Failed(format!("broken {broken} times"))
    }
}
