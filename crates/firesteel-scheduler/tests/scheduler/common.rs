//! What the tests share: RDDs with odd habits, a listener that remembers, a gate to wait at.

use std::sync::Arc;

use firesteel_core::{Context, Dependency, Lineage, Node, Operator, Rdd, Settings, TaskContext};
use firesteel_scheduler::{Builder, Event, Listener};
use parking_lot::{Condvar, Mutex};

pub(crate) fn context(builder: Builder) -> Context {
    builder.build().expect("the machine has threads left").context(Settings::default())
}

/// A gate that is shut until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    state: Arc<(Mutex<(bool, usize)>, Condvar)>,
}

impl Gate {
    /// Waits until the gate is open.
    pub(crate) fn pass(&self) {
        let (state, changed) = &*self.state;
        let mut state = state.lock();
        state.1 += 1;
        changed.notify_all();
        while !state.0 {
            changed.wait(&mut state);
        }
    }

    pub(crate) fn open(&self) {
        self.state.0.lock().0 = true;
        self.state.1.notify_all();
    }

    /// Waits until this many have come to the gate.
    pub(crate) fn wait_for(&self, visitors: usize) {
        let (state, changed) = &*self.state;
        let mut state = state.lock();
        while state.1 < visitors {
            changed.wait(&mut state);
        }
    }

    pub(crate) fn visitors(&self) -> usize {
        self.state.0.lock().1
    }
}

/// Remembers all events.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    events: Arc<(Mutex<Vec<Event>>, Condvar)>,
}

impl Listener for Recorder {
    fn on_event(&self, event: &Event) {
        self.events.0.lock().push(event.clone());
        self.events.1.notify_all();
    }
}

impl Recorder {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.0.lock().clone()
    }

    /// Waits for an event; it may have come before.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Event) -> bool) {
        let mut events = self.events.0.lock();
        while !events.iter().any(&wanted) {
            self.events.1.wait(&mut events);
        }
    }

    pub(crate) fn pick<T>(&self, pick: impl Fn(Event) -> Option<T>) -> Vec<T> {
        self.events().into_iter().filter_map(pick).collect()
    }
}

/// The habits of an [`Odd`] RDD.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Has each partition of its parent twice, as the union of an RDD with itself.
    Doubled,
    /// Computes each partition of its parent twice within one task, as a cartesian product does, and says so.
    Repeating,
    /// Changes something outside of its tasks.
    Stateful,
    /// Prefers places.
    Placed,
}

/// An RDD around a parent.
#[derive(Clone)]
pub(crate) struct Odd<R> {
    node: Node,
    parent: R,
    habit: Habit,
}

impl<R: Rdd> Odd<R> {
    pub(crate) fn new(parent: R, habit: Habit) -> Self {
        Self { node: Node::new(parent.node().context(), Operator::here("odd")), parent, habit }
    }
}

impl<R: Rdd> Lineage for Odd<R> {
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
    fn num_partitions(&self) -> usize {
        self.parent.num_partitions() * if self.habit == Habit::Doubled { 2 } else { 1 }
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&self.parent));
        if self.habit == Habit::Doubled {
            visit(Dependency::Narrow(&self.parent));
        }
    }
    fn preferred_locations(&self, split: usize) -> Vec<firesteel_core::Location> {
        let place = || firesteel_core::Location(format!("host-{split}").into());
        if self.habit == Habit::Placed { vec![place()] } else { Vec::new() }
    }
    fn repeats_parents(&self) -> bool {
        self.habit == Habit::Repeating
    }
    fn is_stateful(&self) -> bool {
        self.habit == Habit::Stateful
    }
}

impl<R: Rdd> Rdd for Odd<R> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let parent = split % self.parent.num_partitions();
        let times = if self.habit == Habit::Repeating { 2 } else { 1 };
        (0..times).flat_map(move |_| self.parent.compute(parent, task))
    }
}

/// Runs something on a thread of its own.
pub(crate) fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
    std::thread::Builder::new().name("test".into()).spawn(work).expect("the machine has threads left")
}

/// The result of such a thread.
pub(crate) fn join<T>(thread: std::thread::JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Lets the tasks of several jobs through one by one, and knows how many are at it.
#[derive(Clone, Default)]
pub(crate) struct Turnstile {
    state: Arc<(Mutex<Turns>, Condvar)>,
}

#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turns {
    pub(crate) started: [usize; 2],
    pub(crate) permits: [usize; 2],
    pub(crate) finished: [usize; 2],
}

impl Turns {
    pub(crate) fn running(&self) -> [usize; 2] {
        [self.started[0] - self.finished[0], self.started[1] - self.finished[1]]
    }
}

impl Turnstile {
    /// A task of job 0 or 1 comes and waits for its permit; returns what was running when it came.
    pub(crate) fn pass(&self, job: usize) -> Turns {
        let (state, changed) = &*self.state;
        let mut state = state.lock();
        state.started[job] += 1;
        let came = *state;
        changed.notify_all();
        while state.permits[job] == 0 {
            changed.wait(&mut state);
        }
        state.permits[job] -= 1;
        state.finished[job] += 1;
        changed.notify_all();
        came
    }

    pub(crate) fn permit(&self, job: usize, tasks: usize) {
        self.state.0.lock().permits[job] += tasks;
        self.state.1.notify_all();
    }

    /// Waits until this many tasks of both jobs have started, and says how they stand.
    pub(crate) fn wait_for(&self, started: usize) -> Turns {
        let (state, changed) = &*self.state;
        let mut state = state.lock();
        while state.started[0] + state.started[1] < started {
            changed.wait(&mut state);
        }
        *state
    }
}

/// The partitions of one RDD and then those of another.
#[derive(Clone)]
pub(crate) struct Beside<A, B> {
    node: Node,
    first: A,
    second: B,
}

impl<A: Rdd, B: Rdd<Item = A::Item>> Beside<A, B> {
    pub(crate) fn new(first: A, second: B) -> Self {
        Self { node: Node::new(first.node().context(), Operator::here("beside")), first, second }
    }
}

impl<A: Rdd, B: Rdd<Item = A::Item>> Lineage for Beside<A, B> {
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
    fn num_partitions(&self) -> usize {
        self.first.num_partitions() + self.second.num_partitions()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        visit(Dependency::Narrow(&self.first));
        visit(Dependency::Narrow(&self.second));
    }
}

impl<A: Rdd, B: Rdd<Item = A::Item>> Rdd for Beside<A, B> {
    type Item = A::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = A::Item> + 'a {
        let firsts = self.first.num_partitions();
        let first = (split < firsts).then(|| self.first.compute(split, task));
        let second = (split >= firsts).then(|| self.second.compute(split - firsts, task));
        first.into_iter().flatten().chain(second.into_iter().flatten())
    }
}

/// An RDD that tells when the scheduler looks at its parents.
#[derive(Clone)]
pub(crate) struct Watched<R> {
    node: Node,
    parent: R,
    seen: Arc<dyn Fn() + Send + Sync>,
}

impl<R: Rdd> Watched<R> {
    pub(crate) fn new(parent: R, seen: impl Fn() + Send + Sync + 'static) -> Self {
        Self { node: Node::new(parent.node().context(), Operator::here("watched")), parent, seen: Arc::new(seen) }
    }
}

impl<R: Rdd> Lineage for Watched<R> {
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
    fn num_partitions(&self) -> usize {
        self.parent.num_partitions()
    }
    fn dependencies(&self, visit: &mut dyn FnMut(Dependency<'_>)) {
        (self.seen)();
        visit(Dependency::Narrow(&self.parent));
    }
    fn length(&self) -> u32 {
        // Only the scheduler is watched.
        self.parent.length() + 1
    }
}

impl<R: Rdd> Rdd for Watched<R> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        self.parent.compute(split, task)
    }
}
