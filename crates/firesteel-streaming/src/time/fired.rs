//! Which windows fired in a batch, whatever the number of tasks that fired parts of them.

use std::collections::BTreeSet;

use firesteel_window::{Aggregator, Window};

/// How many windows fired, each counted once.
#[derive(Debug, Default)]
pub(crate) struct FiredWindows;

/// The distinct windows of results that mostly stand beside others of their window.
pub(crate) fn distinct(windows: impl Iterator<Item = Window>) -> BTreeSet<Window> {
    let mut distinct = BTreeSet::new();
    let mut last = None;
    for window in windows {
        if last.replace(window) != Some(window) {
            distinct.insert(window);
        }
    }
    distinct
}

impl Aggregator<BTreeSet<Window>> for FiredWindows {
    type Acc = BTreeSet<Window>;
    type Out = u64;

    fn create(&self) -> BTreeSet<Window> {
        BTreeSet::new()
    }
    fn add(&self, fired: &mut BTreeSet<Window>, mut windows: BTreeSet<Window>) {
        fired.append(&mut windows);
    }
    fn merge(&self, fired: &mut BTreeSet<Window>, other: BTreeSet<Window>) {
        self.add(fired, other);
    }
    fn finish(&self, fired: &BTreeSet<Window>) -> u64 {
        fired.len() as u64
    }
}
