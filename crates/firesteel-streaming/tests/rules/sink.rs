//! A sink whose epochs a test can see and set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_connect::{Epoch, Guarantee, Result, Sink, WriteTask};
use parking_lot::Mutex;

type Hook = Box<dyn Fn(u64) + Send>;

/// Keeps words by epoch. Clones share them, as processes share what is outside of them.
#[derive(Clone)]
pub(crate) struct Words {
    name: &'static str,
    guarantee: Guarantee,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    epochs: Mutex<BTreeMap<u64, Vec<String>>>,
    starts: AtomicUsize,
    before_commit: Mutex<Option<Hook>>,
}

impl Words {
    /// A sink that tells what it has.
    pub(crate) fn exactly_once(name: &'static str) -> Self {
        Self { name, guarantee: Guarantee::ExactlyOnce, shared: Arc::default() }
    }

    /// A sink that cannot tell.
    pub(crate) fn at_least_once(name: &'static str) -> Self {
        Self { name, guarantee: Guarantee::AtLeastOnce, shared: Arc::default() }
    }

    /// All words, by the epochs that brought them, in their order.
    pub(crate) fn all(&self) -> Vec<String> {
        self.shared.epochs.lock().values().flatten().cloned().collect()
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
    fn start(&self) -> Result<()> {
        self.shared.starts.fetch_add(1, Ordering::SeqCst);
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
        epochs.entry(epoch).or_default().extend(words);
        Ok(())
    }
    fn last_committed(&self) -> Result<Option<Epoch>> {
        let tells = self.guarantee == Guarantee::ExactlyOnce;
        Ok(self.last().filter(|_| tells).map(Epoch))
    }
}
