//! The listener bus: what happens to jobs, stages, tasks and executors.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use firesteel_core::Actions;
//! use firesteel_scheduler::{Event, Scheduler};
//!
//! let log = Arc::new(Mutex::new(Vec::new()));
//! let seen = Arc::clone(&log);
//! let listener = move |event: &Event| {
//!     if let Event::JobEnded(job) = event {
//!         seen.lock().expect("nobody panics").push(job.error.clone());
//!     }
//! };
//! let context = Scheduler::builder().threads(2).listener(listener).build()?.context(Default::default());
//! context.parallelize(0..10u32).count()?;
//! assert_eq!(*log.lock().expect("nobody panics"), [None]);
//! # Ok::<(), firesteel_core::Error>(())
//! ```
//!
//! Listeners are called one event at a time, in order, by the thread on which it happened: a slow listener slows the
//! job. Without listeners no event is made.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parking_lot::ReentrantMutex;

use crate::event::Event;

/// Is told what happens. A closure of `&Event` is a listener.
pub trait Listener: Send + Sync + 'static {
    /// Called for each event, one at a time. It may ask things of the scheduler, such as to cancel a job; it must not
    /// run jobs. A panic is logged and otherwise ignored.
    fn on_event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Listener for F {
    fn on_event(&self, event: &Event) {
        self(event);
    }
}

/// Calls a listener; whatever it does wrong stays its own affair.
pub(crate) fn call(listener: &(impl Listener + ?Sized), event: &Event) {
    if catch_unwind(AssertUnwindSafe(|| listener.on_event(event))).is_err() {
        tracing::error!(?event, "a listener panicked");
    }
}

/// Delivers events to listeners.
pub(crate) struct Bus {
    listeners: Vec<Box<dyn Listener>>,
    /// Events that listeners caused while they were called.
    queue: ReentrantMutex<RefCell<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Event>,
    delivering: bool,
}

impl Bus {
    pub(crate) fn new(listeners: Vec<Box<dyn Listener>>) -> Self {
        Self { listeners, queue: ReentrantMutex::default() }
    }

    /// Whether anybody listens.
    pub(crate) fn is_active(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Delivers the event that `make` makes, if anybody listens.
    pub(crate) fn post(&self, make: impl FnOnce() -> Event) {
        if !self.is_active() {
            return;
        }
        let event = make();
        // The lock is what puts events of several threads in one order. It is reentrant: an event caused by a listener
        // waits until the present one has reached all of them.
        let queue = self.queue.lock();
        queue.borrow_mut().waiting.push_back(event);
        if std::mem::replace(&mut queue.borrow_mut().delivering, true) {
            return;
        }
        loop {
            let Some(event) = queue.borrow_mut().waiting.pop_front() else { break };
            for listener in &self.listeners {
                call(&**listener, &event);
            }
        }
        queue.borrow_mut().delivering = false;
    }
}
