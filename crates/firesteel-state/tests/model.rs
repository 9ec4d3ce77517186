//! The overlay beside a plain model, driven by the same random calls: batches that fail and are run again, epochs,
//! backends that lag behind, evictions, and restarts at any point.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use firesteel_state::{
    Catalog, Declaration, Fired, Frame, KeyGroups, KeyedStore, List, Map, MemoryBackend, MemoryBudget, StateBackend,
    StateOptions, StateStore, StoreSetup, TimeDomain, Timers, Times, Ttl, Value,
};
use firesteel_window::{Timestamp, seconds};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

const GROUPS: u16 = 3;
const LIFE: i64 = 5;

#[derive(Clone, Debug)]
enum Op {
    Set(u8, u16),
    Clear(u8),
    Add(u8, u16),
    AddMortal(u8, u16),
    Push(u8, u16),
    Pop(u8),
    Keep(u8, u16),
    Put(u8, u8, u16),
    PutAll(u8, Vec<u8>),
    Remove(u8, u8),
    AddField(u8, u8, u16),
    ClearMap(u8),
    Register(u8, bool, i64),
    Delete(u8, bool, i64),
    Fire(i64),
    AddMany(Vec<u8>),
}

#[derive(Clone, Debug)]
enum Step {
    /// A batch, after an attempt that got as far as the number says.
    Batch(Vec<Op>, Option<usize>),
    /// The end of an epoch, and for each group whether the backend gets its changes now.
    Epoch([bool; GROUPS as usize]),
    Evict(u8),
    Sweep,
    Pass(i64),
    /// The process ends and starts again from what was prepared.
    Restart,
    Image,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Contents {
    values: BTreeMap<u8, u16>,
    mortal: BTreeMap<u8, (i64, u16)>,
    lists: BTreeMap<u8, Vec<u16>>,
    maps: BTreeMap<u8, BTreeMap<u8, u16>>,
    timers: BTreeMap<(i64, u8), Vec<bool>>,
    fired: Vec<(i64, u8, bool)>,
}

#[derive(Clone, Debug, Default)]
struct Model {
    now: i64,
    current: Contents,
    prepared: Contents,
    probe: u8,
}

impl Contents {
    fn apply(&mut self, op: &Op, now: i64) {
        match op.clone() {
            Op::Set(key, value) => _ = self.values.insert(key, value),
            Op::Clear(key) => _ = self.values.remove(&key),
            Op::Add(key, more) => *self.values.entry(key).or_default() ^= more,
            Op::AddMany(keys) => keys.iter().for_each(|key| *self.values.entry(*key).or_default() ^= 7),
            Op::AddMortal(key, more) => {
                let old = self.mortal.get(&key).filter(|(at, _)| at + LIFE > now).map_or(0, |(_, value)| *value);
                self.mortal.insert(key, (now, old ^ more));
            }
            Op::Push(key, value) => self.lists.entry(key).or_default().push(value),
            Op::Pop(key) => {
                if let Some(list) = self.lists.get_mut(&key)
                    && !list.is_empty()
                {
                    list.remove(0);
                }
            }
            Op::Keep(key, least) => _ = self.lists.get_mut(&key).map(|list| list.retain(|value| *value >= least)),
            Op::Put(key, field, value) => _ = self.maps.entry(key).or_default().insert(field, value),
            Op::PutAll(key, fields) => self.maps.entry(key).or_default().extend(fields.iter().map(|field| (*field, 1))),
            Op::Remove(key, field) => _ = self.maps.entry(key).or_default().remove(&field),
            Op::AddField(key, field, more) => *self.maps.entry(key).or_default().entry(field).or_default() ^= more,
            Op::ClearMap(key) => _ = self.maps.remove(&key),
            Op::Register(key, which, at) => {
                let due = self.timers.entry((at, key)).or_default();
                if !due.contains(&which) {
                    due.push(which);
                }
            }
            Op::Delete(key, which, at) => {
                if let Some(due) = self.timers.get_mut(&(at, key)) {
                    due.retain(|other| *other != which);
                    if due.is_empty() {
                        self.timers.remove(&(at, key));
                    }
                }
            }
            Op::Fire(until) => {
                let mut fired = vec![];
                self.timers.retain(|(at, key), due| {
                    if *at <= until {
                        fired.extend(due.iter().map(|which| (*at, *key, *which)));
                    }
                    *at > until
                });
                self.fired = fired;
            }
        }
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Step> {
        let key = || 0..12u8;
        let field = || 0..4u8;
        let at = || 0..20i64;
        let op = prop_oneof![
            (key(), any::<u16>()).prop_map(|(key, value)| Op::Set(key, value)),
            key().prop_map(Op::Clear),
            (key(), any::<u16>()).prop_map(|(key, more)| Op::Add(key, more)),
            vec(key(), 0..40).prop_map(Op::AddMany),
            (key(), any::<u16>()).prop_map(|(key, more)| Op::AddMortal(key, more)),
            (key(), any::<u16>()).prop_map(|(key, value)| Op::Push(key, value)),
            key().prop_map(Op::Pop),
            (key(), any::<u16>()).prop_map(|(key, least)| Op::Keep(key, least)),
            (key(), field(), any::<u16>()).prop_map(|(key, field, value)| Op::Put(key, field, value)),
            (key(), vec(field(), 0..4)).prop_map(|(key, fields)| Op::PutAll(key, fields)),
            (key(), field()).prop_map(|(key, field)| Op::Remove(key, field)),
            (key(), field(), any::<u16>()).prop_map(|(key, field, more)| Op::AddField(key, field, more)),
            key().prop_map(Op::ClearMap),
            (key(), any::<bool>(), at()).prop_map(|(key, which, at)| Op::Register(key, which, at)),
            (key(), any::<bool>(), at()).prop_map(|(key, which, at)| Op::Delete(key, which, at)),
            at().prop_map(Op::Fire),
        ];
        prop_oneof![
            6 => (vec(op, 0..12), prop::option::of(0..12usize)).prop_map(|(ops, fails)| Step::Batch(ops, fails)),
            3 => any::<[bool; GROUPS as usize]>().prop_map(Step::Epoch),
            2 => (1..5u8).prop_map(Step::Evict),
            1 => Just(Step::Sweep),
            1 => (1..4i64).prop_map(Step::Pass),
            1 => Just(Step::Restart),
            1 => Just(Step::Image),
        ]
        .boxed()
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match step {
            Step::Batch(ops, _) => {
                for op in ops {
                    state.current.apply(op, state.now);
                }
            }
            Step::Epoch(_) | Step::Image => state.prepared = state.current.clone(),
            Step::Restart => state.current = state.prepared.clone(),
            Step::Pass(time) => state.now += time,
            Step::Evict(_) | Step::Sweep => {}
        }
        state.probe = (state.probe + 5) % 12;
        state
    }
}

struct Handles {
    value: Value<u16>,
    mortal: Value<u16>,
    list: List<u16>,
    map: Map<u8, u16>,
    timers: [Timers; 2],
}

fn declare() -> (Declaration<u8>, Handles) {
    let mut states = Declaration::new("model");
    let handles = Handles {
        value: states.value("value"),
        mortal: states.value_with("mortal", StateOptions::default().ttl(Ttl::after(seconds(LIFE)))),
        list: states.list("list"),
        map: states.map("map"),
        timers: [states.event_timers("false"), states.event_timers("true")],
    };
    (states, handles)
}

fn hash(key: &u8) -> u64 {
    u64::from(*key).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A store, with or without a backend, and what survives it.
struct System {
    catalog: Catalog,
    store: KeyedStore<u8>,
    handles: Handles,
    backend: Option<Arc<MemoryBackend>>,
    /// What was prepared, epoch by epoch.
    log: Vec<Vec<Frame>>,
    /// Images that were taken, and the epochs they are of.
    images: Vec<(u64, Frame)>,
    batch: u64,
    fired: Vec<(i64, u8, bool)>,
}

impl System {
    fn new(backend: bool) -> Self {
        let (states, handles) = declare();
        let catalog = Catalog::new(KeyGroups::new(GROUPS).unwrap()).with(&[states.schema()], false).unwrap();
        let backend = backend.then(|| Arc::new(MemoryBackend::new()));
        let store = Self::open(&catalog, backend.clone(), states);
        Self { catalog, store, handles, backend, log: vec![], images: vec![], batch: 0, fired: vec![] }
    }

    fn open(catalog: &Catalog, backend: Option<Arc<MemoryBackend>>, states: Declaration<u8>) -> KeyedStore<u8> {
        let backend = backend.map(|backend| backend as Arc<dyn StateBackend>);
        KeyedStore::open(states, &StoreSetup { catalog, backend, budget: MemoryBudget::unlimited() }, hash).unwrap()
    }

    fn epoch(&self) -> u64 {
        self.log.len() as u64
    }

    fn restart(&mut self) {
        let (states, handles) = declare();
        if let Some(backend) = &self.backend {
            for (epoch, frames) in (1..).zip(&self.log) {
                backend.apply(epoch, frames).unwrap();
            }
        }
        self.store = Self::open(&self.catalog, self.backend.clone(), states);
        self.handles = handles;
        if self.backend.is_none() {
            for (epoch, image) in &self.images {
                self.store.restore(*epoch, image).unwrap();
            }
            let base = |frame: &Frame| {
                let of = |(_, image): &&(u64, Frame)| image.shard() == frame.shard();
                self.images.iter().find(of).map_or(0, |(epoch, _)| *epoch)
            };
            for (epoch, frames) in (1..).zip(&self.log) {
                for frame in frames.iter().filter(|frame| base(frame) < epoch) {
                    self.store.restore(epoch, frame).unwrap();
                }
            }
        }
        self.batch += 1;
    }

    fn times(now: i64) -> Times {
        Times::processing(Timestamp::from_secs(now))
    }

    fn run(&mut self, op: &Op, now: i64) {
        let at = |key: &u8| (hash(key), self.store.group_of(hash(key)));
        let h = &self.handles;
        let with = |key: u8, run: &mut dyn FnMut(&mut firesteel_state::KeyContext<'_, u8>)| {
            let (hash, group) = at(&key);
            let mut group = self.store.lock(group);
            run(&mut group.key(hash, &key, Self::times(now)));
        };
        match op.clone() {
            Op::Set(key, value) => with(key, &mut |key| h.value.set(key, value).unwrap()),
            Op::Clear(key) => with(key, &mut |key| h.value.clear(key).unwrap()),
            Op::Add(key, more) => with(key, &mut |key| {
                h.value.update(key, |value| *value.get_or_insert(0) ^= more).unwrap();
            }),
            Op::AddMany(keys) => {
                for number in self.catalog.groups().all().iter() {
                    let mut group = self.store.lock(number);
                    let mine: Vec<u8> = keys.iter().copied().filter(|key| at(key).1 == number).collect();
                    let times = Self::times(now);
                    let done = h.value.update_many(
                        &mut group,
                        &mine,
                        |key| (hash(key), key),
                        times,
                        |value, _| {
                            *value.get_or_insert(0) ^= 7;
                        },
                    );
                    done.unwrap();
                }
            }
            Op::AddMortal(key, more) => with(key, &mut |key| {
                h.mortal.update(key, |value| *value.get_or_insert(0) ^= more).unwrap();
            }),
            Op::Push(key, value) => with(key, &mut |key| h.list.push(key, value).unwrap()),
            Op::Pop(key) => with(key, &mut |key| _ = h.list.pop_front(key).unwrap()),
            Op::Keep(key, least) => with(key, &mut |key| h.list.retain(key, |value| *value >= least).unwrap()),
            Op::Put(key, field, value) => with(key, &mut |key| h.map.put(key, field, value).unwrap()),
            Op::PutAll(key, fields) => with(key, &mut |key| {
                fields.iter().for_each(|field| h.map.put(key, *field, 1).unwrap());
            }),
            Op::Remove(key, field) => with(key, &mut |key| h.map.remove(key, &field).unwrap()),
            Op::AddField(key, field, more) => with(key, &mut |key| {
                h.map.update(key, field, |value| *value.get_or_insert(0) ^= more).unwrap();
            }),
            Op::ClearMap(key) => with(key, &mut |key| h.map.clear(key).unwrap()),
            Op::Register(key, which, at) => with(key, &mut |key| {
                h.timers[usize::from(which)].register(key, Timestamp::from_secs(at)).unwrap();
            }),
            Op::Delete(key, which, at) => with(key, &mut |key| {
                h.timers[usize::from(which)].delete(key, Timestamp::from_secs(at)).unwrap();
            }),
            Op::Fire(until) => {
                let mut fired = vec![];
                for group in self.catalog.groups().all().iter() {
                    let mut group = self.store.lock(group);
                    while let Some(timer) = group.pop_due(TimeDomain::Event, Timestamp::from_secs(until)) {
                        fired.push(timer);
                    }
                }
                // Groups fire one after the other; within a group the order is checked as it is.
                let told = |timer: &Fired<u8>| (timer.time.as_secs(), timer.key, timer.is(&h.timers[1]));
                fired.sort_by_key(|timer| (timer.time, timer.key));
                self.fired = fired.iter().map(told).collect();
            }
        }
    }
}

impl System {
    fn step(mut self, model: &Model, step: &Step) -> Self {
        let now = model.now;
        match step {
            Step::Batch(ops, fails) => {
                self.batch += 1;
                if let Some(until) = fails {
                    self.store.begin(self.batch);
                    ops.iter().take(*until).for_each(|op| self.run(op, now));
                }
                self.store.begin(self.batch);
                ops.iter().for_each(|op| self.run(op, now));
            }
            Step::Epoch(apply) => {
                let epoch = self.epoch() + 1;
                let frames = self.store.end_epoch(epoch).unwrap();
                self.log.push(frames);
                for group in self.catalog.groups().all().iter() {
                    let applies = apply[usize::from(group.0)];
                    let one = firesteel_state::KeyGroupRange::new(group.0, group.0 + 1);
                    match &self.backend {
                        Some(backend) if applies => {
                            backend.apply(epoch, &[self.store.lock(group).unapplied().unwrap()]).unwrap();
                            self.store.applied_in(one, epoch);
                        }
                        Some(_) => {}
                        None => self.store.applied_in(one, epoch),
                    }
                }
            }
            Step::Evict(share) => {
                for group in self.catalog.groups().all().iter() {
                    self.store.lock(group).evict(f64::from(*share) / 4.0);
                }
            }
            Step::Sweep => {
                self.batch += 1;
                self.store.begin(self.batch);
                self.store.sweep(3, Self::times(now));
            }
            Step::Pass(_) => {}
            Step::Restart => self.restart(),
            Step::Image => {
                // Images are of the end of an epoch.
                let epoch = self.epoch() + 1;
                let frames = self.store.end_epoch(epoch).unwrap();
                self.log.push(frames);
                let image = |group| self.store.image(group).unwrap();
                self.images = self.catalog.groups().all().iter().map(image).collect();
            }
        }
        self.compare(model, step);
        self
    }

    fn compare(&self, model: &Model, step: &Step) {
        let h = &self.handles;
        let touched = match step {
            Step::Batch(ops, _) if ops.len() < 3 => vec![model.probe],
            Step::Restart => (0..12).collect(),
            _ => vec![model.probe, (model.probe + 1) % 12],
        };
        for key in touched {
            let mut group = self.store.lock(self.store.group_of(hash(&key)));
            let mut context = group.key(hash(&key), &key, Self::times(model.now));
            let context = &mut context;
            let held = &model.current;
            assert_eq!(h.value.get(context).unwrap(), held.values.get(&key), "value of {key}");
            let mortal = held.mortal.get(&key).filter(|(at, _)| at + LIFE > model.now).map(|(_, value)| value);
            assert_eq!(h.mortal.get(context).unwrap(), mortal, "mortal value of {key}");
            assert_eq!(
                h.map.get(context, &(key % 4)).unwrap(),
                held.maps.get(&key).and_then(|map| map.get(&(key % 4)))
            );
            let list: Vec<u16> = h.list.iter(context).unwrap().copied().collect();
            assert_eq!(
                Some(&list).filter(|list| !list.is_empty()),
                held.lists.get(&key).filter(|list| !list.is_empty())
            );
            if key % 2 == 0 {
                let map: BTreeMap<u8, u16> =
                    h.map.iter(context).unwrap().map(|(field, value)| (*field, *value)).collect();
                assert_eq!(map, held.maps.get(&key).cloned().unwrap_or_default(), "map of {key}");
            }
            for which in [false, true] {
                let expected: Vec<i64> = (held.timers.iter())
                    .filter(|((_, of), due)| *of == key && due.contains(&which))
                    .map(|((at, _), _)| *at)
                    .collect();
                let listed = h.timers[usize::from(which)].list(context).unwrap();
                assert_eq!(listed.iter().map(|at| at.as_secs()).collect::<Vec<_>>(), expected, "timers of {key}");
            }
        }
        if let Step::Batch(ops, _) = step
            && ops.iter().any(|op| matches!(op, Op::Fire(_)))
        {
            assert_eq!(self.fired, model.current.fired);
        }
    }
}

struct InMemory;
struct WithBackend;

impl StateMachineTest for InMemory {
    type SystemUnderTest = System;
    type Reference = Model;

    fn init_test(_: &Model) -> System {
        System::new(false)
    }

    fn apply(system: System, model: &Model, step: Step) -> System {
        system.step(model, &step)
    }
}

impl StateMachineTest for WithBackend {
    type SystemUnderTest = System;
    type Reference = Model;

    fn init_test(_: &Model) -> System {
        System::new(true)
    }

    fn apply(system: System, model: &Model, step: Step) -> System {
        system.step(model, &step)
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn state_in_memory_is_what_the_model_says(sequential 1..60 => InMemory);

    #[test]
    fn state_over_a_backend_is_what_the_model_says(sequential 1..60 => WithBackend);
}
