//! The state that an operator declares while the program is built, and the store it becomes when the job starts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_core::Key;
use firesteel_core::hash::hash_key;
use firesteel_state::{Declaration, KeyedStore, StateStore, StoreSchema, StoreSetup};
use firesteel_window::Timestamp;
use parking_lot::Mutex;

use crate::error::Result;
use crate::plan::{Called, StateCell};
use crate::time::{Tracker, goes_by_clock};

/// What fills a new store; it returns how many entries there are then.
type Initial<K> = Box<dyn FnOnce(&KeyedStore<K>) -> Result<u64> + Send>;

/// The state of one operator.
pub(crate) struct StoreCell<K: Key> {
    declared: Mutex<Declared<K>>,
    store: OnceLock<KeyedStore<K>>,
    keys: AtomicU64,
    timers: AtomicU64,
    /// When a batch has to run by the clock, besides timers.
    wakes: Mutex<Vec<Wake>>,
    /// Whether what it calls event time is the clock.
    goes_by_clock: AtomicBool,
}

/// When a batch has to run by the clock.
type Wake = Box<dyn Fn() -> Option<Timestamp> + Send + Sync>;

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
            wakes: Mutex::default(),
            goes_by_clock: AtomicBool::new(false),
        })
    }

    /// Says what a new store begins with.
    pub(crate) fn begin_with(&self, fill: impl FnOnce(&KeyedStore<K>) -> Result<u64> + Send + 'static) {
        self.declared.lock().initial = Some(Box::new(fill));
    }

    /// Says when a batch has to run by the clock, though nothing has come.
    pub(crate) fn wake(&self, at: impl Fn() -> Option<Timestamp> + Send + Sync + 'static) {
        self.wakes.lock().push(Box::new(at));
    }

    /// Says by which watermarks it goes: where they are the clock, its timers of event time go by that.
    pub(crate) fn goes_by(&self, trackers: &[Arc<Tracker>]) {
        self.goes_by_clock.store(goes_by_clock(trackers), Ordering::Relaxed);
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

    fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.lock().iter().filter_map(|at| at()).min()
    }

    fn goes_by_clock(&self) -> bool {
        self.goes_by_clock.load(Ordering::Relaxed)
    }
}
