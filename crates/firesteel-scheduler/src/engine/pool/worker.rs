//! One executor thread.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use firesteel_core::{Helpers, Result};

use crate::engine::pool::{Executors, Taken, cannot_start};

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
    let builder = std::thread::Builder::new().name(name.clone()).stack_size(firesteel_core::STACK_SIZE);
    builder.spawn(move || work(&own)).map(drop).map_err(|source| cannot_start(&name, source))
}

fn work(executors: &Arc<Executors>) {
    // Whether the thread has waited awake since it last had a task. It begins asleep.
    let mut lingered = true;
    let mut state = executors.state.lock();
    while !state.ended && state.threads <= state.slots {
        let is_free = executors.idle() > 0;
        let Some(taken) = state.take_any(is_free) else {
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
        executors.begin(&mut state);
        match taken {
            Taken::Tasks(set, share, assignment) => {
                state.shares[share].running += 1;
                drop(state);
                executors.run_one(&set, assignment);
                give_back(set);
                state = executors.state.lock();
                state.shares[share].running -= 1;
            }
            Taken::Call(work) => {
                drop(state);
                {
                    let _slot = hold_slot(executors);
                    work.join_in();
                }
                give_back(work);
                state = executors.state.lock();
            }
        }
        executors.ended(&mut state);
    }
    state.threads -= 1;
}

/// What a job holds may be dropped here, without the lock; a panic in there is its owner's affair.
fn give_back<T>(of_job: T) {
    if catch_unwind(AssertUnwindSafe(|| drop(of_job))).is_err() {
        tracing::error!("a value that a job left behind panicked in its destructor");
    }
}
