//! Files that a sink has committed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{ConnectError, Result};
use firesteel_disk::OsDisk;
use firesteel_results::{Covered, Part};

use super::{Listed, Look, Stamp};
use crate::manifest;
use crate::path;
use crate::source::merged::Merged;

/// How often a look is repeated while files are merged.
const ATTEMPTS: usize = 10;

/// A file that is committed.
#[derive(Debug, Clone)]
struct Committed {
    path: PathBuf,
    bytes: u64,
    /// Which files it stands for, where several were merged into it.
    merged: Option<Merged>,
}

/// The files of each manifest, and what the file system said of it when it was read.
type Manifests = BTreeMap<Covered, (Stamp, Vec<Committed>)>;

/// What the manifests of folders of results say that were read so far. A manifest never changes, but other results may take the place of
/// a folder, with manifests of the same names.
#[derive(Debug, Default)]
pub(super) struct Results {
    known: HashMap<PathBuf, Manifests>,
}

impl Results {
    /// The files of the committed epochs, of all parts of the job that wrote them.
    pub(super) fn add(&mut self, results: &Path, look: &mut Look) -> Result<()> {
        let mut attempts = 0;
        'look: loop {
            let committed = self.committed(results, look)?;
            let mut listed = Vec::with_capacity(committed.len());
            for Committed { path, bytes, merged } in committed {
                match std::fs::metadata(&path) {
                    Ok(metadata) => {
                        listed.push(Listed { bytes: Some(bytes), merged, ..Listed::new(path, metadata) });
                    }
                    // It may have been merged, and removed, since the manifests were read.
                    Err(error) if error.kind() == ErrorKind::NotFound && attempts < ATTEMPTS => {
                        attempts += 1;
                        continue 'look;
                    }
                    Err(error) => return Err(path::failed("read", &path)(error)),
                }
            }
            look.files.append(&mut listed);
            return Ok(());
        }
    }

    /// The files that were merged into others, by the manifests that were read last.
    pub(super) fn merged(&self) -> HashSet<PathBuf> {
        let committed = self.known.values().flat_map(BTreeMap::values).flat_map(|(_, files)| files);
        let parts = committed.filter_map(|file| file.merged.as_ref()).flat_map(Merged::paths);
        parts.collect()
    }

    /// Leaves out files of results that were found in another way than by their manifests and are not committed. What is named itself
    /// stays.
    pub(super) fn leave_out_uncommitted(&mut self, named: &[PathBuf], look: &mut Look) -> Result<()> {
        let mut found: HashMap<PathBuf, Option<HashMap<PathBuf, Committed>>> = HashMap::new();
        let mut folders: HashMap<PathBuf, PathBuf> = HashMap::new();
        let mut kept = Vec::with_capacity(look.files.len());
        for mut file in std::mem::take(&mut look.files) {
            if !manifest::is_part(&file.path) || file.bytes.is_some() || named.contains(&file.path) {
                kept.push(file);
                continue;
            }
            let parent = file.path.parent().unwrap_or(Path::new(""));
            if !folders.contains_key(parent) {
                folders.insert(parent.to_owned(), manifest::results_of(&file.path).to_owned());
            }
            let Some(results) = folders.get(parent) else { continue };
            if !found.contains_key(results) {
                let is_ours = manifest::folder_of(results).is_dir();
                let committed = if is_ours { self.committed(results, look)? } else { vec![] };
                let by_path = committed.into_iter().map(|file| (file.path.clone(), file)).collect();
                found.insert(results.clone(), is_ours.then_some(by_path));
            }
            match found.get(results).and_then(Option::as_ref) {
                None => kept.push(file),
                Some(committed) => {
                    if let Some(Committed { bytes, merged, .. }) = committed.get(&file.path) {
                        (file.bytes, file.merged) = (Some(*bytes), merged.clone());
                        kept.push(file);
                    }
                }
            }
        }
        look.files = kept;
        Ok(())
    }

    /// The files that are committed.
    fn committed(&mut self, results: &Path, look: &mut Look) -> Result<Vec<Committed>> {
        let folder = manifest::folder_of(results);
        let mut folders = vec![folder.clone()];
        for entry in std::fs::read_dir(&folder).map_err(path::failed("list", &folder))? {
            let entry = entry.map_err(path::failed("list", &folder))?;
            if entry.file_type().map_err(path::failed("find", &entry.path()))?.is_dir() {
                folders.push(entry.path());
            }
        }
        folders.sort();
        look.folders.extend_from_slice(&folders);
        let mut files = Vec::new();
        for folder in folders {
            let known = self.known.entry(folder.clone()).or_default();
            update(results, &folder, known)?;
            files.extend(known.values().flat_map(|(_, files)| files).cloned());
        }
        Ok(files)
    }
}

/// What the manifests of a folder say now. One that is merged into another one between the two looks is not missed: it is looked
/// once more.
fn update(results: &Path, folder: &Path, known: &mut Manifests) -> Result<()> {
    let mut attempts = 0;
    loop {
        let current = manifest::current(&OsDisk, folder)?;
        match read_new(results, folder, &current, known) {
            Err(ConnectError::File { source, .. }) if source.kind() == ErrorKind::NotFound && attempts < ATTEMPTS => {
                attempts += 1;
            }
            read => {
                known.retain(|covered, _| current.binary_search(covered).is_ok());
                return read;
            }
        }
    }
}

/// Reads the manifests that are not known as they are.
fn read_new(results: &Path, folder: &Path, current: &[Covered], known: &mut Manifests) -> Result<()> {
    for covered in current {
        let path = folder.join(covered.file_name());
        // Before it is read: what takes its place meanwhile is found by the next look.
        let stamp = Stamp::of(&std::fs::metadata(&path).map_err(path::failed("find", &path))?);
        if known.get(covered).is_some_and(|(known, _)| *known == stamp) {
            continue;
        }
        let entries = manifest::read(&OsDisk, folder, *covered)?.entries.into_iter();
        let committed = entries.map(|entry| {
            let parts: Option<Arc<[Part]>> = Some(entry.parts.into()).filter(|parts: &Arc<[Part]>| !parts.is_empty());
            let merged = parts.map(|parts| Merged { results: results.into(), parts });
            Committed { path: results.join(entry.name), bytes: entry.bytes, merged }
        });
        known.insert(*covered, (stamp, committed.collect()));
    }
    Ok(())
}
