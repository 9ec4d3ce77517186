//! What the plan and the batch loop know of an operator's state, whatever its types.

use std::collections::BTreeMap;
use std::sync::Arc;

use firesteel_core::Accumulator;
use firesteel_state::{Changes, Setting, StateStore, StoreSchema, StoreSetup, TableKind, TimeDomain};
use firesteel_window::{Aggregator, Timestamp};

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

    /// When a batch has to run by the clock though nothing has come, besides timers.
    fn next_wake(&self) -> Option<Timestamp> {
        None
    }

    /// Whether what it calls event time is the clock, so that a batch has to run for its timers.
    fn goes_by_clock(&self) -> bool {
        false
    }

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

/// What tasks add the changes of state to, by the partition that they have computed.
pub(crate) type StateChanges = Accumulator<(usize, Changed), ChangesOf>;

/// What a batch has made of the state of an operator.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Changed {
    pub(crate) changes: Changes,
    /// How many timers are set after it.
    pub(crate) timers: u64,
    /// Whether timers that were due are left for the next batch.
    pub(crate) left: bool,
}

impl Changed {
    /// Adds what was made of other keys.
    pub(crate) fn add(&mut self, other: Self) {
        self.changes += other.changes;
        self.timers += other.timers;
        self.left |= other.left;
    }
}

/// The changes of a batch by partition: one that is computed again counts once.
#[derive(Debug, Default)]
pub(crate) struct ChangesOf;

impl Aggregator<(usize, Changed)> for ChangesOf {
    type Acc = BTreeMap<usize, Changed>;
    type Out = Changed;

    fn create(&self) -> Self::Acc {
        BTreeMap::new()
    }
    fn add(&self, all: &mut Self::Acc, (partition, changed): (usize, Changed)) {
        all.insert(partition, changed);
    }
    fn merge(&self, all: &mut Self::Acc, other: Self::Acc) {
        all.extend(other);
    }
    fn finish(&self, all: &Self::Acc) -> Changed {
        let mut total = Changed::default();
        all.values().for_each(|changed| total.add(*changed));
        total
    }
}
