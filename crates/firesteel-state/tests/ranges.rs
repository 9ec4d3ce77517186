//! Ranges of sorted maps: what they yield over a backend, and what they read for it.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use firesteel_state::{
    Catalog, Declaration, GroupState, KeyContext, KeyGroup, KeyGroups, KeyedStore, MemoryBackend, MemoryBudget,
    SortedField, SortedMap, StateBackend, StateOptions, StateStore, StateValue, StoreSetup, Times, Ttl,
};
use firesteel_window::{Timestamp, seconds};

const NOW: Times = Times::processing(Timestamp::EPOCH);

struct Job<F, V> {
    store: KeyedStore<u64>,
    map: SortedMap<F, V>,
    backend: Arc<MemoryBackend>,
    epoch: u64,
}

impl<F: SortedField, V: StateValue> Job<F, V> {
    fn new(options: StateOptions) -> Self {
        let backend = Arc::new(MemoryBackend::new());
        let mut states = Declaration::new("ranges");
        let map = states.sorted_map_with("map", options);
        let catalog = Catalog::new(KeyGroups::new(1).unwrap()).with(&[states.schema()], false).unwrap();
        let held = Some(Arc::clone(&backend) as Arc<dyn StateBackend>);
        let setup = StoreSetup { catalog: &catalog, backend: held, budget: MemoryBudget::unlimited() };
        Self { store: KeyedStore::open(states, &setup, |key| *key).unwrap(), map, backend, epoch: 0 }
    }

    fn with<T>(&self, times: Times, run: impl FnOnce(&SortedMap<F, V>, &mut KeyContext<'_, u64>) -> T) -> T {
        let mut group = self.store.lock(KeyGroup(0));
        run(&self.map, &mut group.key(7, &7, times))
    }

    /// Ends the epoch, and leaves everything to the backend.
    fn leave(&mut self) {
        self.epoch += 1;
        let frames = self.store.end_epoch(self.epoch).unwrap();
        self.backend.apply(self.epoch, &frames).unwrap();
        self.store.applied(self.epoch);
        self.store.lock(KeyGroup(0)).evict(1.0);
        assert!(self.store.lock(KeyGroup(0)).is_empty());
    }

    /// A job whose backend holds these entries.
    fn holding(options: StateOptions, entries: impl IntoIterator<Item = (F, V)>) -> Self {
        let mut job = Self::new(options);
        job.store.begin(1);
        job.with(NOW, |map, key| entries.into_iter().for_each(|(field, value)| map.put(key, field, value).unwrap()));
        job.leave();
        job
    }

    /// Bytes of values that the backend has handed out.
    fn read(&self) -> u64 {
        self.backend.metrics().bytes_read
    }
}

fn fields<'a>(entries: impl Iterator<Item = (&'a i64, &'a u8)>) -> Vec<i64> {
    entries.map(|(field, _)| *field).collect()
}

#[test]
fn a_range_reads_what_it_yields_and_little_more() {
    let job = Job::holding(StateOptions::default(), (-5_000..5_000).map(|field| (field, 1_u8)));
    let ranges =
        [(0..10, vec![0, 1, 2]), (-4_999..5_000, vec![-4_999, -4_998, -4_997]), (4_998..9_000, vec![4_998, 4_999])];
    for (range, expected) in ranges {
        let before = job.read();
        job.with(NOW, |map, key| assert_eq!(fields(map.first_of(key, range.clone(), 3).unwrap()), expected));
        let read = job.read() - before;
        assert!(read <= 32, "{read} values of {range:?}");
        let before = job.read();
        job.with(NOW, |map, key| assert_eq!(fields(map.first_of(key, range, 3).unwrap()), expected));
        assert_eq!(job.read(), before, "what was read is there");
    }
    let before = job.read();
    job.with(NOW, |map, key| {
        assert_eq!(fields(map.last_of(key, .., 2).unwrap()), [4_999, 4_998]);
        assert_eq!(fields(map.last_of(key, ..=-4_000, 2).unwrap()), [-4_000, -4_001]);
        assert_eq!(fields(map.range(key, 100..200).unwrap()), (100..200).collect::<Vec<_>>());
        assert_eq!(fields(map.range(key, (Included(150), Excluded(120))).unwrap()), [] as [i64; 0]);
    });
    let read = job.read() - before;
    assert!(read <= 32 + 32 + 100, "{read}");
}

#[test]
fn taking_the_first_again_and_again_passes_by_nothing_that_is_gone() {
    let job = Job::holding(StateOptions::default(), (0..10_000).map(|field| (field, 1_u8)));
    let before = job.read();
    for batch in 2..12 {
        // The second attempt finds what the first has taken.
        for _ in 1..=2 {
            job.store.begin(batch);
            job.with(NOW, |map, key| {
                for field in 0..100 {
                    assert_eq!(map.pop_first(key).unwrap(), Some(((batch as i64 - 2) * 100 + field, 1)));
                }
            });
        }
    }
    let read = job.read() - before;
    // In chunks, the first of them twice: what a key's first attempt has read is rolled back with the key.
    assert!(read < 1_200, "{read} values were read for 1,000 that were taken");
    job.with(NOW, |map, key| assert_eq!(map.last(key).unwrap(), Some((&9_999, &1))));
}

#[test]
fn what_has_changed_since_stands_in_place_of_what_the_backend_has() {
    let mut job = Job::holding(StateOptions::default(), (0..20).map(|field| (field * 10, 1_u8)));
    let all = |job: &Job<i64, u8>| job.with(NOW, |map, key| fields(map.range(key, 15..=85).unwrap()));
    job.store.begin(2);
    job.with(NOW, |map, key| {
        map.remove(key, &30).unwrap();
        map.put(key, 45, 2).unwrap();
        map.put(key, 50, 3).unwrap();
    });
    assert_eq!(all(&job), [20, 40, 45, 50, 60, 70, 80]);
    assert_eq!(job.with(NOW, |map, key| map.get(key, &50).unwrap().copied()), Some(3));
    job.leave();
    assert_eq!(all(&job), [20, 40, 45, 50, 60, 70, 80]);
    job.store.begin(3);
    job.with(NOW, |map, key| map.remove_range(key, 40..70).unwrap());
    assert_eq!(all(&job), [20, 70, 80]);
}

#[test]
fn an_attempt_that_is_rolled_back_has_hidden_nothing() {
    // It writes to a field unseen, and then reads all of them: what the backend has of that one is passed over.
    let job = Job::holding(StateOptions::default(), (0..20).map(|field| (field * 10, 1_u8)));
    job.with(NOW, |map, key| assert_eq!(map.get(key, &0).unwrap(), Some(&1)));
    let read = |group: &mut GroupState<u64>, whole: bool| {
        let mut key = group.key(7, &7, NOW);
        if whole { fields(job.map.iter(&mut key).unwrap()) } else { fields(job.map.range(&mut key, ..).unwrap()) }
    };
    for whole in [false, true] {
        job.store.begin(2);
        job.with(NOW, |map, key| map.put(key, 50, 9).unwrap());
        assert_eq!(read(&mut job.store.lock(KeyGroup(0)), whole).len(), 20);
        job.store.begin(2);
        assert_eq!(job.with(NOW, |map, key| map.get(key, &50).unwrap().copied()), Some(1));
        assert_eq!(read(&mut job.store.lock(KeyGroup(0)), whole).len(), 20);
    }
}

#[test]
fn what_has_expired_is_passed_by() {
    let options = StateOptions::default().ttl(Ttl::after(seconds(10)));
    let mut job = Job::holding(options, (0..100).map(|field| (field, 1_u8)));
    let later = |secs| Times::processing(Timestamp::from_secs(secs));
    job.store.begin(2);
    job.with(later(5), |map, key| (60..62).for_each(|field| map.put(key, field, 2).unwrap()));
    job.leave();
    job.with(later(12), |map, key| {
        assert_eq!(fields(map.first_of(key, .., 5).unwrap()), [60, 61]);
        assert_eq!(map.last(key).unwrap(), Some((&61, &2)));
    });
    job.with(later(20), |map, key| assert_eq!(map.first(key).unwrap(), None));
}

#[test]
fn fields_are_in_their_own_order_whatever_their_type() {
    let texts = ["", "a", "a\0", "a\0b", "ab", "b", "ä"].map(str::to_owned);
    let fields: Vec<_> = texts.iter().flat_map(|text| [3, -200, 70_000].map(|number| (text.clone(), number))).collect();
    let job = Job::<(String, i32), u8>::holding(StateOptions::default(), fields.iter().map(|field| (field.clone(), 1)));
    let mut sorted = fields;
    sorted.sort();
    job.with(NOW, |map, key| {
        let found: Vec<_> = map.first_of(key, .., 99).unwrap().map(|(field, _)| field.clone()).collect();
        assert_eq!(found, sorted);
    });
    let from = ("a\0".to_owned(), 3);
    let expected: Vec<_> = sorted.iter().filter(|field| **field >= from).take(4).cloned().collect();
    job.with(NOW, |map, key| {
        let found: Vec<_> = map.first_of(key, from.., 4).unwrap().map(|(field, _)| field.clone()).collect();
        assert_eq!(found, expected);
    });
}

#[test]
fn a_map_does_not_become_a_sorted_one_unseen() {
    let mut before = Declaration::<u64>::new("ranges");
    _ = before.map::<u32, u8>("map");
    let catalog = Catalog::new(KeyGroups::new(1).unwrap()).with(&[before.schema()], false).unwrap();
    let mut after = Declaration::<u64>::new("ranges");
    _ = after.sorted_map::<u32, u8>("map");
    let refused = catalog.with(&[after.schema()], false).unwrap_err().to_string();
    assert!(refused.contains("sorted map of u32 to u8"), "{refused}");
}
