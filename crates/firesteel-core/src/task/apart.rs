//! What is counted on the way to something that is kept: it counts once, however often it is computed.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::task::accumulator::{self, Update, Updates};
use crate::task::{DeadLetter, TaskContext};

/// The partitions whose computation has been counted.
pub(crate) type Counted = Arc<Mutex<HashSet<usize>>>;

/// What an attempt counts and sets aside while it computes a partition that is to be kept.
#[derive(Clone, Default)]
pub(crate) struct Apart {
    updates: Rc<Updates>,
    dead: Rc<RefCell<Vec<DeadLetter>>>,
}

impl TaskContext {
    /// Does some work, whose counts are held apart.
    pub(crate) fn apart<T>(&self, apart: &Apart, work: impl FnOnce() -> T) -> T {
        let before = self.dead.borrow().len();
        self.rows.add_up();
        let entered = accumulator::enter(&apart.updates);
        let done = work();
        self.rows.add_up();
        drop(entered);
        apart.dead.borrow_mut().extend(self.dead.borrow_mut().drain(before..));
        done
    }

    /// Counts what was held apart if the attempt succeeds, and nobody has counted that partition before. `whole` says
    /// then whether it was computed to its end.
    pub(crate) fn count_once(&self, apart: Apart, split: usize, counted: Counted, whole: impl Fn() -> bool + 'static) {
        let updates = Rc::clone(&self.updates);
        self.on_success(move || {
            let (inner, dead) = (apart.updates.take(), apart.dead.take());
            if !inner.is_empty() || !dead.is_empty() {
                updates.push(Box::new(Once { updates: inner, dead, split, counted, whole: whole() }));
            }
        });
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
