//! Which files are there.

mod results;

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use firesteel_connect::{ConnectError, Result};
use glob::MatchOptions;

use super::family;
use super::identity::Stamp;
use super::merged::{Merged, View};
use crate::manifest;
use crate::path;
use results::Results;

/// A file that is to be read.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) path: PathBuf,
    pub(crate) metadata: Metadata,
    stamp: Stamp,
    /// Its size, where a manifest says it.
    pub(crate) bytes: Option<u64>,
    /// Which files it stands for, where several were merged into it.
    pub(crate) merged: Option<Merged>,
    /// Where it stands in another file, which was made of it and others, and whose metadata these are.
    pub(crate) view: Option<View>,
    /// Where the file is, if the path is a symbolic link, or that of a log of which this is a piece.
    real: Option<PathBuf>,
    /// Whether the path is a symbolic link.
    is_link: bool,
    family: OnceCell<String>,
}

impl Listed {
    pub(crate) fn new(path: PathBuf, metadata: Metadata) -> Self {
        let stamp = Stamp::of(&metadata);
        let (real, is_link) = (None, false);
        Self { path, metadata, stamp, bytes: None, merged: None, view: None, real, is_link, family: OnceCell::new() }
    }

    /// A file that is a stretch of another one with this metadata.
    pub(crate) fn viewed(path: PathBuf, metadata: Metadata, view: View) -> Self {
        Self { view: Some(view), ..Self::new(path, metadata) }
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The same, under a path that is a symbolic link if `is_link`.
    fn linked(self, is_link: bool) -> Self {
        let real = if is_link { std::fs::canonicalize(&self.path).ok() } else { None };
        Self { is_link: real.is_some(), real, ..self }
    }

    /// The path, where it is a symbolic link.
    pub(crate) fn link(&self) -> Option<&Path> {
        self.is_link.then_some(&*self.path)
    }

    /// The same file, as a piece that was put aside of a log at this path.
    pub(crate) fn put_aside_of(&mut self, log: &Path) {
        self.real = Some(std::mem::replace(&mut self.path, log.to_owned()));
        self.is_link = false;
    }

    /// Where the file is.
    pub(crate) fn real(&self) -> &Path {
        self.real.as_deref().unwrap_or(&self.path)
    }

    /// Whether it may be written to by way of another name.
    pub(crate) fn has_other_names(&self) -> bool {
        #[cfg(unix)]
        return std::os::unix::fs::MetadataExt::nlink(&self.metadata) > 1;
        #[cfg(not(unix))]
        true
    }

    /// What its name has in common with those of the other pieces of its log.
    pub(crate) fn family(&self) -> &str {
        self.family.get_or_init(|| family::key(self.real()))
    }
}

/// What a look finds.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) files: Vec<Listed>,
    /// What cannot be looked at, and why.
    pub(crate) troubles: Vec<(PathBuf, ConnectError)>,
    /// Paths of which nothing is there yet.
    pub(crate) awaited: Vec<PathBuf>,
    /// Folders in which files may be.
    pub(crate) folders: Vec<PathBuf>,
}

/// Lists files, folders and globs.
#[derive(Debug)]
pub(crate) struct Listing {
    paths: Vec<PathBuf>,
    follow: bool,
    /// Whether what cannot be looked at is told and left out.
    is_patient: bool,
    /// An archive, which is not looked into.
    without: Option<PathBuf>,
    results: Results,
}

impl Listing {
    pub(crate) fn new(paths: Vec<PathBuf>, follow: bool, is_patient: bool) -> Self {
        Self { paths, follow, is_patient, without: None, results: Results::default() }
    }

    /// Leaves out what is in this folder.
    pub(crate) fn without(self, folder: Option<PathBuf>) -> Self {
        Self { without: folder, ..self }
    }

    /// The files that are there now: path after path as given, within each by name. A file with several names is there once,
    /// under one that is no symbolic link if there is one.
    pub(crate) fn look(&mut self) -> Result<Look> {
        let mut look = Look::default();
        for path in self.paths.clone() {
            match std::fs::metadata(&path) {
                Ok(metadata) => self.add(&path, metadata, &mut look)?,
                Err(error) if error.kind() == ErrorKind::NotFound && is_glob(&path) => {
                    self.matches(&path, &mut look)?;
                }
                Err(error) if error.kind() == ErrorKind::NotFound && self.follow => look.awaited.push(path),
                Err(error) => self.trouble(&path, path::failed("find", &path)(error), &mut look)?,
            }
        }
        self.results.leave_out_uncommitted(&self.paths, &mut look)?;
        if let Some(archive) = self.without.as_ref().and_then(|folder| std::fs::canonicalize(folder).ok()) {
            leave_out(&archive, &mut look);
        }
        let is_odd = |file: &Listed| file.real.is_some() || file.stamp.inode.is_none() || file.has_other_names();
        if self.paths.len() == 1 && look.folders.len() <= 1 && !look.files.iter().any(is_odd) {
            // Each can have come in one way only.
            return Ok(look);
        }
        let mut paths = HashSet::new();
        // Where the file system numbers files, equal paths have equal numbers.
        look.files.retain(|file| file.stamp().inode.is_some() || paths.insert(file.path.clone()));
        let mut first: HashMap<_, usize> = HashMap::new();
        let mut is_alias = vec![false; look.files.len()];
        for (index, file) in look.files.iter().enumerate() {
            let Some(inode) = file.stamp().inode else { continue };
            let other = first.entry(inode).or_insert(index);
            if *other != index {
                let alias = if look.files[*other].real.is_some() && file.real.is_none() {
                    std::mem::replace(other, index)
                } else {
                    index
                };
                is_alias[alias] = true;
            }
        }
        let mut is_alias = is_alias.into_iter();
        look.files.retain(|_| !is_alias.next().unwrap_or(false));
        Ok(look)
    }

    /// The files of results that were merged into others, as of the last look.
    pub(crate) fn merged(&self) -> HashSet<PathBuf> {
        self.results.merged()
    }

    /// Whether a path was given as it is.
    pub(crate) fn is_named(&self, path: &Path) -> bool {
        self.paths.iter().any(|named| named == path)
    }

    /// Notes what cannot be looked at; an error where that is none to be patient with.
    fn trouble(&self, path: &Path, error: ConnectError, look: &mut Look) -> Result<()> {
        if !self.is_patient || (self.is_named(path) && !self.follow) {
            return Err(error);
        }
        look.troubles.push((path.to_owned(), error));
        Ok(())
    }

    fn add(&mut self, path: &Path, metadata: Metadata, look: &mut Look) -> Result<()> {
        if metadata.is_file() {
            let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
            look.files.push(Listed::new(path.to_owned(), metadata).linked(is_link));
            Ok(())
        } else if !metadata.is_dir() {
            let reason =
                "it is neither a file nor a folder: a pipe is read with Stdin::pipe, standard input with Stdin::lines";
            let error = path::failed("read", path)(io::Error::new(ErrorKind::InvalidInput, reason));
            // What was asked for by name is not left out.
            if self.is_named(path) { Err(error) } else { self.trouble(path, error, look) }
        } else if manifest::folder_of(path).is_dir() {
            look.folders.push(path.to_owned());
            self.results.add(path, look)
        } else {
            self.folder(path, look)
        }
    }

    fn folder(&self, folder: &Path, look: &mut Look) -> Result<()> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound && self.follow => return Ok(()),
            Err(error) => return self.trouble(folder, path::failed("list", folder)(error), look),
        };
        look.folders.push(folder.to_owned());
        let mut files = vec![];
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.trouble(folder, path::failed("list", folder)(error), look),
            };
            let path = entry.path();
            if is_ignored(&path) {
                continue;
            }
            // Without following a link; only of a link must it be asked what it points to.
            let metadata = entry.metadata().map(|metadata| (metadata.is_symlink(), metadata));
            let metadata = match metadata {
                Ok((true, _)) => std::fs::metadata(&path).map(|metadata| (true, metadata)),
                metadata => metadata,
            };
            match metadata {
                Ok((is_link, metadata)) if metadata.is_file() => {
                    files.push(Listed::new(path, metadata).linked(is_link));
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound && self.follow => {}
                Err(error) => self.trouble(&path, path::failed("find", &path)(error), look)?,
            }
        }
        files.sort_unstable_by(|a, b| a.path.as_os_str().cmp(b.path.as_os_str()));
        look.files.extend(files);
        Ok(())
    }

    fn matches(&mut self, pattern: &Path, look: &mut Look) -> Result<()> {
        let unusable = |reason: String| ConnectError::Setting { connector: "TextFiles", setting: "path", reason };
        let text = path::text(pattern)?;
        let invalid = |error| unusable(format!("the glob {} is not valid: {error}", pattern.display()));
        let before = look.files.len();
        if text.contains("**") {
            let pattern = glob::Pattern::new(text).map_err(invalid)?;
            self.walk(&literal_folder(text), &pattern, look)?;
        } else {
            let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
            // Where a match may come to be: in each folder that the beginning of the pattern matches.
            for beginning in pattern.ancestors().skip(1).take_while(|beginning| is_glob(beginning)) {
                let folders = beginning.to_str().and_then(|beginning| glob::glob_with(beginning, options).ok());
                look.folders.extend(folders.into_iter().flatten().flatten().filter(|path| path.is_dir()));
            }
            look.folders.push(Some(literal_folder(text)).filter(|f| !f.as_os_str().is_empty()).unwrap_or(".".into()));
            for path in glob::glob_with(text, options).map_err(invalid)? {
                match path {
                    Ok(path) => self.matched(&path, look)?,
                    Err(error) => {
                        let path = error.path().to_owned();
                        self.trouble(&path, path::failed("list", &path)(error.into()), look)?;
                    }
                }
            }
        }
        if look.files.len() == before && !self.follow {
            return Err(unusable(format!("{} matches no file", pattern.display())));
        }
        Ok(())
    }

    /// What matches in a folder and those in it. Links to folders are not followed: they may lead in a circle.
    fn walk(&mut self, folder: &Path, pattern: &glob::Pattern, look: &mut Look) -> Result<()> {
        let options =
            MatchOptions { require_literal_leading_dot: true, require_literal_separator: true, ..MatchOptions::new() };
        let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = match std::fs::read_dir(named) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return self.trouble(folder, path::failed("list", folder)(error), look),
        };
        look.folders.push(named.to_owned());
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = folder.join(entry.file_name());
            let Ok(kind) = entry.file_type() else { continue };
            if pattern.matches_path_with(&path, options) {
                self.matched(&path, look)?;
            }
            if kind.is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.walk(&path, pattern, look)?;
            }
        }
        Ok(())
    }

    fn matched(&mut self, path: &Path, look: &mut Look) -> Result<()> {
        if is_ignored(path) {
            return Ok(());
        }
        match std::fs::metadata(path) {
            Ok(metadata) => self.add(path, metadata, look),
            Err(error) if error.kind() == ErrorKind::NotFound && self.follow => Ok(()),
            Err(error) => self.trouble(path, path::failed("find", path)(error), look),
        }
    }
}

/// Leaves out what is in a folder, or in one of its folders.
fn leave_out(archive: &Path, look: &mut Look) {
    let mut known: HashMap<PathBuf, bool> = HashMap::new();
    let mut is_within = |folder: &Path| {
        if let Some(is_within) = known.get(folder) {
            return *is_within;
        }
        let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let is_within = std::fs::canonicalize(named).is_ok_and(|folder| folder.starts_with(archive));
        known.insert(folder.to_owned(), is_within);
        is_within
    };
    look.files.retain(|file| !file.path.parent().is_some_and(&mut is_within));
    look.folders.retain(|folder| !is_within(folder));
}

/// The folder that a glob begins with, up to the first sign that stands for something else.
pub(crate) fn literal_folder(pattern: &str) -> PathBuf {
    let end = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    pattern[..end].rfind('/').map_or_else(PathBuf::new, |at| PathBuf::from(&pattern[..=at]))
}

pub(crate) fn is_glob(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// Whether a name marks a hidden or a temporary file.
pub(crate) fn is_ignored(path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.as_encoded_bytes()) else { return true };
    let temporary = ["~", ".tmp", ".temp", ".part", ".partial", "._COPYING_"];
    name.starts_with(b".") || name.starts_with(b"_") || temporary.iter().any(|end| name.ends_with(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listing: &mut Listing) -> Vec<String> {
        let name = |file: Listed| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        listing.look().unwrap().files.into_iter().map(name).collect()
    }

    #[test]
    fn a_folder_holds_its_files_by_name_without_hidden_and_temporary_ones() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.log", "a.log", ".hidden", "_SUCCESS", "c.log.tmp", "d.log~", "e.part", "f._COPYING_", "part-1"]
        {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        assert_eq!(names(&mut Listing::new(vec![folder.path().into()], false, false)), ["a.log", "b.log", "part-1"]);
    }

    #[test]
    fn globs_files_and_folders_may_be_mixed_and_nothing_is_read_twice() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.log", "a.log", "c.txt", "_d.log"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let paths = vec![folder.path().join("b.log"), folder.path().join("*.log"), folder.path().into()];
        assert_eq!(names(&mut Listing::new(paths, false, false)), ["b.log", "a.log", "c.txt"]);
    }

    #[test]
    fn a_glob_without_a_match_is_an_error_unless_files_may_still_come() {
        let folder = tempfile::tempdir().unwrap();
        let pattern = folder.path().join("*.log");
        let error = Listing::new(vec![pattern.clone()], false, false).look().unwrap_err();
        assert!(error.to_string().contains("matches no file"), "{error}");
        assert!(Listing::new(vec![pattern], true, true).look().unwrap().files.is_empty());
    }

    #[test]
    fn a_name_with_brackets_is_that_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a[1].log");
        std::fs::write(&path, "x").unwrap();
        assert_eq!(names(&mut Listing::new(vec![path], false, false)), ["a[1].log"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_in_circles_end_and_each_file_is_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("sub/deep")).unwrap();
        std::fs::write(at("sub/b.log"), "x").unwrap();
        std::fs::write(at("a.log"), "x").unwrap();
        for link in ["sub/up", "sub/up2", "sub/deep/root"] {
            std::os::unix::fs::symlink(folder.path(), at(link)).unwrap();
        }
        std::os::unix::fs::symlink(at("sub/b.log"), at("0.log")).unwrap();
        std::fs::hard_link(at("a.log"), at("z.log")).unwrap();
        let listed = |pattern: &str| names(&mut Listing::new(vec![at(pattern)], true, true));
        assert_eq!(listed("**/*.log"), ["a.log", "b.log"]);
        assert_eq!(listed("*.log"), ["0.log", "a.log"]);
        assert_eq!(listed(""), ["0.log", "a.log"]);
        assert_eq!(listed("su?/**/*.log"), ["b.log"]);
        assert_eq!(listed("*/*.log"), ["b.log"]);
    }
}
