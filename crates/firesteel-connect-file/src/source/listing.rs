//! Which files are there.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use firesteel_connect::{ConnectError, Result};
use firesteel_disk::OsDisk;
use glob::MatchOptions;

use crate::manifest::{self, Covered};
use crate::path;

/// A file that is to be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) path: PathBuf,
    /// Its size, where a manifest says it.
    pub(crate) bytes: Option<u64>,
}

/// Lists files, folders and globs.
#[derive(Debug)]
pub(crate) struct Listing {
    paths: Vec<PathBuf>,
    follow: bool,
    /// What the manifests of folders of results say that were read so far; they never change.
    manifests: HashMap<PathBuf, BTreeMap<Covered, Vec<Listed>>>,
}

impl Listing {
    pub(crate) fn new(paths: Vec<PathBuf>, follow: bool) -> Self {
        Self { paths, follow, manifests: HashMap::new() }
    }

    /// The files that are there now: path after path as given, within each by name.
    pub(crate) fn look(&mut self) -> Result<Vec<Listed>> {
        let mut files = vec![];
        for path in self.paths.clone() {
            match std::fs::metadata(&path) {
                Ok(metadata) => self.add(&path, &metadata, &mut files)?,
                Err(error) if error.kind() == ErrorKind::NotFound && is_glob(&path) => {
                    self.matches(&path, &mut files)?
                }
                Err(error) => return Err(path::failed("find", &path)(error)),
            }
        }
        let mut seen = HashSet::new();
        files.retain(|file| seen.insert(file.path.clone()));
        Ok(files)
    }

    fn add(&mut self, path: &Path, metadata: &Metadata, files: &mut Vec<Listed>) -> Result<()> {
        if metadata.is_file() {
            files.push(Listed { path: path.to_owned(), bytes: None });
            Ok(())
        } else if !metadata.is_dir() {
            let reason = "it is neither a file nor a folder; a stream without positions needs a receiver";
            Err(path::failed("read", path)(io::Error::new(ErrorKind::InvalidInput, reason)))
        } else if manifest::folder_of(path).is_dir() {
            self.committed(path, files)
        } else {
            self.folder(path, files)
        }
    }

    fn folder(&self, folder: &Path, files: &mut Vec<Listed>) -> Result<()> {
        let mut paths = vec![];
        for entry in std::fs::read_dir(folder).map_err(path::failed("list", folder))? {
            let entry = entry.map_err(path::failed("list", folder))?;
            let path = entry.path();
            if is_ignored(&path) {
                continue;
            }
            let kind = entry.file_type().map_err(path::failed("find", &path))?;
            // Only of a link must it be asked what it points to.
            let is_file = if kind.is_symlink() {
                self.metadata(&path)?.is_some_and(|metadata| metadata.is_file())
            } else {
                kind.is_file()
            };
            if is_file {
                paths.push(path);
            }
        }
        paths.sort();
        files.extend(paths.into_iter().map(|path| Listed { path, bytes: None }));
        Ok(())
    }

    /// The files of the committed epochs, of all parts of the job that wrote them.
    fn committed(&mut self, results: &Path, files: &mut Vec<Listed>) -> Result<()> {
        let folder = manifest::folder_of(results);
        let mut folders = vec![folder.clone()];
        for entry in std::fs::read_dir(&folder).map_err(path::failed("list", &folder))? {
            let entry = entry.map_err(path::failed("list", &folder))?;
            if entry.file_type().map_err(path::failed("find", &entry.path()))?.is_dir() {
                folders.push(entry.path());
            }
        }
        folders.sort();
        for folder in folders {
            let known = self.manifests.entry(folder.clone()).or_default();
            update(results, &folder, known)?;
            let listed = known.values().flatten();
            files.extend(listed.map(|file| Listed { path: file.path.clone(), bytes: file.bytes }));
        }
        Ok(())
    }

    fn matches(&mut self, pattern: &Path, files: &mut Vec<Listed>) -> Result<()> {
        let unusable = |reason: String| ConnectError::Setting { connector: "TextFiles", setting: "path", reason };
        let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
        let matches = glob::glob_with(path::text(pattern)?, options)
            .map_err(|error| unusable(format!("the glob {} is not valid: {error}", pattern.display())))?;
        let before = files.len();
        for path in matches {
            let path = path.map_err(|error| {
                let path = error.path().to_owned();
                path::failed("list", &path)(error.into())
            })?;
            if let Some(metadata) = self.metadata(&path)?.filter(|_| !is_ignored(&path)) {
                self.add(&path, &metadata, files)?;
            }
        }
        if files.len() == before && !self.follow {
            return Err(unusable(format!("{} matches no file", pattern.display())));
        }
        Ok(())
    }

    /// `None` for a file that has been removed since it was listed, where files may come and go.
    fn metadata(&self, path: &Path) -> Result<Option<Metadata>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound && self.follow => Ok(None),
            Err(error) => Err(path::failed("find", path)(error)),
        }
    }
}

/// What the manifests of a folder say now. One that is merged into another one between the two looks is not missed: it is looked
/// once more.
fn update(results: &Path, folder: &Path, known: &mut BTreeMap<Covered, Vec<Listed>>) -> Result<()> {
    let mut attempts = 0;
    loop {
        let current = manifest::current(&OsDisk, folder)?;
        match read_new(results, folder, &current, known) {
            Err(ConnectError::File { source, .. }) if source.kind() == ErrorKind::NotFound && attempts < 10 => {
                attempts += 1;
            }
            read => {
                known.retain(|covered, _| current.binary_search(covered).is_ok());
                return read;
            }
        }
    }
}

/// Reads the manifests that are not known.
fn read_new(
    results: &Path,
    folder: &Path,
    current: &[Covered],
    known: &mut BTreeMap<Covered, Vec<Listed>>,
) -> Result<()> {
    for covered in current {
        if let Entry::Vacant(vacant) = known.entry(*covered) {
            let entries = manifest::read(&OsDisk, folder, *covered)?.entries.into_iter();
            let listed = entries.map(|entry| Listed { path: results.join(entry.name), bytes: Some(entry.bytes) });
            vacant.insert(listed.collect());
        }
    }
    Ok(())
}

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
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in absolute.ancestors() {
        if let Ok(found) = std::fs::canonicalize(ancestor) {
            let rest = absolute.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() { found } else { found.join(rest) };
        }
    }
    absolute
}

fn is_glob(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// Whether a name marks a hidden or a temporary file.
fn is_ignored(path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.as_encoded_bytes()) else { return true };
    let temporary = ["~", ".tmp", ".temp", ".part", ".partial", "._COPYING_"];
    name.starts_with(b".") || name.starts_with(b"_") || temporary.iter().any(|end| name.ends_with(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listing: &mut Listing) -> Vec<String> {
        let name = |file: Listed| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        listing.look().unwrap().into_iter().map(name).collect()
    }

    #[test]
    fn a_folder_holds_its_files_by_name_without_hidden_and_temporary_ones() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.log", "a.log", ".hidden", "_SUCCESS", "c.log.tmp", "d.log~", "e.part", "f._COPYING_", "part-1"]
        {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        assert_eq!(names(&mut Listing::new(vec![folder.path().into()], false)), ["a.log", "b.log", "part-1"]);
    }

    #[test]
    fn globs_files_and_folders_may_be_mixed_and_nothing_is_read_twice() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.log", "a.log", "c.txt", "_d.log"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let paths = vec![folder.path().join("b.log"), folder.path().join("*.log"), folder.path().into()];
        assert_eq!(names(&mut Listing::new(paths, false)), ["b.log", "a.log", "c.txt"]);
    }

    #[test]
    fn a_glob_without_a_match_is_an_error_unless_files_may_still_come() {
        let folder = tempfile::tempdir().unwrap();
        let pattern = folder.path().join("*.log");
        let error = Listing::new(vec![pattern.clone()], false).look().unwrap_err();
        assert!(error.to_string().contains("matches no file"), "{error}");
        assert_eq!(Listing::new(vec![pattern], true).look().unwrap(), []);
    }

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

    #[test]
    fn a_name_with_brackets_is_that_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a[1].log");
        std::fs::write(&path, "x").unwrap();
        assert_eq!(names(&mut Listing::new(vec![path], false)), ["a[1].log"]);
    }
}
