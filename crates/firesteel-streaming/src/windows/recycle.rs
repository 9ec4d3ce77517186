//! Buffers that go round: what the reduce side has emptied, the map side fills again.

use parking_lot::Mutex;

use crate::state::{Tables, Trials};
use crate::windows::side::Entry;

/// Emptied lists and tables of one windowed aggregation, kept from batch to batch.
pub(crate) struct Recycled<K, A> {
    lists: Mutex<Vec<Vec<Entry<K, A>>>>,
    pub(crate) tables: Tables<K, A>,
    /// Whether tables pay.
    pub(crate) trials: Trials,
}

/// Lists kept at most: those of four map tasks with two windows each.
const LISTS: usize = 1024;

impl<K, A> Recycled<K, A> {
    pub(crate) fn new() -> Self {
        Self { lists: Mutex::default(), tables: Tables::new(), trials: Trials::default() }
    }

    /// An empty list.
    pub(crate) fn list(&self) -> Vec<Entry<K, A>> {
        self.lists.lock().pop().unwrap_or_default()
    }

    /// Keeps the room of a list for later.
    pub(crate) fn keep_list(&self, mut list: Vec<Entry<K, A>>) {
        list.clear();
        let mut lists = self.lists.lock();
        if lists.len() < LISTS && list.capacity() > 0 {
            lists.push(list);
        }
    }
}
