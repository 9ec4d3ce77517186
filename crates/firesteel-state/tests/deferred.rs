//! Timers that are set where event time ends.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

use firesteel_state::{
    Catalog, Declaration, GroupState, KeyGroup, KeyGroups, KeyedStore, MemoryBackend, MemoryBudget, StateBackend,
    StateStore, StoreSetup, TimeDomain, Timers, Times,
};
use firesteel_window::Timestamp;

const NOW: Times = Times::processing(Timestamp::EPOCH);
const EVENT: TimeDomain = TimeDomain::Event;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn open(backend: Option<Arc<dyn StateBackend>>) -> (KeyedStore<u64>, Timers) {
    let mut states = Declaration::new("alarms");
    let alarm = states.event_timers("alarm");
    let catalog = Catalog::new(KeyGroups::new(1).unwrap()).with(&[states.schema()], false).unwrap();
    let setup = StoreSetup { catalog: &catalog, backend, budget: MemoryBudget::unlimited() };
    (KeyedStore::open(states, &setup, |key| *key).unwrap(), alarm)
}

fn set(group: &mut GroupState<u64>, alarm: Timers, key: u64, secs: i64, defers: bool) -> bool {
    let mut context = group.key(key, &key, NOW);
    context.defer_timers(defers);
    alarm.register(&mut context, at(secs)).unwrap()
}

fn list(group: &mut GroupState<u64>, alarm: Timers, key: u64) -> Vec<i64> {
    alarm.list(&mut group.key(key, &key, NOW)).unwrap().into_iter().map(Timestamp::as_secs).collect()
}

/// What fires, as key and time.
fn fire(group: &mut GroupState<u64>) -> Vec<(u64, i64)> {
    std::iter::from_fn(|| group.pop_due(EVENT, Timestamp::MAX).unwrap())
        .map(|fired| (fired.key, fired.time.as_secs()))
        .collect()
}

/// The end of time fires one of two timers, which sets a third; then the epoch ends.
fn half_of_the_end(store: &KeyedStore<u64>, alarm: Timers) -> Vec<firesteel_state::Frame> {
    for attempt in 1..=2 {
        store.begin(1);
        let mut group = store.lock(KeyGroup(0));
        assert!(group.is_empty(), "attempt {attempt} starts empty");
        assert!(set(&mut group, alarm, 7, 10, false) && set(&mut group, alarm, 8, 20, false));
        assert_eq!(group.pop_due(EVENT, Timestamp::MAX).unwrap().map(|fired| fired.key), Some(7));
        assert!(set(&mut group, alarm, 7, 15, true));
        assert!(!set(&mut group, alarm, 7, 15, true), "it is there already");
        assert_eq!((group.timers(), group.next_timer(EVENT).unwrap()), (2, Some(at(20))));
        assert_eq!(list(&mut group, alarm, 7), [15]);
    }
    store.end_epoch(1).unwrap()
}

#[test]
fn what_is_set_at_the_end_of_time_waits_apart_and_is_state_like_the_rest() {
    let (store, alarm) = open(None);
    let frames = half_of_the_end(&store, alarm);
    let image = store.image(KeyGroup(0)).unwrap().1;
    let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::default());
    let (over_backend, of_backend) = open(Some(Arc::clone(&backend)));
    backend.apply(1, &half_of_the_end(&over_backend, of_backend)).unwrap();
    drop(over_backend);

    let restored = |frame| {
        let (store, alarm) = open(None);
        store.restore(1, frame).unwrap();
        (store, alarm)
    };
    for (store, alarm) in [(store, alarm), restored(&frames[0]), restored(&image), open(Some(backend))] {
        // The rest of the end fires what was there, and nothing else.
        store.begin(2);
        let mut group = store.lock(KeyGroup(0));
        assert_eq!(fire(&mut group), [(8, 20)]);
        drop(group);
        // The next batch, at its second attempt, has what was set meanwhile.
        for _ in 1..=2 {
            store.begin(3);
            let mut group = store.lock(KeyGroup(0));
            assert_eq!(group.next_timer(EVENT).unwrap(), None);
            group.admit_deferred().unwrap();
            assert_eq!(list(&mut group, alarm, 7), [15]);
            assert_eq!(fire(&mut group), [(7, 15)]);
        }
        store.end_epoch(2).unwrap();
        store.begin(4);
        let mut group = store.lock(KeyGroup(0));
        group.admit_deferred().unwrap();
        assert!(fire(&mut group).is_empty() && group.timers() == 0);
    }
}

#[test]
fn a_deferred_timer_can_be_deleted() {
    let (store, alarm) = open(None);
    store.begin(1);
    let mut group = store.lock(KeyGroup(0));
    set(&mut group, alarm, 7, 10, false);
    set(&mut group, alarm, 7, 15, true);
    assert_eq!(list(&mut group, alarm, 7), [10, 15]);
    assert!(alarm.delete(&mut group.key(7, &7, NOW), at(15)).unwrap());
    assert_eq!(list(&mut group, alarm, 7), [10]);
    set(&mut group, alarm, 7, 15, true);
    alarm.clear(&mut group.key(7, &7, NOW)).unwrap();
    assert_eq!(group.timers(), 0);
}
