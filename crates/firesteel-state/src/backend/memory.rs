//! The backend that holds everything in memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::{BackendMetrics, Each, EachUntil, KeyRange, StateBackend};
use crate::error::{Result, StateError};
use crate::files::{self, Folder, Header};
use crate::frame::{Frame, FrameWriter, Shard, StoreId, TableId};
use crate::key_group::KeyGroup;
use crate::marker::{CommitName, Marker};
use crate::wire::{Bytes, checksum};

/// The file of a snapshot.
const FILE: &str = "state.mem";
const MAGIC: [u8; 8] = *b"FSTMEMRY";
const VERSION: u32 = 2;
/// What a key costs beyond its bytes: two vectors and its share of a tree node.
const PER_KEY: u64 = 64;

/// State as bytes in ordered maps, gone with the process.
///
/// A job that keeps its state in memory does not need it, since the overlay then holds everything as typed values.
/// It is for what sees bytes: tests, tools, and the proof that the overlay can do without memory.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    shards: RwLock<BTreeMap<Shard, Contents>>,
    keys_read: AtomicU64,
    keys_found: AtomicU64,
    bytes_read: AtomicU64,
    changes_applied: AtomicU64,
    bytes_applied: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Contents {
    marker: u64,
    commit: CommitName,
    bytes: u64,
    entries: BTreeMap<(TableId, Vec<u8>), Vec<u8>>,
}

impl Contents {
    fn marker(&self) -> Marker {
        Marker { epoch: self.marker, commit: self.commit }
    }

    fn change(&mut self, frame: &Frame) {
        for change in frame.changes() {
            let key = (change.table, change.key.to_vec());
            let size = |value: &[u8]| change.key.len() as u64 + value.len() as u64 + PER_KEY;
            match (self.entries.entry(key), change.value) {
                (Entry::Vacant(entry), Some(value)) => {
                    self.bytes += size(value);
                    entry.insert(value.to_vec());
                }
                (Entry::Occupied(mut entry), Some(value)) => {
                    self.bytes += size(value);
                    self.bytes -= size(entry.get());
                    entry.insert(value.to_vec());
                }
                (Entry::Occupied(entry), None) => self.bytes -= size(&entry.remove()),
                (Entry::Vacant(_), None) => {}
            }
        }
    }
}

impl MemoryBackend {
    /// A backend that holds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl StateBackend for MemoryBackend {
    fn describe(&self) -> String {
        "memory".into()
    }

    fn read(&self, shard: Shard, table: TableId, keys: &[&[u8]], found: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        let shards = self.shards.read();
        let (mut hits, mut bytes) = (0, 0);
        if let Some(contents) = shards.get(&shard) {
            for (at, key) in keys.iter().enumerate() {
                if let Some(value) = contents.entries.get(&(table, key.to_vec())) {
                    hits += 1;
                    bytes += value.len() as u64;
                    found(at, value);
                }
            }
        }
        self.keys_read.fetch_add(keys.len() as u64, Ordering::Relaxed);
        self.keys_found.fetch_add(hits, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn scan(&self, shard: Shard, table: TableId, prefix: &[u8], each: &mut Each<'_>) -> Result<()> {
        let shards = self.shards.read();
        let Some(contents) = shards.get(&shard) else { return Ok(()) };
        let from = (table, prefix.to_vec());
        let within = |(key, _): &(&(TableId, Vec<u8>), &Vec<u8>)| key.0 == table && key.1.starts_with(prefix);
        for ((_, key), value) in contents.entries.range((Bound::Included(from), Bound::Unbounded)).take_while(within) {
            self.bytes_read.fetch_add(value.len() as u64, Ordering::Relaxed);
            each(key, value)?;
        }
        Ok(())
    }

    fn range(&self, shard: Shard, table: TableId, range: KeyRange<'_>, each: &mut EachUntil<'_>) -> Result<()> {
        let shards = self.shards.read();
        let Some(contents) = shards.get(&shard) else { return Ok(()) };
        if range.to.is_some_and(|to| to <= range.from) {
            return Ok(());
        }
        let from = Bound::Included((table, range.from.to_vec()));
        let to = match (range.to, table.0.checked_add(1)) {
            (Some(to), _) => Bound::Excluded((table, to.to_vec())),
            (None, Some(next)) => Bound::Excluded((TableId(next), vec![])),
            (None, None) => Bound::Unbounded,
        };
        let mut entries = contents.entries.range((from, to));
        while let Some(((_, key), value)) = if range.descends { entries.next_back() } else { entries.next() } {
            self.bytes_read.fetch_add(value.len() as u64, Ordering::Relaxed);
            if each(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply_at(&self, Marker { epoch, commit }: Marker, frames: &[Frame]) -> Result<()> {
        let mut shards = self.shards.write();
        // Several frames of one shard are one change: the marker moves after the last of them.
        let before: BTreeMap<Shard, Option<u64>> =
            frames.iter().map(|frame| (frame.shard(), shards.get(&frame.shard()).map(|held| held.marker))).collect();
        for frame in frames {
            if before[&frame.shard()].is_some_and(|marker| marker >= epoch) {
                continue;
            }
            let contents = shards.entry(frame.shard()).or_default();
            contents.change(frame);
            (contents.marker, contents.commit) = (epoch, commit);
            self.changes_applied.fetch_add(frame.len(), Ordering::Relaxed);
            self.bytes_applied.fetch_add(frame.bytes().len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn marker_of(&self, shard: Shard) -> Result<Option<Marker>> {
        Ok(self.shards.read().get(&shard).map(Contents::marker))
    }

    fn markers(&self) -> Result<Vec<(Shard, Marker)>> {
        Ok(self.shards.read().iter().map(|(&shard, contents)| (shard, contents.marker())).collect())
    }

    fn clear(&self, shard: Shard) -> Result<()> {
        self.shards.write().remove(&shard);
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn snapshot(&self, folder: &Path) -> Result<()> {
        let mut bytes = Header { magic: MAGIC, version: VERSION }.encode().to_vec();
        for (shard, contents) in self.shards.read().iter() {
            let mut image = FrameWriter::new();
            let mut table = None;
            for ((of, key), value) in &contents.entries {
                if table != Some(*of) {
                    image.begin_table(*of);
                    table = Some(*of);
                }
                image.put(key, value);
            }
            let image = image.finish(*shard);
            let start = bytes.len();
            bytes.extend_from_slice(&shard.store.0.to_le_bytes());
            bytes.extend_from_slice(&shard.group.0.to_le_bytes());
            bytes.extend_from_slice(&contents.marker().encode());
            bytes.extend_from_slice(&(image.bytes().len() as u64).to_le_bytes());
            bytes.extend_from_slice(image.bytes());
            let sum = checksum(&bytes[start..]);
            bytes.extend_from_slice(&sum.to_le_bytes());
        }
        // The checksum over everything tells a file that ends between two shards.
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let folder = Folder::create_new(folder)?;
        folder.write_durably(FILE, &bytes)
    }

    fn restore(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let bytes = files::read(&path)?;
        let restored = decode(&path, &bytes)?;
        *self.shards.write() = restored;
        Ok(())
    }

    fn memory_used(&self) -> u64 {
        self.shards.read().values().map(|contents| contents.bytes).sum()
    }

    fn metrics(&self) -> BackendMetrics {
        BackendMetrics {
            keys_read: self.keys_read.load(Ordering::Relaxed),
            keys_found: self.keys_found.load(Ordering::Relaxed),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            changes_applied: self.changes_applied.load(Ordering::Relaxed),
            bytes_applied: self.bytes_applied.load(Ordering::Relaxed),
        }
    }
}

pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<BTreeMap<Shard, Contents>> {
    let damaged = |position: usize, reason: &str| StateError::damaged(path, position as u64, reason);
    let whole = bytes.len();
    let mut rest = Header::check(path, bytes, MAGIC, VERSION)?;
    // The version stands after the eight bytes that say what kind of file it is.
    let names_commits = bytes.get(8).is_some_and(|version| *version >= 2);
    let body = rest.take(rest.remaining().saturating_sub(8)).unwrap_or_default();
    if rest.u64() != Some(checksum(&bytes[..whole.saturating_sub(8)])) {
        return Err(damaged(whole, "the checksum of the whole file does not match: take another snapshot"));
    }
    let mut body = Bytes::new(body);
    let mut shards = BTreeMap::new();
    while !body.is_empty() {
        let at = whole - 8 - body.remaining();
        let (shard, contents) =
            decode_shard(&mut body, names_commits).ok_or_else(|| damaged(at, "a key group cannot be read"))?;
        shards.insert(shard, contents);
    }
    Ok(shards)
}

fn decode_shard(body: &mut Bytes<'_>, names_commits: bool) -> Option<(Shard, Contents)> {
    let start = body.clone();
    let shard = Shard { store: StoreId(body.u16()?), group: KeyGroup(body.u16()?) };
    let Marker { epoch: marker, commit } = Marker::decode(body.take(if names_commits { 24 } else { 8 })?)?;
    let length = usize::try_from(body.u64()?).ok()?;
    let image = body.take(length)?;
    let summed = start.clone().take(start.remaining() - body.remaining())?;
    if body.u64()? != checksum(summed) {
        return None;
    }
    let mut contents = Contents { marker, commit, ..Contents::default() };
    contents.change(&Frame::from_bytes(shard, image.to_vec())?);
    Some((shard, contents))
}
