//! A sink that keeps the newest rows.

use std::fmt;
use std::sync::Arc;

use firesteel_connect::{AppliesChanges, Epoch, Guarantee, Mark, Result, Retention, Sink, SinkContext, WriteTask};
use firesteel_window::{Change, Latest, Window};
use parking_lot::Mutex;

use crate::collector::{Marks, Started};

/// Applies the changes of windows that may fire more than once, epoch by epoch, and keeps the rows that stand after them. A clone
/// shows the same rows, so keep one and give the other away.
///
/// Exactly-once as long as the process lives. Nothing leaves it but what is withdrawn: it is for tests, and for jobs that end.
///
/// ```
/// use firesteel_connect::{Epoch, Sink, WriteTask};
/// use firesteel_connect_memory::LatestRows;
/// use firesteel_window::{Change, Firing, Timestamp, Window};
///
/// let window = Window::new(Timestamp::from_secs(0), Timestamp::from_secs(10));
/// let rows = LatestRows::new();
/// let sink = rows.clone();
/// for (epoch, firing, count) in [(1, Firing::Early, 2), (2, Firing::OnTime, 5)] {
///     let changes = [Change::put(window, "ann", firing, count)];
///     let mut pending = vec![sink.write(WriteTask::new(Epoch(epoch), 0), changes.into_iter())?];
///     sink.commit(Epoch(epoch), &mut pending)?;
/// }
/// assert_eq!(rows.rows(), [(window, "ann", 5)]);
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
pub struct LatestRows<K, T> {
    kept: Arc<Mutex<Kept<K, T>>>,
    started: Started,
}

struct Kept<K, T> {
    rows: Latest<K, T>,
    last: Marks,
}

impl<K: Ord, T> LatestRows<K, T> {
    /// No rows yet.
    #[must_use]
    pub fn new() -> Self {
        let kept = Kept { rows: Latest::new(), last: Marks(Vec::new()) };
        Self { kept: Arc::new(Mutex::new(kept)), started: Started::not() }
    }

    /// The rows, in the order of windows, then of keys.
    #[must_use]
    pub fn rows(&self) -> Vec<(Window, K, T)>
    where
        K: Clone,
        T: Clone,
    {
        self.kept.lock().rows.iter().map(|(window, key, value)| (window, key.clone(), value.clone())).collect()
    }
}

impl<K: Ord + Send + 'static, T: Send + 'static> Sink<Change<K, T>> for LatestRows<K, T> {
    type Pending = Vec<Change<K, T>>;

    fn describe(&self) -> String {
        "a table in memory".into()
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

    fn write(&self, _: WriteTask, records: impl Iterator<Item = Change<K, T>>) -> Result<Self::Pending> {
        Ok(records.collect())
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Self::Pending>) -> Result<()> {
        let Kept { rows, last } = &mut *self.kept.lock();
        if last.take(&self.started, epoch) {
            pending.drain(..).flatten().for_each(|change| rows.apply(change));
        }
        // What is left is of an epoch that is there already.
        pending.clear();
        Ok(())
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        Ok(self.kept.lock().last.of(&self.started))
    }
}

impl<K, T> AppliesChanges for LatestRows<K, T> {}

impl<K: Ord, T> Default for LatestRows<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, T> Clone for LatestRows<K, T> {
    fn clone(&self) -> Self {
        Self { kept: Arc::clone(&self.kept), started: Started::not() }
    }
}

impl<K: Ord, T> fmt::Debug for LatestRows<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatestRows").field("rows", &self.kept.lock().rows.len()).finish_non_exhaustive()
    }
}
