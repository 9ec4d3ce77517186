//! Applying the changes of epochs.
//!
//! Few changes go into the write buffers, as one batch. Many become a sorted file that is made part of the database,
//! which takes less than half the time and leaves the write buffers alone. Either way a shard's changes and its marker
//! are there together or not at all, also after a crash.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use firesteel_state::{Frame, Marker, Result, Shard, StoreId};
use parking_lot::RwLock;
use rocksdb::{IngestExternalFileOptions, SstFileWriter, WriteBatch};

use crate::database::{Database, Store, Tables};
use crate::error;
use crate::layout;
use crate::plan::{Op, Plan, Planner};

/// A shard and what it is to get.
struct Target<'a> {
    shard: Shard,
    tables: Arc<RwLock<Tables>>,
    frames: Vec<&'a Frame>,
}

impl Database {
    /// Applies frames to the shards whose markers are before its epoch. Returns how many changes and bytes that was.
    pub(crate) fn apply(&self, at: Marker, frames: &[Frame], target: usize, file_from: usize) -> Result<(u64, u64)> {
        let mut stores: BTreeMap<StoreId, BTreeMap<Shard, Vec<&Frame>>> = BTreeMap::new();
        for frame in frames {
            stores.entry(frame.shard().store).or_default().entry(frame.shard()).or_default().push(frame);
        }
        let (mut changes, mut bytes) = (0, 0);
        let mut small = vec![];
        for (id, shards) in stores {
            let store = self.make_store(id)?;
            let mut targets = vec![];
            for (shard, frames) in shards {
                let tables = store.make_shard(shard.group);
                if tables.read().marker.is_none_or(|marker| marker.epoch < at.epoch) {
                    changes += frames.iter().map(|frame| frame.len()).sum::<u64>();
                    bytes += frames.iter().map(|frame| frame.bytes().len() as u64).sum::<u64>();
                    targets.push(Target { shard, tables, frames });
                }
            }
            let size: usize = targets.iter().flat_map(|target| &target.frames).map(|frame| frame.bytes().len()).sum();
            if size >= file_from && !targets.is_empty() {
                self.apply_as_file(at, &store, &targets, target)?;
            } else {
                small.push((store, targets));
            }
        }
        self.apply_as_batch(at, &small, target)?;
        Ok((changes, bytes))
    }

    fn plan(&self, at: Marker, store: &Store, of: &Target<'_>, target: usize) -> Result<Plan> {
        let tables = self.load(store, of.shard.group, &of.tables)?;
        let planner = Planner { database: self, store, group: of.shard.group, target };
        planner.plan(at, &of.frames, &tables)
    }

    fn apply_as_batch(&self, at: Marker, stores: &[(Arc<Store>, Vec<Target<'_>>)], target: usize) -> Result<()> {
        let mut batch = WriteBatch::default();
        let mut planned = vec![];
        for (store, targets) in stores {
            let family = self.family(store)?;
            for of in targets {
                let Plan { ops, directories } = self.plan(at, store, of, target)?;
                for (key, op) in ops {
                    match op {
                        Op::Put(value) => batch.put_cf(&family, key, value),
                        Op::Merge(value) => batch.merge_cf(&family, key, value),
                        Op::Delete => batch.delete_cf(&family, key),
                    }
                }
                planned.push((of, directories));
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.commit(at, planned, || {
            self.write(batch)?;
            stores.iter().for_each(|(store, _)| store.unflushed.store(true, Ordering::Release));
            Ok(())
        })
    }

    fn apply_as_file(&self, at: Marker, store: &Store, targets: &[Target<'_>], target: usize) -> Result<()> {
        let path = self.next_file();
        let done = self.write_file(&path, at, store, targets, target).and_then(|planned| {
            self.commit(at, planned, || {
                let mut options = IngestExternalFileOptions::default();
                options.set_move_files(true);
                // Nobody reads through a snapshot of the database.
                options.set_snapshot_consistency(false);
                let family = self.family(store)?;
                self.db
                    .ingest_external_file_cf_opts(&family, &options, vec![&path])
                    .map_err(self.failed("take up a file"))
            })
        });
        if done.is_err() {
            // What is left of it would be removed at the next start as well.
            let _ = std::fs::remove_file(&path);
        }
        done
    }

    fn write_file<'t>(
        &self,
        path: &Path,
        at: Marker,
        store: &Store,
        targets: &'t [Target<'t>],
        target: usize,
    ) -> Result<Vec<Planned<'t>>> {
        let mut planned = vec![];
        let mut file = SstFileWriter::create(&store.file_options);
        file.open(path).map_err(self.failed("write a file"))?;
        for of in targets {
            let Plan { ops, directories } = self.plan(at, store, of, target)?;
            for (key, op) in ops {
                let written = match op {
                    Op::Put(value) => file.put(key, value),
                    Op::Merge(value) => file.merge(key, value),
                    Op::Delete => file.delete(key),
                };
                written.map_err(self.failed("write a file"))?;
            }
            planned.push((of, directories));
        }
        file.finish().map_err(self.failed("write a file"))?;
        Ok(planned)
    }

    /// Writes, and notes what is then known of the shards. Nobody reads a shard while its pages move.
    fn commit(&self, at: Marker, planned: Vec<Planned<'_>>, write: impl FnOnce() -> Result<()>) -> Result<()> {
        let moving = planned.iter().filter(|(_, directories)| !directories.is_empty());
        let mut moving: Vec<_> = moving.map(|(of, directories)| (of.tables.write(), directories)).collect();
        write()?;
        for (tables, directories) in &mut moving {
            for (table, directory) in *directories {
                tables.put_directory(*table, directory.clone());
            }
            tables.marker = Some(at);
        }
        drop(moving);
        for (of, directories) in &planned {
            if directories.is_empty() {
                of.tables.write().marker = Some(at);
            }
        }
        Ok(())
    }

    /// Removes everything of a shard.
    pub(crate) fn clear(&self, shard: Shard) -> Result<()> {
        let Some((store, tables)) = self.store(shard.store).and_then(|store| {
            let tables = store.shard(shard.group)?;
            Some((store, tables))
        }) else {
            return Ok(());
        };
        let mut tables = tables.write();
        let mut batch = WriteBatch::default();
        let family = self.family(&store)?;
        batch.delete_range_cf(&family, &layout::group(shard.group)[..], &layout::after(shard.group)[..]);
        self.write(batch)?;
        store.unflushed.store(true, Ordering::Release);
        *tables = Tables::empty();
        Ok(())
    }

    /// Removes files that were about to become part of the database when the process ended.
    pub(crate) fn remove_leftovers(&self) -> Result<()> {
        let entries = std::fs::read_dir(&self.folder).map_err(error::file("list", &self.folder))?;
        for entry in entries {
            let entry = entry.map_err(error::file("list", &self.folder))?;
            if entry.file_name().to_string_lossy().starts_with("ingest-") {
                std::fs::remove_file(entry.path()).map_err(error::file("remove", &entry.path()))?;
            }
        }
        Ok(())
    }
}

/// A shard whose changes are about to be written, and its new directories.
type Planned<'t> = (&'t Target<'t>, Vec<(firesteel_state::TableId, Arc<crate::directory::Directory>)>);
