//! What the overlay promises, case by case.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::path::Path;
use std::sync::Arc;

use firesteel_state::backend::{BackendMetrics, Each};
use firesteel_state::{
    Catalog, Declaration, Frame, GroupState, KeyGroup, KeyGroups, KeyedStore, List, Marker, MemoryBackend,
    MemoryBudget, Result, Shard, StateBackend, StateError, StateOptions, StateStore, StoreSetup, TableId, TimeDomain,
    Times, Ttl, Value,
};
use firesteel_window::{Timestamp, seconds};
use parking_lot::Mutex;

fn hash(key: &u64) -> u64 {
    key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(second)
}

fn one_group() -> KeyGroups {
    KeyGroups::new(1).unwrap()
}

fn in_memory(states: Declaration<u64>) -> KeyedStore<u64> {
    KeyedStore::in_memory(states, one_group(), hash).unwrap()
}

fn over(states: Declaration<u64>, backend: Arc<dyn StateBackend>, budget: MemoryBudget) -> KeyedStore<u64> {
    let catalog = Catalog::new(one_group()).with(&[states.schema()], false).unwrap();
    KeyedStore::open(states, &StoreSetup { catalog: &catalog, backend: Some(backend), budget }, hash).unwrap()
}

fn get(group: &mut GroupState<u64>, value: &Value<u64>, key: u64, times: Times) -> Option<u64> {
    value.get(&mut group.key(hash(&key), &key, times)).unwrap().copied()
}

fn set(group: &mut GroupState<u64>, value: &Value<u64>, key: u64, to: u64, times: Times) {
    value.set(&mut group.key(hash(&key), &key, times), to).unwrap();
}

const NOW: Times = Times::processing(Timestamp::EPOCH);

#[test]
fn an_attempt_that_is_given_up_leaves_nothing_in_the_epoch() {
    let mut states = Declaration::new("op");
    let (value, list, timers) = (states.value("v"), states.list::<u64>("l"), states.event_timers("t"));
    let store = in_memory(states);
    let mut group = store.lock(KeyGroup(0));
    group.begin(1);
    set(&mut group, &value, 1, 10, NOW);
    group.begin(2);
    set(&mut group, &value, 1, 11, NOW);
    set(&mut group, &value, 2, 20, NOW);
    list.push(&mut group.key(hash(&1), &1, NOW), 5).unwrap();
    timers.register(&mut group.key(hash(&1), &1, NOW), at(3)).unwrap();
    group.begin(2);
    let frame = group.end_epoch(1).unwrap().unwrap();
    assert_eq!(frame.changes().map(|change| change.key).collect::<Vec<_>>(), [&[1u8][..]]);
    assert_eq!(get(&mut group, &value, 2, NOW), None);
    assert!(group.end_epoch(2).unwrap().is_none(), "nothing changed in the second epoch");
    let again = group.end_epoch(2).unwrap_err();
    assert_eq!(again.code(), "FS-T014");
}

/// An epoch in which most keys changed is written by looking at all of them, one in which few did is not.
#[test]
fn an_epoch_holds_what_changed_whether_that_is_much_or_little() {
    let mut states = Declaration::new("op");
    let value = states.value("v");
    let store = in_memory(states);
    let mut group = store.lock(KeyGroup(0));
    for (epoch, few) in [(1u64, 1_000), (2, 1), (3, 900), (4, 10), (5, 0)] {
        group.begin(epoch * 2);
        // What is rolled back, and what is added and rolled back.
        (0..1_500).for_each(|key| set(&mut group, &value, key, 0, NOW));
        group.begin(epoch * 2);
        let changed: Vec<u64> = (0..few).map(|key| key * 7 % 1_000).collect();
        changed.iter().for_each(|key| set(&mut group, &value, *key, epoch, NOW));
        let frame = group.end_epoch(epoch).unwrap();
        let keys = |change: firesteel_state::Change<'_>| {
            assert_eq!(change.value, Some(&[epoch as u8][..]));
            change.key.to_vec()
        };
        let mut written: Vec<Vec<u8>> = frame.iter().flat_map(|frame| frame.changes().map(keys)).collect();
        let mut expected: Vec<Vec<u8>> = changed
            .iter()
            .map(|key| if *key < 128 { vec![*key as u8] } else { vec![*key as u8 | 128, (*key >> 7) as u8] })
            .collect();
        written.sort();
        expected.sort();
        assert_eq!(written, expected, "epoch {epoch}");
    }
}

/// Notes the calls of `read`, and insists on sorted keys.
#[derive(Default)]
struct Watched {
    inner: MemoryBackend,
    reads: Mutex<Vec<usize>>,
}

impl StateBackend for Watched {
    fn describe(&self) -> String {
        "watched".into()
    }
    fn read(&self, shard: Shard, table: TableId, keys: &[&[u8]], found: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "keys are sorted and distinct");
        self.reads.lock().push(keys.len());
        self.inner.read(shard, table, keys, found)
    }
    fn scan(&self, shard: Shard, table: TableId, prefix: &[u8], each: &mut Each<'_>) -> Result<()> {
        self.inner.scan(shard, table, prefix, each)
    }
    fn apply_at(&self, at: Marker, frames: &[Frame]) -> Result<()> {
        self.inner.apply_at(at, frames)
    }
    fn marker_of(&self, shard: Shard) -> Result<Option<Marker>> {
        self.inner.marker_of(shard)
    }
    fn markers(&self) -> Result<Vec<(Shard, Marker)>> {
        self.inner.markers()
    }
    fn clear(&self, shard: Shard) -> Result<()> {
        self.inner.clear(shard)
    }
    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }
    fn snapshot(&self, folder: &Path) -> Result<()> {
        self.inner.snapshot(folder)
    }
    fn restore(&self, folder: &Path) -> Result<()> {
        self.inner.restore(folder)
    }
    fn memory_used(&self) -> u64 {
        self.inner.memory_used()
    }
    fn metrics(&self) -> BackendMetrics {
        self.inner.metrics()
    }
}

#[test]
fn misses_are_read_once_sorted_and_together() {
    let backend = Arc::new(Watched::default());
    let mut states = Declaration::new("op");
    let value = states.value::<u64>("v");
    let store = over(states, backend.clone(), MemoryBudget::unlimited());
    let mut group = store.lock(KeyGroup(0));
    group.begin(1);
    let records: Vec<u64> = (0..1_000).rev().collect();
    let add = |total: &mut Option<u64>, record: &u64| *total.get_or_insert(0) += *record;
    value.update_many(&mut group, &records, |key| (hash(key), key), NOW, add).unwrap();
    assert!(backend.reads.lock().is_empty(), "an empty backend is not asked");
    let frame = group.end_epoch(1).unwrap().unwrap();
    backend.apply(1, &[frame]).unwrap();
    group.applied(1);
    group.evict(1.0);
    assert!(group.is_empty());

    group.begin(2);
    value.update_many(&mut group, &[7, 3, 2_000, 7, 900], |key| (hash(key), key), NOW, add).unwrap();
    assert_eq!(*backend.reads.lock(), [4]);
    assert_eq!(get(&mut group, &value, 7, NOW), Some(21));
    assert_eq!(get(&mut group, &value, 2_000, NOW), Some(2_000));
    let keys = [(hash(&1), &1), (hash(&2), &2), (hash(&7), &7), (hash(&1), &1)];
    group.prefetch(&keys).unwrap();
    assert_eq!(get(&mut group, &value, 2, NOW), Some(2));
    assert_eq!(*backend.reads.lock(), [4, 2]);
    // A key that is nowhere is asked for once.
    assert_eq!((get(&mut group, &value, 5_000, NOW), get(&mut group, &value, 5_000, NOW)), (None, None));
    assert_eq!(*backend.reads.lock(), [4, 2, 1]);
    // Setting a value reads nothing.
    set(&mut group, &value, 6_000, 1, NOW);
    assert_eq!(*backend.reads.lock(), [4, 2, 1]);
    let mut sum = 0;
    value.for_each(&mut group, NOW, |_, total| sum += total).unwrap();
    assert_eq!(sum, (0..1_000).sum::<u64>() + 7 + 7 + 3 + 900 + 2_000 + 1);
}

#[test]
fn dirty_values_stay_until_they_are_applied() {
    let backend = Arc::new(Watched::default());
    let mut states = Declaration::new("op");
    let value = states.value::<u64>("v");
    let store = over(states, backend.clone(), MemoryBudget::unlimited());
    let mut group = store.lock(KeyGroup(0));
    group.begin(1);
    (0..100).for_each(|key| set(&mut group, &value, key, key, NOW));
    group.evict(1.0);
    assert_eq!(group.len(), 100, "changed in the open epoch");
    let frame = group.end_epoch(1).unwrap().unwrap();
    group.evict(1.0);
    assert_eq!(group.len(), 100, "changed in an epoch that is not applied");
    backend.apply(1, &[frame]).unwrap();
    group.applied(1);
    group.begin(2);
    (0..10).for_each(|key| set(&mut group, &value, key, key + 1, NOW));
    group.evict(1.0);
    assert_eq!(group.len(), 10, "changed since");
    assert_eq!(get(&mut group, &value, 3, NOW), Some(4));
    assert_eq!(get(&mut group, &value, 50, NOW), Some(50));
}

#[test]
fn a_budget_is_kept_by_eviction_and_by_early_epochs() {
    let backend = Arc::new(MemoryBackend::new());
    let budget = MemoryBudget::new(400_000);
    let mut states = Declaration::new("op");
    let value = states.value::<u64>("v");
    let store = over(states, backend.clone(), budget.clone());
    let mut most = 0;
    let mut epochs = 0;
    for batch in 0..200u64 {
        store.begin(batch);
        let mut group = store.lock(KeyGroup(0));
        (0..500).for_each(|key| set(&mut group, &value, batch * 250 + key, batch, NOW));
        group.account();
        drop(group);
        if !store.relieve() {
            epochs += 1;
            let frames = store.end_epoch(epochs).unwrap();
            backend.apply(epochs, &frames).unwrap();
            store.applied(epochs);
            store.relieve();
        }
        assert!(!budget.is_exceeded());
        most = most.max(store.memory_used());
    }
    assert!(epochs > 3, "{epochs} epochs");
    assert!(most <= budget.limit());
    let mut count = 0;
    value.for_each(&mut store.lock(KeyGroup(0)), NOW, |_, _| count += 1).unwrap();
    assert_eq!(count, 199 * 250 + 500);
}

#[test]
fn a_value_is_invisible_as_soon_as_its_ttl_has_expired() {
    let mut states = Declaration::<u64>::new("op");
    let ttl = |ttl| StateOptions::default().ttl(ttl);
    let written = states.value_with::<u64>("written", ttl(Ttl::after(seconds(10))));
    let read = states.value_with::<u64>("read", ttl(Ttl::after(seconds(10)).refreshed_by_reads()));
    let event = states.value_with::<u64>("event", ttl(Ttl::after(seconds(10)).in_event_time()));
    let store = in_memory(states);
    let mut group = store.lock(KeyGroup(0));
    let group = &mut *group;
    let now = |second| Times::processing(at(second));
    for value in [&written, &read] {
        set(group, value, 1, 7, now(0));
        assert_eq!(get(group, value, 1, now(9)), Some(7));
    }
    assert_eq!(get(group, &written, 1, now(10)), None);
    assert_eq!(get(group, &read, 1, now(18)), Some(7), "it was read at 9");
    assert_eq!(get(group, &read, 1, now(28)), None);
    // An update finds nothing of an expired value.
    written.update(&mut group.key(hash(&1), &1, now(11)), |value| assert_eq!(value.replace(1), None)).unwrap();
    assert_eq!(get(group, &written, 1, now(20)), Some(1));

    let times = |event, watermark| Times::new(at(event), at(watermark), at(1_000_000));
    set(group, &event, 1, 7, Times::new(at(100), Timestamp::MIN, at(0)));
    assert_eq!(get(group, &event, 1, times(0, 109)), Some(7));
    set(group, &event, 1, 8, times(95, 90));
    assert_eq!(get(group, &event, 1, times(0, 109)), Some(8), "an older record does not shorten the life");
    assert_eq!(get(group, &event, 1, times(500, 110)), None);
}

#[test]
fn elements_of_lists_and_maps_have_lives_of_their_own() {
    let mut states = Declaration::<u64>::new("op");
    let ttl = || StateOptions::default().ttl(Ttl::after(seconds(10)));
    let list: List<u64> = states.list_with("list", ttl());
    let map = states.map_with::<u64, u64>("map", ttl());
    let store = in_memory(states);
    let mut group = store.lock(KeyGroup(0));
    for second in [0, 5, 8] {
        let mut key = group.key(hash(&1), &1, Times::processing(at(second)));
        list.push(&mut key, second as u64).unwrap();
        map.put(&mut key, second as u64 % 5, second as u64).unwrap();
    }
    let mut key = group.key(hash(&1), &1, Times::processing(at(12)));
    assert!(list.iter(&mut key).unwrap().eq([&5, &8]));
    assert!(map.iter(&mut key).unwrap().eq([(&0, &5), (&3, &8)]));
    assert_eq!(list.pop_front(&mut key).unwrap(), Some(5));
    let mut key = group.key(hash(&1), &1, Times::processing(at(16)));
    assert_eq!(map.get(&mut key, &0).unwrap(), None);
    map.update(&mut key, 0, |value| assert_eq!(*value, None)).unwrap();
}

#[test]
fn a_sweep_removes_what_is_over_and_no_more() {
    let mut states = Declaration::<u64>::new("op");
    let value = states.value_with("v", StateOptions::default().ttl(Ttl::after(seconds(10))));
    let store = in_memory(states);
    let mut group = store.lock(KeyGroup(0));
    group.begin(1);
    for key in 0..200 {
        set(&mut group, &value, key, key, Times::processing(at(if key < 150 { 0 } else { 5 })));
    }
    group.end_epoch(1).unwrap();
    group.applied(1);
    group.begin(2);
    let swept: usize = (0..4).map(|_| group.sweep(60, Times::processing(at(12)))).sum();
    assert_eq!(swept, 150);
    let frame = group.end_epoch(2).unwrap().unwrap();
    assert_eq!(frame.changes().filter(|change| change.value.is_none()).count(), 150);
    group.applied(2);
    group.begin(3);
    assert_eq!(group.len(), 50, "removals that are applied are forgotten");
    assert_eq!(get(&mut group, &value, 199, Times::processing(at(12))), Some(199));
}

#[test]
fn timers_fire_by_time_then_key_then_registration() {
    let mut states = Declaration::<u64>::new("op");
    let (first, second) = (states.event_timers("first"), states.event_timers("second"));
    let clock = states.processing_timers("clock");
    let store = in_memory(states);
    let mut group = store.lock(KeyGroup(0));
    for (key, timers, time) in [
        (5, second, 10),
        (5, first, 10),
        (3, first, 10),
        (3, first, 10),
        (9, second, 4),
        (3, second, 12),
        (1, first, 30),
    ] {
        timers.register(&mut group.key(hash(&key), &key, NOW), at(time)).unwrap();
    }
    clock.register(&mut group.key(hash(&7), &7, NOW), at(1)).unwrap();
    assert_eq!(group.next_timer(TimeDomain::Event).unwrap(), Some(at(4)));
    let mut fired = vec![];
    while let Some(timer) = group.pop_due(TimeDomain::Event, at(20)).unwrap() {
        fired.push((timer.time.as_secs(), timer.key, timer.is(&first)));
        if timer.key == 9 {
            // Registered while others fire: it takes its place.
            first.register(&mut group.key(hash(&4), &4, NOW), at(10)).unwrap();
        }
    }
    let expected = [(4, 9, false), (10, 3, true), (10, 4, true), (10, 5, false), (10, 5, true), (12, 3, false)];
    assert_eq!(fired, expected);
    assert_eq!(group.next_timer(TimeDomain::Event).unwrap(), Some(at(30)));
    let timer = group.pop_due(TimeDomain::Processing, at(1)).unwrap().unwrap();
    assert!(timer.is(&clock) && timer.key == 7);
}

#[test]
fn a_handle_works_with_its_own_operator_only() {
    let mut other = Declaration::<u64>::new("other");
    other.value::<u8>("a");
    let foreign = other.value::<u64>("b");
    let timers = other.event_timers("t");
    let mut states = Declaration::<u64>::new("op");
    states.value::<u64>("a");
    states.list::<u64>("b");
    let store = in_memory(states);
    let mut group = store.lock(KeyGroup(0));
    let mut key = group.key(hash(&1), &1, NOW);
    let error = foreign.get(&mut key).unwrap_err();
    assert!(matches!(&error, StateError::Handle { operator, kind: "value" } if operator == "op"), "{error}");
    assert!(timers.list(&mut key).is_err());
}

#[test]
fn a_declaration_that_makes_no_sense_is_refused() {
    let refused = |states: &[Declaration<u64>]| {
        let schemas: Vec<_> = states.iter().map(Declaration::schema).collect();
        Catalog::new(one_group()).with(&schemas, false).unwrap_err().to_string()
    };
    let mut twice = Declaration::new("op");
    twice.value::<u8>("a");
    twice.list::<u8>("a");
    assert!(refused(&[twice]).contains("two states are named `a`"));
    assert!(refused(&[Declaration::new("op"), Declaration::new("op")]).contains("another operator has the same name"));
    assert!(refused(&[Declaration::new("")]).contains("needs a name"));
}

#[test]
fn numbers_stay_with_names_and_are_never_given_twice() {
    let catalog = Catalog::new(KeyGroups::default());
    let schemas = |names: &[&str]| {
        let mut states = Declaration::<u64>::new("op");
        names.iter().for_each(|name| _ = states.value::<u64>(name));
        [states.schema()]
    };
    let id = |catalog: &Catalog, name: &str| {
        let tables = &catalog.store("op").unwrap().tables;
        tables.iter().find(|table| table.name == name).map(|table| table.id.0)
    };
    let first = catalog.with(&schemas(&["a", "b"]), false).unwrap();
    let reordered = first.with(&schemas(&["c", "b", "a"]), false).unwrap();
    assert_eq!(["a", "b", "c"].map(|name| id(&reordered, name)), [Some(0), Some(1), Some(2)]);
    let error = reordered.with(&schemas(&["a"]), false).unwrap_err();
    assert_eq!(error.code(), "FS-T007");
    let dropped = reordered.with(&schemas(&["a"]), true).unwrap();
    let again = dropped.with(&schemas(&["a", "c"]), false).unwrap();
    assert_eq!(id(&again, "c"), Some(3), "not 2, under which old values may still be stored");
}

#[test]
fn a_changed_type_is_told_before_the_start() {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Then {
        sum: f64,
    }
    mod now {
        #[derive(Clone, serde::Serialize, serde::Deserialize)]
        pub(crate) struct Then {
            pub(crate) sum: f64,
            pub(crate) count: u64,
        }
    }
    let mut first = Declaration::<u64>::new("op");
    first.value::<Then>("mean");
    let catalog = Catalog::new(one_group()).with(&[first.schema()], false).unwrap();
    let mut second = Declaration::<u64>::new("op");
    second.value::<now::Then>("mean");
    let setup = StoreSetup { catalog: &catalog, backend: None, budget: MemoryBudget::unlimited() };
    let error = KeyedStore::open(second, &setup, hash).unwrap_err().to_string();
    assert!(error.contains("value of Then {sum: f64, count: u64}, but value of Then {sum: f64} is"), "{error}");
    let mut third = Declaration::<u64>::new("op");
    third.value_with::<Then>("mean", StateOptions::default().version(2));
    let report = catalog.compare(&[third.schema()]).to_string();
    assert!(report.contains("Then version 2"), "{report}");
}

#[test]
fn an_image_of_memory_and_of_a_backend_hold_the_same() {
    let backend = Arc::new(MemoryBackend::new());
    let declare = || {
        let mut states = Declaration::new("op");
        let handles = (states.value::<u64>("v"), states.list::<u64>("l"), states.event_timers("t"));
        (states, handles)
    };
    let ((one, handles), (other, _)) = (declare(), declare());
    let stores = [in_memory(one), over(other, backend.clone(), MemoryBudget::unlimited())];
    for store in &stores {
        let mut group = store.lock(KeyGroup(0));
        for batch in 0..6 {
            group.begin(batch);
            for key in (0..30).filter(|key| key % (batch + 1) == 0) {
                let mut context = group.key(hash(&key), &key, NOW);
                handles.0.update(&mut context, |value| *value = value.xor(Some(batch))).unwrap();
                handles.1.push(&mut context, batch).unwrap();
                handles.2.register(&mut context, at(batch as i64)).unwrap();
            }
            group.pop_due(TimeDomain::Event, at(100)).unwrap();
            let frame = group.end_epoch(batch + 1).unwrap().unwrap();
            if batch % 2 == 0 {
                group.unapplied().unwrap();
                backend.apply(batch + 1, &[if batch == 0 { frame } else { group.unapplied().unwrap() }]).unwrap();
                group.applied(batch + 1);
                group.evict(0.5);
            }
        }
        drop(group);
        // Only the second store belongs to the backend.
        if std::ptr::eq(store, &stores[0]) {
            backend.clear(Shard { store: firesteel_state::StoreId(0), group: KeyGroup(0) }).unwrap();
        }
    }
    let images = stores.each_ref().map(|store| {
        let (epoch, image) = store.image(KeyGroup(0)).unwrap();
        // The second order of timers is for backends alone.
        let kept = image.changes().filter(|change| !TableId::TIMERS_BY_KEY.contains(&change.table));
        let mut all: Vec<_> = kept.map(|c| (c.table, c.key.to_vec(), c.value.map(<[u8]>::to_vec))).collect();
        all.sort();
        (epoch, all)
    });
    assert_eq!(images[0], images[1]);
    assert!(images[0].1.len() > 100);
}
