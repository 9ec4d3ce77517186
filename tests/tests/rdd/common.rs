//! Contexts for tests.

use std::sync::{Arc, Mutex};

use firesteel_core::{Context, Settings};
use firesteel_scheduler::{Adaptive, Event, Scheduler};

/// A context over two threads that never runs a wave inline.
pub(crate) fn context() -> Context {
    with_threads(2)
}

/// A context over this many threads that never runs a wave inline.
pub(crate) fn with_threads(threads: usize) -> Context {
    let scheduler = Scheduler::builder().threads(threads).adaptive(Adaptive::off()).build().unwrap();
    scheduler.context(Settings::default())
}

/// Settings under which shuffles and sorts have to go to disk: a task may hold one MiB.
pub(crate) fn tiny_budget(temporary: &std::path::Path) -> Settings {
    let mut settings = Settings::default();
    settings.memory = settings.memory.shuffle(0);
    settings.temporary = Some(temporary.to_owned());
    settings
}

/// What happened in a context.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Event>>>);

impl Log {
    /// A context that is watched, over one thread.
    pub(crate) fn context() -> (Self, Context) {
        let (log, scheduler) = Self::scheduler();
        let context = scheduler.context(Settings::default());
        (log, context)
    }

    /// A scheduler that is watched, with one thread.
    pub(crate) fn scheduler() -> (Self, Scheduler) {
        let log = Self::default();
        let seen = log.clone();
        let listener = move |event: &Event| seen.0.lock().unwrap().push(event.clone());
        (log, Scheduler::builder().deterministic(0).listener(listener).build().unwrap())
    }

    /// The tasks of each stage that ran since the last call, in order.
    pub(crate) fn stages(&self) -> Vec<usize> {
        let events = std::mem::take(&mut *self.0.lock().unwrap());
        let started = events.iter().filter_map(|event| match event {
            Event::StageStarted(stage) => Some(stage.tasks),
            _ => None,
        });
        started.collect()
    }
}

impl Log {
    /// Bytes that tasks wrote to disk for want of memory.
    pub(crate) fn bytes_spilled(&self) -> u64 {
        let events = self.0.lock().unwrap();
        let spilled = events.iter().filter_map(|event| match event {
            Event::StageEnded(stage) => Some(stage.metrics.bytes_spilled),
            _ => None,
        });
        spilled.sum()
    }
}

/// The same, sorted.
pub(crate) fn sorted<T: Ord>(mut records: Vec<T>) -> Vec<T> {
    records.sort();
    records
}
