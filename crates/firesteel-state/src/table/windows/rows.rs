//! What fired windows hold, read bit by bit.

use firesteel_window::Window;

use super::WindowTable;
use super::pane::Pane;
use super::stored::{numbers, prefix};
use crate::backend::scan_some;
use crate::codec::{StateKey, StateValue};
use crate::error::Result;

/// How far what has fired in a key group has been read. It begins where [`fire`](crate::OpenWindows::fire) says.
#[derive(Debug, Clone, Default)]
pub struct FiredRows {
    /// The window that is being read.
    window: usize,
    /// Of it: which of the numbers of the table, and how many keys of those in memory.
    number: usize,
    place: usize,
    /// From where on the backend is to be read.
    from: Vec<u8>,
    /// Which of the keys in memory the backend has had, too.
    seen: Vec<bool>,
    /// Rows of windows of which the backend holds a part.
    counted: u64,
}

impl FiredRows {
    pub(crate) fn from_window(window: usize) -> Self {
        Self { window, ..Self::default() }
    }

    pub(crate) fn window(&self) -> usize {
        self.window
    }

    /// Whether the backend has had the key in memory at this place, too.
    pub(super) fn has_seen(&self, place: usize) -> bool {
        self.seen.get(place).is_some_and(|seen| *seen)
    }

    /// How many rows have been read that could not be counted when their windows fired.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.counted
    }
}

impl<K: StateKey, A: StateValue> WindowTable<K, A> {
    /// Reads about the next `limit` rows, or up to the end of what is in memory; `false` if none are left after these.
    pub(crate) fn read_fired(
        &self,
        rows: &mut FiredRows,
        mut limit: usize,
        each: &mut impl FnMut(Window, &K, &A),
    ) -> Result<bool> {
        while let Some(pane) = self.fired.get(rows.window) {
            if limit == 0 {
                return Ok(true);
            }
            if !pane.complete {
                limit -= self.read_stored(pane, rows, limit, each)?;
            }
            let slots = pane.slots.len();
            while limit > 0 && rows.place < slots {
                if !rows.has_seen(rows.place) {
                    let slot = pane.slots.at(rows.place);
                    each(pane.window, &slot.key, &slot.value);
                    limit -= 1;
                    rows.counted += u64::from(!pane.complete);
                }
                rows.place += 1;
            }
            if rows.place == slots && (pane.complete || rows.number > self.setup.older.len()) {
                let FiredRows { window, counted, .. } = std::mem::take(rows);
                *rows = FiredRows { window: window + 1, counted, ..FiredRows::default() };
            }
        }
        Ok(false)
    }

    /// Reads up to `limit` rows of what the backend holds of a window; how many they were.
    pub(super) fn read_stored(
        &self,
        pane: &Pane<K, A>,
        rows: &mut FiredRows,
        limit: usize,
        each: &mut dyn FnMut(Window, &K, &A),
    ) -> Result<usize> {
        let Some(backend) = &self.setup.backend else { return Ok(0) };
        rows.seen.resize(pane.slots.len(), false);
        let mut read = 0;
        while let Some(number) = numbers(&self.setup).nth(rows.number).filter(|_| read < limit) {
            let FiredRows { from, seen, .. } = rows;
            let mut last = vec![];
            let (mut keys, mut told) = (0, 0);
            let take = &mut |bytes: &[u8], value: &[u8]| {
                keys += 1;
                if keys == limit - read {
                    bytes.clone_into(&mut last);
                }
                let (window, key_bytes, key) = self.decode_key(bytes)?;
                // What is in memory is newer. The backend may get it while it is being read.
                match pane.slots.find((self.hasher)(&key), &key) {
                    Some(at) if std::mem::replace(&mut seen[at], true) => return Ok(()),
                    Some(at) => each(window, &key, &pane.slots.at(at).value),
                    None => each(window, &key, &self.decode_value(number, key_bytes, value)?),
                }
                told += 1;
                Ok(())
            };
            let more = scan_some(&**backend, self.setup.shard, number, &prefix(pane.window), from, limit - read, take)?;
            read += keys;
            rows.counted += told;
            if more {
                last.push(0);
                rows.from = last;
            } else {
                rows.from.clear();
                rows.number += 1;
            }
        }
        Ok(read)
    }
}
