//! Which windows fired in a batch, whatever the number of tasks that fired parts of them.

use std::collections::BTreeSet;

use firesteel_core::Accumulate;
use firesteel_window::Window;

/// The windows that fired, each once.
#[derive(Debug, Default)]
pub(crate) struct FiredWindows(BTreeSet<Window>);

impl FiredWindows {
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

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

impl Accumulate for FiredWindows {
    type Item = BTreeSet<Window>;
    fn zero() -> Self {
        Self::default()
    }
    fn add(&mut self, mut windows: BTreeSet<Window>) {
        self.0.append(&mut windows);
    }
    fn merge(&mut self, _: usize, other: Self) {
        self.add(other.0);
    }
}
