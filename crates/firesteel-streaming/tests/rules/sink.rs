//! A sink whose epochs a test can see and set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_connect::{CheckpointId, Epoch, Guarantee, Mark, Result, Retention, Sink, SinkContext, WriteTask};
use parking_lot::Mutex;

type Hook = Box<dyn Fn(u64) + Send>;

/// Keeps words by epoch. Clones share them, as processes share what is outside of them.
#[derive(Clone)]
pub(crate) struct Words {
    name: &'static str,
    guarantee: Guarantee,
    retention: Retention,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    epochs: Mutex<BTreeMap<u64, (Option<CheckpointId>, Vec<String>)>>,
    checkpoint: Mutex<Option<CheckpointId>>,
    starts: AtomicUsize,
    before_commit: Mutex<Option<Hook>>,
}

impl Words {
    /// A sink that tells what it has.
    pub(crate) fn exactly_once(name: &'static str) -> Self {
        Self { name, guarantee: Guarantee::ExactlyOnce, retention: Retention::Always, shared: Arc::default() }
    }

    /// The same, of which nobody expects anything after a restart.
    pub(crate) fn in_memory(name: &'static str) -> Self {
        Self { retention: Retention::WhileRunning, ..Self::exactly_once(name) }
    }

    /// A sink that cannot tell.
    pub(crate) fn at_least_once(name: &'static str) -> Self {
        Self { guarantee: Guarantee::AtLeastOnce, ..Self::exactly_once(name) }
    }

    /// All words, by the epochs that brought them, in their order.
    pub(crate) fn all(&self) -> Vec<String> {
        self.shared.epochs.lock().values().flat_map(|(_, words)| words).cloned().collect()
    }

    /// The last epoch that it has.
    pub(crate) fn last(&self) -> Option<u64> {
        self.shared.epochs.lock().keys().next_back().copied()
    }

    /// Loses all later epochs.
    pub(crate) fn lose_after(&self, epoch: u64) {
        self.shared.epochs.lock().retain(|of, _| *of <= epoch);
    }

    /// Calls `hook` before each commit.
    pub(crate) fn before_commit(&self, hook: impl Fn(u64) + Send + 'static) {
        *self.shared.before_commit.lock() = Some(Box::new(hook));
    }

    /// How often it has been started.
    pub(crate) fn starts(&self) -> usize {
        self.shared.starts.load(Ordering::SeqCst)
    }
}

impl Sink<String> for Words {
    type Pending = Vec<String>;

    fn describe(&self) -> String {
        self.name.to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        self.guarantee
    }
    fn retention(&self) -> Retention {
        self.retention
    }
    fn start(&self, context: &SinkContext) -> Result<()> {
        self.shared.starts.fetch_add(1, Ordering::SeqCst);
        *self.shared.checkpoint.lock() = Some(context.checkpoint());
        Ok(())
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = String>) -> Result<Vec<String>> {
        Ok(records.collect())
    }
    fn commit(&self, Epoch(epoch): Epoch, pending: &mut Vec<Vec<String>>) -> Result<()> {
        if let Some(hook) = &*self.shared.before_commit.lock() {
            hook(epoch);
        }
        let words: Vec<String> = std::mem::take(pending).into_iter().flatten().collect();
        let mut epochs = self.shared.epochs.lock();
        if self.guarantee == Guarantee::ExactlyOnce && epochs.keys().next_back().is_some_and(|last| *last >= epoch) {
            return Ok(());
        }
        let (checkpoint, all) = epochs.entry(epoch).or_default();
        *checkpoint = *self.shared.checkpoint.lock();
        all.extend(words);
        Ok(())
    }
    fn last_committed(&self) -> Result<Option<Mark>> {
        let epochs = self.shared.epochs.lock();
        let last = epochs.last_key_value().filter(|_| self.guarantee == Guarantee::ExactlyOnce);
        Ok(last.and_then(|(epoch, (checkpoint, _))| Some(Mark { epoch: Epoch(*epoch), checkpoint: (*checkpoint)? })))
    }
}
