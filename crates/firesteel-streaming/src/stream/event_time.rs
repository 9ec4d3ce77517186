//! `event_time`: when records happened.

use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Blocks, Operator, Spare, Step, StepContext, TaskContext, Upstream};
use firesteel_state::Setting;
use firesteel_window::{Timestamp, WatermarkStrategy};

use crate::plan::{Fault, PlanNode, Role, Width};
use crate::stream::{Shape, Stream, Timed};
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
        // Another delay holds from the start on: the watermark never falls.
        let settings = watermark.settings().into_iter().map(|(name, value)| Setting::new_holds(name, value)).collect();
        let Self { plan, node: parent, rule } = self;
        let (node, tracker) = plan.change(|parts| {
            let tracker =
                Arc::new(Tracker::new(Box::new(watermark), parts.inputs_of(parent), parts.split_numbers.clone()));
            parts.trackers.push(Arc::clone(&tracker));
            let role = Role::EventTime(parts.trackers.len() - 1);
            let node = PlanNode::operator(operator, &[parent], Width::Narrow).with_role(role).with_settings(settings);
            let node = parts.add(node);
            parts.faults.extend(refused.map(|source| (node, Fault::Window(source))));
            (node, tracker)
        });
        let step: Arc<dyn Step<T, (Timestamp, T)>> = Arc::new(TimedStep { at, tracker });
        Stream::new(plan, node, move |batch| {
            let operator = batch.operator(node);
            Ok(BoxRdd::step(S::plain(rule.rdd(batch)?, operator), operator, false, &step))
        })
    }
}

/// What [`Stream::event_time`] does to the records of a partition.
struct TimedStep<F> {
    at: F,
    tracker: Arc<Tracker>,
}

impl<T, F> Step<T, (Timestamp, T)> for TimedStep<F>
where
    T: Send + 'static,
    F: Fn(&T) -> Timestamp + Send + Sync + 'static,
{
    fn open<'a>(
        &'a self,
        parent: Upstream<'a, T>,
        context: StepContext<'a, T, (Timestamp, T)>,
    ) -> Box<dyn Blocks<(Timestamp, T)> + 'a> {
        let watch = Watch::new(&self.tracker, context.task);
        Box::new(TimedBlocks { at: &self.at, parent, operator: context.operator, watch, input: Spare::new() })
    }
}

/// The records of a partition, block by block. Those of a block are of one split.
struct TimedBlocks<'a, T: 'static, F> {
    at: &'a F,
    parent: Upstream<'a, T>,
    operator: &'a Operator,
    watch: Watch<'a>,
    input: Spare<T>,
}

impl<T: 'static, F: Fn(&T) -> Timestamp> Blocks<(Timestamp, T)> for TimedBlocks<'_, T, F> {
    fn next(&mut self) -> Option<(Timestamp, T)> {
        let record = self.parent.next()?;
        let at = self.watch.task.blame_on(self.operator, || (self.at)(&record));
        self.watch.saw_one(at);
        Some((at, record))
    }

    fn fill(&mut self, block: &mut Vec<(Timestamp, T)>) -> bool {
        let Self { at, parent, operator, watch, input } = self;
        let more = parent.fill(input);
        if !input.is_empty() {
            let (before, mut largest) = (block.len(), Timestamp::MIN);
            watch.task.blame_on(operator, || {
                block.extend(input.drain(..).map(|record| {
                    let at = at(&record);
                    largest = largest.max(at);
                    (at, record)
                }));
            });
            if largest > watch.most_ahead {
                watch.tracker.is_ahead(largest);
                largest = Timestamp::MIN;
                for (at, _) in &block[before..] {
                    largest = if *at <= watch.most_ahead { largest.max(*at) } else { largest };
                }
            }
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
    /// What is later does not move the watermark.
    most_ahead: Timestamp,
}

impl<'a> Watch<'a> {
    const NONE: u32 = u32::MAX;

    fn new(tracker: &'a Tracker, task: &'a TaskContext) -> Self {
        Self { tracker, task, split: Self::NONE, largest: Timestamp::MIN, most_ahead: tracker.most_ahead() }
    }

    #[inline(always)]
    fn saw(&mut self, at: Timestamp) {
        let split = self.task.origin_number();
        if self.split != split {
            self.enter(split);
        }
        self.largest = self.largest.max(at);
    }

    /// The same of one record, which may be ahead of the clock.
    fn saw_one(&mut self, at: Timestamp) {
        let is_ahead = at > self.most_ahead;
        if is_ahead {
            self.tracker.is_ahead(at);
        }
        self.saw(if is_ahead { Timestamp::MIN } else { at });
    }

    #[cold]
    fn enter(&mut self, split: u32) {
        self.report();
        (self.split, self.largest) = (split, Timestamp::MIN);
    }

    fn report(&mut self) {
        // One that has sent nothing that counts is silent.
        if self.split != Self::NONE && self.largest > Timestamp::MIN {
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
