//! A backend beside a plain map, driven by the same random calls.

use std::collections::BTreeMap;
use std::path::Path;

use super::Rule;
use super::rules::{MARKERS, ORDER, RANGES, READS, SNAPSHOTS, SURVIVES, range, read, scan, shard};
use crate::backend::{KeyRange, StateBackend};
use crate::frame::{FrameWriter, Shard, TableId};

/// What the backend is to hold.
#[derive(Clone, Default)]
struct Model {
    values: BTreeMap<(Shard, TableId, Vec<u8>), Vec<u8>>,
    markers: BTreeMap<Shard, u64>,
}

/// Xorshift: the same numbers for the same seed, everywhere.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(4);
        (0..length).map(|_| [0, 1, 127, 128, 255][self.below(5) as usize]).collect()
    }

    fn place(&mut self) -> (Shard, TableId) {
        (shard(self.below(2) as u16, self.below(3) as u16), TableId(self.below(2) as u16))
    }
}

impl Model {
    /// Applies random changes to both.
    fn step(&mut self, rule: Rule, backend: &dyn StateBackend, random: &mut Random, epoch: u64) {
        let mut frames = vec![];
        for _ in 0..=random.below(3) {
            let (shard, _) = random.place();
            if frames.iter().any(|(other, _)| *other == shard) {
                continue;
            }
            let mut writer = FrameWriter::new();
            for table in [0, 1].map(TableId) {
                writer.begin_table(table);
                for _ in 0..random.below(6) {
                    let (key, value) = (random.bytes(), random.bytes());
                    if random.below(3) == 0 {
                        writer.remove(&key);
                        self.values.remove(&(shard, table, key));
                    } else {
                        writer.put(&key, &value);
                        self.values.insert((shard, table, key), value);
                    }
                }
            }
            self.markers.insert(shard, epoch);
            frames.push((shard, writer.finish(shard)));
        }
        let frames: Vec<_> = frames.into_iter().map(|(_, frame)| frame).collect();
        rule.ok(backend.apply(epoch, &frames), || format!("applying epoch {epoch}"));
        if random.below(10) == 0 {
            let (shard, _) = random.place();
            rule.ok(backend.clear(shard), || format!("clearing {shard}"));
            self.values.retain(|(of, _, _), _| *of != shard);
            self.markers.remove(&shard);
        }
    }

    fn compare(&self, rule: Rule, backend: &dyn StateBackend, random: &mut Random, when: &str) {
        let shards = rule.ok(backend.shards(), || "listing shards".into());
        let markers: Vec<_> = self.markers.iter().map(|(shard, epoch)| (*shard, *epoch)).collect();
        rule.check(shards == markers, || format!("{when}: markers are {shards:?} instead of {markers:?}"));
        let (shard, table) = random.place();
        let prefix = random.bytes();
        let within = |key: &[u8]| key.starts_with(&prefix);
        let expected: Vec<_> = (self.values.iter())
            .filter(|((of, part, key), _)| *of == shard && *part == table && within(key))
            .map(|((_, _, key), value)| (key.clone(), value.clone()))
            .collect();
        let found = scan(rule, backend, shard, table, &prefix);
        rule.check(found == expected, || format!("{when}, {shard}, prefix {prefix:?}: {found:?}, not {expected:?}"));
        let (from, to) = (random.bytes(), random.bytes());
        let (to, descends, limit) =
            ((random.below(3) > 0).then_some(&to[..]), random.below(2) == 0, 1 + random.below(9) as usize);
        let wanted = KeyRange { from: &from, to, descends };
        let mut expected: Vec<_> = (self.values.iter())
            .filter(|((of, part, key), _)| *of == shard && *part == table && wanted.contains(key))
            .map(|((_, _, key), value)| (key.clone(), value.clone()))
            .collect();
        if descends {
            expected.reverse();
        }
        expected.truncate(limit);
        let found = range(RANGES, backend, shard, table, wanted, limit);
        RANGES.check(found == expected, || format!("{when}, {shard}, {wanted:?}: {found:?}, not {expected:?}"));
        let mut keys: Vec<_> = (0..8).map(|_| random.bytes()).collect();
        keys.sort();
        keys.dedup();
        let expected: Vec<_> = (keys.iter().enumerate())
            .filter_map(|(at, key)| Some((at, self.values.get(&(shard, table, key.clone()))?.clone())))
            .collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let found = read(rule, backend, shard, table, &keys);
        rule.check(found == expected, || format!("{when}, {shard}, keys {keys:?}: {found:?}, not {expected:?}"));
    }
}

pub(super) fn random<B: StateBackend>(make: &impl Fn() -> B, folder: &Path, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let (mut backend, mut model) = (make(), Model::default());
    let mut taken: Option<(std::path::PathBuf, Model)> = None;
    for epoch in 1..=60 {
        model.step(READS, &backend, &mut random, epoch);
        let rule = [READS, ORDER, MARKERS][epoch as usize % 3];
        model.compare(rule, &backend, &mut random, &format!("seed {seed}, epoch {epoch}"));
        if epoch % 20 == 10 {
            let place = folder.join(format!("random-{seed}-{epoch}"));
            SNAPSHOTS.ok(backend.snapshot(&place), || "taking a snapshot".into());
            taken = Some((place, model.clone()));
        }
        if epoch % 20 == 0
            && let Some((place, then)) = taken.take()
        {
            if random.below(2) == 0 {
                backend = make();
            }
            SNAPSHOTS.ok(backend.restore(&place), || "restoring".into());
            model = then;
            for _ in 0..10 {
                model.compare(SNAPSHOTS, &backend, &mut random, &format!("seed {seed}, restored at {epoch}"));
            }
        }
    }
}

pub(super) fn survives<B: StateBackend>(backend: B, reopen: &impl Fn(B) -> B, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let (mut backend, mut model) = (backend, Model::default());
    for epoch in 1..=30 {
        model.step(SURVIVES, &backend, &mut random, epoch);
        if epoch % 7 == 0 {
            SURVIVES.ok(backend.flush(), || "flushing".into());
            backend = reopen(backend);
            for _ in 0..10 {
                model.compare(SURVIVES, &backend, &mut random, &format!("seed {seed}, reopened at {epoch}"));
            }
        }
    }
}
