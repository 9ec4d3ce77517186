//! The RDD of a source's ranges.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use firesteel_connect::{Class, ConnectError, ReadRange, Source, SourceReader};
use firesteel_core::{Blocks, Choose, Dependency, Driven, Lineage, Node, Operator, Rdd, TaskContext, block_len};
use firesteel_window::Duration;

use crate::calls::{Of, WatchedTask};
use crate::input::Reading;
use crate::input::ranges::{End, Planned, Ranges};
use crate::input::undecodable::Undecoded;
use crate::plan::{Batch, NodeId};

/// The records of a batch's ranges: one partition for each range.
pub struct SourceRdd<S: Source> {
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

impl<S: Source> SourceRdd<S> {
    /// Tries again at once what cannot be read for now, where something that comes after it may be read in this batch: it could not be
    /// left for later then.
    fn again(&self, split: usize, rest: &ReadRange) -> Option<S::Reader> {
        let attempts = if self.ranges.is_followed(split) { AGAIN } else { 0 };
        (0..attempts).find_map(|_| self.reading.source.open(rest).ok())
    }
}

impl<S: Source> Clone for SourceRdd<S> {
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
        let first = self.ranges.end_of(split);
        // A repetition reads exactly what was read the first time.
        if let Some((end, _)) = first.filter(|(_, is_short)| *is_short || !planned.is_exact()) {
            range = ReadRange::exact(range.split, range.from, end);
        }
        let may_be_short = first.is_none() && !planned.is_again;
        task.set_origin(Arc::clone(origin), *number);
        let could_set_aside = self.reading.undecodable.could_set_aside();
        let place = Place { name: self.reading.name(), operator: self.node.operator(), could_set_aside };
        let parked = self.reading.parked.take(&range).and_then(|parked| parked.downcast().ok());
        let watched = WatchedTask::begin(self.reading.calls.get(), Of::Source, &place.name, "read", false);
        watched.pass();
        let reader = match parked {
            Some(parked) => self.reading.source.reopen(*parked, &range),
            None => self.reading.source.open(&range),
        };
        watched.pass();
        let reader = match reader {
            Ok(reader) => Some(reader),
            Err(ConnectError::Later { .. }) if may_be_short => match self.again(split, &range) {
                None => {
                    self.ranges.note(split, End::short(range.from));
                    None
                }
                again => again,
            },
            Err(error) => place.fail(error, task),
        };
        Box::new(Reads {
            last: reader.as_ref().map_or(range.from, S::Reader::position),
            reader,
            may_be_short,
            is_short: false,
            again: AGAIN,
            place,
            split,
            rdd: self,
            ranges: &self.ranges,
            task,
            from: range.from,
            records: 0,
            reading: &self.reading,
            begun: task.now(),
            undecoded: None,
            refused_at: range.from,
            watched,
        })
    }
}

/// Who is reading, for errors.
struct Place<'a> {
    name: Arc<str>,
    operator: &'a Operator,
    /// Whether the job could set records aside that cannot be decoded.
    could_set_aside: bool,
}

impl Place<'_> {
    #[cold]
    fn fail(&self, source: ConnectError, task: &TaskContext) -> ! {
        let retryable = source.class() == Class::Retryable;
        let way_out = if self.could_set_aside && source.class() == Class::Record { SET_ASIDE } else { "" };
        let error = ReadError { name: Arc::clone(&self.name), source, way_out };
        task.blame_on(self.operator, || task.fail_with(error, retryable))
    }
}

/// An error of a source within a task.
#[derive(Debug, thiserror::Error)]
#[error("source {name}: {source}{way_out}")]
struct ReadError {
    name: Arc<str>,
    source: ConnectError,
    way_out: &'static str,
}

/// What can be done about a record that cannot be decoded besides what the connector says.
const SET_ASIDE: &str = "; or have the job set such records aside: `undecodable(Undecodable::SetAside)`, `--set-aside`";

/// How often what cannot be read for now is retried at once, where it could not be left for later.
const AGAIN: usize = 3;

/// Reads for one block of chosen records, until it is half full: a filter that drops most of them would leave all blocks
/// after it short.
const READS: usize = 4;

/// Reads one range and reports where it ended.
struct Reads<'a, S: Source> {
    /// Nothing once it has read what it is to.
    reader: Option<S::Reader>,
    /// The position of the last record then.
    last: u64,
    place: Place<'a>,
    split: usize,
    ranges: &'a Ranges,
    task: &'a TaskContext,
    from: u64,
    records: u64,
    /// Whether it may end before its end where the rest cannot be read for now, and whether it does.
    may_be_short: bool,
    is_short: bool,
    /// How often it may be retried at once.
    again: usize,
    rdd: &'a SourceRdd<S>,
    reading: &'a Reading<S>,
    begun: Option<Duration>,
    undecoded: Option<Arc<dyn Undecoded>>,
    /// Where the reader stood after the last record that could not be decoded.
    refused_at: u64,
    /// Tells from outside whether the reader returns. Those that choose have records in memory, and are not watched.
    watched: WatchedTask<'a>,
}

impl<S: Source> Reads<'_, S> {
    fn report(&mut self, whole: bool) {
        let Some(reader) = self.reader.take() else { return };
        self.task.count_read(self.records);
        let (position, at_end) = (reader.position(), reader.at_end());
        self.last = if position > self.from { reader.last_position() } else { position };
        let undecodable = self.undecoded.take();
        let is_short = self.is_short;
        let at_end = at_end && !is_short;
        self.ranges.note(self.split, End { position, records: self.records, at_end, whole, is_short, undecodable });
        if whole && !is_short && reader.is_reusable() {
            self.reading.parked.put(&self.ranges.planned[self.split].range.split, position, Box::new(reader));
        }
    }

    /// Sets a record aside that cannot be decoded. Fails the task if that is not wanted, or if it is something else. Tells whether there may
    /// be more.
    #[cold]
    fn set_aside(&mut self, error: ConnectError) -> bool {
        if self.may_be_short && matches!(error, ConnectError::Later { .. }) {
            if self.try_again() {
                return true;
            }
            self.is_short = true;
            return false;
        }
        let Some(reader) = &self.reader else { return false };
        let (position, last) = (reader.position(), reader.last_position());
        // A reader that has not moved would give the same record again, forever.
        let moved = position > std::mem::replace(&mut self.refused_at, position);
        let undecodable = &self.reading.undecodable;
        if error.class() != Class::Record || !undecodable.sets_aside() || !moved {
            self.place.fail(error, self.task);
        }
        self.task.check_cancelled();
        undecodable.set_aside(&mut self.undecoded, error, last, &self.place.name, self.task);
        true
    }

    /// Tries at once to read on what cannot be read for now. Tells whether that may be.
    #[cold]
    fn try_again(&mut self) -> bool {
        let (Some(reader), Some(again)) = (&self.reader, self.again.checked_sub(1)) else { return false };
        let range = &self.ranges.planned[self.split].range;
        // Where positions are all there is to it.
        let Some(to) = range.to.filter(|_| self.ranges.planned[self.split].is_exact()) else { return false };
        let rest = ReadRange::exact(range.split.clone(), reader.position(), to);
        self.again = again;
        let opened = self.rdd.again(self.split, &rest);
        let is_open = opened.is_some();
        self.reader = opened.or_else(|| self.reader.take());
        is_open
    }

    /// Reads until something is there, or nothing more.
    fn read(&mut self, mut read: impl FnMut(&mut S::Reader) -> Result<bool, ConnectError>) -> bool {
        loop {
            let Some(reader) = &mut self.reader else { return false };
            self.watched.pass();
            let done = read(reader);
            self.watched.pass();
            match done {
                Ok(more) => return more,
                Err(error) => {
                    if !self.set_aside(error) {
                        return false;
                    }
                }
            }
        }
    }

    /// Counts the records of a block.
    fn count(&mut self, more: bool, records: usize) -> bool {
        self.records += records as u64;
        self.task.check_cancelled();
        if !more {
            self.report(true);
        }
        more
    }
}

impl<S: Source> Blocks<S::Item> for Reads<'_, S> {
    fn next(&mut self) -> Option<S::Item> {
        let mut record = None;
        self.read(|reader| {
            record = reader.next_record()?;
            Ok(true)
        });
        match (&record, &self.reader) {
            (Some(_), Some(reader)) => {
                self.task.set_position(reader.last_position());
                self.count(true, 1);
            }
            _ => self.report(true),
        }
        record
    }

    fn fill(&mut self, block: &mut Vec<S::Item>) -> bool {
        if self.reader.is_none() {
            return false;
        }
        let room = block_len::<S::Item>();
        let more = self.read(|reader| {
            // After a record that was set aside the block may be full.
            if block.len() == room { Ok(true) } else { reader.read_block(room - block.len(), block) }
        });
        self.count(more, block.len())
    }

    fn fill_chosen(&mut self, choose: &mut Choose<'_, S::Item>, block: &mut Vec<S::Item>) -> Option<bool> {
        let (room, mut seen, mut more) = (block_len::<S::Item>(), 0, true);
        let mut counted = |records: &[S::Item], picked: &mut [u32]| {
            seen += records.len();
            choose(records, picked)
        };
        for _ in 0..READS {
            let Some(reader) = &mut self.reader else { return Some(false) };
            match reader.read_chosen(room - block.len(), &mut counted, block) {
                Ok(read) => more = read?,
                Err(error) => more = self.set_aside(error),
            }
            if !more || block.len() > room / 2 {
                break;
            }
        }
        Some(self.count(more, seen))
    }
}

impl<S: Source> Drop for Reads<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A reader that has handed out nothing yet has no last position.
            let last = match &self.reader {
                Some(reader) => (reader.position() > self.from).then(|| reader.last_position()),
                None => (self.last > self.from || self.records > 0).then_some(self.last),
            };
            if let Some(last) = last {
                self.task.set_position(last);
            }
            return;
        }
        self.report(false);
        // By now all that comes after it in the task is done, too.
        if let Some((begun, now)) = self.begun.zip(self.task.now()) {
            self.reading.took.fetch_add(now.saturating_sub(begun).as_micros().unsigned_abs(), Ordering::Relaxed);
        }
    }
}
