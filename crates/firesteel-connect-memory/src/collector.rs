//! A sink that keeps the results.

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
    started: Started,
}

/// For which part of a job a clone works, and under which checkpoint it commits.
pub(crate) struct Started(Mutex<(Scope, CheckpointId)>);

impl Started {
    pub(crate) fn not() -> Self {
        Self(Mutex::new((Scope::whole(), CheckpointId::from_bits(0))))
    }

    pub(crate) fn with(&self, context: &SinkContext) {
        *self.0.lock() = (context.scope().clone(), context.checkpoint());
    }
}

/// The newest epoch of each part. What is not generic is compiled once.
pub(crate) struct Marks(pub(crate) Vec<(Scope, Mark)>);

impl Marks {
    pub(crate) fn of(&self, started: &Started) -> Option<Mark> {
        let (scope, _) = &*started.0.lock();
        self.0.iter().find(|(part, _)| part == scope).map(|(_, mark)| *mark)
    }

    /// Takes note of an epoch, and tells whether it was not there yet.
    pub(crate) fn take(&mut self, started: &Started, epoch: Epoch) -> bool {
        let last = self.of(started);
        let (scope, checkpoint) = &*started.0.lock();
        if last.is_some_and(|last| last.checkpoint == *checkpoint && last.epoch >= epoch) {
            return false;
        }
        self.0.retain(|(part, _)| part != scope);
        self.0.push((scope.clone(), Mark { epoch, checkpoint: *checkpoint }));
        true
    }
}

struct Results<T> {
    batches: Vec<(Epoch, Vec<T>)>,
    last: Marks,
}

impl<T> Collector<T> {
    /// A collector of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Arc::new(Mutex::new(Results { batches: Vec::new(), last: Marks(Vec::new()) })))
    }

    fn of(results: Arc<Mutex<Results<T>>>) -> Self {
        Self { results, started: Started::not() }
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
        self.started.with(context);
        Ok(())
    }

    fn write(&self, _task: WriteTask, records: impl Iterator<Item = T>) -> Result<Vec<T>> {
        Ok(records.collect())
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Vec<T>>) -> Result<()> {
        let mut results = self.results.lock();
        if results.last.take(&self.started, epoch) {
            let records = pending.drain(..).flatten().collect();
            results.batches.push((epoch, records));
        }
        // What is left is of an epoch that is there already.
        pending.clear();
        Ok(())
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        Ok(self.results.lock().last.of(&self.started))
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
            .field("last_committed", &results.last.of(&self.started))
            .finish_non_exhaustive()
    }
}
