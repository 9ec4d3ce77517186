//! What the names of files say of each other: the pieces of one log, and what was made of a file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What compressors add to a name.
pub(crate) const PACKED: [&str; 7] = [".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".lz4"];

fn name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or("")
}

/// The name without what a compressor has added.
pub(crate) fn unpacked(name: &str) -> &str {
    PACKED.iter().find_map(|end| name.strip_suffix(end)).filter(|name| !name.is_empty()).unwrap_or(name)
}

/// What the names of the pieces of one log have in common: the name without numbers, dates, and what a compressor adds. Those
/// of one folder belong together.
pub(crate) fn key(path: &Path) -> String {
    let name = unpacked(name(path));
    let mut key = path.parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
    key.push('\0');
    let mut chars = name.chars().peekable();
    while let Some(char) = chars.next() {
        let begins_number = "-._".contains(char) && chars.peek().is_some_and(char::is_ascii_digit);
        if !begins_number && !char.is_ascii_digit() {
            key.push(char);
        }
    }
    key
}

/// Whether `piece` is named as programs name what they put aside of `log`: `a.log.1`, `a.log-20240131.gz`, `a-20240131.log`.
pub(crate) fn is_piece_of(piece: &Path, log: &Path) -> bool {
    if piece == log || piece.parent() != log.parent() {
        return false;
    }
    let (piece, log) = (name(piece), name(log));
    let after = |whole: &str, beginning: &str| {
        whole.strip_prefix(beginning).is_some_and(|rest| rest.starts_with(['.', '-', '_', '~']))
    };
    if after(piece, log) {
        return true;
    }
    // The number stands before the extension.
    log.rsplit_once('.').is_some_and(|(stem, extension)| {
        let piece = unpacked(piece);
        !stem.is_empty() && piece.strip_suffix(extension).is_some_and(|piece| after(piece, stem)) && piece != log
    })
}

/// The log that a file named like `a.log.1` or `a.log.2.gz` was put aside of.
pub(crate) fn log_of(piece: &Path) -> Option<PathBuf> {
    let (log, number) = unpacked(name(piece)).rsplit_once('.')?;
    let is_number = !log.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| piece.with_file_name(log))
}

/// What a file may be a copy of, by its name: what it was compressed from, and the log that it was put aside of.
pub(crate) fn originals(copy: &Path) -> impl Iterator<Item = PathBuf> {
    let (packed, log) = (name(copy), log_of(copy));
    let unpacked = Some(unpacked(packed)).filter(|name| *name != packed).map(|name| copy.with_file_name(name));
    unpacked.into_iter().chain(log)
}

/// Whether `packed` is named as a compressor names what it makes of `file`.
pub(crate) fn is_packed_of(packed: &Path, file: &Path) -> bool {
    let name = name(packed);
    packed.parent() == file.parent() && unpacked(name) != name && file.file_name() == Some(OsStr::new(unpacked(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_log_have_their_names_in_common() {
        let same = |names: &[&str]| names.iter().all(|name| key(Path::new(name)) == key(Path::new(names[0])));
        assert!(same(&[
            "d/access.log",
            "d/access.log.1",
            "d/access.log.12.gz",
            "d/access-20240131.log",
            "d/access.log-2024-01-31"
        ]));
        assert!(same(&["10.log", "11.log", "2024-01-31.log", "9.log.zst"]));
        assert!(!same(&["a.log", "b.log"]) && !same(&["d/a.log", "e/a.log"]) && !same(&["access.log", "error.log"]));
    }

    #[test]
    fn what_was_put_aside_or_packed_is_named_after_the_file() {
        let piece = |piece: &str, log: &str| is_piece_of(Path::new(piece), Path::new(log));
        for name in ["a.log.1", "a.log-20240131", "a.log.1.gz", "a-20240131.log", "a-20240131.log.gz", "a.1.log"] {
            assert!(piece(name, "a.log"), "{name}");
        }
        assert!(!piece("a.log", "a.log") && !piece("ab.log", "a.log") && !piece("x/a.log.1", "a.log"));
        let packed = |packed: &str, file: &str| is_packed_of(Path::new(packed), Path::new(file));
        assert!(packed("d/a.log.1.gz", "d/a.log.1") && packed("a.zst", "a"));
        assert_eq!(log_of(Path::new("d/a.log.12.gz")), Some("d/a.log".into()));
        assert_eq!(log_of(Path::new("d/a.log")), None);
        let made_of: Vec<_> = originals(Path::new("d/a.log.1.gz")).collect();
        assert_eq!(made_of, [Path::new("d/a.log.1"), Path::new("d/a.log")]);
        assert_eq!(originals(Path::new("d/a.log")).count(), 0);
        assert!(!packed("a.gz", "a.gz") && !packed("a.log.2.gz", "a.log.1") && !packed("e/a.gz", "d/a"));
    }
}
