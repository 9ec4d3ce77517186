//! Timers over a backend that has most of them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeSet;
use std::sync::Arc;

use firesteel_state::snapshot::recover;
use firesteel_state::{
    Catalog, Changelog, ChangelogOptions, Declaration, EpochRecord, GroupState, KeyGroup, KeyGroups, KeyedStore,
    MemoryBackend, MemoryBudget, Snapshots, StateBackend, StateStore, StoreSetup, TimeDomain, Timers, Times,
};
use firesteel_window::Timestamp;

const NOW: Times = Times::processing(Timestamp::EPOCH);
const GROUP: KeyGroup = KeyGroup(0);

fn hash(key: u64) -> u64 {
    key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(second)
}

/// A store with timers of two names, over a backend.
struct Job {
    backend: Arc<MemoryBackend>,
    budget: MemoryBudget,
    store: KeyedStore<u64>,
    end: Timers,
    alarm: Timers,
    batch: u64,
    epoch: u64,
}

impl Job {
    fn new(budget: MemoryBudget, groups: u16) -> Self {
        Self::over(Arc::default(), budget, groups)
    }

    fn over(backend: Arc<MemoryBackend>, budget: MemoryBudget, groups: u16) -> Self {
        let mut states = Declaration::new("sessions");
        let (end, alarm) = (states.event_timers("end"), states.event_timers("alarm"));
        let catalog = Catalog::new(KeyGroups::new(groups).unwrap()).with(&[states.schema()], false).unwrap();
        let setup = StoreSetup { catalog: &catalog, backend: Some(Arc::clone(&backend) as _), budget: budget.clone() };
        let store = KeyedStore::open(states, &setup, |key| hash(*key)).unwrap();
        Self { backend, budget, store, end, alarm, batch: 0, epoch: 0 }
    }

    fn begin(&mut self) {
        self.batch += 1;
        self.store.begin(self.batch);
    }

    fn register(&self, timers: Timers, key: u64, at: Timestamp) -> bool {
        let mut group = self.store.lock(self.store.group_of(hash(key)));
        timers.register(&mut group.key(hash(key), &key, NOW), at).unwrap()
    }

    fn delete(&self, timers: Timers, key: u64, at: Timestamp) -> bool {
        let mut group = self.store.lock(self.store.group_of(hash(key)));
        timers.delete(&mut group.key(hash(key), &key, NOW), at).unwrap()
    }

    fn list(&self, timers: Timers, key: u64) -> Vec<i64> {
        let mut group = self.store.lock(self.store.group_of(hash(key)));
        let listed = timers.list(&mut group.key(hash(key), &key, NOW)).unwrap();
        listed.into_iter().map(Timestamp::as_secs).collect()
    }

    fn next(&self) -> Option<i64> {
        self.store.next_timer(TimeDomain::Event).unwrap().map(Timestamp::as_secs)
    }

    /// Ends the epoch, and has the backend take it.
    fn end_epoch(&mut self) {
        self.epoch += 1;
        let frames = self.store.end_epoch(self.epoch).unwrap();
        self.backend.apply(self.epoch, &frames).unwrap();
        self.store.applied(self.epoch);
    }

    /// Lets go of all that the backend has.
    fn evict(&self) {
        for group in self.store.key_groups().all().iter() {
            self.store.lock(group).evict(1.0);
        }
    }

    /// What the end of a batch does. Returns the bytes that are taken then.
    fn keep_budget(&mut self) -> u64 {
        for group in self.store.key_groups().all().iter() {
            self.store.lock(group).account();
        }
        if !self.store.relieve() {
            self.end_epoch();
            self.store.relieve();
        }
        self.store.memory_used()
    }

    fn again(self) -> Self {
        let groups = self.store.key_groups().count();
        Self { epoch: self.epoch, ..Self::over(self.backend, self.budget, groups) }
    }
}

fn pop(group: &mut GroupState<u64>, until: Timestamp) -> Option<(i64, u64)> {
    group.pop_due(TimeDomain::Event, until).unwrap().map(|fired| (fired.time.as_secs(), fired.key))
}

fn fire(job: &Job, until: i64) -> Vec<(i64, u64)> {
    let mut group = job.store.lock(GROUP);
    std::iter::from_fn(|| pop(&mut group, at(until))).collect()
}

/// Far more timers than the budget has room for: in slices, all fire once and in order.
fn many(count: u64, instants: i64, groups: u16) {
    let mut job = Job::new(MemoryBudget::new(1 << 20), groups);
    let time = |key: u64| at((hash(key) >> 33) as i64 % instants);
    let mut most = 0;
    for keys in (0..count).collect::<Vec<_>>().chunks(2_000) {
        job.begin();
        assert!(keys.iter().all(|key| job.register(job.end, *key, time(*key))));
        most = most.max(job.keep_budget());
    }
    assert_eq!(job.store.timers(), count);
    job.end_epoch();
    let mut job = job.again();
    assert_eq!((job.store.timers(), job.store.memory_used() < 1 << 18), (count, true), "nothing is read at the start");

    let mut last = vec![(i64::MIN, 0); groups.into()];
    let mut fired = 0;
    while job.store.timers() > 0 {
        job.begin();
        assert!(job.next().is_some());
        for (number, last) in (0..).zip(&mut last) {
            let mut group = job.store.lock(KeyGroup(number));
            for _ in 0..2_000 / groups {
                let Some(timer) = pop(&mut group, Timestamp::MAX) else { break };
                assert!(timer > *last, "{timer:?} after {last:?}");
                assert_eq!(time(timer.1).as_secs(), timer.0);
                *last = timer;
                fired += 1;
            }
        }
        most = most.max(job.keep_budget());
    }
    assert_eq!(fired, count);
    assert!(most <= job.budget.limit(), "{most} bytes");
    assert!(job.epoch > 3, "{} epochs", job.epoch);
    job.end_epoch();
    let shard = job.backend.shards().unwrap();
    assert!(shard.len() == usize::from(groups) && job.backend.memory_used() == 0, "nothing is left behind");
}

#[test]
fn many_more_timers_than_fit_fire_once_and_in_order() {
    many(200_000, 1_000_000, 4);
}

#[test]
fn an_instant_with_more_timers_than_fit_fires_in_the_order_of_keys() {
    many(60_000, 1, 1);
}

#[test]
fn instants_with_many_timers_each_fire_in_the_order_of_keys() {
    many(100_000, 20, 2);
}

/// 2,000 keys with a timer each, at every other second from 0 on; keys in the opposite order, in bytes as numbers.
fn put_away() -> Job {
    let mut job = Job::new(MemoryBudget::unlimited(), 1);
    job.begin();
    for second in 0..2_000 {
        job.register(job.end, 2_000 - second, at(second as i64 * 2));
    }
    job.end_epoch();
    job.begin();
    job.evict();
    assert!(job.store.lock(GROUP).is_empty());
    assert_eq!(job.store.timers(), 2_000);
    job
}

#[test]
fn what_is_away_can_be_registered_deleted_and_listed() {
    let mut job = put_away();
    // It is there, and it was not.
    assert!(!job.register(job.end, 1_000, at(2_000)));
    assert!(job.register(job.alarm, 1_000, at(2_000)) && job.register(job.end, 1_000, at(2_001)));
    assert_eq!((job.list(job.end, 1_000), job.list(job.alarm, 1_000)), (vec![2_000, 2_001], vec![2_000]));
    assert_eq!(job.store.timers(), 2_002);
    assert!(!job.delete(job.alarm, 900, at(2_200)) && job.delete(job.end, 900, at(2_200)));
    assert!(!job.delete(job.end, 900, at(2_200)), "it is gone, whatever the backend has");
    assert_eq!((job.list(job.end, 900), job.list(job.end, 901)), (vec![], vec![2_198]));
    assert_eq!(job.store.timers(), 2_001);
    // Deleted and registered again: after the other name.
    assert!(job.delete(job.end, 1_000, at(2_000)) && job.register(job.end, 1_000, at(2_000)));
    // After all that is away, and in a place of its own.
    assert!(job.register(job.end, 5, at(9_999)));
    for epoch_ends in [false, true] {
        if epoch_ends {
            job.end_epoch();
            job.begin();
            job.evict();
            job = job.again();
            job.begin();
        }
        assert_eq!((job.list(job.end, 1_000), job.list(job.end, 5)), (vec![2_000, 2_001], vec![3_990, 9_999]));
        assert_eq!((job.store.timers(), job.next()), (2_002, Some(0)));
    }
    let mut group = job.store.lock(GROUP);
    let mut fired = vec![];
    while let Some(timer) = group.pop_due(TimeDomain::Event, Timestamp::MAX).unwrap() {
        fired.push((timer.time.as_secs(), timer.key, timer.is(&job.end)));
    }
    assert!(fired.is_sorted_by_key(|(time, ..)| *time) && fired.len() == 2_002);
    let around: Vec<_> = fired.iter().filter(|(_, key, _)| (900..=901).contains(key) || *key == 1_000).collect();
    let expected = [(2_000, 1_000, false), (2_000, 1_000, true), (2_001, 1_000, true), (2_198, 901, true)];
    assert!(around.into_iter().eq(&expected));
}

#[test]
fn the_first_timer_is_known_whatever_is_away() {
    let mut job = put_away();
    assert_eq!(job.next(), Some(0));
    // The first one of all, in memory and gone again.
    assert!(!job.register(job.end, 2_000, at(0)));
    assert_eq!(job.next(), Some(0));
    assert!(job.delete(job.end, 2_000, at(0)));
    assert_eq!((job.next(), job.store.timers()), (Some(2), 1_999));
    assert!(job.register(job.end, 7, at(2)), "at the time up to which everything is in memory");
    assert!(job.register(job.end, 7, at(1)));
    assert_eq!(job.next(), Some(1));
    assert_eq!(fire(&job, 4), [(1, 7), (2, 7), (2, 1_999), (4, 1_998)]);
    assert_eq!(job.next(), Some(6));
    job.end_epoch();
    job.evict();
    assert_eq!((job.next(), job.store.timers()), (Some(6), 1_997));
    job.begin();
    assert_eq!(fire(&job, i64::MAX / 1_000_000).len(), 1_997);
    assert_eq!((job.next(), job.store.timers()), (None, 0));
    assert!(job.store.lock(GROUP).is_complete(), "nothing is away any more");
}

#[test]
fn an_attempt_that_read_timers_back_leaves_no_trace() {
    let job = put_away();
    for _ in 0..3 {
        job.store.begin(job.batch);
        assert_eq!((job.store.timers(), job.next()), (2_000, Some(0)));
        assert_eq!(fire(&job, 1_000).len(), 501);
        assert!(job.register(job.end, 3, at(500)) && job.delete(job.end, 3, at(3_994)));
        assert!(job.register(job.alarm, 4, at(3_992)) && job.register(job.alarm, 9_000, at(3_992)));
        job.evict();
    }
    job.store.begin(job.batch);
    assert!(job.store.end_epoch(job.epoch + 1).unwrap().is_empty());
    assert_eq!((job.list(job.end, 3), job.list(job.alarm, 9_000)), (vec![3_994], vec![]));
    let fired = fire(&job, 9_999);
    assert!(fired.iter().copied().eq((0..2_000).map(|second| (second * 2, 2_000 - second as u64))));
}

#[test]
fn what_the_backend_does_not_have_yet_stays() {
    let mut job = put_away();
    fire(&job, 1_000);
    assert!(job.delete(job.end, 5, at(3_990)) && job.register(job.end, 6, at(3_990)));
    // Prepared, and not applied.
    let frames = job.store.end_epoch(2).unwrap();
    job.begin();
    job.evict();
    assert_eq!((job.store.timers(), job.next()), (1_499, Some(1_002)));
    assert_eq!((job.list(job.end, 5), job.list(job.end, 6)), (vec![], vec![3_988, 3_990]));
    // A crash at this point loses the epoch, or finds it in the changelog.
    let image = job.store.image(GROUP).unwrap().1;
    for (frames, left) in [(&frames[..0], 2_000), (&frames[..], 1_499)] {
        let backend = Arc::new(MemoryBackend::new());
        let shard = job.backend.shards().unwrap()[0].0;
        let folder = tempfile::tempdir().unwrap();
        job.backend.snapshot(&folder.path().join("copy")).unwrap();
        backend.restore(&folder.path().join("copy")).unwrap();
        backend.apply(2, frames).unwrap();
        let other = Job::over(Arc::clone(&backend), MemoryBudget::unlimited(), 1);
        assert_eq!(other.store.timers(), left);
        other.store.begin(1);
        let fired = fire(&other, 9_999);
        assert_eq!(fired.len() as u64, left);
        if left == 1_499 {
            backend.clear(shard).unwrap();
            backend.apply(2, std::slice::from_ref(&image)).unwrap();
            let restored = Job::over(backend, MemoryBudget::unlimited(), 1);
            restored.store.begin(1);
            assert_eq!(restored.list(restored.end, 6), [3_988, 3_990]);
            assert_eq!(fire(&restored, 9_999), fired);
        }
    }
    job.backend.apply(2, &frames).unwrap();
    job.store.applied(2);
    job.evict();
    assert_eq!((job.store.timers(), fire(&job, 9_999).len()), (1_499, 1_499));
}

#[test]
fn a_key_has_timers_beside_those_that_begin_like_it() {
    // Keys whose bytes begin alike, at times whose bytes could belong to them.
    let mut job = Job::new(MemoryBudget::unlimited(), 1);
    job.begin();
    let keys = [0, 1, 127, 128, 129, 255, 256, 300, 16_383, 16_384, u64::MAX];
    let times = [-300, -1, 0, 1, 255, 256, 100_000];
    for key in keys {
        assert!(times.iter().all(|time| job.register(job.end, key, at(*time))));
    }
    job.end_epoch();
    job.evict();
    for key in keys {
        assert_eq!((job.list(job.end, key), job.list(job.alarm, key)), (times.to_vec(), vec![]));
    }
    job.begin();
    let all: BTreeSet<(i64, u64)> = times.iter().flat_map(|time| keys.map(|key| (*time, key))).collect();
    assert!(fire(&job, 100_000).into_iter().eq(all));
}

/// What was written where everything is in memory, in a snapshot and in the changelog, is taken up by a backend.
#[test]
fn timers_of_a_job_in_memory_move_to_a_backend() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Changelog::open(&folder.path().join("log"), ChangelogOptions::default()).unwrap();
    let snapshots = Snapshots::in_folder(&folder.path().join("snapshots")).unwrap();
    let mut states = Declaration::new("sessions");
    let (end, alarm) = (states.event_timers("end"), states.event_timers("alarm"));
    let groups = KeyGroups::new(1).unwrap();
    let catalog = Catalog::new(groups).with(&[states.schema()], false).unwrap();
    let store = KeyedStore::in_memory(states, groups, |key| hash(*key)).unwrap();
    for epoch in 1..=2u64 {
        store.begin(epoch);
        let mut group = store.lock(GROUP);
        for key in 0..1_000 {
            let mut context = group.key(hash(key), &key, NOW);
            if epoch == 1 {
                assert!(end.register(&mut context, at(key as i64)).unwrap());
            } else if key % 2 == 0 {
                assert!(end.delete(&mut context, at(key as i64)).unwrap());
                assert!(alarm.register(&mut context, at(key as i64 + 1)).unwrap());
            }
        }
        drop(group);
        let frames = store.end_epoch(epoch).unwrap();
        log.prepare(&EpochRecord { epoch, frames, ..EpochRecord::default() }).unwrap();
        log.mark(epoch).unwrap();
        store.applied(epoch);
        if epoch == 1 {
            let mut writer = snapshots.begin(epoch, &catalog, None).unwrap();
            let (through, image) = store.image(GROUP).unwrap();
            writer.add(through, &image).unwrap();
            writer.finish(vec![]).unwrap();
        }
    }
    let backend = Arc::new(MemoryBackend::new());
    recover(&snapshots, &log, Some(&*backend)).unwrap().restore_backend(&*backend).unwrap();
    let mut job = Job::over(backend, MemoryBudget::unlimited(), 1);
    job.begin();
    assert_eq!((job.list(job.end, 10), job.list(job.alarm, 10)), (vec![], vec![11]));
    assert_eq!((job.list(job.end, 11), job.list(job.alarm, 11)), (vec![11], vec![]));
    assert_eq!(job.store.timers(), 1_000);
    assert!(job.store.lock(GROUP).is_empty());
    let expected = (0..1_000u64).map(|key| (key as i64 + 1 - key as i64 % 2, key));
    let mut expected: Vec<_> = expected.collect();
    expected.sort_unstable();
    assert_eq!(fire(&job, 9_999), expected);
}
