//! State that was written under one backend continues under another, through a snapshot and the changelog.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use firesteel_state::snapshot::recover;
use firesteel_state::{
    Catalog, Changelog, ChangelogOptions, Declaration, EpochRecord, KeyGroups, KeyedStore, List, Map, MemoryBudget,
    Snapshots, StateBackend, StateOptions, StateStore, StoreSetup, TimeDomain, Timers, Times, Ttl, Value,
};
use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};
use firesteel_window::{Timestamp, seconds};

const KEYS: u64 = 500;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Memory,
    RocksDb,
}

fn hash(key: &u64) -> u64 {
    key.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn times(epoch: u64) -> Times {
    Times::processing(Timestamp::from_secs(epoch as i64))
}

struct Handles {
    value: Value<(u64, String)>,
    mortal: Value<u64>,
    list: List<u64>,
    map: Map<String, u64>,
    timers: Timers,
}

struct Job {
    log: Changelog,
    snapshots: Snapshots,
    catalog: Catalog,
    store: KeyedStore<u64>,
    handles: Handles,
    backend: Option<Arc<dyn StateBackend>>,
}

impl Job {
    /// Resumes from what is in `folder`, with a new and empty backend.
    fn open(folder: &Path, kind: Kind, number: usize) -> Self {
        let log = Changelog::open(&folder.join("changelog"), ChangelogOptions::default()).unwrap();
        let snapshots = Snapshots::in_folder(&folder.join("snapshots")).unwrap();
        let mut states = Declaration::new("op");
        let handles = Handles {
            value: states.value("value"),
            mortal: states.value_with("mortal", StateOptions::default().ttl(Ttl::after(seconds(3)))),
            list: states.list("list"),
            map: states.map("map"),
            timers: states.processing_timers("timers"),
        };
        let catalog = Catalog::new(KeyGroups::new(4).unwrap()).with(&[states.schema()], false).unwrap();
        let backend = (kind == Kind::RocksDb).then(|| {
            let options = RocksDbOptions::default().memory(4 << 20).page_bytes(256);
            let place = folder.join(format!("rocksdb-{number}"));
            Arc::new(RocksDbBackend::open(place, options).unwrap()) as Arc<dyn StateBackend>
        });
        let recovery = recover(&snapshots, &log, backend.as_deref()).unwrap();
        assert_eq!(recovery.base().is_some(), number > 0, "it begins with the snapshot");
        if let Some(backend) = &backend {
            recovery.restore_backend(&**backend).unwrap();
        }
        let budget = MemoryBudget::unlimited();
        let setup = StoreSetup { catalog: &catalog, backend: backend.clone(), budget };
        let store = KeyedStore::open(states, &setup, hash).unwrap();
        if backend.is_none() {
            recovery.restore_stores(&[&store]).unwrap();
        }
        Self { log, snapshots, catalog, store, handles, backend }
    }

    fn epoch(&mut self) -> u64 {
        let epoch = self.log.last_epoch().unwrap_or(0) + 1;
        let h = &self.handles;
        self.store.begin(epoch);
        for key in (0..KEYS).filter(|key| (key * 7 + epoch).is_multiple_of(3)) {
            let mut group = self.store.lock(self.store.group_of(hash(&key)));
            let mut context = group.key(hash(&key), &key, times(epoch));
            let context = &mut context;
            if key.is_multiple_of(11) {
                h.value.clear(context).unwrap();
                h.map.clear(context).unwrap();
            } else {
                h.value.update(context, |value| value.get_or_insert_default().0 += epoch).unwrap();
                h.map.update(context, format!("field {}", epoch % 4), |value| *value.get_or_insert(0) += key).unwrap();
            }
            h.mortal.set(context, epoch).unwrap();
            h.list.push(context, epoch).unwrap();
            if key.is_multiple_of(5) {
                h.list.pop_front(context).unwrap();
            }
            h.timers.register(context, Timestamp::from_secs((epoch + key % 7) as i64)).unwrap();
        }
        for group in self.catalog.groups().all().iter() {
            let mut group = self.store.lock(group);
            while group.pop_due(TimeDomain::Processing, Timestamp::from_secs(epoch as i64)).unwrap().is_some() {}
        }
        let frames = self.store.end_epoch(epoch).unwrap();
        let record = EpochRecord { epoch, frames, ..EpochRecord::default() };
        self.log.prepare(&record).unwrap();
        if let Some(backend) = &self.backend {
            backend.apply(epoch, &record.frames).unwrap();
            backend.expire(&times(epoch));
        }
        self.store.applied(epoch);
        for group in self.catalog.groups().all().iter() {
            self.store.lock(group).evict(0.5);
        }
        self.log.mark(epoch).unwrap();
        epoch
    }

    fn snapshot(&mut self) {
        let epoch = self.log.last_epoch().unwrap();
        let mut writer = self.snapshots.begin(epoch, &self.catalog, None).unwrap();
        for group in self.catalog.groups().all().iter() {
            let (through, image) = self.store.image(group).unwrap();
            writer.add(through, &image).unwrap();
        }
        writer.finish(vec![]).unwrap();
        self.log.truncate(epoch).unwrap();
    }

    /// Everything that can be seen through handles.
    fn contents(&self, epoch: u64) -> BTreeMap<u64, String> {
        let h = &self.handles;
        let of = |key: u64| {
            let mut group = self.store.lock(self.store.group_of(hash(&key)));
            let mut context = group.key(hash(&key), &key, times(epoch));
            let context = &mut context;
            let list: Vec<u64> = h.list.iter(context).unwrap().copied().collect();
            let map: Vec<String> = h.map.iter(context).unwrap().map(|entry| format!("{entry:?}")).collect();
            let timers = h.timers.list(context).unwrap();
            let mortal = h.mortal.get(context).unwrap().copied();
            (key, format!("{:?} {mortal:?} {list:?} {map:?} {timers:?}", h.value.get(context).unwrap()))
        };
        (0..KEYS).map(of).collect()
    }
}

#[test]
fn state_goes_from_one_backend_to_the_other_and_back() {
    let run = |kinds: [Kind; 4]| {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = vec![];
        for (number, kind) in kinds.into_iter().enumerate() {
            let mut job = Job::open(folder.path(), kind, number);
            for _ in 0..3 {
                let epoch = job.epoch();
                seen.push(job.contents(epoch));
            }
            job.snapshot();
            // These are in the changelog only.
            for _ in 0..2 {
                let epoch = job.epoch();
                seen.push(job.contents(epoch));
            }
        }
        seen
    };
    use Kind::{Memory, RocksDb};
    let expected = run([Memory; 4]);
    assert!(expected.last().unwrap().values().any(|contents| contents.len() > 100), "there is something to compare");
    assert_eq!(run([Memory, RocksDb, Memory, RocksDb]), expected);
    assert_eq!(run([RocksDb, RocksDb, Memory, RocksDb]), expected);
}
