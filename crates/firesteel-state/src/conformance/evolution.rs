//! State whose types evolve from program to program, over a backend: beside a plain map, driven by the same random
//! calls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

use super::Rule;
use super::model::Random;
use crate::backend::StateBackend;
use crate::{
    Catalog, Declaration, Evolution, Frame, KeyGroup, KeyGroups, KeyedStore, List, Map, MemoryBudget, StateOptions,
    StateStore, StateValue, StoreSetup, Times, Value,
};

const EVOLVES: Rule = Rule("E1", "values of earlier types are read as the declared one");
const LAZY: Rule = Rule("E2", "reading a value of an earlier type changes nothing that is stored");
const COUNTED: Rule = Rule("E3", "values of earlier types are counted, and none is left when all have been written");
const NOW: Times = Times::processing(Timestamp::EPOCH);

/// A value, as one program has it.
trait Amount: StateValue {
    /// What was put in.
    fn of(amount: u32) -> Self;
    fn amount(&self) -> u32;
    fn options() -> StateOptions {
        StateOptions::default().type_name("Amount")
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct First {
    note: String,
    amount: u32,
}

#[derive(Clone, Serialize, Deserialize)]
struct Second {
    amount: u64,
    #[serde(default)]
    currency: String,
}

/// In version 1, amounts are negative.
#[derive(Clone, Serialize, Deserialize)]
struct Third {
    #[serde(default)]
    kind: Option<u8>,
    #[serde(alias = "amount")]
    debt: i128,
}

impl Amount for First {
    fn of(amount: u32) -> Self {
        Self { note: "n".repeat(amount as usize % 5), amount }
    }
    fn amount(&self) -> u32 {
        self.amount
    }
}

impl Amount for Second {
    fn of(amount: u32) -> Self {
        Self { amount: amount.into(), currency: "euro".into() }
    }
    fn amount(&self) -> u32 {
        self.amount as u32
    }
}

impl Amount for Third {
    fn of(amount: u32) -> Self {
        Self { kind: Some(1), debt: -i128::from(amount) }
    }
    fn amount(&self) -> u32 {
        (-self.debt) as u32
    }
    fn options() -> StateOptions {
        StateOptions::default()
            .version(1)
            .type_name("Amount")
            .migrate(0, |old: Third| Third { debt: -old.debt, kind: old.kind })
    }
}

/// What is to be stored: values, and elements and fields by key.
#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    values: BTreeMap<u64, u32>,
    lists: BTreeMap<u64, Vec<u32>>,
    maps: BTreeMap<(u64, String), u32>,
}

const KEYS: u64 = 24;

struct Program<'a, V: StateValue> {
    store: KeyedStore<u64>,
    value: Value<V>,
    list: List<V>,
    map: Map<String, V>,
    backend: &'a Arc<dyn StateBackend>,
    epoch: &'a mut u64,
}

impl<'a, V: Amount> Program<'a, V> {
    fn open(backend: &'a Arc<dyn StateBackend>, catalog: &mut Catalog, epoch: &'a mut u64) -> Self {
        let mut states = Declaration::<u64>::new("amounts");
        let (value, list, map) = (
            states.value_with("value", V::options()),
            states.list_with("list", V::options()),
            states.map_with("map", V::options()),
        );
        *catalog = EVOLVES.ok(catalog.with(&[states.schema()], false), || "declaring the state".into());
        let setup = StoreSetup { catalog, backend: Some(backend.clone()), budget: MemoryBudget::unlimited() };
        let store = EVOLVES.ok(KeyedStore::open(states, &setup, |key| *key), || "opening the state".into());
        Self { store, value, list, map, backend, epoch }
    }

    /// Changes a key in one way or another, in the model too.
    fn change(&self, model: &mut Model, random: &mut Random) {
        let key = random.below(KEYS);
        let amount = random.below(1_000) as u32;
        let field = ["a", "b", "c"][random.below(3) as usize].to_owned();
        let mut group = self.store.lock(KeyGroup(0));
        let mut context = group.key(key, &key, NOW);
        let done = match random.below(8) {
            0 => {
                model.values.insert(key, amount);
                self.value.set(&mut context, V::of(amount))
            }
            1 => {
                model.values.remove(&key);
                self.value.clear(&mut context)
            }
            2 => {
                let sum = model.values.entry(key).or_default();
                *sum += amount;
                let add = |value: &mut Option<V>| {
                    let before = value.as_ref().map_or(0, V::amount);
                    *value = Some(V::of(before + amount));
                };
                self.value.update(&mut context, add)
            }
            3 => {
                model.lists.entry(key).or_default().push(amount);
                self.list.push(&mut context, V::of(amount))
            }
            4 => {
                let list = model.lists.entry(key).or_default();
                if !list.is_empty() {
                    list.remove(0);
                }
                self.list.pop_front(&mut context).map(drop)
            }
            5 => {
                model.maps.insert((key, field.clone()), amount);
                self.map.put(&mut context, field, V::of(amount))
            }
            6 => {
                model.maps.remove(&(key, field.clone()));
                self.map.remove(&mut context, &field)
            }
            _ => {
                model.maps.retain(|(other, _), _| *other != key);
                self.map.clear(&mut context)
            }
        };
        EVOLVES.ok(done, || format!("changing key {key}"));
    }

    fn check(&self, model: &Model, random: &mut Random) {
        let mut group = self.store.lock(KeyGroup(0));
        if random.below(2) == 0 {
            let keys: Vec<u64> = (0..KEYS).collect();
            let keys: Vec<(u64, &u64)> = keys.iter().map(|key| (*key, key)).collect();
            EVOLVES.ok(group.prefetch(&keys), || "prefetching".into());
        }
        let mut seen = Model::default();
        for key in 0..KEYS {
            let mut context = group.key(key, &key, NOW);
            if let Some(value) = EVOLVES.ok(self.value.get(&mut context), || format!("reading the value of {key}")) {
                seen.values.insert(key, value.amount());
            }
            let list = EVOLVES.ok(self.list.iter(&mut context), || format!("reading the list of {key}"));
            let list: Vec<u32> = list.map(V::amount).collect();
            if !list.is_empty() {
                seen.lists.insert(key, list);
            }
            for field in ["a", "b", "c"].map(str::to_owned) {
                let value = EVOLVES.ok(self.map.get(&mut context, &field), || format!("reading {field} of {key}"));
                if let Some(value) = value {
                    seen.maps.insert((key, field), value.amount());
                }
            }
        }
        let mut model = model.clone();
        model.lists.retain(|_, list| !list.is_empty());
        EVOLVES.check(seen == model, || format!("{seen:?}, not {model:?}"));
    }

    /// Ends the epoch; the frame goes to the backend at once or with the next one.
    fn end(&mut self, random: &mut Random, waiting: &mut Vec<(u64, Frame)>) {
        *self.epoch += 1;
        let epoch = *self.epoch;
        let frames = EVOLVES.ok(self.store.end_epoch(epoch), || "ending an epoch".into());
        waiting.extend(frames.into_iter().map(|frame| (epoch, frame)));
        if random.below(3) > 0 {
            self.apply(waiting);
        }
        if random.below(2) == 0 {
            self.store.lock(KeyGroup(0)).evict(1.0);
        }
    }

    fn apply(&self, waiting: &mut Vec<(u64, Frame)>) {
        for (epoch, frame) in waiting.drain(..) {
            EVOLVES.ok(self.backend.apply(epoch, &[frame]), || format!("applying epoch {epoch}"));
        }
        self.store.applied(*self.epoch);
    }

    /// Some epochs of batches, each of which may be rolled back and run again.
    fn run(&mut self, model: &mut Model, random: &mut Random) {
        let mut waiting = vec![];
        for _ in 0..3 {
            self.check(model, random);
            for batch in 0..2 {
                let batch = *self.epoch * 2 + batch;
                self.store.begin(batch);
                if random.below(2) == 0 {
                    let mut failed = model.clone();
                    (0..random.below(20)).for_each(|_| self.change(&mut failed, random));
                    self.store.begin(batch);
                    self.check(model, random);
                }
                (0..random.below(20)).for_each(|_| self.change(model, random));
                self.check(model, random);
            }
            self.end(random, &mut waiting);
        }
        self.apply(&mut waiting);
    }

    fn older(&self) -> u64 {
        let older = COUNTED.ok(self.store.older_values(), || "counting".into());
        older.iter().map(|older| older.count).sum()
    }

    fn stored(&self) -> Vec<u8> {
        let (_, image) = LAZY.ok(self.store.image(KeyGroup(0)), || "taking an image".into());
        image.bytes().to_vec()
    }

    /// Reads everything, and writes nothing by it.
    fn reads_change_nothing(&self, model: &Model, random: &mut Random) {
        let (stored, older) = (self.stored(), self.older());
        self.check(model, random);
        let after = self.older();
        LAZY.check(after == older, || format!("there were {older} values of earlier types, and there are {after}"));
        LAZY.check(self.stored() == stored, || "an image is another one".into());
    }

    /// Writes every value once more.
    fn rewrite(&mut self, model: &Model, random: &mut Random) {
        self.store.begin(u64::MAX);
        let mut group = self.store.lock(KeyGroup(0));
        for (key, amount) in &model.values {
            COUNTED.ok(self.value.set(&mut group.key(*key, key, NOW), V::of(*amount)), || "writing a value".into());
        }
        for key in model.lists.keys() {
            let mut context = group.key(*key, key, NOW);
            COUNTED.ok(self.list.clear(&mut context), || "clearing a list".into());
            for amount in &model.lists[key] {
                COUNTED.ok(self.list.push(&mut context, V::of(*amount)), || "adding to a list".into());
            }
        }
        for ((key, field), amount) in &model.maps {
            let mut context = group.key(*key, key, NOW);
            COUNTED.ok(self.map.put(&mut context, field.clone(), V::of(*amount)), || "writing a field".into());
        }
        drop(group);
        let mut waiting = vec![];
        self.end(random, &mut waiting);
        self.apply(&mut waiting);
        let left = self.older();
        COUNTED.check(left == 0, || format!("{left} values of earlier types are left"));
    }
}

/// Three programs after each other, each started again in between.
pub(super) fn random(make: impl Fn() -> Arc<dyn StateBackend>, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let backend = make();
    let groups = EVOLVES.ok(KeyGroups::new(1), || "one key group".into());
    let (mut catalog, mut model, mut epoch) = (Catalog::new(groups), Model::default(), 0);
    for _ in 0..2 {
        Program::<First>::open(&backend, &mut catalog, &mut epoch).run(&mut model, &mut random);
    }
    for _ in 0..2 {
        let mut program = Program::<Second>::open(&backend, &mut catalog, &mut epoch);
        program.reads_change_nothing(&model, &mut random);
        program.run(&mut model, &mut random);
    }
    // Now and then, nothing of the first type is left, and it is forgotten.
    if random.below(2) == 0 {
        Program::<Second>::open(&backend, &mut catalog, &mut epoch).rewrite(&model, &mut random);
        let holds = |store, table| {
            let shards = backend.shards()?.into_iter().map(|(shard, _)| shard).filter(|shard| shard.store == store);
            shards
                .map(|shard| crate::backend::holds(&*backend, shard, table, &[]))
                .try_fold(false, |any, one| Ok::<_, crate::StateError>(any | one?))
        };
        COUNTED.ok(catalog.forget_older(holds), || "forgetting types".into());
        let known: usize =
            catalog.stores().iter().flat_map(|store| &store.tables).map(|table| table.earlier.len()).sum();
        COUNTED.check(known == 0, || format!("{known} types are known that no value has"));
    }
    for round in 0..3 {
        let mut program = Program::<Third>::open(&backend, &mut catalog, &mut epoch);
        program.reads_change_nothing(&model, &mut random);
        program.run(&mut model, &mut random);
        if round == 1 {
            program.rewrite(&model, &mut random);
        }
    }
    // There is no way back from the third to the first.
    let mut back = Declaration::<u64>::new("amounts");
    let _: Value<First> = back.value_with("value", First::options());
    let stored = catalog.store("amounts").and_then(|store| store.tables.first());
    let answer = stored.map(|stored| stored.evolution(&back.schema().tables[0]));
    EVOLVES.check(matches!(answer, Some(Evolution::Refused { .. })), || format!("{answer:?}"));
}

/// A migration is run for each value that is read, and its result is stored once: what was written is not migrated
/// again.
pub(super) fn migrations_run_once(backend: &Arc<dyn StateBackend>) {
    let called = Arc::new(AtomicU64::new(0));
    let groups = EVOLVES.ok(KeyGroups::new(1), || "one key group".into());
    let mut catalog = Catalog::new(groups);
    let open = |catalog: &mut Catalog, options: StateOptions| {
        let mut states = Declaration::<u64>::new("counted");
        let value: Value<u64> = states.value_with("value", options);
        *catalog = EVOLVES.ok(catalog.with(&[states.schema()], false), || "declaring the state".into());
        let setup = StoreSetup { catalog, backend: Some(backend.clone()), budget: MemoryBudget::unlimited() };
        let store = EVOLVES.ok(KeyedStore::open(states, &setup, |key| *key), || "opening the state".into());
        (store, value)
    };
    let end = |store: &KeyedStore<u64>, epoch: u64| {
        let frames = EVOLVES.ok(store.end_epoch(epoch), || "ending an epoch".into());
        EVOLVES.ok(backend.apply(epoch, &frames), || "applying an epoch".into());
        store.applied(epoch);
        store.lock(KeyGroup(0)).evict(1.0);
    };
    let (store, value) = open(&mut catalog, StateOptions::default().version(1));
    for key in 0..10u64 {
        EVOLVES.ok(value.set(&mut store.lock(KeyGroup(0)).key(key, &key, NOW), key), || "writing".into());
    }
    end(&store, 1);
    let migrating = || {
        let called = called.clone();
        StateOptions::default().version(2).migrate(1, move |old: u64| {
            called.fetch_add(1, Ordering::Relaxed);
            old + 100
        })
    };
    let calls = |expected: u64, what: &str| {
        let calls = called.load(Ordering::Relaxed);
        EVOLVES.check(calls == expected, || format!("{calls} migrations instead of {expected}: {what}"));
    };
    let (store, value) = open(&mut catalog, migrating());
    calls(0, "opened");
    let increment = |key: u64| {
        let mut group = store.lock(KeyGroup(0));
        let add = |value: &mut Option<u64>| *value = value.map(|value| value + 1);
        EVOLVES.ok(value.update(&mut group.key(key, &key, NOW), add), || "updating".into());
    };
    for _ in 0..3 {
        // The same batch, after two attempts that failed.
        store.begin(1);
        (0..5).for_each(increment);
    }
    calls(15, "an attempt that failed leaves nothing, not even what it has read");
    store.begin(2);
    (0..5).for_each(increment);
    calls(15, "what is in memory is not read again");
    end(&store, 2);
    drop(store);
    let (store, value) = open(&mut catalog, migrating());
    let mut seen = vec![];
    for key in 0..10u64 {
        let mut group = store.lock(KeyGroup(0));
        let mut context = group.key(key, &key, NOW);
        seen.extend(EVOLVES.ok(value.get(&mut context), || "reading".into()).copied());
    }
    calls(20, "five were written, five are read for the first time");
    let expected: Vec<u64> = (0..10).map(|key| if key < 5 { key + 102 } else { key + 100 }).collect();
    EVOLVES.check(seen == expected, || format!("{seen:?}, not {expected:?}"));
}
