//! A sink that fails on demand.

use std::sync::Arc;

use firesteel_connect::{Class, Epoch, Guarantee, Mark, Place, Result, Retention, Sink, SinkContext, WriteTask};
use parking_lot::Mutex;

use super::Planned;
use crate::Gate;

/// Where a sink fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SinkAt {
    /// When it is started.
    Start,
    /// When a partition has been written, before the task hears of it.
    Write,
    /// When the parts of a micro-batch are to be staged.
    Stage,
    /// When it is asked what became of a commit.
    Outcome,
    /// When an epoch is to be committed, before anything is visible.
    Commit,
    /// When an epoch has been committed, before the engine hears of it.
    Committed,
    /// When an epoch is to be thrown away.
    Abort,
    /// When it is stopped.
    Stop,
}

/// What was asked of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SinkCall {
    /// It was started.
    Start,
    /// A partition was written, in this epoch.
    Write(Epoch),
    /// The parts of a micro-batch were staged, in this epoch.
    Stage(Epoch),
    /// An epoch was to be committed.
    Commit(Epoch),
    /// It was asked what became of a commit.
    Outcome(Epoch),
    /// An epoch was thrown away.
    Abort(Epoch),
    /// It was stopped.
    Stop,
}

/// A sink that passes everything on to another one, unless it is to fail.
pub struct FaultySink<S> {
    sink: S,
    faults: SinkFaults,
}

/// Decides where a [`FaultySink`] fails, and tells what was asked of it. A clone belongs to the same sink.
#[derive(Clone)]
pub struct SinkFaults {
    planned: Planned<SinkAt>,
    calls: Arc<Mutex<Vec<SinkCall>>>,
}

impl<S> FaultySink<S> {
    /// The sink, and what makes it fail.
    pub fn new(sink: S) -> (Self, SinkFaults) {
        let faults = SinkFaults { planned: Planned::new(), calls: Arc::default() };
        (Self { sink, faults: faults.clone() }, faults)
    }
}

impl SinkFaults {
    /// Fails this many times there, with an error of that class.
    pub fn fail(&self, at: SinkAt, times: u32, class: Class) {
        self.fail_later(at, 0, times, class);
    }

    /// Lets this many calls there pass, then fails this many times.
    pub fn fail_later(&self, at: SinkAt, after: u32, times: u32, class: Class) {
        self.planned.add(at, after, times, class);
    }

    /// Lets this many calls there pass; the next one does not return before the gate is open, and then does what it was to.
    pub fn hang(&self, at: SinkAt, after: u32, gate: &Gate) {
        self.planned.hang(at, after, gate);
    }

    /// What was asked of the sink, in order. Tasks that write in parallel come in any order.
    #[must_use]
    pub fn calls(&self) -> Vec<SinkCall> {
        self.calls.lock().clone()
    }

    fn strike(&self, call: SinkCall, at: SinkAt) -> Result<()> {
        self.calls.lock().push(call);
        self.planned.strike(&at)
    }
}

impl<T, S: Sink<T>> Sink<T> for FaultySink<S> {
    type Pending = S::Pending;

    fn describe(&self) -> String {
        self.sink.describe()
    }

    fn guarantee(&self) -> Guarantee {
        self.sink.guarantee()
    }

    fn places(&self) -> Vec<Place> {
        self.sink.places()
    }

    fn retention(&self) -> Retention {
        self.sink.retention()
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        self.faults.strike(SinkCall::Start, SinkAt::Start)?;
        self.sink.start(context)
    }

    fn write(&self, task: WriteTask, records: impl Iterator<Item = T>) -> Result<S::Pending> {
        let written = self.sink.write(task, records)?;
        self.faults.strike(SinkCall::Write(task.epoch), SinkAt::Write)?;
        Ok(written)
    }

    fn stage(&self, epoch: Epoch, written: Vec<S::Pending>) -> Result<Vec<S::Pending>> {
        self.faults.strike(SinkCall::Stage(epoch), SinkAt::Stage)?;
        self.sink.stage(epoch, written)
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<S::Pending>) -> Result<()> {
        self.faults.strike(SinkCall::Commit(epoch), SinkAt::Commit)?;
        self.sink.commit(epoch, pending)?;
        self.faults.planned.strike(&SinkAt::Committed)
    }

    fn abort(&self, epoch: Epoch, pending: Vec<S::Pending>) -> Result<()> {
        self.faults.strike(SinkCall::Abort(epoch), SinkAt::Abort)?;
        self.sink.abort(epoch, pending)
    }

    fn outcome(&self, epoch: Epoch) -> Result<bool> {
        self.faults.strike(SinkCall::Outcome(epoch), SinkAt::Outcome)?;
        self.sink.outcome(epoch)
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        self.sink.last_committed()
    }

    fn stop(&self) -> Result<()> {
        self.faults.strike(SinkCall::Stop, SinkAt::Stop)?;
        self.sink.stop()
    }
}
