//! Keys that are to be read from a backend: sorted, each once, in one call.

use std::ops::Range;

use crate::error::Result;
use crate::frame::TableId;
use crate::table::Setup;

/// Encoded keys, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Wanted {
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
    pub(crate) fn add<E>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
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
    pub(crate) fn read(
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backend::{MemoryBackend, StateBackend};
    use crate::frame::{FrameWriter, Shard, StoreId};
    use crate::key_group::KeyGroup;

    #[test]
    fn each_key_is_read_once_under_the_newest_number_that_holds_it() {
        let shard = Shard { store: StoreId(0), group: KeyGroup(3) };
        let mut out = FrameWriter::new();
        out.begin_table(TableId(1));
        out.put(b"old", b"1");
        out.put(b"changed", b"2");
        out.begin_table(TableId(2));
        out.put(b"changed", b"3");
        let backend = MemoryBackend::default();
        backend.apply(1, &[out.finish(shard)]).unwrap();
        let (backend, older) = (Some(Arc::new(backend) as _), vec![TableId(1)]);
        let setup = Setup { state: "s".into(), shard, table: TableId(2), ttl: None, backend, older };
        let mut wanted = Wanted::default();
        for key in ["old", "none", "changed", "none", "old"] {
            let encoded: Result<()> = wanted.add(|bytes| {
                bytes.extend_from_slice(key.as_bytes());
                Ok(())
            });
            encoded.unwrap();
        }
        let mut found = vec![];
        let each = &mut |at: usize, number: TableId, key: &[u8], value: &[u8]| {
            found.push((at, number, key.to_vec(), value.to_vec()));
        };
        let firsts: Vec<usize> = wanted.read(&setup, each).unwrap().collect();
        assert_eq!(firsts, [2, 1, 0], "in the order of their bytes, of equal ones the first");
        let expected =
            [(2, TableId(2), b"changed".to_vec(), b"3".to_vec()), (0, TableId(1), b"old".to_vec(), b"1".to_vec())];
        assert_eq!(found, expected);
    }
}
