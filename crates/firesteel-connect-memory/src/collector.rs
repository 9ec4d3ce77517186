//! A sink that keeps the results.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use firesteel_connect::{CheckpointId, Epoch, Guarantee, Mark, Result, Retention, Scope, Sink, SinkContext, WriteTask};
use parking_lot::Mutex;

/// Keeps what is committed, epoch by epoch. A clone shows the same results, so keep one and give the other away.
///
/// Exactly-once as long as the process lives: an epoch that is there already is not taken again. Several parts of a job may write
/// to one collector, each through a clone of its own.
///
/// ```
/// use firesteel_connect::{Epoch, Sink, WriteTask};
/// use firesteel_connect_memory::Collector;
///
/// let results = Collector::new();
/// let sink = results.clone();
/// let mut pending = vec![sink.write(WriteTask::new(Epoch(1), 0), ["a", "b"].into_iter())?];
/// assert!(results.records().is_empty(), "not before the commit");
/// sink.commit(Epoch(1), &mut pending)?;
/// assert_eq!(results.batches(), [(Epoch(1), vec!["a", "b"])]);
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
pub struct Collector<T> {
    results: Arc<Mutex<Results<T>>>,
    /// For which part of a job this clone works, and under which checkpoint it commits.
    started: Mutex<(Scope, CheckpointId)>,
}

struct Results<T> {
    batches: Vec<(Epoch, Vec<T>)>,
    /// The newest epoch of each part.
    last: BTreeMap<Scope, Mark>,
}

impl<T> Collector<T> {
    /// A collector of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Arc::new(Mutex::new(Results { batches: Vec::new(), last: BTreeMap::new() })))
    }

    fn of(results: Arc<Mutex<Results<T>>>) -> Self {
        Self { results, started: Mutex::new((Scope::whole(), CheckpointId::from_bits(0))) }
    }

    /// All records, in the order of epochs, partitions and records.
    #[must_use]
    pub fn records(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.results.lock().batches.iter().flat_map(|(_, records)| records).cloned().collect()
    }

    /// The records of each committed epoch, in the order of their commits; also those without records.
    #[must_use]
    pub fn batches(&self) -> Vec<(Epoch, Vec<T>)>
    where
        T: Clone,
    {
        self.results.lock().batches.clone()
    }

    /// All records, which are then forgotten; the newest epoch stays known.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        let batches = std::mem::take(&mut self.results.lock().batches);
        batches.into_iter().flat_map(|(_, records)| records).collect()
    }
}

impl<T: Send + 'static> Sink<T> for Collector<T> {
    type Pending = Vec<T>;

    fn describe(&self) -> String {
        "a collector in memory".into()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn retention(&self) -> Retention {
        Retention::WhileRunning
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        *self.started.lock() = (context.scope().clone(), context.checkpoint());
        Ok(())
    }

    fn write(&self, _task: WriteTask, records: impl Iterator<Item = T>) -> Result<Vec<T>> {
        Ok(records.collect())
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Vec<T>>) -> Result<()> {
        let (scope, checkpoint) = self.started.lock().clone();
        let mut results = self.results.lock();
        let last = results.last.get(&scope);
        if last.is_none_or(|last| last.checkpoint != checkpoint || last.epoch < epoch) {
            results.last.insert(scope, Mark { epoch, checkpoint });
            let records = pending.drain(..).flatten().collect();
            results.batches.push((epoch, records));
        }
        // What is left is of an epoch that is there already.
        pending.clear();
        Ok(())
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        let (scope, _) = &*self.started.lock();
        Ok(self.results.lock().last.get(scope).copied())
    }
}

impl<T> Default for Collector<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Collector<T> {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.results))
    }
}

impl<T> fmt::Debug for Collector<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let results = self.results.lock();
        f.debug_struct("Collector")
            .field("epochs", &results.batches.len())
            .field("last_committed", &results.last)
            .finish_non_exhaustive()
    }
}
