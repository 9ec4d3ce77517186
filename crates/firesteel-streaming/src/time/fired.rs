//! Which windows fired in a batch, whatever the number of tasks that fired parts of them.

use std::collections::BTreeSet;

use firesteel_core::Accumulator;
use firesteel_window::{Aggregator, Window};

/// How many windows fired, each counted once.
#[derive(Debug, Default)]
pub(crate) struct FiredWindows;

/// What takes note of the windows that one operator fires.
pub(crate) type FiredCount = Accumulator<Fired, FiredWindows>;

/// Windows that fired.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fired {
    /// Those that keys share.
    pub(crate) windows: BTreeSet<Window>,
    /// How many there were that belong to one key each.
    pub(crate) sessions: u64,
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

impl Aggregator<Fired> for FiredWindows {
    type Acc = Fired;
    type Out = u64;

    fn create(&self) -> Fired {
        Fired::default()
    }
    fn add(&self, fired: &mut Fired, mut more: Fired) {
        fired.windows.append(&mut more.windows);
        fired.sessions += more.sessions;
    }
    fn merge(&self, fired: &mut Fired, other: Fired) {
        self.add(fired, other);
    }
    fn finish(&self, fired: &Fired) -> u64 {
        fired.windows.len() as u64 + fired.sessions
    }
}
