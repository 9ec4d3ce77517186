//! The map side of a running aggregate: values become accumulators before they travel.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_core::shuffle::KeyedTable;
use firesteel_core::{Exchange, Key, Operator, TaskContext};
use firesteel_window::Aggregator;
use parking_lot::Mutex;

use crate::state::side::{ByGroup, Prepare};
use crate::state::trials::Trials;
use crate::stream::Shape;

/// Aggregates within the map partition, as long as that makes the data smaller.
pub struct Combine<K, V, A: Aggregator<V>, S> {
    aggregator: Arc<A>,
    shape: PhantomData<fn(S)>,
    tables: Tables<K, A::Acc>,
    trials: Trials,
}

impl<K, V, A: Aggregator<V>, S> Combine<K, V, A, S> {
    pub(crate) fn new(aggregator: &Arc<A>) -> Self {
        Self {
            aggregator: Arc::clone(aggregator),
            shape: PhantomData,
            tables: Tables::new(),
            trials: Trials::default(),
        }
    }
}

impl<K, V, A, S> Prepare<S::Record<(K, V)>, K, A::Acc> for Combine<K, V, A, S>
where
    S: Shape,
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
{
    fn write(
        &self,
        records: impl Iterator<Item = S::Record<(K, V)>>,
        mut groups: ByGroup<'_, K, A::Acc>,
        operator: &Operator,
        task: &TaskContext,
    ) {
        let aggregator = &*self.aggregator;
        let create = |value| aggregator.start(value);
        let mut table = self.tables.take();
        let (mut seen, mut passes) = (0_usize, !self.trials.begins());
        task.drain(records, |record| {
            let (_, (key, value)) = S::split(record);
            let hash = hash_key(&key);
            seen += 1;
            if passes {
                let acc = task.blame_on(operator, || create(value));
                groups.put((hash, key, acc));
                return;
            }
            let upsert = || table.upsert(hash, key, value, create, |acc, value| aggregator.add(acc, value));
            let new = task.blame_on(operator, upsert);
            if new && self.trials.gives_up(table.len(), seen) {
                passes = true;
                table.drain().for_each(|entry| groups.put(entry));
            }
        });
        self.trials.ended(seen, (!passes).then_some(table.len()));
        table.drain().for_each(|entry| groups.put(entry));
        self.tables.keep(table);
    }
}

/// Emptied tables of one operator, kept from batch to batch.
pub(crate) struct Tables<K, A>(Mutex<Vec<KeyedTable<K, A>>>);

/// Tables kept at most.
const KEPT: usize = 16;

impl<K: Eq, A> Tables<K, A> {
    /// An empty table.
    pub(crate) fn take(&self) -> KeyedTable<K, A> {
        self.0.lock().pop().unwrap_or_default()
    }
}

impl<K, A> Tables<K, A> {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Keeps the room of an emptied table for later.
    pub(crate) fn keep(&self, table: KeyedTable<K, A>) {
        let mut tables = self.0.lock();
        if tables.len() < KEPT {
            tables.push(table);
        }
    }
}
