//! What is counted on the way to something that is kept: it counts once, however often it is computed.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::task::accumulator::{self, Update, Updates};
use crate::task::{DeadLetter, TaskContext};

/// The partitions whose computation has been counted.
pub(crate) type Counted = Arc<Mutex<HashSet<usize>>>;

/// What an attempt counts and sets aside while it computes a partition that is to be kept.
#[derive(Default)]
struct Held {
    updates: Rc<Updates>,
    dead: RefCell<Vec<DeadLetter>>,
    /// Whether the partition was computed to its end.
    whole: Cell<bool>,
}

/// The records of a partition that is to be kept. What is counted on the way to them is held apart: if the attempt
/// succeeds, it counts unless somebody has counted the partition before.
pub(crate) struct Apart<'a, I> {
    /// Until the last of them is out.
    records: Option<I>,
    held: Rc<Held>,
    task: &'a TaskContext,
}

impl<'a, I: Iterator> Apart<'a, I> {
    /// The records that `open` begins.
    pub(crate) fn new(task: &'a TaskContext, split: usize, counted: Counted, open: impl FnOnce() -> I) -> Self {
        let held = Rc::<Held>::default();
        let (of_attempt, of_partition) = (Rc::clone(&task.updates), Rc::clone(&held));
        task.on_success(move || {
            let (updates, dead) = (of_partition.updates.take(), of_partition.dead.take());
            if !updates.is_empty() || !dead.is_empty() {
                let whole = of_partition.whole.get();
                of_attempt.push(Box::new(Once { updates, dead, split, counted, whole }));
            }
        });
        let records = Some(held.apart(task, open));
        Self { records, held, task }
    }

    /// Hands records to `each` until that says `false`, or there are no more.
    pub(crate) fn hand_out(&mut self, mut each: impl FnMut(I::Item) -> bool) {
        let Self { records, held, task } = self;
        held.apart(task, || {
            while let Some(left) = records {
                match left.next() {
                    Some(record) => {
                        if !each(record) {
                            break;
                        }
                    }
                    None => {
                        held.whole.set(true);
                        *records = None;
                    }
                }
            }
        });
    }
}

impl<I: Iterator> Iterator for Apart<'_, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let mut next = None;
        self.hand_out(|record| {
            next = Some(record);
            false
        });
        next
    }
}

/// Operators count when what they made is dropped.
impl<I> Drop for Apart<'_, I> {
    fn drop(&mut self) {
        self.held.apart(self.task, || self.records = None);
    }
}

impl Held {
    /// Does some work, whose counts are held apart.
    fn apart<T>(&self, task: &TaskContext, work: impl FnOnce() -> T) -> T {
        let before = task.dead.borrow().len();
        task.rows.add_up();
        let entered = accumulator::enter(&self.updates);
        let done = work();
        task.rows.add_up();
        drop(entered);
        self.dead.borrow_mut().extend(task.dead.borrow_mut().drain(before..));
        done
    }
}

/// Updates that are applied unless those of the same partition have been.
struct Once {
    updates: Vec<Box<dyn Update>>,
    dead: Vec<DeadLetter>,
    split: usize,
    counted: Counted,
    whole: bool,
}

impl Update for Once {
    fn apply(self: Box<Self>, partition: usize, dead: &mut Vec<DeadLetter>) {
        let mut counted = self.counted.lock();
        let is_new = if self.whole { counted.insert(self.split) } else { !counted.contains(&self.split) };
        drop(counted);
        if is_new {
            for update in self.updates {
                update.apply(partition, dead);
            }
            dead.extend(self.dead);
        }
    }
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}
