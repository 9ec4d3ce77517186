//! What tables of windows promise, case by case. Random ones run beside the model in `src/model`.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_state::{
    Catalog, Declaration, Frame, KeyGroup, KeyGroups, KeyedStore, MemoryBackend, MemoryBudget, StateBackend,
    StateStore, StateValue, StoreSetup, Windows,
};
use firesteel_window::{Timestamp, Window};
use serde::{Deserialize, Serialize};

type Row = (i64, u64, u64);

/// The group that all keys are in.
const GROUP: KeyGroup = KeyGroup(0);

fn window(start: i64) -> Window {
    Window::new(Timestamp::from_secs(start), Timestamp::from_secs(start + 10))
}

fn hash(key: &u64) -> u64 {
    key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

struct Job<A = u64> {
    store: KeyedStore<u64>,
    windows: Windows<A>,
    backend: Option<Arc<MemoryBackend>>,
    epoch: u64,
}

impl<A: StateValue> Job<A> {
    fn new(backend: Option<Arc<MemoryBackend>>, budget: MemoryBudget) -> Self {
        let mut states = Declaration::new("op");
        let windows = states.windows("windows");
        let catalog = Catalog::new(KeyGroups::new(1).unwrap()).with(&[states.schema()], false).unwrap();
        let backend_of = backend.clone().map(|backend| backend as Arc<dyn StateBackend>);
        let setup = StoreSetup { catalog: &catalog, backend: backend_of, budget };
        let store = KeyedStore::open(states, &setup, hash).unwrap();
        Self { store, windows, backend, epoch: 0 }
    }

    fn in_memory() -> Self {
        Self::new(None, MemoryBudget::unlimited())
    }

    fn over(backend: &Arc<MemoryBackend>) -> Self {
        Self::new(Some(backend.clone()), MemoryBudget::unlimited())
    }

    fn begin(&self, batch: u64) {
        self.store.begin(batch);
    }

    fn add_with(&self, start: i64, key: u64, acc: A, combine: impl Fn(&mut A, A)) {
        let mut group = self.store.lock(GROUP);
        let mut windows = self.windows.of(&mut group).unwrap();
        windows.merge(window(start), hash(&key), key, acc, &combine);
        windows.settle(&combine).unwrap();
    }

    /// Ends an epoch; a backend gets it at once.
    fn end_epoch(&mut self) -> Option<Frame> {
        self.epoch += 1;
        let frame = self.store.end_epoch(self.epoch).unwrap().pop();
        if let (Some(backend), Some(frame)) = (&self.backend, &frame) {
            backend.apply(self.epoch, std::slice::from_ref(frame)).unwrap();
        }
        self.store.applied(self.epoch);
        frame
    }

    fn evict(&self, share: f64) {
        self.store.lock(GROUP).evict(share);
    }
}

impl Job {
    fn add(&self, start: i64, key: u64, n: u64) {
        self.add_with(start, key, n, |all, more| *all += more);
    }

    /// Fires, and reads two rows at a time.
    fn fire(&self, until: i64) -> Vec<Row> {
        let mut group = self.store.lock(GROUP);
        let mut windows = self.windows.of(&mut group).unwrap();
        let mut rows = windows.fire(Timestamp::from_secs(until)).unwrap();
        let mut fired = vec![];
        while windows.read(&mut rows, 2, |w, key, n| fired.push((w.start().as_secs(), *key, *n))).unwrap() {}
        fired
    }
}

#[test]
fn windows_fire_by_their_end_and_keys_in_the_order_in_which_they_came() {
    let job = Job::in_memory();
    for (start, key, n) in [(20, 9, 1), (0, 3, 1), (10, 1, 1), (0, 2, 1), (0, 3, 4)] {
        job.add(start, key, n);
    }
    assert_eq!(job.fire(9), []);
    assert_eq!(job.fire(25), [(0, 3, 5), (0, 2, 1), (10, 1, 1)]);
    assert_eq!(job.fire(25), []);
    assert_eq!(job.fire(30), [(20, 9, 1)]);
}

#[test]
fn windows_are_looked_at_wherever_they_are_and_stay_as_they_are() {
    let mut job = Job::over(&Arc::new(MemoryBackend::new()));
    job.begin(1);
    for (start, key) in [(0, 1), (0, 2), (10, 1), (20, 3), (40, 4)] {
        job.add(start, key, 1);
    }
    job.end_epoch();
    let look = |job: &Job, from: i64, to: i64| {
        let mut group = job.store.lock(GROUP);
        let windows = job.windows.of(&mut group).unwrap();
        let mut found = vec![];
        for window in windows.within(Timestamp::from_secs(from), Timestamp::from_secs(to)).unwrap() {
            let start = window.start().as_secs();
            let mut row = |of_key: u64, key: &u64, n: &u64| {
                assert_eq!(of_key, hash(key));
                found.push((start, *key, *n));
            };
            windows.look_into(window, &mut row).unwrap();
        }
        found.sort_unstable();
        found
    };
    for evicted in [0.0, 0.5, 1.0] {
        job.begin(2);
        assert_eq!(look(&job, 0, 50), [(0, 1, 1), (0, 2, 1), (10, 1, 1), (20, 3, 1), (40, 4, 1)]);
        job.evict(evicted);
        assert_eq!(look(&job, 5, 49), [(10, 1, 1), (20, 3, 1)]);
        job.add(20, 3, 5); // one that may have left memory
        job.add(20, 9, 5);
        assert_eq!(job.fire(15), [(0, 1, 1), (0, 2, 1)]);
        let expected = [(0, 1, 1), (0, 2, 1), (10, 1, 1), (20, 3, 6), (20, 9, 5)];
        assert_eq!(look(&job, 0, 30), expected, "what has fired in this attempt is there, too; evicted: {evicted}");
    }
    job.begin(3);
    assert_eq!(look(&job, 0, 30), [(10, 1, 1), (20, 3, 6), (20, 9, 5)]);
}

#[test]
fn windows_that_stay_after_their_end_are_found_by_it_and_their_keys_one_by_one() {
    let at = Timestamp::from_secs;
    for evicted in [0.0, 0.5, 1.0] {
        let mut job = Job::over(&Arc::new(MemoryBackend::new()));
        job.begin(1);
        for (start, key) in [(0, 1), (0, 2), (5, 1), (10, 1), (20, 3), (40, 4)] {
            job.add(start, key, key);
        }
        job.end_epoch();
        job.evict(evicted);
        job.begin(2);
        job.add(10, 7, 7);
        assert_eq!(job.fire(10).len(), 2, "evicted: {evicted}");
        let mut group = job.store.lock(GROUP);
        let windows = job.windows.of(&mut group).unwrap();
        let ended = |after, until| {
            let ended = windows.ended(at(after), at(until)).unwrap();
            ended.iter().map(|window| window.start().as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(ended(0, 100), [5, 10, 20, 40], "what has fired is not there; evicted: {evicted}");
        assert_eq!((ended(15, 30), ended(14, 29), ended(30, 30)), (vec![10, 20], vec![5, 10], vec![]));
        let next = |after: Timestamp| windows.next_end_after(after).unwrap();
        assert!(next(at(0)).is_some_and(|next| next <= at(15)));
        assert_eq!(
            [at(15), at(20), at(30), at(50), Timestamp::MAX].map(next),
            [20, 30, 50, 0, 0].map(|end| { Some(at(end)).filter(|end| *end > at(0)) })
        );
        let look = |start, key: u64| {
            let mut found = None;
            let is_there = windows.look_up(window(start), hash(&key), &key, &mut |n| found = Some(*n)).unwrap();
            assert_eq!(is_there, found.is_some());
            found
        };
        assert_eq!([look(10, 1), look(10, 7), look(40, 4), look(5, 1)], [Some(1), Some(7), Some(4), Some(1)]);
        assert_eq!([look(10, 2), look(0, 1), look(60, 4)], [None; 3], "evicted: {evicted}");
    }
}

#[test]
fn a_second_attempt_finds_what_the_first_one_found() {
    for backend in [None, Some(Arc::new(MemoryBackend::new()))] {
        let mut job = Job::new(backend, MemoryBudget::unlimited());
        job.begin(1);
        job.add(0, 1, 1);
        job.add(10, 2, 1);
        job.end_epoch();
        job.evict(1.0);
        for _ in 0..3 {
            job.begin(2);
            job.add(0, 1, 5); // changes a value
            job.add(0, 1, 5); // twice
            job.add(0, 7, 1); // adds a key
            job.add(5, 3, 1); // adds a window
            let mut fired = job.fire(15);
            fired.sort_unstable();
            assert_eq!(fired, [(0, 1, 11), (0, 7, 1), (5, 3, 1)]);
            job.add(0, 1, 99); // opens a window again that has fired
            assert_eq!(job.fire(15), [(0, 1, 99)]);
        }
        job.begin(3);
        assert_eq!(job.fire(99), [(10, 2, 1)]);
    }
}

#[test]
fn a_combine_that_panics_leaves_no_trace_in_the_next_attempt() {
    let job = Job::in_memory();
    job.begin(1);
    job.add(0, 1, 1);
    job.begin(2);
    let broken = std::panic::AssertUnwindSafe(|| {
        job.add_with(0, 1, 1, |all, _| {
            *all = 666;
            std::panic::resume_unwind(Box::new("broken"));
        });
    });
    assert!(std::panic::catch_unwind(broken).is_err());
    job.begin(2);
    assert_eq!(job.fire(10), [(0, 1, 1)]);
}

thread_local! {
    static CLONES: AtomicUsize = const { AtomicUsize::new(0) };
}

/// Counts its clones.
#[derive(Serialize, Deserialize)]
struct Counted(u64);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONES.with(|clones| clones.fetch_add(1, Ordering::Relaxed));
        Self(self.0)
    }
}

#[test]
fn an_accumulator_is_cloned_once_per_key_and_batch_and_only_if_it_is_old() {
    let job = Job::<Counted>::in_memory();
    let clones = || CLONES.with(|clones| clones.load(Ordering::Relaxed));
    let touch = |key| job.add_with(0, key, Counted(1), |all, more| all.0 += more.0);
    job.begin(1);
    [1, 2, 1, 2, 1].into_iter().for_each(touch);
    assert_eq!(clones(), 0);
    job.begin(2);
    [1, 1, 1, 3, 3].into_iter().for_each(touch);
    assert_eq!(clones(), 1);
    job.begin(2);
    touch(1);
    assert_eq!(clones(), 2);
    let mut group = job.store.lock(GROUP);
    job.windows.of(&mut group).unwrap().fire(Timestamp::from_secs(10)).unwrap();
    assert_eq!(clones(), 2);
}

/// The changes of a frame: windows and keys, with their values.
fn changes(frame: Option<Frame>) -> Vec<(i64, u64, Option<u64>)> {
    let value = |bytes: &[u8]| postcard::from_bytes::<u64>(bytes).unwrap();
    let change = |change: firesteel_state::Change<'_>| {
        let start = i64::from_be_bytes(change.key[8..16].try_into().unwrap()) ^ i64::MIN;
        (start / 1_000_000, value(&change.key[16..]), change.value.map(value))
    };
    frame.map_or_else(Vec::new, |frame| frame.changes().map(change).collect())
}

#[test]
fn what_an_epoch_changed_is_told_once() {
    let mut job = Job::in_memory();
    job.begin(1);
    job.add(0, 1, 1);
    job.add(0, 2, 1);
    assert_eq!(changes(job.end_epoch()), [(0, 1, Some(1)), (0, 2, Some(1))]);
    assert_eq!(changes(job.end_epoch()), []);
    for batch in 2..4 {
        job.begin(batch);
        job.add(0, 2, 1);
        job.add(0, 3, 1);
    }
    job.add(10, 9, 1);
    assert_eq!(changes(job.end_epoch()), [(0, 2, Some(3)), (0, 3, Some(2)), (10, 9, Some(1))]);
    job.begin(4);
    job.add(0, 7, 1);
    job.add(20, 7, 1);
    job.fire(20);
    // Key 7 came and went in one epoch.
    let mut told = changes(job.end_epoch());
    told.sort_unstable();
    assert_eq!(told, [(0, 1, None), (0, 2, None), (0, 3, None), (10, 9, None), (20, 7, Some(1))]);
    job.begin(5);
    job.add(20, 7, 50);
    job.begin(5);
    assert_eq!(changes(job.end_epoch()), [], "what an attempt left is not told");
}

#[test]
fn the_window_whose_end_is_furthest_away_leaves_memory_first() {
    let backend = Arc::new(MemoryBackend::new());
    let mut job = Job::over(&backend);
    job.begin(1);
    for start in [0, 10, 20, 30] {
        (0..100).for_each(|key| job.add(start, key, 1));
    }
    job.evict(1.0);
    assert_eq!(job.store.lock(GROUP).len(), 400, "nothing goes that the backend does not hold");
    job.end_epoch();
    job.evict(0.5);
    assert_eq!(job.store.lock(GROUP).len(), 200);
    let scans = backend.metrics().bytes_read;
    assert_eq!(job.fire(20).len(), 200);
    assert_eq!(backend.metrics().bytes_read, scans, "those that are due first are still in memory");
    job.begin(2);
    job.add(30, 5, 10);
    job.add(30, 500, 10);
    let fired = job.fire(99);
    assert_eq!(fired.len(), 201);
    assert!(fired.is_sorted_by_key(|row| row.0));
    let wanted = |row: &&Row| row.0 == 30 && row.1 % 495 == 5;
    assert_eq!(fired.iter().filter(wanted).collect::<Vec<_>>(), [&(30, 5, 11), &(30, 500, 10)]);
    assert!(job.end_epoch().is_some());
    assert_eq!(backend.memory_used(), 0, "what has fired is nowhere any more");
}

/// The backend has the new keys of a window by then, and must not be asked to forget them with the old ones.
#[test]
fn a_window_that_was_opened_again_in_the_epoch_in_which_it_fired_is_there_in_images_and_frames() {
    let backend = Arc::new(MemoryBackend::new());
    let mut job = Job::over(&backend);
    job.begin(1);
    job.add(0, 1, 1);
    job.end_epoch();
    job.evict(1.0);
    job.begin(2);
    assert_eq!(job.fire(10), [(0, 1, 1)]);
    job.add(0, 2, 7);
    job.end_epoch();
    assert_eq!(changes(Some(job.store.lock(GROUP).unapplied().unwrap())), []);
    assert_eq!(changes(Some(job.store.image(GROUP).unwrap().1)), [(0, 2, Some(7))]);
    job.evict(1.0);
    assert_eq!(changes(Some(job.store.image(GROUP).unwrap().1)), [(0, 2, Some(7))]);
    job.begin(3);
    assert_eq!(job.fire(10), [(0, 2, 7)]);
}

#[test]
fn a_window_is_in_no_image_any_more_once_its_epoch_has_ended_though_the_backend_has_it_still() {
    let backend = Arc::new(MemoryBackend::new());
    let mut job = Job::over(&backend);
    job.begin(1);
    (1..4).for_each(|key| job.add(0, key, key));
    job.end_epoch();
    job.evict(0.4);
    job.begin(2);
    job.add(0, 2, 100);
    assert_eq!(job.fire(10).iter().map(|row| row.2).sum::<u64>(), 106);
    job.epoch += 1;
    let frame = job.store.end_epoch(job.epoch).unwrap().pop().unwrap();
    assert_eq!(changes(Some(job.store.image(GROUP).unwrap().1)), []);
    job.begin(3);
    job.add(0, 1, 1);
    assert_eq!(job.fire(10), [(0, 1, 1)], "it starts empty, whatever the backend still has");
    let mut gone = changes(Some(frame));
    gone.sort_unstable();
    assert_eq!(gone, [(0, 1, None), (0, 2, None), (0, 3, None)], "each key is told once");
}

#[test]
fn a_restart_reads_nothing_but_what_is_needed() {
    let backend = Arc::new(MemoryBackend::new());
    let mut job = Job::over(&backend);
    job.begin(1);
    for start in [0, 10, 20] {
        (0..1_000).for_each(|key| job.add(start, key, key));
    }
    job.end_epoch();
    let before = backend.metrics();
    let mut job = Job::over(&backend);
    job.epoch = 1;
    job.begin(1);
    (0..10).for_each(|key| job.add(10, key, 1));
    assert_eq!(backend.metrics().keys_read - before.keys_read, 10);
    assert!(backend.metrics().bytes_read - before.bytes_read < 100);
    let fired = job.fire(20);
    assert_eq!(fired.len(), 2_000);
    assert_eq!(fired.iter().map(|row| row.2).sum::<u64>(), 2 * 499_500 + 10);
    job.end_epoch();
    job.begin(2);
    assert_eq!(job.fire(30).len(), 1_000);
    job.end_epoch();
    assert_eq!(backend.memory_used(), 0);
}

#[test]
fn memory_is_counted_and_given_back() {
    let budget = MemoryBudget::new(200_000);
    let backend = Arc::new(MemoryBackend::new());
    let mut job = Job::<Vec<u64>>::new(Some(backend), budget.clone());
    let add = |job: &Job<Vec<u64>>, batch: u64, keys: u64| {
        job.begin(batch);
        (0..keys).for_each(|key| job.add_with(0, key, vec![key; 4], |all, more| all.extend(more)));
        job.store.lock(GROUP).account()
    };
    let small = add(&job, 1, 100);
    assert!(small > 100 * 24 && budget.used() == small);
    let large = add(&job, 2, 5_000);
    assert!(large > 5_000 * 40 && budget.is_exceeded(), "{large}");
    assert!(!job.store.relieve(), "nothing may go yet");
    job.end_epoch();
    assert!(job.store.relieve());
    assert!(job.store.memory_used() <= 180_000, "{budget:?}");
    job.begin(3);
    let sum = RefCell::new(0);
    {
        let mut group = job.store.lock(GROUP);
        let mut windows = job.windows.of(&mut group).unwrap();
        let mut rows = windows.fire(Timestamp::from_secs(10)).unwrap();
        while windows.read(&mut rows, 100, |_, _, all| *sum.borrow_mut() += all.len()).unwrap() {}
        assert_eq!(rows.counted() + windows.changes().removed, 5_000);
    }
    assert_eq!(sum.into_inner(), 4 * 5_000 + 4 * 100);
    job.end_epoch();
    job.begin(4);
    let left = job.store.lock(GROUP).account();
    assert!(left < 1_000, "{left}");
}
