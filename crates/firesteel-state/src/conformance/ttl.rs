//! State that gets a TTL, loses it and gets another from program to program, over a backend: beside plain maps, driven by
//! the same random calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use firesteel_window::{Timestamp, seconds};

use super::Rule;
use super::model::Random;
use crate::backend::StateBackend;
use crate::{
    Catalog, Declaration, KeyGroup, KeyGroups, KeyedStore, Map, MemoryBudget, SortedMap, StateOptions, StateStore,
    StoreSetup, TimeDomain, Times, Ttl, Value,
};

const CHANGES: Rule = Rule(
    "E4",
    "values of a state that gets another TTL stay visible for that; without a time of its clock they count as touched \
     then, and what had expired stays expired",
);
const KEYS: u64 = 12;

/// What is to be visible: the number, and when it was touched.
type Model = BTreeMap<u64, (u64, Timestamp)>;

/// One program.
struct Program {
    store: KeyedStore<u64>,
    value: Value<u64>,
    map: Map<u64, u64>,
    sorted: SortedMap<u64, u64>,
    ttl: Option<Ttl>,
}

impl Program {
    fn open(backend: &Arc<dyn StateBackend>, catalog: &mut Catalog, ttl: Option<Ttl>, after: (u64, &Times)) -> Self {
        let options = || ttl.map_or_else(StateOptions::default, |ttl| StateOptions::default().ttl(ttl));
        let mut states = Declaration::<u64>::new("limited");
        let (value, map) = (states.value_with("value", options()), states.map_with("map", options()));
        let sorted = states.sorted_map_with("sorted", options());
        *catalog = CHANGES.ok(catalog.with_at(&[states.schema()], false, after), || format!("declaring {ttl:?}"));
        let setup = StoreSetup { catalog, backend: Some(backend.clone()), budget: MemoryBudget::unlimited() };
        let store = CHANGES.ok(KeyedStore::open(states, &setup, |key| *key), || "opening the state".into());
        Self { store, value, map, sorted, ttl }
    }

    fn put(&self, key: u64, number: u64, times: Times) {
        let mut group = self.store.lock(KeyGroup(0));
        let mut context = group.key(key, &key, times);
        let put = self.value.set(&mut context, number);
        let put = put.and_then(|()| self.map.put(&mut context, 3, number));
        CHANGES.ok(put.and_then(|()| self.sorted.put(&mut context, 3, number)), || format!("writing {key}"));
    }

    fn check(&self, model: &Model, times: Times) {
        for key in 0..KEYS {
            let is_live = |touched| self.ttl.is_none_or(|ttl| !ttl.expired(touched, &times));
            let expected = model.get(&key).filter(|(_, touched)| is_live(*touched)).map(|(number, _)| *number);
            let mut group = self.store.lock(KeyGroup(0));
            let mut context = group.key(key, &key, times);
            let reading = || format!("reading {key}");
            let value = CHANGES.ok(self.value.get(&mut context), reading).copied();
            let in_map = CHANGES.ok(self.map.get(&mut context, &3), reading).copied();
            let all: Vec<u64> = CHANGES.ok(self.map.iter(&mut context), reading).map(|(_, number)| *number).collect();
            let sorted = CHANGES.ok(self.sorted.first_of(&mut context, .., 9), reading);
            let sorted: Vec<u64> = sorted.map(|(_, number)| *number).collect();
            let wanted: Vec<u64> = expected.into_iter().collect();
            let is_right = value == expected && in_map == expected && all == wanted && sorted == wanted;
            CHANGES.check(is_right, || {
                format!(
                    "key {key}: {value:?}, {in_map:?}, {all:?} and {sorted:?}, not {expected:?}, under {:?}",
                    self.ttl
                )
            });
        }
        let mut found = BTreeMap::new();
        let mut group = self.store.lock(KeyGroup(0));
        let each = |key: &u64, number: &u64| {
            found.insert(*key, *number);
        };
        CHANGES.ok(self.value.for_each(&mut group, times, each), || "reading all".into());
        let is_live = |touched| self.ttl.is_none_or(|ttl| !ttl.expired(touched, &times));
        let live = model.iter().filter(|(_, (_, touched))| is_live(*touched));
        let expected: BTreeMap<u64, u64> = live.map(|(key, (number, _))| (*key, *number)).collect();
        CHANGES.check(found == expected, || format!("all: {found:?}, not {expected:?}, under {:?}", self.ttl));
    }
}

/// What a change of the TTL makes of the model. `undone`: nothing was done under the TTL before.
fn change(model: &mut Model, from: Option<Ttl>, to: Option<Ttl>, times: &Times, undone: bool) {
    model.retain(|_, (_, touched)| undone || from.is_none_or(|ttl| !ttl.expired(*touched, times)));
    let clock = |ttl: Option<Ttl>| ttl.map(|ttl| ttl.domain());
    for (_, touched) in model.values_mut().filter(|_| clock(from) != clock(to)) {
        *touched = match clock(to) {
            None => Timestamp::EPOCH,
            Some(TimeDomain::Event) if times.watermark != Timestamp::MIN => times.watermark,
            Some(_) => times.processing,
        };
    }
}

pub(super) fn random(make: impl Fn() -> Arc<dyn StateBackend>, seed: u64) {
    let (backend, mut random) = (make(), Random(seed));
    let groups = CHANGES.ok(KeyGroups::new(1), || "one key group".into());
    let (mut catalog, mut model, mut epoch) = (Catalog::new(groups), Model::new(), 0);
    let mut times = Times::processing(Timestamp::from_secs(1_000));
    let (mut ttl, mut is_first, mut began) = (None, true, None);
    for _ in 0..12 {
        let long = |ttl: u64| seconds(if ttl == 0 { 5 } else { 40 });
        let next = match random.below(5) {
            0 => None,
            1 | 2 => Some(Ttl::after(long(random.below(2)))),
            _ => Some(Ttl::after(long(random.below(2))).in_event_time()),
        };
        if !std::mem::take(&mut is_first) && !Ttl::holds_on(ttl, next) {
            change(&mut model, ttl, next, &times, began == Some(epoch));
            began = Some(epoch);
        }
        ttl = next;
        let program = Program::open(&backend, &mut catalog, ttl, (epoch, &times));
        program.check(&model, times);
        for _ in 0..random.below(4) {
            program.store.begin(epoch + 1);
            for _ in 0..random.below(8) {
                let (key, number) = (random.below(KEYS), random.below(1_000));
                times.event = times.watermark.saturating_add(seconds(random.below(3) as i64));
                program.put(key, number, times);
                let before = model.get(&key).map_or(Timestamp::MIN, |(_, touched)| *touched);
                let touched = ttl.map_or(Timestamp::EPOCH, |ttl| ttl.touch(before, &times));
                model.insert(key, (number, touched));
            }
            program.check(&model, times);
            epoch += 1;
            let frames = CHANGES.ok(program.store.end_epoch(epoch), || "ending an epoch".into());
            backend.expire(&times);
            CHANGES.ok(backend.apply(epoch, &frames), || "applying an epoch".into());
            program.store.applied(epoch);
            if random.below(2) == 0 {
                program.store.lock(KeyGroup(0)).evict(1.0);
            }
            program.check(&model, times);
            times.processing = times.processing.saturating_add(seconds(random.below(8) as i64));
            if random.below(3) > 0 {
                let watermark = times.watermark.max(Timestamp::from_secs(900));
                times.watermark = watermark.saturating_add(seconds(random.below(8) as i64));
            }
        }
    }
}
