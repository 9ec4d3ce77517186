//! Windows in the backend: keys begin with the window, in the order of windows.

use firesteel_window::{Timestamp, Window};

use super::WindowTable;
use crate::backend::{holds, scan_some};
use crate::codec::{self, StateKey, StateValue};
use crate::error::Result;
use crate::frame::{FrameWriter, TableId};
use crate::table::wanted::Wanted;
use crate::table::{Setup, Stamps};

/// The first of all windows.
pub(super) const FIRST: Window = Window::new(Timestamp::MIN, Timestamp::MIN);

/// Bytes of a window at the front of a key.
pub(super) const PREFIX: usize = 16;

/// Sixteen bytes in the order of windows: end, then start.
pub(super) fn prefix(window: Window) -> [u8; PREFIX] {
    let ordered = |at: Timestamp| (at.as_micros() as u64 ^ 1 << 63).to_be_bytes();
    let mut bytes = [0; PREFIX];
    bytes[..8].copy_from_slice(&ordered(window.end()));
    bytes[8..].copy_from_slice(&ordered(window.start()));
    bytes
}

/// A key as it is stored, taken apart: the window, and the bytes of the key.
pub(super) fn parse(bytes: &[u8]) -> Option<(Window, &[u8])> {
    let (end, rest) = bytes.split_first_chunk()?;
    let (start, key) = rest.split_first_chunk()?;
    let time = |bytes: &[u8; 8]| Timestamp::from_micros((u64::from_be_bytes(*bytes) ^ 1 << 63) as i64);
    Some((Window::new(time(start), time(end)), key))
}

/// Whatever is stored after all keys of a window begins here; `None` after the last window of all.
pub(super) fn after(window: Window) -> Option<[u8; PREFIX]> {
    u128::from_be_bytes(prefix(window)).checked_add(1).map(u128::to_be_bytes)
}

/// The numbers under which the backend may hold windows.
pub(super) fn numbers(setup: &Setup) -> impl Iterator<Item = TableId> {
    std::iter::once(setup.table).chain(setup.older.iter().copied())
}

impl<K: StateKey, A: StateValue> WindowTable<K, A> {
    pub(super) fn decode_key<'a>(&self, bytes: &'a [u8]) -> Result<(Window, &'a [u8], K)> {
        let bad = || self.setup.undecodable(postcard::Error::DeserializeBadEncoding);
        let (window, bytes) = parse(bytes).ok_or_else(bad)?;
        let key = codec::decode(bytes).map_err(|source| self.setup.undecodable(source))?;
        Ok((window, bytes, key))
    }

    pub(super) fn decode_value(&self, number: TableId, key: &[u8], value: &[u8]) -> Result<A> {
        // What a window gathers has no TTL, and never had.
        self.codec.decode(number, key, value)
    }

    /// Whether the window has fired, and the backend may still hold what it had.
    pub(super) fn has_fired(&self, window: Window) -> bool {
        self.closed.iter().any(|(closed, _)| *closed == window)
            || self.fired.iter().chain(&self.gone).any(|pane| pane.window == window)
    }

    /// Whether the backend holds something of a window that is not in memory.
    pub(super) fn is_stored(&self, window: Window) -> Result<bool> {
        let (Some(backend), Some(first)) = (&self.setup.backend, self.away) else { return Ok(false) };
        if window < first || self.has_fired(window) {
            return Ok(false);
        }
        for number in numbers(&self.setup) {
            if holds(&**backend, self.setup.shard, number, &prefix(window))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first window that the backend holds from some bytes on, whether it is in memory or has fired.
    pub(super) fn first_stored(&self, from: &[u8]) -> Result<Option<Window>> {
        let Some(backend) = &self.setup.backend else { return Ok(None) };
        let mut first: Option<Window> = None;
        for number in numbers(&self.setup) {
            let bad = || self.setup.undecodable(postcard::Error::DeserializeBadEncoding);
            scan_some(&**backend, self.setup.shard, number, &[], from, 1, &mut |key, _| {
                let (window, _) = parse(key).ok_or_else(bad)?;
                first = Some(first.map_or(window, |first| first.min(window)));
                Ok(())
            })?;
        }
        Ok(first)
    }

    /// The windows that only the backend holds and that `watermark` closes, in their order. They are in its hands then.
    pub(super) fn away_until(&mut self, watermark: Timestamp) -> Result<Vec<Window>> {
        let mut found = vec![];
        let Some(first) = self.away.filter(|first| first.is_closed_by(watermark)) else { return Ok(found) };
        let mut next = self.first_stored(&prefix(first))?;
        while let Some(window) = next.filter(|window| window.is_closed_by(watermark)) {
            if self.position(window).is_err() && !self.has_fired(window) {
                found.push(window);
            }
            next = match after(window) {
                Some(from) => self.first_stored(&from)?,
                None => None,
            };
        }
        self.away = next;
        Ok(found)
    }

    /// Takes note that the backend holds a window that is not in memory.
    pub(super) fn set_away(&mut self, window: Window) {
        self.away = Some(self.away.map_or(window, |first| first.min(window)));
    }

    /// Reads what the backend has of a pane's new keys, in one call.
    pub(super) fn read(&mut self, at: usize, stamps: Stamps, merge: &mut impl FnMut(&mut A, A)) -> Result<()> {
        let pane = &self.open[at];
        let prefix = prefix(pane.window);
        let mut wanted = Wanted::default();
        for place in &pane.unread {
            let key = &pane.slots.at(*place as usize).key;
            let encoded = wanted.add(|bytes| {
                bytes.extend_from_slice(&prefix);
                codec::encode(key, bytes)
            });
            encoded.map_err(|source| self.setup.unencodable(source))?;
        }
        let mut found = Vec::with_capacity(pane.unread.len());
        found.resize_with(pane.unread.len(), || None);
        // Keys are different: the first of equal ones is the only one.
        _ = wanted.read(&self.setup, &mut |number, table, key, value| {
            found[number] = Some(self.decode_value(table, &key[PREFIX..], value));
        })?;
        let pane = &mut self.open[at];
        for (place, found) in std::mem::take(&mut pane.unread).into_iter().zip(found) {
            if let Some(stored) = found {
                let slot = pane.slots.at_mut(place as usize);
                debug_assert_eq!(slot.stamp, stamps.attempt, "only what came in this attempt is unread");
                let gathered = std::mem::replace(&mut slot.value, stored?);
                merge(&mut slot.value, gathered);
                pane.found += 1;
            }
        }
        Ok(())
    }

    /// Writes that all keys are gone that the backend holds of a window under a number, unless `but` says that they are
    /// told elsewhere.
    pub(super) fn write_gone(
        &self,
        window: Window,
        number: TableId,
        but: &dyn Fn(&[u8]) -> Result<bool>,
        out: &mut FrameWriter,
    ) -> Result<()> {
        let Some(backend) = &self.setup.backend else { return Ok(()) };
        backend.scan(self.setup.shard, number, &prefix(window), &mut |key, _| {
            if !but(key)? {
                out.remove(key);
            }
            Ok(())
        })
    }
}
