//! Files that a sink has committed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{ConnectError, Result};
use firesteel_disk::OsDisk;
use firesteel_results::{Covered, Part, PartName};

use super::{Listed, Look};
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

/// The files of each manifest.
type Manifests = BTreeMap<Covered, Vec<Committed>>;

/// What the manifests of folders of results say that were read so far; they never change.
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
        let committed = self.known.values().flat_map(BTreeMap::values).flatten();
        let parts = committed.filter_map(|file| file.merged.as_ref()).flat_map(Merged::paths);
        parts.collect()
    }

    /// Leaves out files of results that were found in another way than by their manifests and are not committed. What is named itself
    /// stays.
    pub(super) fn leave_out_uncommitted(&mut self, named: &[PathBuf], look: &mut Look) -> Result<()> {
        let mut found: HashMap<PathBuf, Option<HashMap<PathBuf, Committed>>> = HashMap::new();
        let mut kept = Vec::with_capacity(look.files.len());
        for mut file in std::mem::take(&mut look.files) {
            let results =
                file.path.file_name().and_then(|name| PartName::parse(name.to_str()?)).map(|_| folder_of(&file.path));
            let Some(results) = results.filter(|_| file.bytes.is_none() && !named.contains(&file.path)) else {
                kept.push(file);
                continue;
            };
            if !found.contains_key(results) {
                let is_ours = manifest::folder_of(results).is_dir();
                let committed = if is_ours { self.committed(results, look)? } else { vec![] };
                let by_path = committed.into_iter().map(|file| (file.path.clone(), file)).collect();
                found.insert(results.to_owned(), is_ours.then_some(by_path));
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
            files.extend(known.values().flatten().cloned());
        }
        Ok(files)
    }
}

/// The folder of the results that a file belongs to which has the name of a part: above those of values of columns.
fn folder_of(file: &Path) -> &Path {
    let is_value = |folder: &&Path| folder.file_name().is_some_and(|name| name.as_encoded_bytes().contains(&b'='));
    file.ancestors().skip(1).find(|folder| !is_value(folder)).unwrap_or(Path::new(""))
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

/// Reads the manifests that are not known.
fn read_new(results: &Path, folder: &Path, current: &[Covered], known: &mut Manifests) -> Result<()> {
    for covered in current {
        if let Entry::Vacant(vacant) = known.entry(*covered) {
            let entries = manifest::read(&OsDisk, folder, *covered)?.entries.into_iter();
            let committed = entries.map(|entry| {
                let parts: Option<Arc<[Part]>> =
                    Some(entry.parts.into()).filter(|parts: &Arc<[Part]>| !parts.is_empty());
                let merged = parts.map(|parts| Merged { results: results.into(), parts });
                Committed { path: results.join(entry.name), bytes: entry.bytes, merged }
            });
            vacant.insert(committed.collect());
        }
    }
    Ok(())
}
