//! The source: files of JSON in a folder.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::{Path, PathBuf, absolute};
use std::time::SystemTime;
use std::{fs, io};

use firesteel_connect::{
    BlockReader, Blocks, ConnectError, Discovery, Payload, Place, PositionUnit, ReadRange, Replay, Result, Source,
    SourceContext, Split, SplitId, Undecoded,
};
use firesteel_window::Timestamp;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use twox_hash::XxHash3_64;

/// The files of a folder whose names end in `.json`, each with an array of records. Nothing else there is looked at.
///
/// A file is read once and never again. It has to be complete when it gets its name: write it under another one, and
/// rename it. Then it has to stay as it is; one that has changed or is gone stops the job.
///
/// A record that is none is set aside, if the job does that, and those beside it are read. A file that is no array
/// counts as one such record. Each task that reads of a file decodes all of it: many small ones are better than a large one.
pub struct JsonFiles<T> {
    folder: PathBuf,
    /// The files by their names, each with its size and age when it was last looked into: as long as those are the
    /// same, it is not looked into again.
    seen: Mutex<BTreeMap<String, (SplitId, Option<Stamp>)>>,
    records: PhantomData<fn() -> T>,
}

type Stamp = (u64, SystemTime);

impl<T> JsonFiles<T> {
    /// The files of this folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), seen: Mutex::default(), records: PhantomData }
    }

    fn list(&self) -> Result<BTreeMap<String, Stamp>> {
        let file = |entry: io::Result<fs::DirEntry>| {
            let path = entry?.path();
            let file = path.metadata()?;
            if !file.is_file() || !is_json(&path) {
                return Ok(None);
            }
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| io::Error::other(format!("{path:?} is not UTF-8: rename it")))?;
            Ok(Some((name.to_owned(), (file.len(), file.modified()?))))
        };
        let found = fs::read_dir(&self.folder)
            .and_then(|entries| entries.filter_map(|entry| file(entry).transpose()).collect());
        found.map_err(|source| ConnectError::File { action: "list", path: self.folder.clone(), source })
    }

    /// What is in a file, and the split that it is. A position means the same after a restart only if the file does,
    /// and the engine keeps nothing of a split but its name: so what is in the file is part of that.
    fn load(&self, name: &str) -> Result<(SplitId, Vec<u8>)> {
        let path = self.folder.join(name);
        let bytes = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => self.lost(name, "is gone"),
            _ => ConnectError::File { action: "read", path, source },
        })?;
        Ok((SplitId::new(format!("{name}@{:016x}", XxHash3_64::oneshot(&bytes))), bytes))
    }

    fn lost(&self, name: &str, what: &str) -> ConnectError {
        let reason =
            format!("the file {what} since it was seen: put it back as it was, and new records into a new file");
        ConnectError::Lost { place: self.folder.join(name).display().to_string(), position: 0, reason }
    }

    fn name<'a>(&self, split: &'a SplitId) -> Result<&'a str> {
        let unknown = || ConnectError::unknown_split(&format!("the folder {}", self.folder.display()), split);
        split.as_str().rsplit_once('@').map(|(name, _)| name).ok_or_else(unknown)
    }
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

impl<T: DeserializeOwned + Clone + Send + Sync + 'static> Source for JsonFiles<T> {
    type Item = T;
    type Reader = BlockReader<T>;

    fn describe(&self) -> String {
        format!("JSON files in {}", self.folder.display())
    }

    fn replay(&self) -> Replay {
        Replay::Always
    }

    fn would_read(&self, place: &Place) -> bool {
        let Place::File(path) = place else { return false };
        let parent = absolute(path).ok().and_then(|path| path.parent()?.canonicalize().ok());
        is_json(path) && parent.is_some() && parent == self.folder.canonicalize().ok()
    }

    fn start(&self, context: &SourceContext) -> Result<()> {
        self.list()?;
        let resumed =
            context.resumed().iter().map(|at| Ok((self.name(&at.split)?.to_owned(), (at.split.clone(), None))));
        *self.seen.lock() = resumed.collect::<Result<_>>()?;
        Ok(())
    }

    fn discover(&self, _now: Timestamp) -> Result<Discovery> {
        let (there, mut seen) = (self.list()?, self.seen.lock());
        if let Some(name) = seen.keys().find(|name| !there.contains_key(*name)) {
            return Err(self.lost(name, "is gone"));
        }
        for (name, stamp) in there {
            let before = seen.get(&name);
            if before.is_some_and(|(_, at)| *at == Some(stamp)) {
                continue;
            }
            let (split, _) = self.load(&name)?;
            if before.is_some_and(|(before, _)| *before != split) {
                return Err(self.lost(&name, "has changed"));
            }
            seen.insert(name, (split, Some(stamp)));
        }
        let split = |(id, _): &(SplitId, _)| Split::new(id.clone(), PositionUnit::Records).finished(true);
        Ok(Discovery::all(seen.values().map(split)))
    }

    fn open(&self, range: &ReadRange) -> Result<Self::Reader> {
        let name = self.name(&range.split)?;
        let (split, bytes) = self.load(name)?;
        if split != range.split {
            return Err(self.lost(name, "has changed"));
        }
        let mut records = Blocks::new();
        let broken = |text: &[u8], error: serde_json::Error| Undecoded::new(error.to_string(), Payload::of(text));
        match serde_json::from_slice::<Vec<&RawValue>>(&bytes) {
            Err(error) => records.push_undecoded(broken(&bytes, error)),
            Ok(texts) => texts.into_iter().map(RawValue::get).for_each(|text| match serde_json::from_str(text) {
                Ok(record) => records.push([record]),
                Err(error) => records.push_undecoded(broken(text.as_bytes(), error)),
            }),
        }
        records.read(range)
    }
}
