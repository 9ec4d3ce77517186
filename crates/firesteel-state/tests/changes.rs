//! What is told of how much an attempt has changed.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::Arc;

use firesteel_state::{
    Catalog, Changes, Declaration, KeyGroup, KeyGroups, KeyedStore, Map, MemoryBackend, MemoryBudget, StateBackend,
    StateOptions, StateStore, StoreSetup, Times, Ttl, Value,
};
use firesteel_window::{Timestamp, seconds};

const NOW: Times = Times::processing(Timestamp::EPOCH);

struct States {
    store: KeyedStore<u64>,
    value: Value<u64>,
    short: Value<u64>,
    map: Map<u64, u64>,
}

fn states(backend: Option<Arc<dyn StateBackend>>) -> States {
    let mut states = Declaration::new("states");
    let value = states.value("value");
    let short = states.value_with("short", StateOptions::default().ttl(Ttl::after(seconds(1)).refreshed_by_reads()));
    let map = states.map("map");
    let catalog = Catalog::new(KeyGroups::new(1).unwrap()).with(&[states.schema()], false).unwrap();
    let setup = StoreSetup { catalog: &catalog, backend, budget: MemoryBudget::unlimited() };
    States { store: KeyedStore::open(states, &setup, |key| *key).unwrap(), value, short, map }
}

impl States {
    /// Begins an attempt, lets it change `key` and its state, and returns what it is said to have changed: inserted,
    /// updated, removed.
    fn attempt(&self, batch: u64, change: impl FnOnce(&Self, &mut firesteel_state::GroupState<u64>)) -> [u64; 3] {
        self.store.begin(batch);
        let mut group = self.store.lock(KeyGroup(0));
        change(self, &mut group);
        let Changes { inserted, updated, removed, .. } = group.changes();
        [inserted, updated, removed]
    }
}

#[test]
fn a_value_counts_once_however_often_it_is_written() {
    let states = states(None);
    let write = |key| {
        move |states: &States, group: &mut firesteel_state::GroupState<u64>| {
            states.value.set(&mut group.key(key, &key, NOW), 1).unwrap();
            states.value.update(&mut group.key(key, &key, NOW), |value| *value.get_or_insert(0) += 1).unwrap();
            let records = [(key, key), (key, key)];
            let add = |value: &mut Option<u64>, _: &(u64, u64)| *value.get_or_insert(0) += 1;
            states.value.update_many(group, &records, |record| (record.0, &record.1), NOW, add).unwrap();
        }
    };
    assert_eq!(states.attempt(1, write(7)), [1, 1, 0]);
    assert_eq!(states.attempt(1, write(7)), [1, 1, 0], "the first attempt is rolled back");
    assert_eq!(states.attempt(2, write(7)), [0, 1, 0]);
    assert_eq!(states.attempt(3, write(8)), [1, 1, 0]);
    assert_eq!(states.attempt(4, |_, _| {}), [0, 0, 0]);
}

#[test]
fn what_is_removed_does_not_count_as_updated() {
    let states = states(None);
    let set = |states: &States, group: &mut firesteel_state::GroupState<u64>| {
        states.value.set(&mut group.key(7, &7, NOW), 1).unwrap();
    };
    let clear = |states: &States, group: &mut firesteel_state::GroupState<u64>| {
        states.value.clear(&mut group.key(7, &7, NOW)).unwrap();
    };
    assert_eq!(states.attempt(1, clear), [0, 0, 0], "there is nothing");
    assert_eq!(states.attempt(2, set), [1, 1, 0]);
    assert_eq!(states.attempt(3, clear), [0, 0, 1]);
    let comes_and_goes = |states: &States, group: &mut firesteel_state::GroupState<u64>| {
        set(states, group);
        clear(states, group);
    };
    assert_eq!(states.attempt(4, comes_and_goes), [1, 0, 1]);
    let goes_and_comes = |states: &States, group: &mut firesteel_state::GroupState<u64>| {
        clear(states, group);
        set(states, group);
    };
    assert_eq!(states.attempt(5, set), [1, 1, 0]);
    assert_eq!(states.attempt(6, goes_and_comes), [1, 1, 1]);
}

#[test]
fn entries_of_maps_count_each() {
    let states = states(None);
    let changed = states.attempt(1, |states, group| {
        for field in [1, 2, 3, 3] {
            states.map.put(&mut group.key(7, &7, NOW), field, 1).unwrap();
        }
    });
    assert_eq!(changed, [3, 3, 0]);
    let changed = states.attempt(2, |states, group| {
        states.map.remove(&mut group.key(7, &7, NOW), &1).unwrap();
        states.map.put(&mut group.key(7, &7, NOW), 2, 2).unwrap();
    });
    assert_eq!(changed, [0, 1, 1]);
}

#[test]
fn what_a_reading_renews_and_what_a_sweep_removes_counts() {
    let states = states(None);
    let at = |second| Times::processing(Timestamp::from_secs(second));
    let changed = states.attempt(1, |states, group| {
        states.short.set(&mut group.key(7, &7, at(0)), 1).unwrap();
        states.short.set(&mut group.key(8, &8, at(0)), 1).unwrap();
    });
    assert_eq!(changed, [2, 2, 0]);
    let half = Times::processing(Timestamp::EPOCH + firesteel_window::millis(500));
    let changed = states.attempt(2, |states, group| {
        assert_eq!(states.short.get(&mut group.key(7, &7, half)).unwrap(), Some(&1));
    });
    assert_eq!(changed, [0, 1, 0]);
    let changed = states.attempt(3, |_, group| assert_eq!(group.sweep(10, at(1)), 1));
    assert_eq!(changed, [0, 0, 1]);
}

#[test]
fn what_is_read_from_a_backend_is_no_news() {
    let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::new());
    let first = states(Some(Arc::clone(&backend)));
    first.attempt(1, |states, group| states.value.set(&mut group.key(7, &7, NOW), 1).unwrap());
    let frames = first.store.end_epoch(1).unwrap();
    backend.apply(1, &frames).unwrap();
    let second = states(Some(backend));
    let changed = second.attempt(2, |states, group| {
        states.value.update(&mut group.key(7, &7, NOW), |value| *value.get_or_insert(0) += 1).unwrap();
        states.value.update(&mut group.key(8, &8, NOW), |value| *value.get_or_insert(0) += 1).unwrap();
    });
    assert_eq!(changed, [1, 2, 0]);
}

/// A new store is passed with the epoch at which it stands, which may be the one before the first.
#[test]
fn what_was_there_when_an_epoch_was_passed_is_not_told_by_the_next() {
    let mut declared = Declaration::new("op");
    let value = declared.value::<u64>("v");
    let store = KeyedStore::in_memory(declared, KeyGroups::new(1).unwrap(), |key: &u64| *key).unwrap();
    value.set(&mut store.lock(KeyGroup(0)).key(1, &1, NOW), 1).unwrap();
    store.pass_epoch(0);
    store.begin(1);
    value.set(&mut store.lock(KeyGroup(0)).key(2, &2, NOW), 2).unwrap();
    let frames = store.end_epoch(1).unwrap();
    assert_eq!(frames[0].changes().map(|change| change.key).collect::<Vec<_>>(), [&[2u8][..]]);
}
