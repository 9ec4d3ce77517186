//! The first program of the README: it stands there as it is here, and prints what stands below it.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::fs;
use std::process::Command;

/// The blocks of code in a document, each with what is said of its language.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            blocks.push((language, block));
        }
    }
    blocks
}

#[test]
fn the_readme_tells_what_the_first_program_is_and_prints() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let readme = fs::read_to_string(format!("{root}/README.md")).unwrap();
    let blocks = blocks(&readme);
    let first = blocks.iter().position(|(language, _)| *language == "rust,no_run").unwrap();

    let source = fs::read_to_string(format!("{root}/examples/first_program.rs")).unwrap();
    let (_, program) = source.split_once("\n\n").unwrap();
    assert_eq!(blocks[first].1, program, "examples/first_program.rs is another program");

    let output = Command::new(env!("CARGO_BIN_EXE_first-program")).current_dir(root).output().unwrap();
    assert!(output.status.success());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (language, expected) = &blocks[first + 1];
    assert_eq!((*language, &text(output.stdout)), ("text", expected), "it prints something else");
    let (err, (_, told)) = (text(output.stderr), &blocks[first + 2]);
    assert!(err.contains(told.as_str()), "{told}is not part of\n{err}");
}
