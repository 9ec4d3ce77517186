//! Holding a task until the test lets it continue.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::PATIENCE;

/// A place in user code at which a test holds whoever comes by, so that something can be done to a job just while a
/// batch runs. A clone is the same gate.
///
/// Nobody waits forever: after 30 seconds a wait panics, which fails the test or the task.
///
/// ```
/// use firesteel_connect_memory::{Collector, MemorySource};
/// use firesteel_streaming::{Stop, StreamingContext, Trigger};
/// use firesteel_testkit::Gate;
///
/// let (gate, results) = (Gate::new(), Collector::new());
/// let job = StreamingContext::builder("held").threads(1).build()?;
/// let held = gate.clone();
/// job.read(MemorySource::new(vec![1, 2, 3])).inspect(move |_| held.pass()).write(results.clone());
/// let running = job.start(Trigger::AsSoonAsPossible)?;
/// gate.wait_for_arrivals(1);
/// running.stop(Stop::AtOnce); // just while the first record is being handled
/// gate.open();
/// running.await_termination()?;
/// assert!(results.records().is_empty());
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Gate {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    arrivals: usize,
    open: bool,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Arrives, and continues once the gate is open. To be called in user code.
    ///
    /// # Panics
    /// When the gate stays closed for 30 seconds.
    pub fn pass(&self) {
        let (state, changed) = &*self.shared;
        let mut state = state.lock();
        state.arrivals += 1;
        changed.notify_all();
        let waited = changed.wait_while_for(&mut state, |state| !state.open, PATIENCE);
        assert!(!waited.timed_out(), "nobody opened the gate");
    }

    /// Waits until this many have arrived in all, held or passed.
    ///
    /// # Panics
    /// When they do not come within 30 seconds.
    pub fn wait_for_arrivals(&self, arrivals: usize) {
        let (state, changed) = &*self.shared;
        let mut state = state.lock();
        let waited = changed.wait_while_for(&mut state, |state| state.arrivals < arrivals, PATIENCE);
        assert!(!waited.timed_out(), "{} of {arrivals} have come to the gate", state.arrivals);
    }

    /// How many have arrived so far.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        self.shared.0.lock().arrivals
    }

    /// Lets everybody through, now and from now on.
    pub fn open(&self) {
        self.shared.0.lock().open = true;
        self.shared.1.notify_all();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.0.lock();
        f.debug_struct("Gate").field("arrivals", &state.arrivals).field("open", &state.open).finish()
    }
}
