//! Timers stand by time, and over a backend by key as well: the bytes of both, and how the second come from the first.

use firesteel_window::Timestamp;

use crate::frame::{Frame, FrameWriter, TableId};

/// Bytes of a time.
pub(crate) const TIME: usize = 8;

/// Eight bytes in the order of time.
pub(crate) fn ordered(at: Timestamp) -> [u8; TIME] {
    (at.as_micros() as u64 ^ 1 << 63).to_be_bytes()
}

/// The time that stands in such bytes.
pub(crate) fn time(ordered: [u8; TIME]) -> Timestamp {
    Timestamp::from_micros((u64::from_be_bytes(ordered) ^ 1 << 63) as i64)
}

/// Where the timers of a table stand by key.
pub(crate) fn by_key(table: TableId) -> Option<TableId> {
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
