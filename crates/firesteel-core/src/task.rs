//! What a task knows of itself while it runs.

mod accumulator;
mod apart;
mod blame;
mod inside;
mod report;
mod rows;
mod sharing;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ids::ShuffleId;
use crate::operator::Operator;
use crate::task::accumulator::Updates;

pub use accumulator::Accumulator;
pub(crate) use apart::{Apart, Counted};
pub use blame::{Blame, DeadLetter};
pub use inside::{in_task, note_panic};
pub use report::{TaskMetrics, TaskReport};
pub(crate) use rows::{Counting, RowCounter};
pub use rows::{RowCounts, Rows};
pub use sharing::{Helpers, Part, Shared};

/// What a task leaves for whoever submitted it.
pub type TaskOutput = Box<dyn std::any::Any + Send>;

/// Why a task attempt ended without a result.
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskError {
    /// User code panicked.
    Panic(Blame),
    /// The output of a map task is gone; that task has to run again first.
    FetchFailed {
        /// The shuffle.
        shuffle: ShuffleId,
        /// The partition of its map side.
        map: usize,
    },
    /// The job was cancelled, or another attempt was faster.
    Cancelled,
    /// Something outside failed: a file, a source, a sink.
    Failed {
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// Whether another attempt may succeed.
        retryable: bool,
        /// Where it happened, as far as it is known.
        blame: Blame,
    },
}

/// What to do with a record on which user code panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnPanic {
    /// Fail the task; after its last attempt the job stops.
    #[default]
    Fail,
    /// Set the record aside as a [`DeadLetter`] and continue with the next. The first attempt runs at full speed; only
    /// after a panic the task is repeated with each record guarded.
    ///
    /// A function that takes several records together, such as one that reduces, fails the task all the same: without
    /// one of them its result would be another.
    DeadLetter,
}

/// Which attempt of which task this is.
#[derive(Debug, Clone)]
pub struct TaskIdentity {
    /// The job's number.
    pub job: u64,
    /// The stage's number within the job.
    pub stage: usize,
    /// The partition.
    pub partition: usize,
    /// The attempt, counting from 0.
    pub attempt: u32,
}

/// One attempt to compute one partition.
///
/// It stays on one thread. What an attempt counts or sets aside is kept here and counts only if it succeeds.
pub struct TaskContext {
    identity: TaskIdentity,
    guarded: bool,
    cancelled: Arc<AtomicBool>,
    position: Cell<Option<u64>>,
    positions_wanted: Cell<bool>,
    in_blocks: Cell<bool>,
    origin: RefCell<Option<Arc<str>>>,
    origin_number: Cell<u32>,
    culprit: RefCell<Option<Operator>>,
    dead: RefCell<Vec<DeadLetter>>,
    updates: Rc<Updates>,
    rows: Counting,
    on_success: RefCell<Vec<Box<dyn FnOnce()>>>,
    /// What other tasks wait for until this one has ended.
    held: RefCell<Vec<Box<dyn Any>>>,
    metrics: TaskMetricsCells,
    helpers: Option<Arc<dyn Helpers>>,
    /// Whether nobody helps all the same.
    is_alone: Cell<bool>,
    /// How many tasks had taken long when that was asked last.
    surprises: Cell<u64>,
}

#[derive(Default)]
struct TaskMetricsCells {
    records_read: Cell<u64>,
    shuffle_records_written: Cell<u64>,
    shuffle_records_read: Cell<u64>,
    bytes_spilled: Cell<u64>,
}

impl TaskMetricsCells {
    fn add(&self, metrics: &TaskMetrics) {
        let TaskMetrics { records_read, shuffle_records_written, shuffle_records_read, bytes_spilled } = metrics;
        let counts = [
            (&self.records_read, records_read),
            (&self.shuffle_records_written, shuffle_records_written),
            (&self.shuffle_records_read, shuffle_records_read),
            (&self.bytes_spilled, bytes_spilled),
        ];
        counts.into_iter().for_each(|(count, more)| count.set(count.get() + more));
    }
}

impl TaskContext {
    const PANICS_AT_ONE_RECORD: u32 = 1000;

    /// A fresh attempt. `guarded` asks for each record to be guarded against panics; setting `cancelled` makes the
    /// attempt end at its next check.
    #[must_use]
    pub fn new(identity: TaskIdentity, guarded: bool, cancelled: Arc<AtomicBool>) -> Self {
        Self {
            identity,
            guarded,
            cancelled,
            position: Cell::new(None),
            positions_wanted: Cell::new(false),
            in_blocks: Cell::new(false),
            origin: RefCell::new(None),
            origin_number: Cell::new(0),
            culprit: RefCell::new(None),
            dead: RefCell::new(Vec::new()),
            updates: Rc::default(),
            rows: Counting::default(),
            on_success: RefCell::default(),
            held: RefCell::default(),
            metrics: TaskMetricsCells::default(),
            helpers: None,
            is_alone: Cell::new(false),
            surprises: Cell::new(0),
        }
    }

    /// Which attempt of which task this is.
    #[must_use]
    pub fn identity(&self) -> &TaskIdentity {
        &self.identity
    }

    /// The partition being computed.
    #[must_use]
    pub fn partition(&self) -> usize {
        self.identity.partition
    }

    /// Runs `work` as this attempt: catches panics, counts what is to be counted, and reports.
    ///
    /// # Errors
    /// Why the attempt failed. What it counted is dropped with it.
    pub fn run(self, work: impl FnOnce(&Self) -> TaskOutput) -> Result<(TaskOutput, TaskReport), TaskError> {
        let entered = (accumulator::enter(&self.updates), inside::enter());
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let output = work(&self);
            self.rows.add_up();
            self.on_success.take().into_iter().for_each(|keep| keep());
            output
        }));
        drop(entered);
        match outcome {
            Ok(output) => Ok((output, self.into_report())),
            Err(payload) => Err(match payload.downcast::<TaskError>() {
                Ok(error) => self.blame_unwound(*error),
                Err(payload) => TaskError::Panic(self.blame(inside::told(&*payload))),
            }),
        }
    }

    /// An error that unwound through an operator without knowing which gets its name.
    fn blame_unwound(&self, mut error: TaskError) -> TaskError {
        if let TaskError::Failed { blame, .. } = &mut error
            && blame.operator.is_none()
        {
            blame.operator = self.culprit.borrow_mut().take();
        }
        error
    }

    fn into_report(self) -> TaskReport {
        TaskReport {
            partition: self.identity.partition,
            updates: self.updates.take(),
            dead_letters: self.dead.into_inner(),
            metrics: TaskMetrics {
                records_read: self.metrics.records_read.get(),
                shuffle_records_written: self.metrics.shuffle_records_written.get(),
                shuffle_records_read: self.metrics.shuffle_records_read.get(),
                bytes_spilled: self.metrics.bytes_spilled.get(),
            },
        }
    }

    /// Runs `keep` if the attempt succeeds: what a failed attempt computed must not be found by the next one, which
    /// would then count less.
    pub(crate) fn on_success(&self, keep: impl FnOnce() + 'static) {
        self.on_success.borrow_mut().push(Box::new(keep));
    }

    /// Holds what other tasks wait for until the attempt has ended, however it does.
    pub(crate) fn hold(&self, held: Box<dyn Any>) {
        self.held.borrow_mut().push(held);
    }

    /// Whether other tasks may wait for this one.
    pub(crate) fn holds_something(&self) -> bool {
        !self.held.borrow().is_empty()
    }

    /// Ends the attempt. It unwinds to the executor, so that no operator in between sees a cut-off partition.
    pub fn fail(&self, error: TaskError) -> ! {
        resume_unwind(Box::new(error))
    }

    /// Ends the attempt because of an error from outside.
    pub fn fail_with(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>, retryable: bool) -> ! {
        let source = source.into();
        let blame = self.blame(source.to_string());
        self.fail(TaskError::Failed { source, retryable, blame })
    }

    /// Ends the attempt if it has been cancelled. Sources call it every few thousand records.
    #[inline]
    pub fn check_cancelled(&self) {
        if self.cancelled.load(Ordering::Relaxed) {
            self.fail(TaskError::Cancelled);
        }
    }

    /// Calls user code on behalf of `operator`: if it panics, the operator gets the blame. Costs nothing otherwise.
    #[inline(always)]
    pub fn blame_on<T>(&self, operator: &Operator, call: impl FnOnce() -> T) -> T {
        let bomb = blame::Bomb { culprit: &self.culprit, operator };
        let value = call();
        std::mem::forget(bomb);
        value
    }

    /// Says which record a source is handing out, for messages.
    #[inline(always)]
    pub fn set_position(&self, position: u64) {
        self.position.set(Some(position));
    }

    /// Asks for [`position`](Self::position) to be true for every record, not only when something fails. To be called while
    /// the iterators of a partition are made; the partition is then consumed record by record.
    pub fn want_positions(&self) {
        self.positions_wanted.set(true);
    }

    /// Records are taken in blocks: which of a block is being handled is not known.
    pub(crate) fn enter_blocks(&self) {
        self.in_blocks.set(true);
    }

    /// Whether records are to be taken one by one from [`guard`](Self::guard): because each is guarded against panics,
    /// or because somebody wants to know the position of each. Otherwise the partition is consumed in a tight loop.
    #[must_use]
    pub fn is_stepwise(&self) -> bool {
        self.guarded || self.positions_wanted.get()
    }

    /// The position of the record being handled, if the source tells.
    #[inline(always)]
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.position.get()
    }

    /// Says which split of a source is being read. `number` tells splits apart cheaply, those of all sources of a
    /// stream.
    pub fn set_origin(&self, name: impl Into<Option<Arc<str>>>, number: u32) {
        *self.origin.borrow_mut() = name.into();
        self.origin_number.set(number);
    }

    /// The number given by [`set_origin`](Self::set_origin), or 0.
    #[inline(always)]
    #[must_use]
    pub fn origin_number(&self) -> u32 {
        self.origin_number.get()
    }

    /// The name given by [`set_origin`](Self::set_origin).
    #[must_use]
    pub fn origin(&self) -> Option<Arc<str>> {
        self.origin.borrow().clone()
    }

    fn blame(&self, cause: String) -> Blame {
        Blame {
            operator: self.culprit.borrow_mut().take(),
            partition: self.identity.partition,
            origin: self.origin(),
            position: self.position.get().filter(|_| !self.in_blocks.get()),
            cause,
        }
    }

    /// Hands every record to `each`. Everything that consumes a partition goes through here or through
    /// [`fold`](Self::fold): in a guarded attempt, a record whose operators panic becomes a dead letter.
    #[inline]
    pub fn drain<T>(&self, records: impl Iterator<Item = T>, mut each: impl FnMut(T)) {
        if self.is_stepwise() {
            self.drain_stepwise(records, &mut each);
        } else {
            records.for_each(each);
        }
    }

    /// Erased and out of line, so that the tight loop has the only direct call of `each` and takes it in.
    #[cold]
    #[inline(never)]
    fn drain_stepwise<T>(&self, records: impl Iterator<Item = T>, each: &mut dyn FnMut(T)) {
        self.guard(records).for_each(each);
    }

    /// Folds every record into `start`; see [`drain`](Self::drain).
    #[inline]
    pub fn fold<T, A>(&self, records: impl Iterator<Item = T>, start: A, mut each: impl FnMut(A, T) -> A) -> A {
        if self.is_stepwise() { self.fold_stepwise(records, start, &mut each) } else { records.fold(start, each) }
    }

    #[cold]
    #[inline(never)]
    fn fold_stepwise<T, A>(&self, records: impl Iterator<Item = T>, start: A, each: &mut dyn FnMut(A, T) -> A) -> A {
        self.guard(records).fold(start, each)
    }

    /// Runs what is not about one record, such as the beginning of a partition, in the midst of an iterator: a panic in it
    /// fails the task even if records are guarded. Taken for a panic on one record, it would cost all that follow.
    pub fn as_a_whole<T>(&self, work: impl FnOnce() -> T) -> T {
        if !self.is_stepwise() {
            return work();
        }
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| match payload.downcast::<TaskError>() {
            Ok(error) => self.fail(*error),
            Err(payload) => self.fail(TaskError::Panic(self.blame(inside::told(&*payload)))),
        })
    }

    /// The same records, each guarded if the attempt is: for consumers that need an iterator.
    pub fn guard<'a, T: 'a>(&'a self, mut records: impl Iterator<Item = T> + 'a) -> impl Iterator<Item = T> + 'a {
        let mut repeats = 0;
        std::iter::from_fn(move || {
            if !self.guarded {
                return records.next();
            }
            loop {
                match catch_unwind(AssertUnwindSafe(|| records.next())) {
                    Ok(record) => return record,
                    Err(payload) if payload.is::<TaskError>() => resume_unwind(payload),
                    Err(payload) => {
                        let letter = DeadLetter(self.blame(inside::told(&*payload)));
                        let mut dead = self.dead.borrow_mut();
                        let is_same = dead.last().is_some_and(|last| last.0.is_at(&letter.0));
                        repeats = if is_same { repeats + 1 } else { 0 };
                        // One record of a source may become many, but an iterator that panics without moving on would
                        // do so forever.
                        if repeats >= Self::PANICS_AT_ONE_RECORD {
                            drop(dead);
                            self.fail(TaskError::Panic(letter.0));
                        }
                        dead.push(letter);
                    }
                }
            }
        })
    }

    /// What the attempt counts by operator.
    pub(crate) fn rows(&self) -> &Counting {
        &self.rows
    }

    /// Counts records read from a source.
    pub fn count_read(&self, records: u64) {
        self.metrics.records_read.set(self.metrics.records_read.get() + records);
    }

    /// Counts records written to a shuffle.
    pub fn count_shuffle_written(&self, records: u64) {
        self.metrics.shuffle_records_written.set(self.metrics.shuffle_records_written.get() + records);
    }

    /// Counts records read from a shuffle.
    pub fn count_shuffle_read(&self, records: u64) {
        self.metrics.shuffle_records_read.set(self.metrics.shuffle_records_read.get() + records);
    }

    /// Counts bytes written to disk because the memory budget was used up.
    pub fn count_spilled(&self, bytes: u64) {
        self.metrics.bytes_spilled.set(self.metrics.bytes_spilled.get() + bytes);
    }
}
