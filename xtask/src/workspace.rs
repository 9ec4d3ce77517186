//! Where the workspace lies and what belongs to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in a folder of the workspace")
}

/// Where Cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) if !folder.is_empty() => root().join(folder),
        _ => root().join("target"),
    }
}

/// The names of the library crates, sorted: each is called as its folder is.
///
/// # Errors
/// When the folder `crates` cannot be read.
pub(crate) fn library_crates() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("crates"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What of the workspace is read by people: its Rust sources, Markdown, manifests, and the outputs that tests expect.
/// Sorted.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn texts() -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(root(), &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    const EXTENSIONS: [&str; 5] = ["md", "rs", "stderr", "toml", "txt"];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            // What Cargo builds and what is hidden is nobody's text.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with("target") && !name.starts_with('.') {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|one| extension == *one)) {
            files.push(path);
        }
    }
    Ok(())
}
