//! Numbers for splits, within a process.

use std::collections::BTreeMap;
use std::sync::Arc;

use firesteel_state::cursor::SplitName;
use parking_lot::Mutex;

/// Numbers for the splits of a job. No split has the number 0: that is for records which come from none.
///
/// They are this process's own: what outlives it has names.
#[derive(Clone, Debug, Default)]
pub(crate) struct SplitNumbers(Arc<Mutex<Numbers>>);

#[derive(Debug, Default)]
struct Numbers {
    last: u32,
    by_name: BTreeMap<SplitName, u32>,
    names: BTreeMap<u32, SplitName>,
}

impl SplitNumbers {
    /// The number of a split of an input; it gets one if it has none.
    pub(crate) fn of(&self, input: &str, split: &str) -> u32 {
        let name = SplitName { input: input.to_owned(), split: split.to_owned() };
        let Numbers { last, by_name, names } = &mut *self.0.lock();
        *by_name.entry(name).or_insert_with_key(|name| {
            *last = last.saturating_add(1);
            names.insert(*last, name.clone());
            *last
        })
    }

    /// The name of the split that has this number.
    pub(crate) fn name(&self, number: u32) -> Option<SplitName> {
        self.0.lock().names.get(&number).cloned()
    }

    /// Forgets a split that is gone: if it comes back, it is another.
    pub(crate) fn forget(&self, input: &str, split: &str) {
        let name = SplitName { input: input.to_owned(), split: split.to_owned() };
        let Numbers { by_name, names, .. } = &mut *self.0.lock();
        if let Some(number) = by_name.remove(&name) {
            names.remove(&number);
        }
    }
}
