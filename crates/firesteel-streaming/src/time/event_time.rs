//! `event_time`: when records happened.

use std::sync::Arc;

use firesteel_core::{Blocks, Lineage, Node, Operator, Rdd, RddOps, TaskContext};
use firesteel_window::{Timestamp, WatermarkStrategy};

use crate::error::Error;
use crate::plan::{PlanNode, Role, Width};
use crate::shape::{Shape, Timed};
use crate::stream::Stream;
use crate::time::Tracker;

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Says when each record happened, and how late records may come. The records of the stream know it from here on,
    /// through every operator that makes records of records, up to windows and their results.
    ///
    /// Watermarks are kept per split of the source, so that a split which lags behind the others makes no record late.
    #[track_caller]
    pub fn event_time<F, W>(self, at: F, watermark: W) -> Stream<T, Timed>
    where
        F: Fn(&T) -> Timestamp + Send + Sync + 'static,
        W: WatermarkStrategy + Send + Sync + 'static,
    {
        let operator = Operator::here("event_time");
        let refused = watermark.validate().err();
        let Self { plan, node: parent, rule } = self;
        let (node, tracker) = plan.change(|parts| {
            if let Some(source) = refused {
                parts.faults.push(Error::Window { operator: operator.to_string(), source });
            }
            let tracker = Arc::new(Tracker::new(Box::new(watermark), parts.inputs_of(parent)));
            parts.trackers.push(Arc::clone(&tracker));
            let role = Role::EventTime(parts.trackers.len() - 1);
            (parts.add(PlanNode::operator(operator, &[parent], Width::Narrow).with_role(role)), tracker)
        });
        let at = Arc::new(at);
        Stream::new(plan, node, move |batch| {
            let operator = batch.operator(node);
            let parent = S::plain(rule(batch)?, operator);
            let node = Node::new(parent.node().context(), operator.clone());
            Ok(TimedRdd { node, parent, at: Arc::clone(&at), tracker: Arc::clone(&tracker) }.boxed())
        })
    }
}

/// The RDD of [`Stream::event_time`].
struct TimedRdd<R, F> {
    node: Node,
    parent: R,
    at: Arc<F>,
    tracker: Arc<Tracker>,
}

impl<R: Clone, F> Clone for TimedRdd<R, F> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            parent: self.parent.clone(),
            at: Arc::clone(&self.at),
            tracker: Arc::clone(&self.tracker),
        }
    }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for TimedRdd<R, F> {
    firesteel_core::narrow_lineage!();
}

impl<R: Rdd, F: Fn(&R::Item) -> Timestamp + Send + Sync + 'static> Rdd for TimedRdd<R, F> {
    type Item = (Timestamp, R::Item);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
        let (at, operator) = (&*self.at, self.node.operator());
        let mut watch = Watch::new(&self.tracker, task);
        self.parent.compute(split, task).map(move |record| {
            let at = task.blame_on(operator, || at(&record));
            watch.saw(at);
            (at, record)
        })
    }

    fn blocks<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<Self::Item> + 'a> {
        let watch = Watch::new(&self.tracker, task);
        Box::new(TimedBlocks { rdd: self, parent: self.parent.blocks(split, task), watch, input: Vec::new() })
    }
}

/// The records of a partition, block by block. Those of a block are of one split.
struct TimedBlocks<'a, R: Rdd, F> {
    rdd: &'a TimedRdd<R, F>,
    parent: Box<dyn Blocks<R::Item> + 'a>,
    watch: Watch<'a>,
    input: Vec<R::Item>,
}

impl<R: Rdd, F: Fn(&R::Item) -> Timestamp> Blocks<(Timestamp, R::Item)> for TimedBlocks<'_, R, F> {
    fn next(&mut self) -> Option<(Timestamp, R::Item)> {
        let record = self.parent.next()?;
        let at = self.watch.task.blame_on(self.rdd.node.operator(), || (self.rdd.at)(&record));
        self.watch.saw(at);
        Some((at, record))
    }

    fn fill(&mut self, block: &mut Vec<(Timestamp, R::Item)>) -> bool {
        let Self { rdd, parent, watch, input } = self;
        let more = parent.fill(input);
        if !input.is_empty() {
            let mut largest = Timestamp::MIN;
            watch.task.blame_on(rdd.node.operator(), || {
                block.extend(input.drain(..).map(|record| {
                    let at = (rdd.at)(&record);
                    largest = largest.max(at);
                    (at, record)
                }));
            });
            watch.saw(largest);
        }
        more
    }
}

/// Remembers the largest event time of each split.
struct Watch<'a> {
    tracker: &'a Tracker,
    task: &'a TaskContext,
    /// The split of the record seen last, by its number; before the first one, a number that none has.
    split: u32,
    largest: Timestamp,
}

impl<'a> Watch<'a> {
    const NONE: u32 = u32::MAX;

    fn new(tracker: &'a Tracker, task: &'a TaskContext) -> Self {
        Self { tracker, task, split: Self::NONE, largest: Timestamp::MIN }
    }

    #[inline(always)]
    fn saw(&mut self, at: Timestamp) {
        let split = self.task.origin_number();
        if self.split != split {
            self.enter(split);
        }
        self.largest = self.largest.max(at);
    }

    #[cold]
    fn enter(&mut self, split: u32) {
        self.report();
        (self.split, self.largest) = (split, Timestamp::MIN);
    }

    fn report(&mut self) {
        if self.split != Self::NONE {
            self.tracker.saw(self.split, self.largest);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.report();
        }
    }
}
