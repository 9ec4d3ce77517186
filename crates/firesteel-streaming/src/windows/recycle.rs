//! Buffers that go round: what the reduce side has emptied, the map side fills again.

use firesteel_core::shuffle::KeyedTable;
use parking_lot::Mutex;

use crate::state::Trials;
use crate::windows::side::Entry;

/// Emptied lists and tables of one windowed aggregation, kept from batch to batch.
pub(crate) struct Recycled<K, A> {
    lists: Mutex<Vec<Vec<Entry<K, A>>>>,
    tables: Mutex<Vec<KeyedTable<K, A>>>,
    /// Whether tables pay.
    pub(crate) trials: Trials,
}

/// Lists kept at most: those of four map tasks with two windows each.
const LISTS: usize = 1024;
/// Tables kept at most.
const TABLES: usize = 16;

impl<K: Eq, A> Recycled<K, A> {
    pub(crate) fn new() -> Self {
        Self { lists: Mutex::default(), tables: Mutex::default(), trials: Trials::default() }
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

    /// An empty table.
    pub(crate) fn table(&self) -> KeyedTable<K, A> {
        self.tables.lock().pop().unwrap_or_default()
    }

    /// Keeps the room of an emptied table for later.
    pub(crate) fn keep_table(&self, table: KeyedTable<K, A>) {
        let mut tables = self.tables.lock();
        if tables.len() < TABLES {
            tables.push(table);
        }
    }
}
