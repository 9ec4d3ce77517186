//! Keys that are to be read from a backend: sorted, each once, in one call.

use std::ops::Range;

use crate::error::Result;
use crate::frame::TableId;
use crate::table::Setup;

/// Encoded keys, in the order in which they were added.
#[derive(Default)]
pub(super) struct Wanted {
    bytes: Vec<u8>,
    keys: Vec<Key>,
}

struct Key {
    /// The first of its bytes, by which most are told apart.
    prefix: u64,
    bytes: Range<usize>,
    /// Its number among those that were added.
    at: usize,
}

impl Wanted {
    /// Adds a key.
    pub(super) fn add<E>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.bytes.len();
        encode(&mut self.bytes)?;
        self.note(start);
        Ok(())
    }

    fn note(&mut self, start: usize) {
        let end = self.bytes.len();
        let mut prefix = [0; 8];
        let head = &self.bytes[start..end.min(start + 8)];
        prefix[..head.len()].copy_from_slice(head);
        self.keys.push(Key { prefix: u64::from_be_bytes(prefix), bytes: start..end, at: self.keys.len() });
    }

    /// Reads what the backend holds for them: `each` gets the number of a key, the number under which the value is stored,
    /// the key's bytes and the value's. Returns the numbers of all keys, of equal ones the first.
    pub(super) fn read(
        self,
        setup: &Setup,
        each: &mut dyn FnMut(usize, TableId, &[u8], &[u8]),
    ) -> Result<impl Iterator<Item = usize> + use<>> {
        let Self { bytes, mut keys } = self;
        let of = |key: &Key| &bytes[key.bytes.clone()];
        keys.sort_unstable_by(|a, b| {
            a.prefix.cmp(&b.prefix).then_with(|| of(a).cmp(of(b))).then_with(|| a.at.cmp(&b.at))
        });
        keys.dedup_by(|a, b| a.prefix == b.prefix && of(a) == of(b));
        if let Some(backend) = &setup.backend {
            let sorted: Vec<&[u8]> = keys.iter().map(of).collect();
            let mut found = vec![false; sorted.len()];
            backend.read(setup.shard, setup.table, &sorted, &mut |at, value| {
                found[at] = true;
                each(keys[at].at, setup.table, sorted[at], value);
            })?;
            // What has been written since is under the number of its type.
            for number in &setup.older {
                let places: Vec<usize> = (0..sorted.len()).filter(|at| !found[*at]).collect();
                let missing: Vec<&[u8]> = places.iter().map(|at| sorted[*at]).collect();
                backend.read(setup.shard, *number, &missing, &mut |at, value| {
                    found[places[at]] = true;
                    each(keys[places[at]].at, *number, missing[at], value);
                })?;
            }
        }
        Ok(keys.into_iter().map(|key| key.at))
    }
}
