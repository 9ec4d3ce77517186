//! The RDD of a source's ranges.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::{Class, ConnectError, ReadRange, Source, SourceReader};
use firesteel_core::{
    Accumulator, Blocks, Choose, Dependency, Driven, Lineage, Node, Operator, Rdd, TaskContext, block_len,
};
use firesteel_window::{Aggregator, Duration};

use crate::input::Reading;
use crate::plan::{Batch, NodeId};

/// One range of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) range: ReadRange,
    pub(crate) origin: Arc<str>,
    pub(crate) number: u32,
    pub(crate) hint: Option<u64>,
}

impl Planned {
    /// Whether it is known without reading what is in the range.
    pub(crate) fn is_exact(&self) -> bool {
        self.range.to.is_some() && self.range.max_records.is_none() && self.range.max_bytes.is_none()
    }
}

/// The ranges of a batch, and where reading them ended.
#[derive(Clone, Default)]
pub(crate) struct Ranges {
    pub(crate) planned: Arc<[Planned]>,
    pub(crate) ends: Accumulator<(usize, End), Ends>,
}

impl Ranges {
    pub(crate) fn new(planned: Vec<Planned>) -> Self {
        Self { planned: planned.into(), ends: Accumulator::new(Ends) }
    }

    /// The ranges whose end only reading can tell, and which have not been read as far as they go.
    pub(crate) fn unfinished(&self) -> Vec<usize> {
        if self.planned.iter().all(Planned::is_exact) {
            return Vec::new();
        }
        let unfinished = |index: &usize| {
            let is_whole = self.ends.read(|ends| Ends::find(ends, *index)).is_some_and(|end| end.whole);
            !self.planned[*index].is_exact() && !is_whole
        };
        (0..self.planned.len()).filter(unfinished).collect()
    }
}

/// Where reading a range ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) position: u64,
    pub(crate) records: u64,
    pub(crate) at_end: bool,
    /// Whether the range was read as far as it goes.
    pub(crate) whole: bool,
}

/// The ends of a batch's ranges, in the order of their numbers. The first successful read of a range decides where it ends.
#[derive(Debug, Default)]
pub(crate) struct Ends;

impl Ends {
    pub(crate) fn find(ends: &[(usize, End)], range: usize) -> Option<End> {
        ends.binary_search_by_key(&range, |(range, _)| *range).ok().map(|at| ends[at].1)
    }
}

impl Aggregator<(usize, End)> for Ends {
    type Acc = Vec<(usize, End)>;
    type Out = Vec<(usize, End)>;

    fn create(&self) -> Self::Acc {
        Vec::new()
    }
    fn add(&self, ends: &mut Self::Acc, (range, end): (usize, End)) {
        match ends.binary_search_by_key(&range, |(range, _)| *range) {
            Ok(at) if ends[at].1.whole || !end.whole => {}
            Ok(at) => ends[at].1 = end,
            Err(at) => ends.insert(at, (range, end)),
        }
    }
    fn merge(&self, ends: &mut Self::Acc, other: Self::Acc) {
        other.into_iter().for_each(|end| self.add(ends, end));
    }
    fn finish(&self, ends: &Self::Acc) -> Self::Out {
        ends.clone()
    }
}

/// The records of a batch's ranges: one partition for each range.
pub struct SourceRdd<S> {
    pub(crate) node: Node,
    pub(crate) reading: Arc<Reading<S>>,
    pub(crate) ranges: Ranges,
    /// Stops the source after the last clone, unless a job does.
    pub(crate) started: Option<Arc<dyn Send + Sync>>,
}

impl<S: Source> SourceRdd<S> {
    /// What the batch reads of the source at this node of the plan.
    pub(crate) fn of_batch(batch: &Batch, node: NodeId, reading: &Arc<Reading<S>>) -> Self {
        let ranges = batch.facts().get(node).unwrap_or_default();
        let node = Node::new(batch.context(), batch.operator(node).clone());
        Self { node, reading: Arc::clone(reading), ranges, started: None }
    }
}

impl<S> Clone for SourceRdd<S> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            reading: Arc::clone(&self.reading),
            ranges: self.ranges.clone(),
            started: self.started.clone(),
        }
    }
}

impl<S: Source> Lineage for SourceRdd<S> {
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
    fn num_partitions(&self) -> usize {
        self.ranges.planned.len()
    }
    fn dependencies(&self, _: &mut dyn FnMut(Dependency<'_>)) {}
    fn size_hint(&self, split: usize) -> Option<u64> {
        self.ranges.planned[split].hint
    }
}

impl<S: Source> Rdd for SourceRdd<S> {
    type Item = S::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = S::Item> + 'a {
        Driven::new(self.blocks(split, task), task)
    }

    fn blocks<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<S::Item> + 'a> {
        let planned = &self.ranges.planned[split];
        let Planned { range, origin, number, .. } = planned;
        let mut range = range.clone();
        let ends = &self.ranges.ends;
        // A repetition reads exactly what was read the first time.
        if !planned.is_exact()
            && let Some(end) = ends.read(|ends| Ends::find(ends, split)).filter(|end| end.whole)
        {
            range = ReadRange::exact(range.split, range.from, end.position);
        }
        task.set_origin(Arc::clone(origin), *number);
        let place = Place { name: self.reading.name(), operator: self.node.operator() };
        let reader = self.reading.source.open(&range).unwrap_or_else(|error| place.fail(error, task));
        let (took, begun) = (&self.reading.took, task.now());
        Box::new(Reads { reader, place, split, ends, task, from: range.from, records: 0, done: false, took, begun })
    }
}

/// Who is reading, for errors.
struct Place<'a> {
    name: Arc<str>,
    operator: &'a Operator,
}

impl Place<'_> {
    #[cold]
    fn fail(&self, source: ConnectError, task: &TaskContext) -> ! {
        let retryable = source.class() == Class::Retryable;
        let error = ReadError { name: Arc::clone(&self.name), source };
        task.blame_on(self.operator, || task.fail_with(error, retryable))
    }
}

/// An error of a source within a task.
#[derive(Debug, thiserror::Error)]
#[error("source {name}: {source}")]
struct ReadError {
    name: Arc<str>,
    source: ConnectError,
}

/// Reads for one block of chosen records, until it is half full: a filter that drops most of them would leave all blocks
/// after it short.
const READS: usize = 4;

/// Reads one range and reports where it ended.
struct Reads<'a, R: SourceReader> {
    reader: R,
    place: Place<'a>,
    split: usize,
    ends: &'a Accumulator<(usize, End), Ends>,
    task: &'a TaskContext,
    from: u64,
    records: u64,
    done: bool,
    /// Where it is added up how long ranges took.
    took: &'a AtomicU64,
    begun: Option<Duration>,
}

impl<R: SourceReader> Reads<'_, R> {
    fn report(&mut self, whole: bool) {
        self.done = true;
        self.task.count_read(self.records);
        let (position, at_end) = (self.reader.position(), self.reader.at_end());
        self.ends.add((self.split, End { position, records: self.records, at_end, whole }));
    }
}

impl<R: SourceReader> Reads<'_, R> {
    /// Counts the records of a block.
    fn count(&mut self, read: Result<bool, ConnectError>, records: usize) -> bool {
        let more = read.unwrap_or_else(|error| self.place.fail(error, self.task));
        self.records += records as u64;
        self.task.check_cancelled();
        if !more {
            self.report(true);
        }
        more
    }
}

impl<R: SourceReader> Blocks<R::Item> for Reads<'_, R> {
    fn next(&mut self) -> Option<R::Item> {
        if self.done {
            return None;
        }
        let read = self.reader.next_record();
        let record = read.unwrap_or_else(|error| self.place.fail(error, self.task));
        match &record {
            Some(_) => {
                self.task.set_position(self.reader.last_position());
                self.count(Ok(true), 1);
            }
            None => self.report(true),
        }
        record
    }

    fn fill(&mut self, block: &mut Vec<R::Item>) -> bool {
        if self.done {
            return false;
        }
        let read = self.reader.read_block(block_len::<R::Item>(), block);
        self.count(read, block.len())
    }

    fn fill_chosen(&mut self, choose: &mut Choose<'_, R::Item>, block: &mut Vec<R::Item>) -> Option<bool> {
        if self.done {
            return Some(false);
        }
        let (room, mut seen, mut more) = (block_len::<R::Item>(), 0, true);
        let mut counted = |records: &[R::Item], picked: &mut [u32]| {
            seen += records.len();
            choose(records, picked)
        };
        for _ in 0..READS {
            match self.reader.read_chosen(room - block.len(), &mut counted, block) {
                Ok(read) => more = read?,
                Err(error) => self.place.fail(error, self.task),
            }
            if !more || block.len() > room / 2 {
                break;
            }
        }
        Some(self.count(Ok(more), seen))
    }
}

impl<R: SourceReader> Drop for Reads<'_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A reader that has handed out nothing yet has no last position.
            if self.reader.position() > self.from {
                self.task.set_position(self.reader.last_position());
            }
            return;
        }
        if !self.done {
            self.report(false);
        }
        // By now all that comes after it in the task is done, too.
        if let Some((begun, now)) = self.begun.zip(self.task.now()) {
            self.took.fetch_add(now.saturating_sub(begun).as_micros().unsigned_abs(), Ordering::Relaxed);
        }
    }
}
