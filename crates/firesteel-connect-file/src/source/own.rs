//! Whether a source would read what a sink of the same job writes.

use std::path::{Path, PathBuf};

use glob::MatchOptions;

use super::listing::{is_glob, is_ignored};

/// Whether what is read would be this file, or have it in a folder; also where neither is there yet.
pub(crate) fn reaches(read: &Path, file: &Path) -> bool {
    let (read, file) = (resolved(read), resolved(file));
    let folder = file.parent().unwrap_or(&file);
    if is_ignored(&file) {
        return false;
    }
    let is_matched = |path: &Path| {
        let options =
            MatchOptions { require_literal_leading_dot: true, require_literal_separator: true, ..MatchOptions::new() };
        let pattern = read.to_str().and_then(|read| glob::Pattern::new(read).ok());
        pattern.is_some_and(|pattern| pattern.matches_path_with(path, options))
    };
    read == file || read == folder || (is_glob(&read) && (is_matched(&file) || is_matched(folder)))
}

/// The path from the root, without links, as far as it exists.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in absolute.ancestors() {
        if let Ok(found) = std::fs::canonicalize(ancestor) {
            let rest = absolute.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() { found } else { found.join(rest) };
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_writes_is_recognized_under_any_name_of_its_folder() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["logs", "logs/out", "other"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        let part = at("logs/out/part-0000000001-00000.txt");
        for read in ["logs/out", "logs/../logs/out", "logs/out/*", "logs/*", "**/*.txt", "logs/out/*.txt"] {
            assert!(reaches(&at(read), &part), "{read}");
        }
        for read in ["logs", "other", "logs/*.log", "logs/out/*.log", "*", "logs/out/part-2.txt"] {
            assert!(!reaches(&at(read), &part), "{read}");
        }
        // A folder that is made only when the job runs.
        assert!(reaches(&at("new"), &at("new/part-0000000001-00000.txt")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("logs/out"), at("link")).unwrap();
            assert!(reaches(&at("link"), &part) && reaches(&at("logs/out"), &at("link/part-1.txt")));
        }
    }
}
