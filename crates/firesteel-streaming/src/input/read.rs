//! The RDD of a source's ranges.

use std::collections::BTreeMap;
use std::sync::Arc;

use firesteel_connect::{Class, ReadRange, Source, SourceReader};
use firesteel_core::{Accumulate, Accumulator, Dependency, Lineage, Node, Operator, Rdd, TaskContext};

use crate::batch::Batch;
use crate::input::Reading;

/// One range of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) range: ReadRange,
    pub(crate) origin: Arc<str>,
    pub(crate) number: u32,
    pub(crate) hint: Option<u64>,
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
    whole: bool,
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
    /// Stops the source behind the last clone, unless a job does.
    pub(crate) started: Option<Arc<dyn Send + Sync>>,
}

impl<S: Source> SourceRdd<S> {
    pub(crate) fn new(batch: &Batch, operator: &Operator, reading: &Arc<Reading<S>>) -> Self {
        let node = Node::new(batch.context(), operator.clone());
        Self { node, reading: Arc::clone(reading), ranges: reading.ranges.lock().clone(), started: None }
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
        let Planned { range, origin, number, .. } = &self.ranges.planned[split];
        let mut range = range.clone();
        let ends = &self.ranges.ends;
        // A repetition reads exactly what was read the first time.
        if (range.max_records.is_some() || range.max_bytes.is_some() || range.to.is_none())
            && let Some(end) = ends.read(|ends| ends.of(split)).filter(|end| end.whole)
        {
            range = ReadRange::exact(range.split, range.from, end.position);
        }
        task.set_origin(Arc::clone(origin), *number);
        let reader = self.reading.source.open(&range).unwrap_or_else(|error| {
            let retryable = error.class() == Class::Retryable;
            task.fail_with(error, retryable)
        });
        SourceIter { reader, split, ends, task, from: range.from, records: 0, done: false }
    }
}

/// Reads one range and reports where it ended.
struct SourceIter<'a, R: SourceReader> {
    reader: R,
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

    #[cold]
    fn fail(&mut self, error: firesteel_connect::ConnectError) -> ! {
        let retryable = error.class() == Class::Retryable;
        self.task.fail_with(error, retryable)
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
                if self.records.is_multiple_of(4096) {
                    self.task.check_cancelled();
                }
                Some(record)
            }
            Ok(None) => {
                self.report(true);
                None
            }
            Err(error) => self.fail(error),
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, R::Item) -> B>(mut self, start: B, mut each: F) -> B {
        let mut acc = Some(start);
        if !self.done {
            let read = if R::POSITIONS_ARE_RECORDS {
                let from = self.reader.position();
                let read = self.reader.for_each(|record| acc = acc.take().map(|acc| each(acc, record)));
                self.records += self.reader.position() - from;
                read
            } else {
                let (reader, records) = (&mut self.reader, &mut self.records);
                reader.for_each(|record| {
                    *records += 1;
                    acc = acc.take().map(|acc| each(acc, record));
                })
            };
            if let Err(error) = read {
                self.fail(error);
            }
            self.report(true);
        }
        acc.expect("the accumulator is absent only while the function runs")
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
