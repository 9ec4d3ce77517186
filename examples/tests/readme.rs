//! The commands of the examples' README: they print what stands below them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// The blocks of code of a document, each with its language.
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

fn program(name: &str) -> &'static str {
    match name {
        "clicks-complete" => env!("CARGO_BIN_EXE_clicks-complete"),
        "dns-watch" => env!("CARGO_BIN_EXE_dns-watch"),
        "order-payments" => env!("CARGO_BIN_EXE_order-payments"),
        "road-speed" => env!("CARGO_BIN_EXE_road-speed"),
        "sessions" => env!("CARGO_BIN_EXE_sessions"),
        "trending-hashtags" => env!("CARGO_BIN_EXE_trending-hashtags"),
        other => panic!("{other} is not known here"),
    }
}

/// All that a program has written into the folder, in the order of the files.
fn written(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return String::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let text =
        |path: &std::path::PathBuf| if path.is_dir() { written(path) } else { fs::read_to_string(path).unwrap() };
    paths.iter().map(text).collect()
}

#[test]
fn each_command_gives_what_stands_below_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut given: Option<(String, String)> = None;
    let mut compared = 0;
    for (language, block) in blocks(&readme) {
        match language {
            "sh" => {
                let Some((_, command)) = block.split_once("--bin ") else { continue };
                if command.starts_with("NAME") || command.contains("--socket") {
                    given = None;
                    continue;
                }
                let at = tempfile::tempdir().unwrap();
                // The data is where the document says, seen from the project's root.
                fs::create_dir(at.path().join("examples")).unwrap();
                let data = at.path().join("examples/data");
                fs::create_dir(&data).unwrap();
                fs::copy(folder.join("data/user-clicks.csv"), data.join("user-clicks.csv")).unwrap();
                let mut words = command.split_whitespace();
                let name = words.next().unwrap();
                let output = Command::new(program(name)).args(words.skip(1)).current_dir(&at).output().unwrap();
                assert!(output.status.success(), "{command}");
                given = Some((String::from_utf8(output.stdout).unwrap(), written(&at.path().join("out"))));
            }
            "text" | "json" => {
                let (printed, files) = given.as_ref().expect("a command stands above");
                let found = if language == "text" { printed } else { files };
                assert!(found.contains(&block), "{block}is not part of\n{found}");
                compared += 1;
            }
            _ => {}
        }
    }
    assert_eq!(compared, 8);
}
