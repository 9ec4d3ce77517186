//! Shuffles that are being computed: a job that needs one which another job is at waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_core::shuffle::ShuffleDependency;
use parking_lot::{Condvar, Mutex};

/// The shuffles whose map side some job runs just now.
#[derive(Default)]
pub(crate) struct InFlight {
    /// By address: numbers are unique within a context only, and a scheduler may serve several.
    shuffles: Mutex<Vec<usize>>,
    changed: Condvar,
    /// How many map sides have ended.
    ended: AtomicU64,
}

fn address(shuffle: &Arc<dyn ShuffleDependency>) -> usize {
    Arc::as_ptr(shuffle).cast::<()>().addr()
}

impl InFlight {
    /// Announces that the caller is about to run the map side; `None` if somebody else is at it.
    pub(crate) fn claim(&self, shuffle: &Arc<dyn ShuffleDependency>) -> Option<Claim<'_>> {
        let address = address(shuffle);
        let mut shuffles = self.shuffles.lock();
        if shuffles.contains(&address) {
            return None;
        }
        shuffles.push(address);
        Some(Claim { all: self, address })
    }

    /// How many map sides have ended so far: what was missing before may be there when this has changed.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    /// Waits until nobody is at it, or `give_up` holds.
    pub(crate) fn wait(&self, shuffle: &Arc<dyn ShuffleDependency>, give_up: impl Fn() -> bool) {
        let address = address(shuffle);
        let mut shuffles = self.shuffles.lock();
        while shuffles.contains(&address) && !give_up() {
            self.changed.wait(&mut shuffles);
        }
    }

    /// Makes all who wait look whether to give up.
    pub(crate) fn wake(&self) {
        drop(self.shuffles.lock());
        self.changed.notify_all();
    }
}

/// Held while the map side of a shuffle runs.
pub(crate) struct Claim<'a> {
    all: &'a InFlight,
    address: usize,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.all.ended.fetch_add(1, Ordering::Release);
        self.all.shuffles.lock().retain(|address| *address != self.address);
        self.all.changed.notify_all();
    }
}
