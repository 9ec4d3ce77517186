//! The state that an operator declares while the program is built, and the store it becomes when the job starts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_core::Key;
use firesteel_core::hash::hash_key;
use firesteel_state::{
    Changes, Declaration, KeyedStore, Setting, StateStore, StoreSchema, StoreSetup, TableKind, TimeDomain,
};
use firesteel_window::Timestamp;
use parking_lot::Mutex;

use crate::error::Result;

/// What the plan says of an operator with state.
pub(crate) struct Called<'a> {
    /// The name under which its state is stored.
    pub(crate) name: &'a str,
    /// Whether the user gave it.
    pub(crate) is_named: bool,
    /// What kind of operator it is, and of aggregation.
    pub(crate) kind: String,
    /// What it is set to.
    pub(crate) settings: &'a [Setting],
    /// The version that the user gave it.
    pub(crate) version: u32,
}

impl Called<'_> {
    /// Writes it down.
    pub(crate) fn describe(&self, schema: &mut StoreSchema) {
        self.name.clone_into(&mut schema.operator);
        schema.kind.clone_from(&self.kind);
        schema.settings = self.settings.to_vec();
        schema.version = self.version;
        // The operator's version stands for those of its types that cannot be told apart without one.
        for tag in schema.tables.iter_mut().map(|table| &mut table.value).chain([&mut schema.key]) {
            if !tag.can_be_compared() {
                tag.version = self.version;
            }
        }
        schema.not_compared = vec!["its functions, and the one that finds the key".to_owned()];
    }
}

/// The state of one operator, whatever its types: what the job sees of it.
pub(crate) trait StateCell: Send + Sync {
    /// What is declared.
    fn declared(&self) -> StoreSchema;
    /// The operator's name, where its state is reported batch by batch.
    fn reported_as(&self) -> Option<Arc<str>>;
    /// Whether the user gave the operator its name.
    fn is_named(&self) -> bool;
    /// Says under which name the state is stored, and what it is.
    fn call(&self, called: &Called<'_>);
    /// Opens the store.
    fn open(&self, setup: &StoreSetup<'_>) -> firesteel_state::Result<()>;
    /// Fills a store that has never held anything with what the program says it begins with.
    fn initialize(&self) -> Result<()>;
    /// The store, once it is open.
    fn store(&self) -> &dyn StateStore;
    /// How many entries there are, as far as they have been counted. It is part of what a job resumes from.
    fn keys(&self) -> u64;
    /// Says how many entries there are, where the job resumes from a checkpoint.
    fn set_keys(&self, keys: u64);

    /// How many timers are set, as far as they have been counted.
    fn timers(&self) -> u64 {
        0
    }
    /// Says how many timers are set.
    fn set_timers(&self, _timers: u64) {}

    /// Counts what a batch has changed.
    fn count(&self, changes: Changes) {
        self.set_keys((self.keys() + changes.inserted).saturating_sub(changes.removed));
    }

    /// When the first timer of the domain fires, once the store is open.
    ///
    /// # Errors
    /// When the backend cannot be read.
    fn next_timer(&self, domain: TimeDomain) -> firesteel_state::Result<Option<Timestamp>> {
        let store = self.store();
        let has_some = store.schema().tables.iter().any(|table| table.kind == TableKind::Timers(domain));
        if has_some { store.next_timer(domain) } else { Ok(None) }
    }
}

/// What fills a new store; it returns how many entries there are then.
type Initial<K> = Box<dyn FnOnce(&KeyedStore<K>) -> Result<u64> + Send>;

/// The state of one operator.
pub(crate) struct StoreCell<K: Key> {
    declared: Mutex<Declared<K>>,
    store: OnceLock<KeyedStore<K>>,
    keys: AtomicU64,
    timers: AtomicU64,
}

struct Declared<K> {
    /// Taken when the store is opened.
    declaration: Option<Declaration<K>>,
    schema: StoreSchema,
    name: Arc<str>,
    is_named: bool,
    initial: Option<Initial<K>>,
}

impl<K: Key> StoreCell<K> {
    pub(crate) fn new(declaration: Declaration<K>) -> Arc<Self> {
        let schema = declaration.schema();
        let name = schema.operator.as_str().into();
        let declared = Declared { declaration: Some(declaration), schema, name, is_named: false, initial: None };
        Arc::new(Self {
            declared: Mutex::new(declared),
            store: OnceLock::new(),
            keys: AtomicU64::new(0),
            timers: AtomicU64::new(0),
        })
    }

    /// Says what a new store begins with.
    pub(crate) fn begin_with(&self, fill: impl FnOnce(&KeyedStore<K>) -> Result<u64> + Send + 'static) {
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

    fn reported_as(&self) -> Option<Arc<str>> {
        Some(Arc::clone(&self.declared.lock().name))
    }

    fn is_named(&self) -> bool {
        self.declared.lock().is_named
    }

    fn call(&self, called: &Called<'_>) {
        let mut declared = self.declared.lock();
        if let Some(declaration) = &mut declared.declaration {
            declaration.describe(|about| called.describe(about));
            declared.schema = declaration.schema();
        }
        declared.name = called.name.into();
        declared.is_named = called.is_named;
    }

    fn open(&self, setup: &StoreSetup<'_>) -> firesteel_state::Result<()> {
        if let Some(declaration) = self.declared.lock().declaration.take() {
            let store = KeyedStore::open(declaration, setup, hash_key::<K>)?;
            // Whoever took the declaration is the only one to set it.
            _ = self.store.set(store);
        }
        Ok(())
    }

    fn initialize(&self) -> Result<()> {
        let initial = self.declared.lock().initial.take();
        if let Some(fill) = initial {
            self.set_keys(fill(self.get())?);
        }
        Ok(())
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

    fn timers(&self) -> u64 {
        self.timers.load(Ordering::Relaxed)
    }

    fn set_timers(&self, timers: u64) {
        self.timers.store(timers, Ordering::Relaxed);
    }
}
