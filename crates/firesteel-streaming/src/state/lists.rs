//! Lists that go round: what tasks have emptied, the map side fills again.

use parking_lot::Mutex;

use crate::state::work::Entry;

/// Emptied lists of one operator, kept from batch to batch.
pub(crate) struct Lists<K, T>(Mutex<Vec<Vec<Entry<K, T>>>>);

/// Lists kept at the most: those of eight map tasks.
const KEPT: usize = 1024;

impl<K, T> Lists<K, T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    /// So many empty lists.
    pub(crate) fn take(&self, count: usize) -> Vec<Vec<Entry<K, T>>> {
        let mut kept = self.0.lock();
        let from = kept.len() - kept.len().min(count);
        let mut lists = kept.split_off(from);
        lists.resize_with(count, Vec::new);
        lists
    }

    /// Keeps the room of lists for later.
    pub(crate) fn keep(&self, lists: impl IntoIterator<Item = Vec<Entry<K, T>>>) {
        let mut kept = self.0.lock();
        for mut list in lists {
            if kept.len() >= KEPT {
                break;
            }
            if list.capacity() > 0 {
                list.clear();
                kept.push(list);
            }
        }
    }
}
