//! Frames: what changed in one key group of one operator, as bytes.
//!
//! The overlay writes a frame per epoch and group. The changelog stores it, a backend applies it, a recovery reads it
//! back: the same bytes everywhere. A frame holds new values, not differences, so that applying it twice does what
//! applying it once does. With all of a group's values it is the group's image, which snapshots are made of.
//!
//! ```
//! use firesteel_state::{Frame, FrameWriter, KeyGroup, Shard, StoreId, TableId};
//!
//! let mut writer = FrameWriter::new();
//! writer.begin_table(TableId(0));
//! writer.put(b"ann", b"3");
//! writer.remove(b"bob");
//! let frame = writer.finish(Shard { store: StoreId(0), group: KeyGroup(5) });
//! let changes: Vec<_> = frame.changes().map(|change| (change.key, change.value)).collect();
//! assert_eq!(changes, [(&b"ann"[..], Some(&b"3"[..])), (b"bob", None)]);
//! ```
//!
//! The layout is in `docs/formats.md`. A frame carries neither epoch nor checksum: what holds it does.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::key_group::KeyGroup;
use crate::wire::{Bytes, put_varint};

/// The number under which the state of an operator is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StoreId(pub u16);

/// The number under which one state of an operator is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableId(pub u16);

impl TableId {
    /// Where an operator's timers in event time are.
    pub const EVENT_TIMERS: Self = Self(0xFFFE);
    /// Where an operator's timers in processing time are.
    pub const PROCESSING_TIMERS: Self = Self(0xFFFF);
    /// Where timers in event time are that were set by those which the end of event time fired: they wait for what comes
    /// after it.
    pub const DEFERRED_TIMERS: Self = Self(0xFFFD);
    /// All tables of timers.
    pub const TIMERS: [Self; 3] = [Self::EVENT_TIMERS, Self::PROCESSING_TIMERS, Self::DEFERRED_TIMERS];
    /// Where a backend has the timers of each of these by key, in the same order.
    pub const TIMERS_BY_KEY: [Self; 3] = [Self(0xFFFB), Self(0xFFFC), Self(0xFFFA)];
    /// The lowest number that no declared state gets.
    pub const RESERVED: Self = Self(0xFF00);
}

/// The state of one operator in one key group: what has a marker of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shard {
    /// The operator's state.
    pub store: StoreId,
    /// The key group.
    pub group: KeyGroup,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key group {} of store {}", self.group, self.store.0)
    }
}

/// One change: a key of one table, and its new value or `None` if it was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The state.
    pub table: TableId,
    /// The encoded key.
    pub key: &'a [u8],
    /// The encoded value, or `None` for a removal.
    pub value: Option<&'a [u8]>,
}

/// The changes of one shard, in order of their tables; the order of keys within a table is that of the changes.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    shard: Shard,
    entries: u64,
    bytes: Vec<u8>,
}

impl Frame {
    /// A frame of bytes that were a frame's [`bytes`](Self::bytes), or `None` if they were not.
    #[must_use]
    pub fn from_bytes(shard: Shard, bytes: Vec<u8>) -> Option<Self> {
        let entries = Self::count(&bytes)?;
        Some(Self { shard, entries, bytes })
    }

    /// The number of changes in bytes that were a frame's [`bytes`](Self::bytes), or `None` if they were not.
    pub(crate) fn count(bytes: &[u8]) -> Option<u64> {
        let mut sections = Sections { bytes: Bytes::new(bytes), table: TableId(0), left: 0 };
        let mut entries = 0;
        loop {
            match sections.advance() {
                Ok(Some(_)) => entries += 1,
                Ok(None) => return Some(entries),
                Err(Malformed) => return None,
            }
        }
    }

    /// Whose changes they are.
    #[must_use]
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// The number of changes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.entries
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The frame's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The changes, front to back.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let mut sections = Sections { bytes: Bytes::new(&self.bytes), table: TableId(0), left: 0 };
        // A frame is written by a `FrameWriter` or was checked by `from_bytes`: it is never malformed.
        std::iter::from_fn(move || sections.advance().ok().flatten())
    }

    /// The changes, table by table.
    pub(crate) fn sections(&self) -> Sections<'_> {
        Sections { bytes: Bytes::new(&self.bytes), table: TableId(0), left: 0 }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({}, {} changes, {} bytes)", self.shard, self.entries, self.bytes.len())
    }
}

struct Malformed;

/// A frame that is read front to back.
pub(crate) struct Sections<'a> {
    bytes: Bytes<'a>,
    table: TableId,
    left: u32,
}

impl<'a> Sections<'a> {
    #[inline]
    fn advance(&mut self) -> Result<Option<Change<'a>>, Malformed> {
        while self.left == 0 {
            if self.bytes.is_empty() {
                return Ok(None);
            }
            self.table = TableId(self.bytes.u16().ok_or(Malformed)?);
            self.left = self.bytes.u32().ok_or(Malformed)?;
        }
        self.take().map(Some)
    }

    #[inline]
    fn take(&mut self) -> Result<Change<'a>, Malformed> {
        self.left -= 1;
        let key = self.part(0)?.unwrap_or_default();
        let value = self.part(1)?;
        Ok(Change { table: self.table, key, value })
    }

    /// Moves to the next table, past what is left of the one before.
    pub(crate) fn next_table(&mut self) -> Option<TableId> {
        while self.next_change().is_some() {}
        self.table = TableId(self.bytes.u16()?);
        self.left = self.bytes.u32()?;
        Some(self.table)
    }

    /// How many changes of the table are still to come.
    pub(crate) fn left(&self) -> usize {
        self.left as usize
    }

    /// The table's next change.
    #[inline]
    pub(crate) fn next_change(&mut self) -> Option<Change<'a>> {
        // A frame is never malformed: see `Frame::changes`.
        if self.left == 0 { None } else { self.take().ok() }
    }

    /// A length, less `offset`, and this many bytes; `None` if the length is below the offset.
    fn part(&mut self, offset: u64) -> Result<Option<&'a [u8]>, Malformed> {
        let length = self.bytes.varint().ok_or(Malformed)?;
        let Some(length) = length.checked_sub(offset) else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        self.bytes.take(length).map(Some).ok_or(Malformed)
    }
}

/// Writes a frame, table by table.
#[derive(Debug, Default)]
pub struct FrameWriter {
    bytes: Vec<u8>,
    entries: u64,
    /// Where the count of the open table is, and what it is so far.
    open: Option<(usize, u32)>,
    /// For a key or value whose length is not known before it is encoded.
    scratch: Vec<u8>,
}

impl FrameWriter {
    /// An empty frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The changes that follow are those of this table. A table without changes leaves no trace.
    pub fn begin_table(&mut self, table: TableId) {
        self.end_table();
        self.bytes.extend_from_slice(&table.0.to_le_bytes());
        self.open = Some((self.bytes.len(), 0));
        self.bytes.extend_from_slice(&[0; 4]);
    }

    fn end_table(&mut self) {
        match self.open.take() {
            Some((at, 0)) => self.bytes.truncate(at - 2),
            Some((at, count)) => self.bytes[at..at + 4].copy_from_slice(&count.to_le_bytes()),
            None => {}
        }
    }

    #[inline]
    fn count(&mut self) {
        // Changes before the first table belong to table 0.
        if self.open.is_none() {
            self.begin_table(TableId(0));
        }
        if let Some((_, count)) = &mut self.open {
            *count += 1;
        }
        self.entries += 1;
    }

    /// The key has this value now.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.count();
        put_varint(&mut self.bytes, key.len() as u64);
        self.bytes.extend_from_slice(key);
        put_varint(&mut self.bytes, value.len() as u64 + 1);
        self.bytes.extend_from_slice(value);
    }

    /// The key has no value any more.
    pub fn remove(&mut self, key: &[u8]) {
        self.count();
        put_varint(&mut self.bytes, key.len() as u64);
        self.bytes.extend_from_slice(key);
        self.bytes.push(0);
    }

    /// A change whose key and value are encoded right into the frame, the value only if there is one.
    #[inline]
    pub(crate) fn encode<E>(
        &mut self,
        key: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
        value: Option<impl FnOnce(&mut Vec<u8>) -> Result<(), E>>,
    ) -> Result<(), E> {
        self.count();
        let before = self.bytes.len();
        let written = self.prefixed(0, key).and_then(|()| match value {
            Some(value) => self.prefixed(1, value),
            None => {
                self.bytes.push(0);
                Ok(())
            }
        });
        if written.is_err() {
            self.bytes.truncate(before);
            self.entries -= 1;
            if let Some((_, count)) = &mut self.open {
                *count -= 1;
            }
        }
        written
    }

    /// Encodes after one byte for the length; what is longer than that byte can tell is moved.
    #[inline]
    fn prefixed<E>(&mut self, offset: u64, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let at = self.bytes.len();
        self.bytes.push(0);
        encode(&mut self.bytes)?;
        let length = (self.bytes.len() - at - 1) as u64 + offset;
        if length < 0x80 {
            self.bytes[at] = length as u8;
        } else {
            self.scratch.clear();
            self.scratch.extend_from_slice(&self.bytes[at + 1..]);
            self.bytes.truncate(at);
            put_varint(&mut self.bytes, length);
            self.bytes.extend_from_slice(&self.scratch);
        }
        Ok(())
    }

    /// Makes room for about this many bytes.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// How many bytes have been written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no change so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The frame, with the changes of another one of its shard after its own.
    pub(crate) fn append(mut self, frame: &Frame) -> Frame {
        self.end_table();
        self.bytes.extend_from_slice(&frame.bytes);
        Frame { shard: frame.shard, entries: self.entries + frame.entries, bytes: self.bytes }
    }

    /// The frame.
    #[must_use]
    pub fn finish(mut self, shard: Shard) -> Frame {
        self.end_table();
        // It may wait for its epoch, and for the backend: what it does not need is given back.
        self.bytes.shrink_to_fit();
        Frame { shard, entries: self.entries, bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SHARD: Shard = Shard { store: StoreId(1), group: KeyGroup(2) };

    type Owned = (u16, Vec<u8>, Option<Vec<u8>>);

    fn owned(frame: &Frame) -> Vec<Owned> {
        let own = |change: Change<'_>| (change.table.0, change.key.to_vec(), change.value.map(<[u8]>::to_vec));
        frame.changes().map(own).collect()
    }

    fn encoder(bytes: &[u8]) -> impl FnOnce(&mut Vec<u8>) -> Result<(), ()> {
        |out| {
            out.extend_from_slice(bytes);
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            tables in vec((any::<u16>(), vec((vec(any::<u8>(), 0..200), prop::option::of(vec(any::<u8>(), 0..200))), 0..5)), 0..4)
        ) {
            let (mut one, mut other) = (FrameWriter::new(), FrameWriter::new());
            let mut expected = vec![];
            for (table, entries) in tables {
                one.begin_table(TableId(table));
                other.begin_table(TableId(table));
                for (key, value) in entries {
                    match &value {
                        Some(value) => one.put(&key, value),
                        None => one.remove(&key),
                    }
                    other.encode(encoder(&key), value.as_deref().map(encoder)).unwrap();
                    expected.push((table, key, value));
                }
            }
            let (one, other) = (one.finish(SHARD), other.finish(SHARD));
            prop_assert_eq!(owned(&one), &expected[..]);
            prop_assert_eq!(one.len(), expected.len() as u64);
            prop_assert_eq!(&one, &other);
            prop_assert_eq!(Frame::from_bytes(SHARD, one.bytes().to_vec()), Some(one.clone()));
        }

        #[test]
        fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..100)) {
            if let Some(frame) = Frame::from_bytes(SHARD, bytes) {
                prop_assert_eq!(frame.changes().count() as u64, frame.len());
            }
        }
    }

    #[test]
    fn a_change_that_cannot_be_encoded_leaves_no_trace() {
        let mut writer = FrameWriter::new();
        writer.put(b"a", b"1");
        let failed = writer.encode(
            encoder(b"key"),
            Some(|out: &mut Vec<u8>| {
                out.push(1);
                Err(())
            }),
        );
        assert_eq!(failed, Err(()));
        let frame = writer.finish(SHARD);
        assert_eq!(owned(&frame), [(0, b"a".to_vec(), Some(b"1".to_vec()))]);
        assert!(Frame::from_bytes(SHARD, frame.bytes().to_vec()).is_some());
    }

    #[test]
    fn a_frame_cut_short_is_refused() {
        let mut writer = FrameWriter::new();
        writer.put(b"ann", b"1");
        writer.begin_table(TableId(3));
        writer.put(b"bob", b"2");
        let frame = writer.finish(SHARD);
        let whole = (0..=frame.bytes().len())
            .filter(|&length| Frame::from_bytes(SHARD, frame.bytes()[..length].to_vec()).is_some());
        // Nothing, the first table, both tables.
        assert_eq!(whole.collect::<Vec<_>>(), [0, 12, 24]);
    }
}
