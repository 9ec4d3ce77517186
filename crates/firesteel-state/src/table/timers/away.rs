//! Timers that only the backend has: putting them away, and reading them back.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use firesteel_window::Timestamp;

use super::{At, Few, Timers};
use crate::backend::{EachUntil, KeyRange};
use crate::codec::{self, StateKey};
use crate::error::Result;
use crate::frame::TableId;
use crate::timers_by_key::{TIME, by_key, ordered, time};

/// Times and keys that are read back at once. Few in tests of this crate, so that there are many pieces.
const PIECE: usize = if cfg!(test) { 2 } else { 256 };

/// As many of one instant at most. Keys of an instant are stored in the order of their bytes, which is not theirs: each
/// piece of it is found by looking at all of them, so it pays to read more each time.
const MOST: usize = 16 * PIECE;

/// What only the backend has: at least one timer.
pub(super) struct Away<K> {
    /// Whatever is before this is in memory; without a key, what is before that time.
    first: (Timestamp, Option<K>),
    /// Whether there is something at that time.
    is_exact: bool,
    /// Nothing is after this time.
    last: Timestamp,
    /// How many timers there are.
    count: usize,
    /// How much to read next.
    piece: usize,
}

impl<K: Ord> Away<K> {
    /// How many timers there are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// No timer is before that.
    pub(super) const fn from(&self) -> Timestamp {
        self.first.0
    }

    /// Whether a place is before all that is away.
    fn is_after(&self, place: &At<K>) -> bool {
        (place.0, Some(&place.1)) < (self.first.0, self.first.1.as_ref())
    }
}

impl<K: StateKey + Ord> Timers<K> {
    /// Whether what the backend has at a place is what there is, and not in memory.
    fn is_away(&self, place: &At<K>) -> bool {
        !self.queue.contains_key(place) && !self.pending.contains_key(place)
    }

    /// Finds out how much the backend has. All of it is away then.
    pub(super) fn count_away(&mut self) -> Result<()> {
        let Some(backend) = &self.setup.backend else { return Ok(()) };
        let mut away: Option<Away<K>> = None;
        backend.scan(self.setup.shard, self.setup.table, &[], &mut |key, value| {
            let bad = || self.setup.undecodable(postcard::Error::DeserializeBadEncoding);
            let at = time(*key.first_chunk().ok_or_else(bad)?);
            let new = || Away { first: (at, None), is_exact: true, last: at, count: 0, piece: PIECE };
            let away = away.get_or_insert_with(new);
            away.last = at;
            away.count += value.len() / size_of::<TableId>();
            Ok(())
        })?;
        self.away = away;
        Ok(())
    }

    /// Lets the backend keep up to about this many times and keys, as far as it has them: those that fire last.
    pub(super) fn put_away(&mut self, wanted: usize) {
        let may_go = self.queue.keys().rev().filter(|place| !self.pending.contains_key(*place));
        let Some(first) = may_go.take(wanted).last().cloned() else { return };
        let (mut count, mut last) = (0, Timestamp::MIN);
        for (place, timers) in self.queue.split_off(&first) {
            if self.pending.contains_key(&place) {
                self.queue.insert(place, timers);
                continue;
            }
            count += timers.as_slice().len();
            last = place.0;
            self.unindex((self.hasher)(&place.1), &place.1, place.0);
        }
        self.count -= count;
        if self.keys.len() < self.keys.capacity() / 4 {
            self.shrink_keys();
        }
        let first = (first.0, Some(first.1));
        self.away = Some(match self.away.take() {
            Some(away) => {
                let (last, count) = (away.last.max(last), away.count + count);
                let (first, is_exact) = if first <= away.first { (first, true) } else { (away.first, away.is_exact) };
                Away { first, is_exact, last, count, piece: (away.piece / 2).max(PIECE) }
            }
            None => Away { first, is_exact: true, last, count, piece: PIECE },
        });
    }

    /// Makes sure that a place which is not in memory does not exist.
    #[inline]
    pub(super) fn fetch(&mut self, place: &At<K>) -> Result<()> {
        let Some(away) = &self.away else { return Ok(()) };
        if place.0 > away.last || away.is_after(place) {
            return Ok(());
        }
        let Some(backend) = self.setup.backend.clone().filter(|_| self.is_away(place)) else { return Ok(()) };
        let mut key = Vec::with_capacity(TIME * 4);
        self.encode(place, &mut key).map_err(|source| self.setup.unencodable(source))?;
        let mut found = None;
        backend.read(self.setup.shard, self.setup.table, &[&key], &mut |_, value| {
            found = Some(self.decode_names(value));
        })?;
        if let Some(timers) = found.transpose()?.flatten() {
            self.bring(place.clone(), timers);
        }
        Ok(())
    }

    /// Takes what was away into memory.
    fn bring(&mut self, place: At<K>, timers: Few<TableId>) {
        let Some(away) = &mut self.away else { return };
        away.is_exact &= place.0 != away.first.0;
        debug_assert!(away.count >= timers.as_slice().len(), "what is away is counted");
        away.count = away.count.saturating_sub(timers.as_slice().len());
        if away.count == 0 {
            self.away = None;
        }
        let hash = (self.hasher)(&place.1);
        self.replace(hash, place, Some(timers));
    }

    /// Reads back what is needed for the first timer that is due at `now` to be in memory.
    pub(super) fn approach(&mut self, now: Timestamp) -> Result<()> {
        while let Some(away) = self.away.as_ref().filter(|away| away.first.0 <= now)
            && self.queue.first_key_value().is_none_or(|(place, _)| !away.is_after(place))
        {
            self.read_piece()?;
        }
        Ok(())
    }

    /// Hands what the backend has from the first on that is away, in the order of times, and of keys in any. Not all of
    /// it [is away](Self::is_away).
    fn each_stored(&self, away: &Away<K>, each: &mut dyn FnMut(At<K>, &[u8]) -> Result<ControlFlow<()>>) -> Result<()> {
        let Some(backend) = &self.setup.backend else { return Ok(()) };
        let each: &mut EachUntil<'_> = &mut |key, value| {
            let place = self.decode(key)?;
            if away.is_after(&place) { Ok(ControlFlow::Continue(())) } else { each(place, value) }
        };
        let range = KeyRange { from: &ordered(away.first.0), to: None, descends: false };
        backend.range(self.setup.shard, self.setup.table, range, each)
    }

    /// Reads back what comes first of what is away.
    fn read_piece(&mut self) -> Result<()> {
        let Some(away) = &self.away else { return Ok(()) };
        let mut found: BTreeMap<At<K>, Few<TableId>> = BTreeMap::new();
        // The first that is left of the instant with which the piece ends, and the instant after it.
        let (mut left, mut after): (Option<At<K>>, Option<Timestamp>) = (None, None);
        self.each_stored(away, &mut |place, value| {
            let last = found.last_key_value().filter(|_| found.len() == away.piece).map(|(last, _)| last);
            let is_beyond = last.is_some_and(|last| place.0 > last.0);
            if is_beyond && left.is_some() {
                return Ok(ControlFlow::Break(()));
            }
            if left.as_ref().is_some_and(|left| *left < place) || !self.is_away(&place) {
                return Ok(ControlFlow::Continue(()));
            }
            if is_beyond {
                after = Some(place.0);
                return Ok(ControlFlow::Break(()));
            }
            if last.is_some_and(|last| *last < place) {
                left = Some(place);
                return Ok(ControlFlow::Continue(()));
            }
            let Some(timers) = self.decode_names(value)? else { return Ok(ControlFlow::Continue(())) };
            found.insert(place, timers);
            if found.len() > away.piece {
                left = found.pop_last().map(|(place, _)| place);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let piece = if left.is_some() { (away.piece * 2).min(MOST) } else { PIECE };
        for (place, timers) in found {
            self.bring(place, timers);
        }
        let next = left.map(|(at, key)| (at, Some(key))).or(after.map(|at| (at, None)));
        debug_assert_eq!(next.is_some(), self.away.is_some(), "what is away is counted");
        self.away = self.away.take().zip(next).map(|(away, first)| Away { first, is_exact: true, piece, ..away });
        Ok(())
    }

    /// Finds out when the first timer fires that is away, unless one in memory fires before anyway.
    pub(super) fn find_first_away(&mut self) -> Result<()> {
        let Some(away) = self.away.as_ref().filter(|away| !away.is_exact) else { return Ok(()) };
        if self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= away.first.0) {
            return Ok(());
        }
        let mut found = None;
        self.each_stored(away, &mut |place, _| {
            if !self.is_away(&place) {
                return Ok(ControlFlow::Continue(()));
            }
            found = Some(place.0);
            Ok(ControlFlow::Break(()))
        })?;
        debug_assert!(found.is_some(), "what is away is counted");
        if let (Some(at), Some(away)) = (found, &mut self.away) {
            away.is_exact = true;
            if at != away.first.0 {
                away.first = (at, None);
            }
        }
        Ok(())
    }

    /// Adds when those timers of a key fire that are away.
    pub(super) fn list_away(&self, key: &K, timer: TableId, listed: &mut Vec<Timestamp>) -> Result<()> {
        let (Some(backend), Some(table)) = (&self.setup.backend, by_key(self.setup.table)) else { return Ok(()) };
        let mut prefix = Vec::with_capacity(TIME * 4);
        codec::encode(key, &mut prefix).map_err(|source| self.setup.unencodable(source))?;
        let mut place = (Timestamp::MIN, key.clone());
        backend.scan(self.setup.shard, table, &prefix, &mut |bytes, value| {
            let bad = || self.setup.undecodable(postcard::Error::DeserializeBadEncoding);
            place.0 = time(bytes[prefix.len()..].try_into().map_err(|_| bad())?);
            if self.is_away(&place) && self.decode_names(value)?.is_some_and(|names| names.as_slice().contains(&timer))
            {
                listed.push(place.0);
            }
            Ok(())
        })?;
        listed.sort_unstable();
        Ok(())
    }
}
