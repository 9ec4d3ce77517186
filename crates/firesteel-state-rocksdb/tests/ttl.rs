//! Expired values leave the disk when files are rewritten, and no sooner than they may.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

use firesteel_state::{
    Catalog, Declaration, KeyGroup, KeyGroups, KeyedStore, MemoryBudget, Shard, StateBackend, StateOptions, StateStore,
    StoreId, StoreSetup, TableId, Times, Ttl, Value,
};
use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};
use firesteel_window::{Timestamp, seconds};

const SHARD: Shard = Shard { store: StoreId(0), group: KeyGroup(0) };

struct Job {
    _folder: tempfile::TempDir,
    backend: Arc<RocksDbBackend>,
    store: KeyedStore<String>,
    plain: Value<u64>,
    mortal: Value<u64>,
    epoch: u64,
}

impl Job {
    fn new(ttl: Ttl) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = RocksDbOptions::default().memory(4 << 20).page_bytes(256);
        let backend = Arc::new(RocksDbBackend::open(folder.path(), options).unwrap());
        let mut states = Declaration::new("op");
        let (plain, mortal) = (states.value("plain"), states.value_with("mortal", StateOptions::default().ttl(ttl)));
        let catalog = Catalog::new(KeyGroups::new(1).unwrap()).with(&[states.schema()], false).unwrap();
        let budget = MemoryBudget::unlimited();
        let setup = StoreSetup { catalog: &catalog, backend: Some(backend.clone()), budget };
        let store = KeyedStore::open(states, &setup, |key: &String| key.len() as u64).unwrap();
        Self { _folder: folder, backend, store, plain, mortal, epoch: 0 }
    }

    /// Writes some keys, in an epoch of its own.
    fn write(&mut self, keys: std::ops::Range<u64>, times: Times) {
        self.epoch += 1;
        self.store.begin(self.epoch);
        for number in keys {
            let mut group = self.store.lock(SHARD.group);
            // In the order of numbers also as bytes.
            let key = format!("{number:05}");
            let mut context = group.key(5, &key, times);
            self.plain.set(&mut context, number).unwrap();
            self.mortal.set(&mut context, number).unwrap();
        }
        self.backend.apply(self.epoch, &self.store.end_epoch(self.epoch).unwrap()).unwrap();
        self.store.applied(self.epoch);
    }

    /// How many values the backend holds of the two states.
    fn held(&self) -> [usize; 2] {
        [0, 1].map(|table| {
            let mut count = 0;
            let scanned = self.backend.scan(SHARD, TableId(table), b"", &mut |_, _| {
                count += 1;
                Ok(())
            });
            scanned.unwrap();
            count
        })
    }
}

#[test]
fn what_is_over_in_processing_time_is_dropped_by_compactions() {
    let at = |time| Times::processing(Timestamp::from_secs(time));
    let mut job = Job::new(Ttl::after(seconds(10)));
    job.write(0..1_000, at(0));
    job.write(1_000..1_500, at(5));
    job.backend.compact().unwrap();
    assert_eq!(job.held(), [1_500, 1_500], "nobody has said that time passes");
    job.backend.expire(&at(9));
    job.backend.compact().unwrap();
    assert_eq!(job.held(), [1_500, 1_500], "nothing is over yet");
    let before = job.backend.statistics().file_bytes;
    job.backend.expire(&at(10));
    job.backend.compact().unwrap();
    let [plain, mortal] = job.held();
    assert_eq!(plain, 1_500);
    // Pages in which something has not expired stay as they are until a change meets them.
    assert!((500..600).contains(&mortal), "{mortal} are left");
    let statistics = job.backend.statistics();
    assert!(statistics.file_bytes < before && statistics.values_dropped >= 900, "{statistics:?}");
    job.backend.expire(&at(15));
    job.backend.compact().unwrap();
    assert_eq!(job.held(), [1_500, 0]);
}

#[test]
fn what_is_over_in_event_time_is_dropped_when_the_watermark_says_so() {
    let at = |event, watermark| {
        let [event, watermark] = [event, watermark].map(Timestamp::from_secs);
        Times::new(event, watermark, Timestamp::from_secs(1_000_000))
    };
    let mut job = Job::new(Ttl::after(seconds(10)).in_event_time());
    job.write(0..100, at(50, 40));
    job.backend.expire(&at(90, 59));
    job.backend.compact().unwrap();
    assert_eq!(job.held(), [100, 100]);
    job.backend.expire(&at(90, 60));
    job.backend.compact().unwrap();
    assert_eq!(job.held(), [100, 0]);
}

#[test]
fn a_change_frees_its_page_of_what_is_over() {
    let at = |time| Times::processing(Timestamp::from_secs(time));
    let mut job = Job::new(Ttl::after(seconds(10)));
    job.write(0..10, at(0));
    job.write(5..6, at(20));
    job.backend.expire(&at(20));
    assert_eq!(job.held(), [10, 1]);
}

#[test]
fn lives_are_told_again_after_a_restore() {
    let at = |time| Times::processing(Timestamp::from_secs(time));
    let mut job = Job::new(Ttl::after(seconds(10)));
    job.write(0..100, at(0));
    job.backend.expire(&at(20));
    let folder = tempfile::tempdir().unwrap();
    job.backend.snapshot(&folder.path().join("snapshot")).unwrap();
    job.backend.restore(&folder.path().join("snapshot")).unwrap();
    job.backend.compact().unwrap();
    assert_eq!(job.held(), [100, 0]);
}
