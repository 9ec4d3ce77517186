//! The open windows of a keyed stream, by key group.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_core::hash::hash_key;
use firesteel_core::{Exchange, Key};
use firesteel_state::{
    Change, Frame, FrameWriter, KeyGroup, KeyGroupRange, KeyGroups, Migrations, Shard, StateBackend, StateError,
    StateStore, StoreSchema, StoreSetup, TableCodec, TableId, TableKind, TableSchema, TimeDomain, Times, TypeTag,
};
use firesteel_window::{Panes, Timestamp, Window};
use parking_lot::Mutex;

use crate::error::Result;
use crate::state::{Called, StateCell};

/// How many key groups there are: the unit in which keys are placed and moved.
pub(crate) const KEY_GROUPS: usize = 128;

/// The key group of a hash: its seven upper bits.
#[inline(always)]
pub(crate) fn key_group(hash: u64) -> usize {
    (hash >> 57) as usize
}

/// The key groups that belong to partition `split` of `partitions`.
pub(crate) fn groups_of(split: usize, partitions: usize) -> std::ops::Range<usize> {
    split * KEY_GROUPS / partitions..(split + 1) * KEY_GROUPS / partitions
}

/// For each key group, the partition it belongs to.
pub(crate) fn placement(partitions: usize) -> [u8; KEY_GROUPS] {
    let mut placement = [0; KEY_GROUPS];
    for split in 0..partitions {
        for group in groups_of(split, partitions) {
            placement[group] = u8::try_from(split).expect("no more partitions than key groups");
        }
    }
    placement
}

/// Open windows, key group by key group, each under a lock of its own: a task locks the groups it owns, one after the
/// other, and no two tasks own the same.
///
/// All of them are in memory. In a job with a checkpoint, each epoch's changes go into the changelog as those of any
/// other state do, under keys that are windows with keys; a backend holds a copy.
pub(crate) struct WindowState<K, A> {
    groups: Box<[Mutex<Panes<K, A>>]>,
    /// What is declared, under the operator's name.
    declared: Mutex<(StoreSchema, bool)>,
    opened: OnceLock<Opened<A>>,
    epoch: AtomicU64,
}

/// What the catalog has of it, and how its values are read and written.
struct Opened<A> {
    schema: StoreSchema,
    codec: TableCodec<A>,
}

impl<K, A> WindowState<K, A> {
    pub(crate) fn group(&self, group: usize) -> &Mutex<Panes<K, A>> {
        &self.groups[group]
    }
}

impl<K: Key, A: Exchange> WindowState<K, A> {
    pub(crate) fn new(kind: &str) -> Arc<Self> {
        let table = TableSchema {
            id: TableId(0),
            name: "windows".to_owned(),
            kind: TableKind::Value,
            value: TypeTag::of::<A>(),
            field: None,
            ttl: None,
            earlier: Vec::new(),
            migrations: Vec::new(),
        };
        let key = TypeTag::of::<(Window, K)>();
        let schema = StoreSchema { tables: vec![table], ..StoreSchema::new(kind.to_owned(), key) };
        Arc::new(Self {
            groups: (0..KEY_GROUPS).map(|_| Mutex::new(Panes::new())).collect(),
            declared: Mutex::new((schema, false)),
            opened: OnceLock::new(),
            epoch: AtomicU64::new(0),
        })
    }

    fn table(&self) -> TableId {
        self.opened().schema.tables[0].id
    }

    fn shard(&self, group: KeyGroup) -> Shard {
        Shard { store: self.opened().schema.id, group }
    }

    fn opened(&self) -> &Opened<A> {
        self.opened.get().expect("the job opens all stores before its first batch")
    }

    fn state(&self) -> String {
        format!("{}/windows", self.declared().operator)
    }

    fn encode(&self, window: Window, key: &K, into: &mut Vec<u8>) -> firesteel_state::Result<()> {
        into.clear();
        let encode_error = |source| StateError::Encode { state: self.state(), source };
        *into = postcard::to_extend(&(window, key), std::mem::take(into)).map_err(encode_error)?;
        Ok(())
    }

    fn put(&self, into: &mut Vec<u8>, value: &A) -> firesteel_state::Result<()> {
        into.clear();
        self.opened().codec.encode(value, into)
    }

    fn load(&self, panes: &mut Panes<K, A>, change: Change<'_>) -> firesteel_state::Result<()> {
        let decode_error = |source| StateError::Decode { state: self.state(), source };
        let (window, key): (Window, K) = postcard::from_bytes(change.key).map_err(decode_error)?;
        let hash = hash_key(&key);
        match change.value {
            Some(value) => {
                panes.load(window, hash, key, self.opened().codec.decode(change.table, change.key, value)?);
            }
            None => panes.unload(window, hash, &key),
        }
        Ok(())
    }

    /// Reads what a backend holds, under whichever type: a key stands under one of them only.
    fn load_all(&self, backend: &dyn StateBackend) -> firesteel_state::Result<()> {
        let tables: Vec<_> = self.opened().schema.tables[0].numbers().collect();
        for group in self.key_groups().all().iter() {
            let mut panes = self.groups[usize::from(group.0)].lock();
            for table in &tables {
                backend.scan(self.shard(group), *table, &[], &mut |key, value| {
                    self.load(&mut panes, Change { table: *table, key, value: Some(value) })
                })?;
            }
            let marker = backend.marker(self.shard(group))?.unwrap_or(0);
            self.epoch.fetch_max(marker, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl<K: Key, A: Exchange> StateCell for WindowState<K, A> {
    fn declared(&self) -> StoreSchema {
        self.declared.lock().0.clone()
    }
    fn reported_as(&self) -> Option<Arc<str>> {
        // Windows are reported as they fire.
        None
    }
    fn is_named(&self) -> bool {
        self.declared.lock().1
    }
    fn call(&self, called: &Called<'_>) {
        let mut declared = self.declared.lock();
        called.describe(&mut declared.0);
        declared.1 = called.is_named;
    }
    fn open(&self, setup: &StoreSetup<'_>) -> firesteel_state::Result<()> {
        let declared = self.declared();
        if setup.catalog.groups() != self.key_groups() {
            let reason =
                format!("windows have {KEY_GROUPS} key groups, the checkpoint has {}", setup.catalog.groups().count());
            return Err(StateError::KeyGroups { reason });
        }
        let Some(schema) = setup.catalog.store(&declared.operator).cloned() else {
            let report = setup.catalog.compare(&[declared]).to_string();
            return Err(StateError::Mismatch { report });
        };
        let codec = TableCodec::new(&declared.operator, &schema.key, &schema.tables[0], &Migrations::new())?;
        if let Some(backend) = &setup.backend {
            backend.declare(&schema);
        }
        // The job opens its states once.
        _ = self.opened.set(Opened { schema, codec });
        setup.backend.as_ref().map_or(Ok(()), |backend| self.load_all(&**backend))
    }
    fn initialize(&self) -> Result<()> {
        Ok(())
    }
    fn store(&self) -> &dyn StateStore {
        self
    }
    fn keys(&self) -> u64 {
        0
    }
    fn set_keys(&self, _: u64) {}
}

impl<K: Key, A: Exchange> StateStore for WindowState<K, A> {
    fn schema(&self) -> &StoreSchema {
        &self.opened().schema
    }

    fn key_groups(&self) -> KeyGroups {
        KeyGroups::default()
    }

    fn begin(&self, batch: u64) {
        self.groups.iter().for_each(|panes| panes.lock().begin(batch));
    }

    fn end_epoch_in(&self, groups: KeyGroupRange, epoch: u64) -> firesteel_state::Result<Vec<Frame>> {
        let mut frames = Vec::new();
        for group in groups.iter() {
            let changes = RefCell::new(Changes::new(self));
            self.groups[usize::from(group.0)].lock().save(
                |window, key| changes.borrow_mut().note(window, key, None),
                |window, key, acc| changes.borrow_mut().note(window, key, Some(acc)),
            );
            let out = changes.into_inner().finish()?;
            if !out.is_empty() {
                frames.push(out.finish(self.shard(group)));
            }
        }
        self.epoch.fetch_max(epoch, Ordering::Relaxed);
        Ok(frames)
    }

    fn pass_epoch(&self, epoch: u64) {
        self.epoch.fetch_max(epoch, Ordering::Relaxed);
    }

    fn applied_in(&self, _: KeyGroupRange, _: u64) {}

    fn image(&self, group: KeyGroup) -> firesteel_state::Result<(u64, Frame)> {
        let mut out = FrameWriter::new();
        out.begin_table(self.table());
        let (mut key_bytes, mut bytes) = (Vec::new(), Vec::new());
        for (window, key, acc) in self.groups[usize::from(group.0)].lock().iter() {
            self.encode(window, key, &mut key_bytes)?;
            self.put(&mut bytes, acc)?;
            out.put(&key_bytes, &bytes);
        }
        Ok((self.epoch.load(Ordering::Relaxed), out.finish(self.shard(group))))
    }

    fn restore(&self, epoch: u64, frame: &Frame) -> firesteel_state::Result<()> {
        let group = frame.shard().group;
        let Some(panes) = self.groups.get(usize::from(group.0)) else {
            let reason = format!("{} is no part of the windows of {}", frame.shard(), self.schema().operator);
            return Err(StateError::KeyGroups { reason });
        };
        let mut panes = panes.lock();
        let tables: Vec<_> = self.opened().schema.tables[0].numbers().collect();
        for change in frame.changes().filter(|change| tables.contains(&change.table)) {
            self.load(&mut panes, change)?;
        }
        self.epoch.fetch_max(epoch, Ordering::Relaxed);
        Ok(())
    }

    fn next_timer(&self, _: TimeDomain) -> Option<Timestamp> {
        None
    }

    fn sweep(&self, _: usize, _: Times) -> usize {
        0
    }

    fn relieve(&self) -> bool {
        false
    }

    fn memory_used(&self) -> u64 {
        let keys: usize = self.groups.iter().map(|panes| panes.lock().key_count()).sum();
        (keys * (size_of::<(K, A)>() + 24)) as u64
    }
}

/// What an epoch changed in the windows of one key group, on its way into a frame.
struct Changes<'a, K, A> {
    of: &'a WindowState<K, A>,
    out: FrameWriter,
    /// The numbers under which values of earlier types may stand.
    older: Vec<TableId>,
    /// Where there are such, what was changed is held back: first it is removed from under them.
    held: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    key: Vec<u8>,
    value: Vec<u8>,
    noted: firesteel_state::Result<()>,
}

impl<'a, K: Key, A: Exchange> Changes<'a, K, A> {
    fn new(of: &'a WindowState<K, A>) -> Self {
        let older: Vec<_> = of.opened().codec.older().collect();
        let mut out = FrameWriter::new();
        if older.is_empty() {
            out.begin_table(of.table());
        }
        Self { of, out, older, held: Vec::new(), key: Vec::new(), value: Vec::new(), noted: Ok(()) }
    }

    /// A key has another value in a window, or none any more.
    fn note(&mut self, window: Window, key: &K, value: Option<&A>) {
        if self.noted.is_ok() {
            self.noted = self.try_note(window, key, value);
        }
    }

    fn try_note(&mut self, window: Window, key: &K, value: Option<&A>) -> firesteel_state::Result<()> {
        self.of.encode(window, key, &mut self.key)?;
        if let Some(value) = value {
            self.of.put(&mut self.value, value)?;
        }
        match value {
            _ if !self.older.is_empty() => self.held.push((self.key.clone(), value.map(|_| self.value.clone()))),
            Some(_) => self.out.put(&self.key, &self.value),
            None => self.out.remove(&self.key),
        }
        Ok(())
    }

    fn finish(self) -> firesteel_state::Result<FrameWriter> {
        let Self { of, mut out, older, held, noted, .. } = self;
        noted?;
        if held.is_empty() {
            return Ok(out);
        }
        for table in older {
            out.begin_table(table);
            held.iter().for_each(|(key, _)| out.remove(key));
        }
        out.begin_table(of.table());
        for (key, value) in &held {
            match value {
                Some(value) => out.put(key, value),
                None => out.remove(key),
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_group_has_one_owner_whatever_the_number_of_partitions() {
        for partitions in 1..=KEY_GROUPS {
            let placement = placement(partitions);
            for (group, owner) in placement.iter().enumerate() {
                assert!(groups_of(usize::from(*owner), partitions).contains(&group));
            }
            assert!(placement.is_sorted());
        }
        for hash in [0, 1, u64::MAX / 3, u64::MAX] {
            assert_eq!(usize::from(KeyGroups::default().group_of(hash).0), key_group(hash));
        }
    }
}
