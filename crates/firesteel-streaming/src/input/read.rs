//! The RDD of a source's ranges.

use std::collections::BTreeMap;
use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, ReadRange, Source, SourceReader};
use firesteel_core::{
    Accumulate, Accumulator, Blocks, Dependency, Lineage, Node, Operator, Rdd, TaskContext, block_len,
};

use crate::batch::Batch;
use crate::input::Reading;
use crate::plan::NodeId;

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
#[derive(Clone)]
pub(crate) struct Ranges {
    pub(crate) planned: Arc<[Planned]>,
    pub(crate) ends: Accumulator<Ends>,
}

impl Ranges {
    pub(crate) fn new(planned: Vec<Planned>) -> Self {
        Self { planned: planned.into(), ends: Accumulator::new() }
    }

    /// The ranges whose end only reading can tell, and which have not been read as far as they go.
    pub(crate) fn unfinished(&self) -> Vec<usize> {
        if self.planned.iter().all(Planned::is_exact) {
            return Vec::new();
        }
        let unfinished = |index: &usize| {
            let is_whole = self.ends.read(|ends| ends.of(*index)).is_some_and(|end| end.whole);
            !self.planned[*index].is_exact() && !is_whole
        };
        (0..self.planned.len()).filter(unfinished).collect()
    }
}

impl Default for Ranges {
    fn default() -> Self {
        Self::new(Vec::new())
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

/// The ends of a batch's ranges by number. The first successful read of a range decides where it ends.
#[derive(Debug, Clone)]
pub(crate) struct Ends(BTreeMap<usize, End>);

impl Ends {
    pub(crate) fn of(&self, range: usize) -> Option<End> {
        self.0.get(&range).copied()
    }
}

impl Accumulate for Ends {
    type Item = (usize, End);
    fn zero() -> Self {
        Self(BTreeMap::new())
    }
    fn add(&mut self, (range, end): Self::Item) {
        match self.0.get(&range) {
            Some(known) if known.whole || !end.whole => {}
            _ => drop(self.0.insert(range, end)),
        }
    }
    fn merge(&mut self, _: usize, other: Self) {
        other.0.into_iter().for_each(|end| self.add(end));
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

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = S::Item> + 'a {
        self.read(split, task)
    }

    fn blocks<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<S::Item> + 'a> {
        Box::new(self.read(split, task))
    }
}

impl<S: Source> SourceRdd<S> {
    fn read<'a>(&'a self, split: usize, task: &'a TaskContext) -> SourceIter<'a, S::Reader> {
        let planned = &self.ranges.planned[split];
        let Planned { range, origin, number, .. } = planned;
        let mut range = range.clone();
        let ends = &self.ranges.ends;
        // A repetition reads exactly what was read the first time.
        if !planned.is_exact()
            && let Some(end) = ends.read(|ends| ends.of(split)).filter(|end| end.whole)
        {
            range = ReadRange::exact(range.split, range.from, end.position);
        }
        task.set_origin(Arc::clone(origin), *number);
        let place = Place { name: self.reading.name(), operator: self.node.operator() };
        let reader = self.reading.source.open(&range).unwrap_or_else(|error| place.fail(error, task));
        SourceIter { reader, place, split, ends, task, from: range.from, records: 0, done: false }
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

/// Records after which a task looks whether it has been cancelled.
const CHECK: u64 = 4096;

/// Reads one range and reports where it ended.
struct SourceIter<'a, R: SourceReader> {
    reader: R,
    place: Place<'a>,
    split: usize,
    ends: &'a Accumulator<Ends>,
    task: &'a TaskContext,
    from: u64,
    records: u64,
    done: bool,
}

impl<R: SourceReader> SourceIter<'_, R> {
    fn report(&mut self, whole: bool) {
        self.done = true;
        self.task.count_read(self.records);
        let (position, at_end) = (self.reader.position(), self.reader.at_end());
        self.ends.add((self.split, End { position, records: self.records, at_end, whole }));
    }
}

impl<R: SourceReader> Iterator for SourceIter<'_, R> {
    type Item = R::Item;

    #[inline]
    fn next(&mut self) -> Option<R::Item> {
        if self.done {
            return None;
        }
        match self.reader.next_record() {
            Ok(Some(record)) => {
                self.records += 1;
                self.task.set_position(self.reader.last_position());
                if self.records.is_multiple_of(CHECK) {
                    self.task.check_cancelled();
                }
                Some(record)
            }
            Ok(None) => {
                self.report(true);
                None
            }
            Err(error) => self.place.fail(error, self.task),
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, R::Item) -> B>(mut self, start: B, mut each: F) -> B {
        let mut acc = Some(start);
        if !self.done {
            let (reader, task) = (&mut self.reader, self.task);
            let read = if R::POSITIONS_ARE_RECORDS {
                let from = reader.position();
                let read = loop {
                    match reader.for_each_of(CHECK, |record| acc = acc.take().map(|acc| each(acc, record))) {
                        Ok(true) => task.check_cancelled(),
                        ended => break ended,
                    }
                };
                self.records += reader.position() - from;
                read
            } else {
                let records = &mut self.records;
                loop {
                    let each = |record| {
                        *records += 1;
                        acc = acc.take().map(|acc| each(acc, record));
                    };
                    match reader.for_each_of(CHECK, each) {
                        Ok(true) => task.check_cancelled(),
                        ended => break ended,
                    }
                }
            };
            if let Err(error) = read {
                self.place.fail(error, self.task);
            }
            self.report(true);
        }
        acc.expect("the accumulator is absent only while the function runs")
    }
}

impl<R: SourceReader> Blocks<R::Item> for SourceIter<'_, R> {
    fn next(&mut self) -> Option<R::Item> {
        Iterator::next(self)
    }

    fn fill(&mut self, block: &mut Vec<R::Item>) -> bool {
        if self.done {
            return false;
        }
        let room = block_len::<R::Item>();
        block.reserve(room);
        match self.reader.for_each_of(room as u64, |record| block.push(record)) {
            Ok(more) => {
                self.records += block.len() as u64;
                self.task.check_cancelled();
                if !more {
                    self.report(true);
                }
                more
            }
            Err(error) => self.place.fail(error, self.task),
        }
    }
}

impl<R: SourceReader> Drop for SourceIter<'_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A reader that has handed out nothing yet has no last position.
            if self.reader.position() > self.from {
                self.task.set_position(self.reader.last_position());
            }
        } else if !self.done {
            self.report(false);
        }
    }
}
