//! One executor thread.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use firesteel_core::Result;

use crate::pool::{Executors, cannot_start};

thread_local! {
    /// The address of the executors for which this thread runs a task.
    static SLOT_OF: Cell<usize> = const { Cell::new(0) };
}

/// While it lives, the thread counts as one of the executors.
pub(super) struct Slot(usize);

impl Drop for Slot {
    fn drop(&mut self) {
        SLOT_OF.set(self.0);
    }
}

pub(super) fn hold_slot(executors: &Arc<Executors>) -> Slot {
    Slot(SLOT_OF.replace(Arc::as_ptr(executors).addr()))
}

/// Whether the calling thread is within a task of these executors.
pub(super) fn holds_slot_of(executors: &Arc<Executors>) -> bool {
    SLOT_OF.get() == Arc::as_ptr(executors).addr()
}

/// Starts a thread that works until the executors end or become fewer.
pub(super) fn start(executors: &Arc<Executors>, name: String) -> Result<()> {
    let own = Arc::clone(executors);
    let builder = std::thread::Builder::new().name(name.clone());
    builder.spawn(move || work(&own)).map(drop).map_err(|source| cannot_start(&name, source))
}

fn work(executors: &Arc<Executors>) {
    // Whether the thread has waited awake since it last had a task. It begins asleep.
    let mut lingered = true;
    let mut state = executors.state.lock();
    while !state.ended && state.threads <= state.slots {
        let Some((set, share, assignment)) = state.take_any() else {
            if !lingered {
                drop(state);
                executors.linger();
                lingered = true;
                state = executors.state.lock();
                continue;
            }
            state.idle += 1;
            match executors.look {
                Some(interval) if !state.waves.is_empty() => {
                    _ = executors.work.wait_for(&mut state, interval.to_std());
                }
                _ => executors.work.wait(&mut state),
            }
            state.idle -= 1;
            continue;
        };
        lingered = false;
        state.active += 1;
        state.shares[share].running += 1;
        drop(state);
        executors.run_one(&set, assignment);
        // What the wave holds may be dropped here, without the lock; a panic in there is its owner's affair.
        if catch_unwind(AssertUnwindSafe(|| drop(set))).is_err() {
            tracing::error!("a value that a job left behind panicked in its destructor");
        }
        state = executors.state.lock();
        state.active -= 1;
        state.shares[share].running -= 1;
    }
    state.threads -= 1;
}
