//! Ten million keys within 256 MiB: the memory of this very process, in which nothing else runs.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

use firesteel_state::{
    Catalog, Declaration, KeyGroup, KeyGroups, KeyedStore, MemoryBudget, StateBackend, StateStore, StoreSetup, Times,
    Value,
};
use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};
use firesteel_window::Timestamp;

const KEYS: u64 = 10_000_000;
/// This many updates follow when all keys are there.
const UPDATES: u64 = 1_000_000;
const BATCH: usize = 256 << 10;
const LIMIT: u64 = 256 << 20;
/// What the state may take; the rest is for the program, the batch, the changes on their way and the allocator.
const STATE: u64 = 192 << 20;
const TIMES: Times = Times::processing(Timestamp::EPOCH);

type Total = (u64, u64);

/// The `number`th key: they are all different, and look random.
fn key(number: u64) -> u64 {
    let key = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (key ^ key >> 31).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn hash(key: &u64) -> u64 {
    let product = u128::from(key ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15;
    product as u64 ^ (product >> 64) as u64
}

/// The most memory that the process has had so far; `None` where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

struct Job {
    store: KeyedStore<u64>,
    total: Value<Total>,
    backend: Arc<RocksDbBackend>,
    budget: MemoryBudget,
    batch: u64,
    epoch: u64,
    early: u64,
}

impl Job {
    /// Adds one for each of the keys, in one batch.
    fn run(&mut self, keys: impl Iterator<Item = u64>) {
        self.batch += 1;
        let groups = self.store.key_groups();
        let mut events: Vec<(KeyGroup, u64, u64)> = keys
            .map(|key| {
                let hash = hash(&key);
                (self.store.group_of(hash), hash, key)
            })
            .collect();
        events.sort_unstable_by_key(|event| event.0);
        let mut rest = &events[..];
        for group in groups.all().iter() {
            let (mine, others) = rest.split_at(rest.partition_point(|event| event.0 <= group));
            rest = others;
            let mut state = self.store.lock(group);
            state.begin(self.batch);
            let add = |total: &mut Option<Total>, event: &(KeyGroup, u64, u64)| {
                let (count, sum) = total.get_or_insert((0, 0));
                *count += 1;
                *sum = sum.wrapping_add(event.2);
            };
            self.total.update_many(&mut state, mine, |event| (event.1, &event.2), TIMES, add).unwrap();
            state.account();
        }
        if self.budget.is_exceeded() {
            self.early += u64::from(!self.store.relieve());
            // What is dirty can only go when it is stored.
            if self.budget.is_exceeded() {
                self.end_epoch();
                self.store.relieve();
            }
        }
        assert!(self.budget.used() <= STATE, "{:?} after batch {}", self.budget, self.batch);
    }

    fn end_epoch(&mut self) {
        self.epoch += 1;
        let groups = self.store.key_groups();
        for some in groups.split(8) {
            let frames = self.store.end_epoch_in(some, self.epoch).unwrap();
            self.backend.apply(self.epoch, &frames).unwrap();
            self.store.applied_in(some, self.epoch);
        }
    }
}

#[test]
fn ten_million_keys_fit_into_256_mib() {
    let folder = tempfile::tempdir().unwrap();
    let budget = MemoryBudget::new(STATE);
    let options = RocksDbOptions::default().budget(budget.clone()).memory(16 << 20);
    let backend = Arc::new(RocksDbBackend::open(folder.path(), options).unwrap());
    assert!(budget.used() >= 16 << 20, "RocksDB's caches are part of the budget: {budget:?}");
    let mut states = Declaration::new("totals");
    let total = states.value("total");
    let catalog = Catalog::new(KeyGroups::default()).with(&[states.schema()], false).unwrap();
    let setup = StoreSetup { catalog: &catalog, backend: Some(backend.clone()), budget: budget.clone() };
    let store = KeyedStore::open(states, &setup, hash).unwrap();
    let mut job = Job { store, total, backend, budget, batch: 0, epoch: 0, early: 0 };

    for start in (0..KEYS).step_by(BATCH) {
        job.run((start..KEYS.min(start + BATCH as u64)).map(key));
    }
    let mut random = 1u64;
    for start in (0..UPDATES).step_by(BATCH) {
        job.run((start..UPDATES.min(start + BATCH as u64)).map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            key(random % KEYS)
        }));
    }
    assert!(job.early > 2, "the budget has ended {} epochs", job.early);
    job.end_epoch();
    let (mut keys, mut updates, mut sum) = (0u64, 0u64, 0u64);
    for group in job.store.key_groups().all().iter() {
        let mut group = job.store.lock(group);
        group.evict(1.0);
        let each = |key: &u64, total: &Total| {
            keys += 1;
            updates += total.0;
            assert_eq!(total.1, key.wrapping_mul(total.0));
            sum = sum.wrapping_add(total.1);
        };
        job.total.for_each(&mut group, TIMES, each).unwrap();
    }
    assert_eq!((keys, updates), (KEYS, KEYS + UPDATES));
    assert!(job.backend.metrics().keys_found > UPDATES / 2, "{:?}", job.backend.metrics());
    if let Some(peak) = peak() {
        assert!(peak <= LIMIT, "{} MiB at most", peak >> 20);
    }
}
