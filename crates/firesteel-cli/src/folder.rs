//! A checkpoint folder, to be read and never changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_state::changelog::{SegmentReport, inspect};
use firesteel_state::{Catalog, ChangelogReader, Manifest, SnapshotId, SnapshotStore, Snapshots, StateError};

use crate::args::Target;
use crate::error::{CliError, Result};

/// A checkpoint.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    changelog: PathBuf,
    pub(crate) place: Arc<ReadOnly>,
    pub(crate) snapshots: Snapshots,
}

/// The manifests of a checkpoint.
pub(crate) struct Manifests {
    /// Those that can be read, in ascending order.
    pub(crate) sound: Vec<Manifest>,
    /// The numbers of the others, and what is wrong with them.
    pub(crate) damaged: Vec<(SnapshotId, StateError)>,
}

impl Folder {
    /// The checkpoint in a folder.
    pub(crate) fn open(target: &Target) -> Result<Self> {
        let path = target.folder.clone();
        let no =
            |reason: &str| Err(CliError::NoCheckpoint { folder: target.folder.clone(), reason: reason.to_owned() });
        let changelog = path.join("changelog");
        let place = Arc::new(ReadOnly { folder: target.snapshots.clone().unwrap_or_else(|| path.join("snapshots")) });
        let snapshots = Snapshots::new(Arc::clone(&place) as Arc<dyn SnapshotStore>);
        if !path.is_dir() {
            return no("there is no such folder; give the one that the job's `Checkpoint` names");
        }
        if !changelog.is_dir() && !place.folder.is_dir() {
            return no(match path.file_name().and_then(|name| name.to_str()) {
                Some("changelog" | "snapshots" | "state") => "it is a part of one; give the folder around it",
                _ => {
                    "it has neither `changelog` nor `snapshots` in it; give the folder that the job's `Checkpoint` names"
                }
            });
        }
        let folder = Self { path, changelog, place, snapshots };
        if folder.segments()?.next().is_none() && folder.snapshots.list()?.is_empty() {
            return no("no epoch and no snapshot has been written to it yet; run the job first");
        }
        Ok(folder)
    }

    /// The files of the changelog, one after the other.
    pub(crate) fn segments(&self) -> Result<impl Iterator<Item = Result<SegmentReport>> + use<>> {
        Ok(inspect(&self.changelog)?.map(|segment| Ok(segment?)))
    }

    /// The bytes of the changelog.
    pub(crate) fn changelog_bytes(&self) -> u64 {
        let entries = fs::read_dir(&self.changelog).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
    }

    /// The changelog as a job would read it.
    pub(crate) fn reader(&self) -> Result<ChangelogReader> {
        Ok(ChangelogReader::open(&self.changelog)?)
    }

    /// Tries again what failed while files came or went: the job may be running, and what was read belongs to different
    /// moments then.
    pub(crate) fn steady<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        for _ in 0..20 {
            let before = self.files();
            match attempt() {
                Err(CliError::State(_)) if self.files() != before => {}
                other => return other,
            }
        }
        attempt()
    }

    /// The names and lengths of all files.
    fn files(&self) -> BTreeMap<PathBuf, u64> {
        let folders = [&self.changelog, &self.place.folder].map(fs::read_dir);
        let entries = folders.into_iter().flatten().flatten().flatten();
        entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len()))).collect()
    }

    /// All manifests that are there.
    pub(crate) fn manifests(&self) -> Result<Manifests> {
        let mut tries = 0;
        'again: loop {
            tries += 1;
            let mut manifests = Manifests { sound: vec![], damaged: vec![] };
            for id in self.snapshots.list()? {
                match self.snapshots.manifest(id) {
                    Ok(manifest) => manifests.sound.push(manifest),
                    // It was removed meanwhile, and a newer one is there instead.
                    Err(_) if tries < 20 && !self.snapshots.list()?.contains(&id) => continue 'again,
                    Err(error) => manifests.damaged.push((id, error)),
                }
            }
            return Ok(manifests);
        }
    }

    /// What is stored, as the newest of the manifests tells.
    pub(crate) fn catalog(&self, manifests: &Manifests) -> Result<Catalog> {
        if let Some(newest) = manifests.sound.last() {
            return Ok(newest.catalog.clone());
        }
        let reason = match manifests.damaged.last() {
            Some((_, error)) => error.to_string(),
            None => format!("there is no snapshot in {}", self.place.folder.display()),
        };
        Err(CliError::NoCatalog { folder: self.path.clone(), reason })
    }
}

/// A folder of snapshots that is left as it is.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    folder: PathBuf,
}

impl ReadOnly {
    fn refuse(&self, name: &str) -> StateError {
        failed("change", &self.folder.join(name))(io::Error::from(ErrorKind::ReadOnlyFilesystem))
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    move |source| StateError::File { action, path: path.to_owned(), source }
}

impl SnapshotStore for ReadOnly {
    fn describe(&self) -> String {
        self.folder.display().to_string()
    }

    fn put_new(&self, name: &str, _: &[u8]) -> std::result::Result<(), StateError> {
        Err(self.refuse(name))
    }

    fn get(&self, name: &str) -> std::result::Result<Vec<u8>, StateError> {
        let path = self.folder.join(name);
        fs::read(&path).map_err(failed("read", &path))
    }

    fn list(&self) -> std::result::Result<Vec<String>, StateError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(failed("list", &self.folder)(error)),
        };
        let mut names = vec![];
        for entry in entries {
            // Names that are no text are not ours.
            names.extend(entry.map_err(failed("list", &self.folder))?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    fn delete(&self, name: &str) -> std::result::Result<(), StateError> {
        Err(self.refuse(name))
    }
}
