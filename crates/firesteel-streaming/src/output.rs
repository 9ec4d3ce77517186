//! Outputs: what a micro-batch is computed for.

use std::marker::PhantomData;
use std::mem::take;
use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, Epoch, Guarantee, Mark, Place, Retention, Sink, SinkContext, WriteTask};
use firesteel_core::ops::BoxRdd;
use firesteel_core::{Lineage, Operator, Rdd, TaskContext};

use crate::calls::{Calls, Of, WatchedTask};
use crate::error::{Error, Result};
use crate::plan::{Batch, NodeId, Output, Plan, PlanNode, Role, Staged, Width};
use crate::stream::{Rule, Shape, Stream, caught};

struct SinkOutput<T: Send + 'static, S: Sink<T>> {
    node: NodeId,
    rule: Rule<T>,
    staged: Pending<T, S>,
    started: bool,
}

/// What tasks have left for a sink.
struct Pending<T, S: Sink<T>> {
    name: Arc<str>,
    /// Who takes note of calls to the sink.
    calls: Option<Arc<Calls>>,
    sink: Arc<S>,
    pending: Vec<S::Pending>,
    /// Partitions written in the epoch, and records.
    written: usize,
    rows: u64,
    skip: bool,
    kind: PhantomData<fn(T)>,
}

impl<T: Send + 'static, S: Sink<T>> Staged for Pending<T, S> {
    fn commit(&mut self, epoch: Epoch) -> std::result::Result<(), ConnectError> {
        if !self.skip {
            self.sink.commit(epoch, &mut self.pending)?;
        }
        (self.written, self.rows) = (0, 0);
        Ok(())
    }

    fn outcome(&mut self, epoch: Epoch) -> std::result::Result<bool, ConnectError> {
        self.sink.outcome(epoch)
    }

    fn abort(&mut self, epoch: Epoch) {
        (self.written, self.rows) = (0, 0);
        let _watched = self.calls.as_ref().map(|calls| calls.watch(Of::Sink, &self.name, "abort"));
        if let Err(error) = self.sink.abort(epoch, take(&mut self.pending)) {
            tracing::warn!(sink = %self.name, %error, "a failed batch could not be cleaned up completely");
        }
    }
}

impl<T: Send + 'static, S: Sink<T>> Output for SinkOutput<T, S> {
    fn node(&self) -> NodeId {
        self.node
    }
    fn call(&mut self, name: &Arc<str>) {
        self.staged.name = Arc::clone(name);
    }
    fn watched_by(&mut self, calls: &Arc<Calls>) {
        self.staged.calls = Some(Arc::clone(calls));
    }
    fn describe(&self) -> String {
        self.staged.sink.describe()
    }
    fn places(&self) -> Vec<Place> {
        self.staged.sink.places()
    }
    fn guarantee(&self) -> Guarantee {
        self.staged.sink.guarantee()
    }

    fn retention(&self) -> Retention {
        self.staged.sink.retention()
    }

    fn start(&mut self, context: &SinkContext) -> Result<Option<Mark>> {
        let Pending { sink, name, .. } = &self.staged;
        let started = sink.start(context);
        self.started = started.is_ok();
        let last = started.and_then(|()| sink.last_committed());
        last.map_err(|source| Error::Sink { name: name.to_string(), batch: 0, source })
    }

    fn write(&mut self, batch: &Batch, epoch: Epoch) -> Result<u64> {
        let rdd = self.rule.rdd(batch)?;
        let staged = &mut self.staged;
        if staged.skip {
            return Ok(0);
        }
        let before = staged.written;
        staged.written += rdd.num_partitions();
        let (sink, operator) = (Arc::clone(&staged.sink), batch.operator(self.node).clone());
        let (calls, of) = (staged.calls.clone(), Arc::clone(&staged.name));
        let work = move |rdd: &BoxRdd<T>, split: usize, task: &TaskContext| {
            let at = WriteTask::new(epoch, before + split).attempt(task.identity().attempt);
            let watched = WatchedTask::begin(calls.as_ref(), Of::Sink, &of, "write", true);
            let records = rdd.compute(split, task);
            let pass = |_: &T| watched.moves();
            let written = task.blame_on(&operator, || {
                if task.is_stepwise() {
                    sink.write(at, task.guard(records).inspect(pass))
                } else {
                    sink.write(at, records.inspect(pass))
                }
            });
            match written {
                Ok(pending) => (pending, watched.end()),
                Err(error) => {
                    let retryable = error.class() == Class::Retryable;
                    task.fail_with(error, retryable)
                }
            }
        };
        let parts = batch.context().run(&rdd, work);
        let name = || staged.name.to_string();
        let parts = parts.map_err(|source| Error::Batch { batch: batch.id(), output: name(), source })?;
        let rows = parts.iter().map(|(_, rows)| rows).sum();
        let written = parts.into_iter().map(|(pending, _)| pending).collect();
        let watched = staged.calls.as_ref().map(|calls| calls.watch(Of::Sink, &staged.name, "stage"));
        let pending = staged.sink.stage(epoch, written);
        drop(watched);
        staged.pending.extend(pending.map_err(|source| Error::Sink { name: name(), batch: batch.id(), source })?);
        staged.rows += rows;
        Ok(rows)
    }

    fn has_rows(&self) -> bool {
        self.staged.rows > 0
    }

    fn staged(&mut self) -> &mut dyn Staged {
        &mut self.staged
    }

    fn hand_over(&mut self) -> Box<dyn Staged> {
        let Pending { name, calls, sink, pending, written, rows, skip, kind } = &mut self.staged;
        let (name, calls, sink) = (Arc::clone(name), calls.clone(), Arc::clone(sink));
        let (pending, written, rows) = (take(pending), take(written), take(rows));
        Box::new(Pending { name, calls, sink, pending, written, rows, skip: *skip, kind: *kind })
    }

    fn skip(&mut self, skip: bool) {
        self.staged.skip = skip;
    }

    fn stop(&mut self) -> std::result::Result<(), ConnectError> {
        if take(&mut self.started) { self.staged.sink.stop() } else { Ok(()) }
    }
}

struct ForEachRdd<T: 'static, F> {
    node: NodeId,
    rule: Rule<T>,
    f: F,
    closed: Closed,
    place: String,
}

/// Set when the function found that nobody takes what it writes any more.
struct Closed(Option<ConnectError>);

impl Staged for Closed {
    fn commit(&mut self, _: Epoch) -> std::result::Result<(), ConnectError> {
        self.0.take().map_or(Ok(()), Err)
    }
    fn outcome(&mut self, _: Epoch) -> std::result::Result<bool, ConnectError> {
        Ok(true)
    }
    fn abort(&mut self, _: Epoch) {}
}

impl<T: 'static, F> ForEachRdd<T, F> {
    fn failed(&self, batch: &Batch, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Transform { operator: batch.operator(self.node).to_string(), batch: batch.id(), source }
    }
}

impl<T, E, F> Output for ForEachRdd<T, F>
where
    T: Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
    F: FnMut(BoxRdd<T>, &Batch) -> std::result::Result<(), E> + Send + 'static,
{
    fn node(&self) -> NodeId {
        self.node
    }
    fn call(&mut self, _: &Arc<str>) {}
    // What the function does, only the program knows.
    fn watched_by(&mut self, _: &Arc<Calls>) {}
    fn describe(&self) -> String {
        self.place.clone()
    }
    fn places(&self) -> Vec<Place> {
        Vec::new()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn retention(&self) -> Retention {
        Retention::Always
    }
    fn start(&mut self, _: &SinkContext) -> Result<Option<Mark>> {
        Ok(None)
    }
    fn has_rows(&self) -> bool {
        false
    }
    fn write(&mut self, batch: &Batch, _: Epoch) -> Result<u64> {
        let rdd = crate::stream::reusable(self.rule.rdd(batch)?);
        match caught(|| (self.f)(rdd, batch)) {
            Ok(()) => Ok(0),
            Err(source) => match source.downcast::<ConnectError>() {
                Ok(error) if error.class() == Class::Closed => {
                    self.closed.0 = Some(*error);
                    Ok(0)
                }
                Ok(error) => Err(self.failed(batch, error)),
                Err(source) => Err(self.failed(batch, source)),
            },
        }
    }
    fn staged(&mut self) -> &mut dyn Staged {
        &mut self.closed
    }
    fn hand_over(&mut self) -> Box<dyn Staged> {
        Box::new(Closed(self.closed.0.take()))
    }
    fn skip(&mut self, _: bool) {}
    fn stop(&mut self) -> std::result::Result<(), ConnectError> {
        Ok(())
    }
}

/// An output of a job, to be given a name.
#[derive(Clone)]
pub struct OutputHandle {
    plan: Arc<Plan>,
    node: NodeId,
}

impl OutputHandle {
    /// Gives the output a name: it appears in progress and errors, instead of what the sink calls itself.
    pub fn named(self, name: &str) -> Self {
        self.plan.name(self.node, name);
        self
    }
}

impl std::fmt::Debug for OutputHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OutputHandle({})", self.plan.operator(self.node))
    }
}

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Writes every batch to `sink`, in one commit per epoch. With event time, records are written without their times.
    #[track_caller]
    pub fn write<W: Sink<T>>(self, sink: W) -> OutputHandle {
        self.output(Operator::here("write"), |node, rule, _| {
            let (pending, sink, kind) = (Vec::new(), Arc::new(sink), PhantomData);
            let (name, calls) = ("".into(), None);
            let staged = Pending { name, calls, sink, pending, written: 0, rows: 0, skip: false, kind };
            Box::new(SinkOutput { node, rule, staged, started: false })
        })
    }

    /// Calls `f` with every batch's RDD, on the job's thread: for everything that no sink does. The RDD's actions run
    /// in parallel as always.
    ///
    /// An error stops the job; one that says [`Closed`](ConnectError::Closed), as a console does in `… | head`, ends
    /// it without a failure. What `f` does outside happens again if the batch is repeated.
    #[track_caller]
    pub fn for_each_rdd<E, F>(self, f: F) -> OutputHandle
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
        F: FnMut(BoxRdd<T>, &Batch) -> std::result::Result<(), E> + Send + 'static,
    {
        self.output(Operator::here("for_each_rdd"), |node, rule, place| {
            Box::new(ForEachRdd { node, rule, f, closed: Closed(None), place })
        })
    }

    fn output(self, operator: Operator, make: impl FnOnce(NodeId, Rule<T>, String) -> Box<dyn Output>) -> OutputHandle {
        let Self { plan, node: parent, rule } = self;
        let place = operator.to_string();
        let node = plan.change(|parts| {
            let node = parts.add(PlanNode::operator(operator, &[parent], Width::Narrow).with_role(Role::Output));
            let rule = Rule::new(node, move |batch| Ok(S::plain(rule.rdd(batch)?, batch.operator(node))));
            parts.outputs.push(make(node, rule, place));
            node
        });
        OutputHandle { plan, node }
    }
}
