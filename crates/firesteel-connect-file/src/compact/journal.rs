//! What a compaction is about to do, for who comes after it if it ends in the middle.
//!
//! `_committed/.compaction` is a text: `firesteel compaction 1`, `marked` if the folder had its mark `_SUCCESS`, then the paths of the files that change, old and new, below the folder of
//! the results, then `end` and their number. Of these files, those that no manifest lists are to be removed: before the new manifest is there these are the
//! new ones, afterwards the old ones.

use std::collections::HashSet;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use firesteel_connect::{ConnectError, Result};
use firesteel_disk::{Disk, write_whole};
use firesteel_results::PartName;

use crate::manifest;
use crate::path::file_error;

const HEADER: &str = "firesteel compaction 1\n";
const MARKED: &str = "marked\n";

fn path(manifests: &Path) -> PathBuf {
    manifests.join(".compaction")
}

/// Notes which files are to change, durably.
pub(super) fn write<'a>(
    disk: &dyn Disk,
    manifests: &Path,
    is_marked: bool,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<()> {
    let count = names.clone().count();
    let lines: String = names.flat_map(|name| [name, "\n"]).collect();
    let mark = if is_marked { MARKED } else { "" };
    write_whole(disk, &path(manifests), format!("{HEADER}{mark}{lines}end {count}\n").as_bytes()).map_err(file_error)
}

/// Finishes or undoes what was begun, if anything was. If the folder had its mark before that, `mark` puts it back.
pub(super) fn settle(
    disk: &dyn Disk,
    results: &Path,
    manifests: &Path,
    mark: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let journal = path(manifests);
    if !disk.exists(&journal).map_err(file_error)? {
        return Ok(());
    }
    let bytes = disk.read(&journal).map_err(file_error)?;
    let (is_marked, names) = parse(&bytes).ok_or_else(|| {
        let reason =
            "it is damaged; remove it, and those files named like part-…to… that no manifest in its folder lists";
        ConnectError::File {
            action: "understand",
            path: journal.clone(),
            source: Error::new(ErrorKind::InvalidData, reason),
        }
    })?;
    // A manifest that has got its name may not be durable yet, and what it does not list is about to be removed.
    manifest::sync(disk, manifests)?;
    let mut listed: HashSet<String> = HashSet::new();
    for covered in manifest::current(disk, manifests)? {
        listed.extend(manifest::read(disk, manifests, covered)?.entries.into_iter().map(|entry| entry.name));
    }
    remove_unlisted(disk, results, &names, |name| listed.contains(name))?;
    if is_marked {
        mark()?;
    }
    clear(disk, manifests)
}

/// Removes those of the files that are not listed, durably.
pub(super) fn remove_unlisted(
    disk: &dyn Disk,
    results: &Path,
    names: &[&str],
    is_listed: impl Fn(&str) -> bool,
) -> Result<()> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for name in names.iter().filter(|name| !is_listed(name)) {
        let path = results.join(name);
        disk.remove(&path).map_err(file_error)?;
        folders.extend(
            path.parent().filter(|folder| folders.last().is_none_or(|last| last != folder)).map(Path::to_owned),
        );
    }
    folders.sort();
    folders.dedup();
    folders.iter().try_for_each(|folder| disk.sync_folder(folder).map_err(file_error))
}

/// Notes that all is done.
pub(super) fn clear(disk: &dyn Disk, manifests: &Path) -> Result<()> {
    disk.remove(&path(manifests)).map_err(file_error)?;
    disk.sync_folder(manifests).map_err(file_error)
}

/// The names, which have to be those of parts, and to lead nowhere else.
fn parse(bytes: &[u8]) -> Option<(bool, Vec<&str>)> {
    let body = std::str::from_utf8(bytes).ok()?.strip_prefix(HEADER)?;
    let (is_marked, body) = body.strip_prefix(MARKED).map_or((false, body), |body| (true, body));
    let (body, count) = body.strip_suffix('\n')?.rsplit_once("end ")?;
    let names: Vec<&str> = body.lines().collect();
    let is_whole =
        names.len() == count.parse::<usize>().ok()? && names.iter().all(|name| PartName::is_below_results(name));
    is_whole.then_some((is_marked, names))
}
