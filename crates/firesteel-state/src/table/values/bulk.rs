//! Many keys at once: searches that do not wait for each other, and one call to the backend for all that is missing.

use firesteel_window::Timestamp;

use super::Values;
use crate::codec::{self, StateKey, StateValue};
use crate::error::Result;
use crate::table::Stamps;
use crate::table::wanted::Wanted;
use crate::ttl::Times;

/// This many records are looked up before the first of them is changed, so that the processor waits for many cache
/// lines at once.
const AHEAD: usize = 128;

impl<K: StateKey, V: StateValue> Values<K, V> {
    /// Updates the values of many records' keys, in the order of the records.
    pub(crate) fn update_many<R>(
        &mut self,
        records: &[R],
        key: impl Fn(&R) -> (u64, &K),
        times: &Times,
        stamps: Stamps,
        mut change: impl FnMut(&mut Option<V>, &R),
    ) -> Result<()> {
        let warm = self.slots.warm_up(records.len());
        let brought = if self.complete { None } else { Some(self.bring(&[records], &key, warm, stamps)?) };
        for (number, records) in records.chunks(AHEAD).enumerate() {
            let found: [u32; AHEAD];
            let places = match &brought {
                Some(places) => &places[number * AHEAD..],
                None => {
                    found = self.slots.candidates(records.iter().map(|record| key(record).0), warm);
                    &found[..]
                }
            };
            for (place, record) in places.iter().zip(records) {
                self.change(*place, key(record), times, stamps, |value| change(value, record));
            }
        }
        Ok(())
    }

    /// Merges values into those of their keys, list by list and in their order. Then `each` gets the keys that the attempt
    /// at the batch had not changed before, in the order in which they came, and what they have now.
    pub(crate) fn merge_many(
        &mut self,
        lists: &mut [Vec<(u64, K, V)>],
        times: &Times,
        stamps: Stamps,
        mut merge: impl FnMut(&mut V, V),
        mut each: impl FnMut(K, &V),
    ) -> Result<()> {
        let (warm, mut firsts) = self.expect(lists, stamps)?;
        for list in lists {
            let mut entries = list.drain(..);
            while !entries.as_slice().is_empty() {
                let places = self.places(entries.as_slice(), warm);
                for (place, (hash, key, new)) in places.into_iter().zip(entries.by_ref()) {
                    let (at, is_first) = match self.check(place, hash, &key) {
                        Some(at) => (at, self.merge_at(at, new, times, stamps, &mut merge)),
                        None => (self.insert_new(hash, &key, new, times, stamps), true),
                    };
                    if is_first {
                        firsts.push((at as u32, key));
                    }
                }
            }
        }
        for (at, key) in firsts {
            if let Some(value) = &self.slots.at(at as usize).value {
                each(key, value);
            }
        }
        Ok(())
    }

    /// Makes ready for merging these: whether the slots were brought near, and room for all keys.
    fn expect(&mut self, lists: &[Vec<(u64, K, V)>], stamps: Stamps) -> Result<(bool, Vec<(u32, K)>)> {
        let count = lists.iter().map(Vec::len).sum();
        let warm = self.slots.warm_up(count);
        if !self.complete {
            self.bring(lists, &|(hash, key, _): &(u64, K, V)| (*hash, key), warm, stamps)?;
        }
        Ok((warm, Vec::with_capacity(count)))
    }

    /// Where the next entries' keys probably are.
    #[inline]
    fn places(&self, entries: &[(u64, K, V)], warm: bool) -> [u32; AHEAD] {
        self.slots.candidates(entries.iter().take(AHEAD).map(|entry| entry.0), warm)
    }

    /// Merges a value into a slot, and says whether that is the attempt's first change to it.
    #[inline]
    fn merge_at(
        &mut self,
        at: usize,
        new: V,
        times: &Times,
        stamps: Stamps,
        merge: &mut impl FnMut(&mut V, V),
    ) -> bool {
        let is_first = self.slots.at(at).stamp != stamps.attempt;
        self.update_at(at, times, stamps, |value| match value {
            Some(value) => merge(value, new),
            None => *value = Some(new),
        });
        is_first
    }

    /// Updates the value of a key that is probably at `place`. Whatever exists of it is here.
    #[inline]
    fn change(
        &mut self,
        place: u32,
        (hash, key): (u64, &K),
        times: &Times,
        stamps: Stamps,
        change: impl FnOnce(&mut Option<V>),
    ) {
        match self.check(place, hash, key) {
            Some(at) => self.update_at(at, times, stamps, change),
            None => self.update_new(hash, key, times, stamps, change),
        }
    }

    /// The place of a key that is probably at `place`.
    #[inline]
    fn check(&self, place: u32, hash: u64, key: &K) -> Option<usize> {
        let at = place as usize;
        if at < self.slots.len() && self.slots.at(at).key == *key { Some(at) } else { self.slots.find(hash, key) }
    }

    /// Makes sure that the values of the records' keys are here. The places of those that were, and `u32::MAX` for the
    /// others.
    fn bring<R>(
        &mut self,
        lists: &[impl AsRef<[R]>],
        key: &impl Fn(&R) -> (u64, &K),
        warm: bool,
        stamps: Stamps,
    ) -> Result<Vec<u32>> {
        let mut places = Vec::with_capacity(lists.iter().map(|records| records.as_ref().len()).sum());
        let mut missing = vec![];
        for records in lists.iter().flat_map(|records| records.as_ref().chunks(AHEAD)) {
            let found: [u32; AHEAD] = self.slots.candidates(records.iter().map(|record| key(record).0), warm);
            for (place, record) in found.into_iter().zip(records) {
                let (hash, key) = key(record);
                let at = self.check(place, hash, key);
                if at.is_none() {
                    missing.push((hash, key));
                }
                places.push(at.map_or(u32::MAX, |at| at as u32));
            }
        }
        self.fetch(missing, stamps)?;
        Ok(places)
    }

    /// Reads keys that are not here from the backend, all in one call. What it does not hold is noted as absent.
    pub(super) fn fetch(&mut self, missing: Vec<(u64, &K)>, stamps: Stamps) -> Result<()> {
        if self.setup.backend.is_none() || missing.is_empty() {
            return Ok(());
        }
        let mut wanted = Wanted::default();
        for (_, key) in &missing {
            wanted.add(|bytes| codec::encode(*key, bytes)).map_err(|source| self.setup.unencodable(source))?;
        }
        let mut found: Vec<Option<Result<Option<(Timestamp, V)>>>> = Vec::with_capacity(missing.len());
        found.resize_with(missing.len(), || None);
        let firsts = wanted.read(&self.setup, &mut |at, number, key, value| {
            found[at] = Some(self.setup.decode_value(&self.codec, number, key, value));
        })?;
        for at in firsts {
            let (hash, key) = missing[at];
            let (touched, value) = found[at].take().transpose()?.flatten().unzip();
            self.push(hash, key.clone(), value, stamps.applied, touched.unwrap_or(Timestamp::MIN));
        }
        Ok(())
    }

    /// Hands every key that has a value to `each`.
    pub(crate) fn for_each(&mut self, times: &Times, mut each: impl FnMut(&K, &V)) -> Result<()> {
        for (at, slot) in self.slots.iter().enumerate() {
            if let Some(value) = &slot.value
                && !self.expired(at, times)
            {
                each(&slot.key, value);
            }
        }
        if self.complete { Ok(()) } else { self.for_each_stored(times, &mut each) }
    }

    /// Hands every key that has a value, and is not here, to `each`.
    fn for_each_stored(&self, times: &Times, each: &mut dyn FnMut(&K, &V)) -> Result<()> {
        let Some(backend) = &self.setup.backend else { return Ok(()) };
        // What is here is newer than what the backend holds, or the same.
        for number in std::iter::once(&self.setup.table).chain(&self.setup.older) {
            backend.scan(self.setup.shard, *number, &[], &mut |bytes, value| {
                let key: K = codec::decode(bytes).map_err(|source| self.setup.undecodable(source))?;
                if self.slots.find((self.hasher)(&key), &key).is_none() {
                    let stored = self.setup.decode_value(&self.codec, *number, bytes, value)?;
                    if let Some((touched, value)) = stored
                        && !self.setup.expired(touched, times)
                    {
                        each(&key, &value);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
