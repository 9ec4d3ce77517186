//! Timers as they are stored: by time, and over a backend by key as well.

use firesteel_window::Timestamp;

use super::{At, Few, Timers};
use crate::codec::{self, StateKey};
use crate::error::Result;
use crate::frame::{Frame, FrameWriter, TableId};

/// Bytes of a time.
pub(super) const TIME: usize = 8;

/// Eight bytes in the order of time.
pub(super) fn ordered(at: Timestamp) -> [u8; TIME] {
    (at.as_micros() as u64 ^ 1 << 63).to_be_bytes()
}

/// The time that stands in such bytes.
pub(super) fn time(ordered: [u8; TIME]) -> Timestamp {
    Timestamp::from_micros((u64::from_be_bytes(ordered) ^ 1 << 63) as i64)
}

/// Where the timers of a table stand by key.
pub(super) fn by_key(table: TableId) -> Option<TableId> {
    let at = TableId::TIMERS.iter().position(|timers| *timers == table)?;
    Some(TableId::TIMERS_BY_KEY[at])
}

/// The frame, with its timers by key; nothing if it has none, or has them already.
///
/// What is written where all state is in memory has timers in one order, and a backend needs both.
pub(crate) fn with_timers_by_key(frame: &Frame) -> Option<Frame> {
    let mut sections = frame.sections();
    let (mut has_timers, mut has_both) = (false, false);
    while let Some(table) = sections.next_table() {
        has_timers |= TableId::TIMERS.contains(&table);
        has_both |= TableId::TIMERS_BY_KEY.contains(&table);
    }
    if !has_timers || has_both {
        return None;
    }
    let (mut out, mut open, mut place) = (FrameWriter::new(), None, Vec::new());
    for change in frame.changes() {
        let (Some(table), Some((time, key))) = (by_key(change.table), change.key.split_first_chunk::<TIME>()) else {
            continue;
        };
        if open.replace(table) != Some(table) {
            out.begin_table(table);
        }
        place.clear();
        place.extend_from_slice(key);
        place.extend_from_slice(time);
        match change.value {
            Some(names) => out.put(&place, names),
            None => out.remove(&place),
        }
    }
    Some(out.append(frame))
}

impl<K: StateKey + Ord> Timers<K> {
    /// The key under which a place is stored by time.
    pub(super) fn encode(&self, place: &At<K>, out: &mut Vec<u8>) -> postcard::Result<()> {
        out.extend_from_slice(&ordered(place.0));
        codec::encode(&place.1, out)
    }

    /// The place that is stored by time under a key.
    pub(super) fn decode(&self, key: &[u8]) -> Result<At<K>> {
        let bad = || self.setup.undecodable(postcard::Error::DeserializeBadEncoding);
        let (at, key) = key.split_first_chunk().ok_or_else(bad)?;
        Ok((time(*at), codec::decode(key).map_err(|source| self.setup.undecodable(source))?))
    }

    /// The names that a value has; nothing if it is empty.
    pub(super) fn decode_names(&self, value: &[u8]) -> Result<Option<Few<TableId>>> {
        let (names, rest) = value.as_chunks();
        if !rest.is_empty() {
            return Err(self.setup.undecodable(postcard::Error::DeserializeBadEncoding));
        }
        Ok(Few::of(names.iter().map(|name| TableId(u16::from_le_bytes(*name))).collect()))
    }

    fn write(&self, place: &At<K>, by_key: bool, out: &mut FrameWriter) -> Result<()> {
        let key = |out: &mut Vec<u8>| {
            if by_key {
                codec::encode(&place.1, out)?;
                out.extend_from_slice(&ordered(place.0));
                return Ok(());
            }
            self.encode(place, out)
        };
        let value = self.queue.get(place).map(|timers| {
            |out: &mut Vec<u8>| {
                for timer in timers.as_slice() {
                    out.extend_from_slice(&timer.0.to_le_bytes());
                }
                Ok(())
            }
        });
        out.encode(key, value).map_err(|source| self.setup.unencodable(source))
    }

    /// Writes places in the orders that are stored.
    pub(super) fn write_places<'a>(
        &self,
        mut places: impl Iterator<Item = &'a At<K>> + Clone,
        out: &mut FrameWriter,
    ) -> Result<()>
    where
        K: 'a,
    {
        out.begin_table(self.setup.table);
        places.clone().try_for_each(|place| self.write(place, false, out))?;
        if let Some(table) = by_key(self.setup.table).filter(|_| self.setup.backend.is_some()) {
            out.begin_table(table);
            places.try_for_each(|place| self.write(place, true, out))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Shard, StoreId};
    use crate::key_group::KeyGroup;

    #[test]
    fn what_has_timers_by_time_gets_them_by_key() {
        let shard = Shard { store: StoreId(0), group: KeyGroup(0) };
        let place = |at: i64, key: &[u8]| [&ordered(Timestamp::from_secs(at))[..], key].concat();
        let of_key = |at: i64, key: &[u8]| [key, &ordered(Timestamp::from_secs(at))[..]].concat();
        let mut out = FrameWriter::new();
        out.put(b"a", b"value");
        assert!(with_timers_by_key(&FrameWriter::new().finish(shard)).is_none());
        out.begin_table(TableId::EVENT_TIMERS);
        out.put(&place(7, b"ann"), b"12");
        out.remove(&place(9, b"bob"));
        out.begin_table(TableId::DEFERRED_TIMERS);
        out.put(&place(-7, b"cid"), b"12");
        let frame = out.finish(shard);
        let both = with_timers_by_key(&frame).unwrap();
        let [event, _, deferred] = TableId::TIMERS_BY_KEY;
        let added = [
            (event, of_key(7, b"ann"), Some(b"12".to_vec())),
            (event, of_key(9, b"bob"), None),
            (deferred, of_key(-7, b"cid"), Some(b"12".to_vec())),
        ];
        let all = |frame: &Frame| -> Vec<(TableId, Vec<u8>, Option<Vec<u8>>)> {
            frame.changes().map(|c| (c.table, c.key.to_vec(), c.value.map(<[u8]>::to_vec))).collect()
        };
        assert_eq!(all(&both), [&added[..], &all(&frame)].concat());
        assert_eq!(both.len(), 7);
        assert!(with_timers_by_key(&both).is_none(), "it has them");
        assert!(ordered(Timestamp::from_secs(-1)) < ordered(Timestamp::from_secs(0)));
        assert_eq!(time(ordered(Timestamp::MIN)), Timestamp::MIN);
    }
}
