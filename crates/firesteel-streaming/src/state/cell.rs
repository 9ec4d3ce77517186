//! The state that an operator declares while the program is built, and the store it becomes when the job starts.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_core::hash::hash_key;
use firesteel_core::{Key, Operator};
use firesteel_state::{Declaration, KeyedStore, StateStore, StoreSchema, StoreSetup};
use parking_lot::Mutex;

use crate::error::Result;
use crate::graph::Graph;
use crate::input::unique_name;

/// The state of one operator, whatever its types: what the job sees of it.
pub(crate) trait StateCell: Send + Sync {
    /// What is declared.
    fn declared(&self) -> StoreSchema;
    /// Whether the user gave the operator its name.
    fn is_named(&self) -> bool;
    /// Opens the store.
    fn open(&self, setup: &StoreSetup<'_>) -> firesteel_state::Result<()>;
    /// Fills a store that has never held anything with what the program says it begins with.
    fn initialise(&self) -> Result<()>;
    /// The store, once it is open.
    fn store(&self) -> &dyn StateStore;
    /// How many keys have state.
    fn keys(&self) -> u64;
    /// Says how many keys have state.
    fn set_keys(&self, keys: u64);
}

/// The name under which the operator's state is stored: its own, or that of its kind with a number.
pub(crate) fn state_name(graph: &Graph, operator: &Operator) -> String {
    if operator.is_named() {
        return operator.name().to_owned();
    }
    let kind = operator.kind();
    graph.change(|parts| {
        let taken = parts.states.iter().map(|(cell, _)| cell.declared().operator);
        let taken: HashSet<String> = taken.collect();
        unique_name(kind, &taken.iter().map(String::as_str).collect())
    })
}

/// What fills a new store.
type Initial<K> = Box<dyn FnOnce(&KeyedStore<K>) -> Result<()> + Send>;

/// The state of one operator.
pub(crate) struct StoreCell<K: Key> {
    declared: Mutex<Declared<K>>,
    store: OnceLock<KeyedStore<K>>,
    keys: AtomicU64,
}

struct Declared<K> {
    /// Taken when the store is opened.
    declaration: Option<Declaration<K>>,
    schema: StoreSchema,
    is_named: bool,
    initial: Option<Initial<K>>,
}

impl<K: Key> StoreCell<K> {
    pub(crate) fn new(declaration: Declaration<K>, is_named: bool) -> Arc<Self> {
        let schema = declaration.schema();
        let declared = Declared { declaration: Some(declaration), schema, is_named, initial: None };
        Arc::new(Self { declared: Mutex::new(declared), store: OnceLock::new(), keys: AtomicU64::new(0) })
    }

    /// Gives the operator the name under which its state is stored.
    pub(crate) fn rename(&self, name: &str) {
        let mut declared = self.declared.lock();
        if let Some(declaration) = &mut declared.declaration {
            declaration.rename(name);
        }
        name.clone_into(&mut declared.schema.operator);
        declared.is_named = true;
    }

    /// Says what a new store begins with.
    pub(crate) fn begin_with(&self, fill: impl FnOnce(&KeyedStore<K>) -> Result<()> + Send + 'static) {
        self.declared.lock().initial = Some(Box::new(fill));
    }

    /// The open store.
    pub(crate) fn get(&self) -> &KeyedStore<K> {
        self.store.get().expect("the job opens all stores before its first batch")
    }
}

impl<K: Key> StateCell for StoreCell<K> {
    fn declared(&self) -> StoreSchema {
        self.declared.lock().schema.clone()
    }

    fn is_named(&self) -> bool {
        self.declared.lock().is_named
    }

    fn open(&self, setup: &StoreSetup<'_>) -> firesteel_state::Result<()> {
        if let Some(declaration) = self.declared.lock().declaration.take() {
            let store = KeyedStore::open(declaration, setup, hash_key::<K>)?;
            // Whoever took the declaration is the only one to set it.
            _ = self.store.set(store);
        }
        Ok(())
    }

    fn initialise(&self) -> Result<()> {
        let initial = self.declared.lock().initial.take();
        initial.map_or(Ok(()), |fill| fill(self.get()))
    }

    fn store(&self) -> &dyn StateStore {
        self.get()
    }

    fn keys(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }

    fn set_keys(&self, keys: u64) {
        self.keys.store(keys, Ordering::Relaxed);
    }
}
