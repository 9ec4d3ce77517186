//! Files that a sink has committed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use firesteel_connect::{ConnectError, Result};
use firesteel_disk::OsDisk;
use firesteel_results::{Covered, PartName};

use super::{Listed, Look};
use crate::manifest;
use crate::path;

/// The files of each manifest, with their sizes.
type Manifests = BTreeMap<Covered, Vec<(PathBuf, u64)>>;

/// What the manifests of folders of results say that were read so far; they never change.
#[derive(Debug, Default)]
pub(super) struct Results {
    known: HashMap<PathBuf, Manifests>,
}

impl Results {
    /// The files of the committed epochs, of all parts of the job that wrote them.
    pub(super) fn add(&mut self, results: &Path, look: &mut Look) -> Result<()> {
        for (path, bytes) in self.committed(results, look)? {
            let metadata = std::fs::metadata(&path).map_err(path::failed("read", &path))?;
            look.files.push(Listed { bytes: Some(bytes), ..Listed::new(path, metadata) });
        }
        Ok(())
    }

    /// Leaves out files of results that were found in another way than by their manifests and are not committed. What is named itself
    /// stays.
    pub(super) fn leave_out_uncommitted(&mut self, named: &[PathBuf], look: &mut Look) -> Result<()> {
        let mut found: HashMap<PathBuf, Option<HashMap<PathBuf, u64>>> = HashMap::new();
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
                let committed = if is_ours { Some(self.committed(results, look)?.into_iter().collect()) } else { None };
                found.insert(results.to_owned(), committed);
            }
            match found.get(results).and_then(Option::as_ref) {
                None => kept.push(file),
                Some(committed) => {
                    if let Some(bytes) = committed.get(&file.path) {
                        file.bytes = Some(*bytes);
                        kept.push(file);
                    }
                }
            }
        }
        look.files = kept;
        Ok(())
    }

    /// The files that are committed, with their sizes.
    fn committed(&mut self, results: &Path, look: &mut Look) -> Result<Vec<(PathBuf, u64)>> {
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
fn update(results: &Path, folder: &Path, known: &mut BTreeMap<Covered, Vec<(PathBuf, u64)>>) -> Result<()> {
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
    known: &mut BTreeMap<Covered, Vec<(PathBuf, u64)>>,
) -> Result<()> {
    for covered in current {
        if let Entry::Vacant(vacant) = known.entry(*covered) {
            let entries = manifest::read(&OsDisk, folder, *covered)?.entries.into_iter();
            let listed = entries.map(|entry| (results.join(entry.name), entry.bytes));
            vacant.insert(listed.collect());
        }
    }
    Ok(())
}
