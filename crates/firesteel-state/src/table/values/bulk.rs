//! Many keys at once: searches that do not wait for each other, and one call to the backend for all that is missing.

use std::ops::Range;

use firesteel_window::Timestamp;

use super::Values;
use crate::codec::{self, StateKey, StateValue};
use crate::error::Result;
use crate::table::Stamps;
use crate::ttl::Times;

/// This many records are looked up before the first of them is changed, so that the processor waits for many cache
/// lines at once.
const AHEAD: usize = 128;

/// A key that is to be read.
struct Wanted<'a, K> {
    /// The first of its bytes, by which most are told apart.
    prefix: u64,
    bytes: Range<usize>,
    hash: u64,
    key: &'a K,
}

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
        if !self.complete {
            let places = self.bring(records, &key, warm, stamps)?;
            for (place, record) in places.into_iter().zip(records) {
                self.change(place, key(record), times, stamps, |value| change(value, record));
            }
            return Ok(());
        }
        for records in records.chunks(AHEAD) {
            let places: [u32; AHEAD] = self.slots.candidates(records.iter().map(|record| key(record).0), warm);
            for (place, record) in places.into_iter().zip(records) {
                self.change(place, key(record), times, stamps, |value| change(value, record));
            }
        }
        Ok(())
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
        records: &[R],
        key: &impl Fn(&R) -> (u64, &K),
        warm: bool,
        stamps: Stamps,
    ) -> Result<Vec<u32>> {
        let mut places = Vec::with_capacity(records.len());
        let mut missing = vec![];
        for records in records.chunks(AHEAD) {
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
        let Some(backend) = self.setup.backend.clone().filter(|_| !missing.is_empty()) else { return Ok(()) };
        let mut bytes = vec![];
        let mut wanted = Vec::with_capacity(missing.len());
        for (hash, key) in missing {
            let start = bytes.len();
            codec::encode(key, &mut bytes).map_err(|source| self.setup.unencodable(source))?;
            let mut prefix = [0; 8];
            let head = &bytes[start..bytes.len().min(start + 8)];
            prefix[..head.len()].copy_from_slice(head);
            wanted.push(Wanted { prefix: u64::from_be_bytes(prefix), bytes: start..bytes.len(), hash, key });
        }
        let of = |wanted: &Wanted<'_, K>| &bytes[wanted.bytes.clone()];
        wanted.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| of(a).cmp(of(b))));
        wanted.dedup_by(|a, b| a.prefix == b.prefix && of(a) == of(b));
        let sorted: Vec<&[u8]> = wanted.iter().map(of).collect();
        let mut found: Vec<Option<Result<(Timestamp, V)>>> = wanted.iter().map(|_| None).collect();
        backend.read(self.setup.shard, self.setup.table, &sorted, &mut |at, value| {
            found[at] = Some(self.setup.decode_value(&self.codec, self.setup.table, sorted[at], value));
        })?;
        // What has been written since is under the number of its type.
        for number in &self.setup.older {
            let places: Vec<usize> = (0..sorted.len()).filter(|at| found[*at].is_none()).collect();
            let missing: Vec<&[u8]> = places.iter().map(|at| sorted[*at]).collect();
            backend.read(self.setup.shard, *number, &missing, &mut |at, value| {
                found[places[at]] = Some(self.setup.decode_value(&self.codec, *number, missing[at], value));
            })?;
        }
        for (Wanted { hash, key, .. }, found) in wanted.into_iter().zip(found) {
            let (touched, value) = match found.transpose()? {
                Some((touched, value)) => (touched, Some(value)),
                None => (Timestamp::MIN, None),
            };
            self.push(hash, key.clone(), value, stamps.applied, touched);
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
        let Some(backend) = self.setup.backend.as_ref().filter(|_| !self.complete) else { return Ok(()) };
        // What is here is newer than what the backend holds, or the same.
        for number in std::iter::once(&self.setup.table).chain(&self.setup.older) {
            backend.scan(self.setup.shard, *number, &[], &mut |bytes, value| {
                let key: K = codec::decode(bytes).map_err(|source| self.setup.undecodable(source))?;
                if self.slots.find((self.hasher)(&key), &key).is_none() {
                    let (touched, value) = self.setup.decode_value(&self.codec, *number, bytes, value)?;
                    if !self.setup.expired(touched, times) {
                        each(&key, &value);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}
