//! Types of state that change from one program to the next: over the changelog, snapshots and a backend.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use firesteel_state::snapshot::recover;
use firesteel_state::{
    Catalog, Changelog, ChangelogOptions, Class, Declaration, EpochRecord, Fate, KeyGroup, KeyGroups, KeyedStore, List,
    Map, MemoryBackend, MemoryBudget, RunId, Snapshots, StateBackend, StateError, StateOptions, StateStore, StateValue,
    StoreSetup, Times, Ttl, Value,
};
use firesteel_window::{Timestamp, seconds};
use serde::{Deserialize, Serialize};

mod then {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct Payment {
        pub(super) card: u32,
        pub(super) note: String,
        pub(super) kind: Kind,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) enum Kind {
        Cash,
        Card(u8),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Payment {
    kind: Kind,
    card: u64,
    #[serde(default)]
    city: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Transfer { iban: String },
    Card(u16),
    Cash,
}

fn old(card: u32) -> then::Payment {
    let kind = if card.is_multiple_of(2) { then::Kind::Cash } else { then::Kind::Card(card as u8) };
    then::Payment { card, note: format!("note {card}"), kind }
}

fn new(card: u32) -> Payment {
    let kind = if card.is_multiple_of(2) { Kind::Cash } else { Kind::Card(u16::from(card as u8)) };
    Payment { card: card.into(), city: String::new(), kind }
}

fn hash(key: &str) -> u64 {
    key.bytes().fold(7, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn at(second: i64) -> Times {
    Times::processing(Timestamp::from_secs(second))
}

fn groups() -> KeyGroups {
    KeyGroups::new(4).unwrap()
}

/// What a program of one release holds.
struct Job<V: StateValue> {
    store: KeyedStore<String>,
    value: Value<V>,
    list: List<V>,
    map: Map<u8, V>,
    mortal: Value<V>,
}

fn declare<V: StateValue>() -> (Declaration<String>, (Value<V>, List<V>, Map<u8, V>, Value<V>)) {
    let mut states = Declaration::new("payments");
    let mortal = StateOptions::default().ttl(Ttl::after(seconds(10)));
    let handles = (states.value("value"), states.list("list"), states.map("map"), states.value_with("mortal", mortal));
    (states, handles)
}

impl<V: StateValue> Job<V> {
    fn open(catalog: &mut Catalog, backend: Option<Arc<dyn StateBackend>>) -> Self {
        let (states, (value, list, map, mortal)) = declare();
        *catalog = catalog.with(&[states.schema()], false).unwrap();
        let setup = StoreSetup { catalog, backend, budget: MemoryBudget::unlimited() };
        let store = KeyedStore::open(states, &setup, |key: &String| hash(key)).unwrap();
        Self { store, value, list, map, mortal }
    }

    fn put(&self, key: &str, second: i64, make: impl Fn() -> V) {
        let key = key.to_owned();
        let hash = hash(&key);
        let mut group = self.store.lock(self.store.group_of(hash));
        let mut context = group.key(hash, &key, at(second));
        self.value.set(&mut context, make()).unwrap();
        self.list.push(&mut context, make()).unwrap();
        self.map.put(&mut context, 7, make()).unwrap();
        self.mortal.set(&mut context, make()).unwrap();
    }

    fn remove(&self, key: &str) {
        let key = key.to_owned();
        let hash = hash(&key);
        let mut group = self.store.lock(self.store.group_of(hash));
        let mut context = group.key(hash, &key, at(0));
        self.value.clear(&mut context).unwrap();
        self.list.clear(&mut context).unwrap();
        self.map.clear(&mut context).unwrap();
        self.mortal.clear(&mut context).unwrap();
    }

    /// The value, the list's elements, the map's value, and the value with a TTL.
    fn get(&self, key: &str, second: i64) -> (Option<V>, Vec<V>, Option<V>, Option<V>) {
        let key = key.to_owned();
        let hash = hash(&key);
        let mut group = self.store.lock(self.store.group_of(hash));
        let mut context = group.key(hash, &key, at(second));
        (
            self.value.get(&mut context).unwrap().cloned(),
            self.list.iter(&mut context).unwrap().cloned().collect(),
            self.map.get(&mut context, &7).unwrap().cloned(),
            self.mortal.get(&mut context).unwrap().cloned(),
        )
    }

    fn is(&self, key: &str, expected: Option<V>)
    where
        V: PartialEq + std::fmt::Debug,
    {
        let list = expected.clone().into_iter().collect();
        assert_eq!(self.get(key, 1), (expected.clone(), list, expected.clone(), expected), "of {key}");
    }
}

/// A folder with a changelog and snapshots, written epoch by epoch.
struct Stored {
    log: Changelog,
    snapshots: Snapshots,
}

impl Stored {
    fn open(folder: &Path) -> Self {
        let log = Changelog::open(&folder.join("changelog"), ChangelogOptions::default()).unwrap();
        Self { log, snapshots: Snapshots::in_folder(&folder.join("snapshots")).unwrap().written_by(RunId(7)) }
    }

    fn end<V: StateValue>(&mut self, epoch: u64, job: &Job<V>) {
        let frames = job.store.end_epoch(epoch).unwrap();
        self.log.prepare(&EpochRecord { epoch, frames, ..EpochRecord::default() }).unwrap();
        self.log.mark(epoch).unwrap();
        job.store.applied(epoch);
    }

    fn snapshot<V: StateValue>(&self, epoch: u64, catalog: &Catalog, job: &Job<V>) {
        let mut writer = self.snapshots.begin(epoch, catalog, None).unwrap();
        for group in groups().all().iter() {
            let (_, image) = job.store.image(group).unwrap();
            writer.add(epoch, &image).unwrap();
        }
        writer.finish(vec![]).unwrap();
    }
}

#[test]
fn values_evolve_through_snapshots_and_the_changelog() {
    let folder = tempfile::tempdir().unwrap();
    let mut catalog = Catalog::new(groups());
    let mut stored = Stored::open(folder.path());
    let first = Job::<then::Payment>::open(&mut catalog, None);
    ["a", "b", "c", "d"].iter().zip(1..).for_each(|(key, card)| first.put(key, 0, || old(card)));
    stored.end(1, &first);
    stored.snapshot(1, &catalog, &first);
    // What is in the changelog alone: a new value, a changed one, a removed one.
    first.remove("b");
    first.remove("a");
    first.put("a", 0, || old(11));
    first.put("e", 0, || old(5));
    stored.end(2, &first);
    drop(first);

    let second = Job::<Payment>::open(&mut catalog, None);
    recover(&stored.snapshots, &stored.log, None).unwrap().restore_stores(&[&second.store]).unwrap();
    second.is("a", Some(new(11)));
    second.is("b", None);
    second.is("c", Some(new(3)));
    second.is("e", Some(new(5)));
    assert!(second.store.end_epoch(3).unwrap().is_empty(), "reading has changed nothing");
    // A first snapshot of the program, as the engine takes it, and changes after it.
    let record = EpochRecord { epoch: 3, ..EpochRecord::default() };
    stored.log.prepare(&record).unwrap();
    stored.snapshot(3, &catalog, &second);
    second.remove("c");
    second.remove("d");
    second.put("d", 0, || Payment { city: "Rome".into(), ..new(44) });
    stored.end(4, &second);
    second.remove("d");
    stored.end(5, &second);
    let images: Vec<_> = groups().all().iter().map(|group| second.store.image(group).unwrap().1).collect();
    assert!(catalog.older_values(&images).is_empty());

    // The same job again, from its own snapshot, and from that of the older program since its own is damaged.
    for damaged in [false, true] {
        if damaged {
            let part = folder.path().join("snapshots/00000000000000000002-0000000000000007-000000.images");
            let mut bytes = fs::read(&part).unwrap();
            bytes[60] ^= 1;
            fs::write(&part, bytes).unwrap();
        }
        let check = |job: &Job<Payment>| {
            job.is("a", Some(new(11)));
            job.is("b", None);
            job.is("c", None);
            job.is("d", None);
            job.is("e", Some(new(5)));
        };
        let again = Job::<Payment>::open(&mut catalog, None);
        let recovery = recover(&stored.snapshots, &stored.log, None).unwrap();
        assert_eq!(recovery.base().unwrap().id, if damaged { 1 } else { 2 });
        recovery.restore_stores(&[&again.store]).unwrap();
        check(&again);
        // And into a backend, which keeps numbers apart: nothing that was removed comes back.
        let backend = Arc::new(MemoryBackend::new());
        recovery.restore_backend(&*backend).unwrap();
        let over = Job::<Payment>::open(&mut catalog, Some(backend));
        check(&over);
    }
}

#[test]
fn a_read_that_evolves_touches_neither_ttl_nor_changes() {
    let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::new());
    let mut catalog = Catalog::new(groups());
    let first = Job::<then::Payment>::open(&mut catalog, Some(backend.clone()));
    first.put("a", 0, || old(1));
    backend.apply(1, &first.store.end_epoch(1).unwrap()).unwrap();
    drop(first);
    let second = Job::<Payment>::open(&mut catalog, Some(backend.clone()));
    second.store.begin(1);
    assert_eq!(second.get("a", 9).3, Some(new(1)));
    let changed: u64 = groups().all().iter().map(|group| second.store.lock(group).changes().inserted).sum();
    assert_eq!(changed, 0);
    assert!(second.store.end_epoch(2).unwrap().is_empty());
    second.store.lock(KeyGroup(0)).evict(1.0);
    // Ten seconds after it was written, and one after it was read.
    assert_eq!(second.get("a", 10).3, None);
    assert_eq!(second.store.older_values().unwrap().iter().map(|older| older.count).sum::<u64>(), 4);
}

#[test]
fn what_was_stored_is_counted_by_type() {
    let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::new());
    let mut catalog = Catalog::new(groups());
    let first = Job::<then::Payment>::open(&mut catalog, Some(backend.clone()));
    (0..20u32).for_each(|key| first.put(&key.to_string(), 0, || old(key)));
    backend.apply(1, &first.store.end_epoch(1).unwrap()).unwrap();
    let images =
        |store: &KeyedStore<String>| groups().all().iter().map(|g| store.image(g).unwrap().1).collect::<Vec<_>>();
    assert!(first.store.older_values().unwrap().is_empty());
    drop(first);
    let second = Job::<Payment>::open(&mut catalog, Some(backend.clone()));
    (0..15u32).for_each(|key| second.put(&key.to_string(), 0, || new(key)));
    let counts = |older: Vec<firesteel_state::OlderValues>| {
        older.into_iter().map(|older| (older.state, older.count)).collect::<Vec<_>>()
    };
    // Lists were added to, so their first elements are as they were.
    let left = [("value", 5), ("list", 20), ("map", 5), ("mortal", 5)].map(|(state, count)| (state.to_owned(), count));
    assert_eq!(counts(second.store.older_values().unwrap()), left, "what is not applied yet counts as written");
    backend.apply(2, &second.store.end_epoch(2).unwrap()).unwrap();
    second.store.applied(2);
    assert_eq!(counts(second.store.older_values().unwrap()), left);
    assert_eq!(counts(catalog.older_values(&images(&second.store))), left);
    let text = second.store.older_values().unwrap()[0].to_string();
    assert_eq!(
        text, "payments/value: 5 of Payment {card: u32, note: str, kind: <Cash|Card: u8>}",
        "a report can say so"
    );
}

#[test]
fn a_chain_of_versions_leads_to_the_declared_one() {
    let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::new());
    let mut catalog = Catalog::new(KeyGroups::new(1).unwrap());
    let mut epoch = 0;
    let mut open = |options: StateOptions, key: u64| {
        let mut states = Declaration::<u64>::new("op");
        let value: Value<String> = states.value_with("v", options);
        catalog = catalog.with(&[states.schema()], false)?;
        let setup = StoreSetup { catalog: &catalog, backend: Some(backend.clone()), budget: MemoryBudget::unlimited() };
        let store = KeyedStore::open(states, &setup, |key| *key)?;
        epoch += 1;
        let mut seen = vec![];
        for known in 1..key {
            seen.push(value.get(&mut store.lock(KeyGroup(0)).key(known, &known, at(0)))?.cloned().unwrap_or_default());
        }
        value.set(&mut store.lock(KeyGroup(0)).key(key, &key, at(0)), "x".into())?;
        backend.apply(epoch, &store.end_epoch(epoch)?)?;
        Ok::<_, StateError>(seen)
    };
    let version = |version| StateOptions::default().version(version);
    assert!(open(version(1), 1).unwrap().is_empty());
    let add = |what: &'static str| move |old: String| old + what;
    assert_eq!(open(version(2).migrate(1, add("b")), 2).unwrap(), ["xb"]);
    assert_eq!(open(version(5).migrate(1, add("b")).migrate(2, add("e")), 3).unwrap(), ["xbe", "xe"]);
    // The order in which they are given does not matter.
    let all = || version(6).migrate(5, add("f")).migrate(1, add("b")).migrate(2, add("e"));
    assert_eq!(open(all(), 4).unwrap(), ["xbef", "xef", "xf"]);
    assert_eq!(open(all(), 5).unwrap(), ["xbef", "xef", "xf", "x"]);

    // One is missing; they do not fit each other; one leads nowhere.
    let missing = open(version(6).migrate(5, add("f")).migrate(2, add("e")), 9).unwrap_err();
    assert_eq!(missing.code(), "FS-T007");
    let text: Vec<_> = missing.to_string().split_whitespace().map(str::to_owned).collect();
    assert!(text.join(" ").contains("add .migrate(1, …)"), "{missing}");
    let wrong = open(all().migrate(3, |old: String| old.len() as u64), 9).unwrap_err();
    assert_eq!(wrong.code(), "FS-T008");
    assert!(wrong.to_string().contains("the migration from version 3 gives u64, but version 5 is"), "{wrong}");
    let itself = open(all().migrate(6, add("?")), 9).unwrap_err();
    assert!(itself.to_string().contains("leads to itself"), "{itself}");
    // Back to an older program: it has a way of its own, or is refused.
    assert_eq!(open(version(2).migrate(1, add("b")), 9).unwrap_err().code(), "FS-T007");
    let back = |old: String| old.trim_end_matches('f').to_owned();
    let down = || version(2).migrate(1, add("b")).migrate(6, back).migrate(5, back);
    assert_eq!(open(down(), 6).unwrap(), ["xb", "x", "x", "x", "x"]);
}

#[test]
fn a_failure_names_the_state_the_key_and_the_version() {
    let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::new());
    let mut catalog = Catalog::new(KeyGroups::new(1).unwrap());
    let open = |catalog: &mut Catalog, options: StateOptions| {
        let mut states = Declaration::<(String, i32)>::new("op");
        let handles = (states.value_with::<u64>("v", options.clone()), states.map_with::<u8, u64>("m", options));
        *catalog = catalog.with(&[states.schema()], false).unwrap();
        let setup = StoreSetup { catalog, backend: Some(backend.clone()), budget: MemoryBudget::unlimited() };
        (KeyedStore::open(states, &setup, |_| 0).unwrap(), handles)
    };
    let key = ("ann".to_owned(), -3);
    let (store, (value, map)) = open(&mut catalog, StateOptions::default().version(1));
    value.set(&mut store.lock(KeyGroup(0)).key(0, &key, at(0)), 7).unwrap();
    map.put(&mut store.lock(KeyGroup(0)).key(0, &key, at(0)), 9, 7).unwrap();
    backend.apply(1, &store.end_epoch(1).unwrap()).unwrap();
    drop(store);
    let refuse = |old: u64| if old == 7 { Err("seven is no number") } else { Ok(old) };
    let (store, (value, map)) = open(&mut catalog, StateOptions::default().version(2).try_migrate(1, refuse));
    let mut group = store.lock(KeyGroup(0));
    let mut context = group.key(0, &key, at(0));
    let error = value.get(&mut context).unwrap_err();
    assert_eq!((error.code(), error.class()), ("FS-T015", Class::Program));
    assert_eq!(
        error.to_string(),
        "FS-T015: cannot turn the value of key (\"ann\", -3) in state op/v, stored as u64 version 1, into one of the \
         declared type: the migration says: seven is no number; go back to the program that wrote it, or declare a \
         type or migration that takes it"
    );
    let error = map.get(&mut context, &9).unwrap_err().to_string();
    assert!(error.contains("key (\"ann\", -3) at 0x09 in state op/m"), "{error}");
    assert!(map.iter(&mut context).is_err());
    // It is what it was: nothing is half done.
    drop(group);
    assert_eq!(store.older_values().unwrap().iter().map(|older| older.count).sum::<u64>(), 2);
}

#[test]
fn what_only_the_type_can_tell_is_told_before_the_start() {
    #[derive(Clone, Serialize)]
    struct Picky {
        amount: u64,
    }
    /// It takes its fields in order only, as types written by hand do.
    impl<'de> Deserialize<'de> for Picky {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct InOrder;
            impl<'de> serde::de::Visitor<'de> for InOrder {
                type Value = Picky;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an amount")
                }
                fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut fields: A) -> Result<Picky, A::Error> {
                    let amount = fields.next_element()?.ok_or_else(|| serde::de::Error::missing_field("amount"))?;
                    Ok(Picky { amount })
                }
            }
            deserializer.deserialize_struct("Picky", &["amount"], InOrder)
        }
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Before {
        amount: u32,
    }
    let mut catalog = Catalog::new(KeyGroups::new(1).unwrap());
    let named = || StateOptions::default().type_name("Amount");
    let mut before = Declaration::<u64>::new("op");
    before.value_with::<Before>("v", named());
    catalog = catalog.with(&[before.schema()], false).unwrap();
    let mut now = Declaration::<u64>::new("op");
    now.value_with::<Picky>("v", named());
    catalog = catalog.with(&[now.schema()], false).unwrap();
    let setup = StoreSetup { catalog: &catalog, backend: None, budget: MemoryBudget::unlimited() };
    let error = KeyedStore::open(now, &setup, |key| *key).unwrap_err();
    assert_eq!(error.code(), "FS-T007");
    assert!(error.to_string().contains("the type refuses it: invalid type: map, expected an amount"), "{error}");
}

#[test]
fn going_back_is_allowed_where_the_types_evolve_that_way_too() {
    #[derive(Clone, Serialize, Deserialize)]
    struct More {
        total: u64,
        #[serde(default)]
        count: u64,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Less {
        total: u64,
    }
    #[derive(Clone, Serialize, Deserialize)]
    struct Narrow {
        total: u32,
    }
    let states = |add: fn(&mut Declaration<u64>)| {
        let mut states = Declaration::<u64>::new("op");
        add(&mut states);
        states.schema()
    };
    let less = states(|states| _ = states.value_with::<Less>("v", StateOptions::default().type_name("Total")));
    let more = states(|states| _ = states.value_with::<More>("v", StateOptions::default().type_name("Total")));
    let narrow = states(|states| _ = states.value_with::<Narrow>("v", StateOptions::default().type_name("Total")));
    let catalog = Catalog::new(KeyGroups::new(1).unwrap()).with(std::slice::from_ref(&narrow), false).unwrap();
    let catalog = catalog.with(std::slice::from_ref(&less), false).unwrap();
    assert!(!catalog.compare(&[narrow]).fits(), "a u64 does not fit a u32");
    let catalog = catalog.with(std::slice::from_ref(&more), false).unwrap();
    let comparison = catalog.compare(std::slice::from_ref(&less));
    assert!(comparison.fits());
    let evolved: Vec<_> = comparison.of_fate(Fate::Evolved).map(|finding| finding.text.clone()).collect();
    assert!(evolved[0].ends_with("evolves: field `count` removed"), "{comparison}");
    let back = catalog.with(&[less], false).unwrap();
    let numbers: Vec<u16> = back.stores()[0].tables[0].numbers().map(|number| number.0).collect();
    assert_eq!(numbers, [3, 2, 1, 0], "each type has a number of its own, also when it returns");
}
