//! How long a function takes for a record, and what follows from it.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use firesteel_window::Duration;

use crate::operator::Operator;
use crate::task::{Helpers, Part, TaskContext, TaskOutput};

/// What is left of a block has to take this many nanoseconds for others to be called: what calling them costs, several times.
const WORTH: u64 = 60_000;

/// What takes this many nanoseconds is not begun without a look at who could help on the way.
const LONG: u64 = 1_000_000;

/// About this many nanoseconds a part of a block takes: long beside what it costs to hand it out, and short beside a block,
/// so that nobody is left with a long part while the others have nothing to do.
const PART: u64 = 250_000;

/// A function that is known to be fast is timed in one of this many blocks.
const SELDOM: u32 = 16;

/// What a function costs for a record, learned while it is used: a block on which a slow function would keep one executor
/// busy is gone through by all that have nothing to do.
#[derive(Debug, Default)]
pub struct Pace {
    /// Nanoseconds a record; 0 as long as nothing is known.
    each: AtomicU32,
    /// Blocks, counted without care.
    blocks: AtomicU32,
}

/// A block that is gone through in one go.
#[must_use]
pub struct Watch {
    /// When that began, if it is timed.
    begun: Option<Duration>,
}

/// What is done to some of the records of a block, on behalf of an operator and of a task.
pub type Applied<T, U> = dyn Fn(Vec<T>, &mut Vec<U>, &Operator, &TaskContext) + Send + Sync;

impl Pace {
    fn each(&self) -> u64 {
        u64::from(self.each.load(Ordering::Relaxed))
    }

    /// Records of this weight took this many nanoseconds.
    fn learned(&self, weight: u64, nanos: u64) {
        if let Some(each) = nanos.checked_div(weight) {
            self.each.store(each.clamp(1, u64::from(u32::MAX)) as u32, Ordering::Relaxed);
        }
    }

    /// Whether it is the turn of this block to be timed.
    fn is_timed(&self) -> bool {
        let blocks = self.blocks.load(Ordering::Relaxed).wrapping_add(1);
        self.blocks.store(blocks, Ordering::Relaxed);
        blocks.is_multiple_of(SELDOM)
    }

    /// Whether this many records are to be gone through in one go: the function is fast, or nobody could help. Afterwards
    /// [`learn`](Self::learn) is to be told; if it is `None`, they are to be gone through [in pieces](Self::in_pieces).
    #[inline]
    pub fn in_one_go(&self, task: &TaskContext, records: usize) -> Option<Watch> {
        match task.helpers() {
            None => Some(Watch { begun: None }),
            Some(helpers) => self.watch(task, &**helpers, records as u64),
        }
    }

    fn watch(&self, task: &TaskContext, helpers: &dyn Helpers, records: u64) -> Option<Watch> {
        let cost = match self.each() {
            0 => return None,
            each => each.saturating_mul(records),
        };
        if cost < WORTH {
            let is_timed = self.is_timed() || task.is_surprised(helpers);
            return Some(Watch { begun: is_timed.then(|| helpers.now()) });
        }
        (cost < LONG && helpers.idle() == 0).then(|| Watch { begun: Some(helpers.now()) })
    }

    /// This many records have been gone through in one go.
    #[inline]
    pub fn learn(&self, watch: Watch, task: &TaskContext, records: usize) {
        if let Some((begun, helpers)) = watch.begun.zip(task.helpers()) {
            self.learned(records as u64, nanos_since(begun, &**helpers));
        }
    }

    /// Goes through a block in pieces, and together with other executors where that is worth it. `weigh` tells what each
    /// counts for. What comes out is in the order of what goes in.
    pub fn in_pieces<T: Send + 'static, U: Send + 'static>(
        &self,
        task: &TaskContext,
        operator: &Operator,
        input: &mut Vec<T>,
        out: &mut Vec<U>,
        weigh: fn(&T) -> u64,
        apply: Arc<Applied<T, U>>,
    ) {
        Pieces { pace: self, task, operator, weigh, apply }.go(input, out);
    }
}

struct Pieces<'a, T, U> {
    pace: &'a Pace,
    task: &'a TaskContext,
    operator: &'a Operator,
    weigh: fn(&T) -> u64,
    apply: Arc<Applied<T, U>>,
}

impl<T: Send + 'static, U: Send + 'static> Pieces<'_, T, U> {
    /// Goes through some of the records on this thread.
    fn piece(&self, records: Vec<T>, out: &mut Vec<U>) {
        let alone = self.task.alone();
        self.task.blame_on(self.operator, || (self.apply)(records, out, self.operator, self.task));
        self.task.end_alone(alone);
    }

    /// The same as a part that any thread may do.
    fn part(&self, records: Vec<T>) -> Part {
        let (apply, operator) = (Arc::clone(&self.apply), self.operator.clone());
        Box::new(move |task: &TaskContext| -> TaskOutput {
            let mut made = Vec::with_capacity(records.len());
            task.blame_on(&operator, || apply(records, &mut made, &operator, task));
            Box::new(made)
        })
    }

    fn go(&self, input: &mut Vec<T>, out: &mut Vec<U>) {
        let Some(helpers) = self.task.helpers() else { return self.piece(std::mem::take(input), out) };
        let (begun, mut done, mut size) = (helpers.now(), 0, 1);
        let mut left: u64 = input.iter().map(self.weigh).sum();
        let mut records = input.drain(..);
        while records.len() > 0 {
            let each = self.pace.each();
            if records.len() > 1 && each.saturating_mul(left) >= WORTH {
                let idle = helpers.idle();
                if idle > 0 {
                    return self.share(helpers, records, left, part_weight(each, left, idle), out);
                }
            }
            let (some, weight) = self.cut(&mut records, size);
            self.piece(some, out);
            (done, left) = (done + weight, left - weight);
            self.pace.learned(done, nanos_since(begun, &**helpers));
            // As many as take little time, so that nobody waits for long who could help.
            size = (size * 4).min(part_weight(self.pace.each(), u64::MAX, 0));
        }
    }

    /// The next records, until they have this weight, which is theirs then.
    fn cut(&self, records: &mut impl Iterator<Item = T>, until: u64) -> (Vec<T>, u64) {
        let (mut some, mut weight) = (Vec::new(), 0);
        while weight < until
            && let Some(record) = records.next()
        {
            weight += (self.weigh)(&record);
            some.push(record);
        }
        (some, weight)
    }

    fn share(
        &self,
        helpers: &Arc<dyn Helpers>,
        mut records: impl ExactSizeIterator<Item = T>,
        weight: u64,
        of_part: u64,
        out: &mut Vec<U>,
    ) {
        let mut parts = Vec::new();
        while records.len() > 0 {
            let (some, weight) = self.cut(&mut records, of_part);
            parts.push((weight, parts.len(), self.part(some)));
        }
        let (made, busy) = self.task.share_with(helpers, longest_first(parts));
        self.pace.learned(weight, nanos(busy));
        made.into_iter().filter_map(|made| made.downcast::<Vec<U>>().ok()).for_each(|made| out.extend(*made));
    }
}

/// Parts with their weights and places, in the order in which they are begun: the longest first, so that no long one is
/// begun last.
fn longest_first(mut parts: Vec<(u64, usize, Part)>) -> VecDeque<(usize, Part)> {
    parts.sort_by_key(|(weight, ..)| Reverse(*weight));
    parts.into_iter().map(|(_, at, part)| (at, part)).collect()
}

/// The weight of a part: what takes so long that handing it out is little beside it, and no more than anybody gets if all
/// get the same.
fn part_weight(each: u64, left: u64, idle: usize) -> u64 {
    (PART / each.max(1)).clamp(1, left.div_ceil(idle as u64 + 1).max(1))
}

fn nanos_since(begun: Duration, helpers: &dyn Helpers) -> u64 {
    nanos(helpers.now().saturating_sub(begun))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(0).saturating_mul(1_000)
}
