//! Outputs: what a micro-batch is computed for.

use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, Epoch, Guarantee, Sink, WriteTask};
use firesteel_core::{Lineage, Operator, Rdd, TaskContext};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::stream::{DStream, Origins, Stream, caught};

/// An output as the batch loop sees it.
pub(crate) trait Output: Send {
    fn name(&self) -> String;
    /// The name under which a checkpoint knows it: no place in the source, which moves.
    fn stored_as(&self) -> String {
        self.name()
    }
    fn describe(&self) -> String;
    /// What kind of output it is.
    fn kind(&self) -> &str;
    fn guarantee(&self) -> Guarantee;
    /// Where its records come from.
    fn origins(&self) -> Origins;
    /// Prepares for writing; returns the newest epoch that the outside world has.
    fn start(&mut self) -> Result<Option<Epoch>>;
    /// Computes and writes the batch, invisibly; returns the number of records.
    fn write(&mut self, batch: &Batch, epoch: Epoch) -> Result<u64>;
    /// Makes what was written visible.
    fn commit(&mut self, epoch: Epoch) -> std::result::Result<(), ConnectError>;
    /// Whether to leave out an epoch, because the outside world has it already.
    fn skip(&mut self, skip: bool);
    /// Throws away what was written.
    fn abort(&mut self, epoch: Epoch);
    fn stop(&mut self) -> std::result::Result<(), ConnectError>;
}

struct SinkOutput<D, S: Sink<D::Item>>
where
    D: DStream,
{
    stream: D,
    operator: Operator,
    sink: Arc<S>,
    pending: Vec<S::Pending>,
    /// Partitions written in the open epoch.
    written: usize,
    skip: bool,
    started: bool,
}

impl<D: DStream, S: Sink<D::Item>> Output for SinkOutput<D, S> {
    fn name(&self) -> String {
        if self.stream.operator().is_named() { self.stream.operator().name().to_owned() } else { self.sink.describe() }
    }
    fn stored_as(&self) -> String {
        if self.stream.operator().is_named() {
            return self.name();
        }
        // Where results are is no part of what they are: they may be moved, together with the checkpoint.
        let described = self.sink.describe();
        let words = described.split_whitespace().filter(|word| !word.contains(['/', '\\']));
        let name = words.collect::<Vec<_>>().join(" ");
        if name.is_empty() { self.operator.kind().to_owned() } else { name }
    }
    fn describe(&self) -> String {
        self.sink.describe()
    }
    fn kind(&self) -> &str {
        self.operator.kind()
    }
    fn guarantee(&self) -> Guarantee {
        self.sink.guarantee()
    }
    fn origins(&self) -> Origins {
        Origins::of(&self.stream)
    }

    fn start(&mut self) -> Result<Option<Epoch>> {
        let started = self.sink.start();
        self.started = started.is_ok();
        let last = started.and_then(|()| self.sink.last_committed());
        last.map_err(|source| Error::Sink { name: self.name(), batch: 0, source })
    }

    fn write(&mut self, batch: &Batch, epoch: Epoch) -> Result<u64> {
        let rdd = self.stream.rdd(batch)?;
        if self.skip {
            return Ok(0);
        }
        let before = self.written;
        self.written += rdd.num_partitions();
        let (sink, operator) = (Arc::clone(&self.sink), self.operator.clone());
        let work = move |rdd: &D::Rdd, split: usize, task: &TaskContext| {
            let at = WriteTask { epoch, partition: before + split, attempt: task.identity().attempt };
            let mut rows = 0u64;
            let records = rdd.compute(split, task);
            let written = task.blame_on(&operator, || {
                if task.is_stepwise() {
                    sink.write(at, task.guard(records).inspect(|_| rows += 1))
                } else {
                    sink.write(at, records.inspect(|_| rows += 1))
                }
            });
            match written {
                Ok(pending) => (pending, rows),
                Err(error) => {
                    let retryable = error.class() == Class::Retryable;
                    task.fail_with(error, retryable)
                }
            }
        };
        let parts = batch.context().run(&rdd, work);
        let parts = parts.map_err(|source| Error::Batch { batch: batch.id(), output: self.name(), source })?;
        let rows = parts.iter().map(|(_, rows)| rows).sum();
        self.pending.extend(parts.into_iter().map(|(pending, _)| pending));
        Ok(rows)
    }

    fn commit(&mut self, epoch: Epoch) -> std::result::Result<(), ConnectError> {
        if !self.skip {
            self.sink.commit(epoch, &mut self.pending)?;
        }
        self.written = 0;
        Ok(())
    }

    fn skip(&mut self, skip: bool) {
        self.skip = skip;
    }

    fn abort(&mut self, epoch: Epoch) {
        self.written = 0;
        if let Err(error) = self.sink.abort(epoch, std::mem::take(&mut self.pending)) {
            tracing::warn!(sink = %self.name(), %error, "something of a failed batch stays behind");
        }
    }

    fn stop(&mut self) -> std::result::Result<(), ConnectError> {
        if std::mem::take(&mut self.started) { self.sink.stop() } else { Ok(()) }
    }
}

struct ForEachRdd<D, F> {
    stream: D,
    operator: Operator,
    f: F,
    /// Set when the function found that nobody takes what it writes any more.
    closed: Option<ConnectError>,
}

impl<D, F> ForEachRdd<D, F> {
    fn failed(&self, batch: &Batch, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Transform { operator: self.operator.to_string(), batch: batch.id(), source }
    }
}

impl<D, E, F> Output for ForEachRdd<D, F>
where
    D: DStream,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
    F: FnMut(D::Rdd, &Batch) -> std::result::Result<(), E> + Send + 'static,
{
    fn name(&self) -> String {
        self.operator.to_string()
    }
    fn stored_as(&self) -> String {
        self.operator.name().to_owned()
    }
    fn describe(&self) -> String {
        self.operator.to_string()
    }
    fn kind(&self) -> &str {
        self.operator.kind()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn origins(&self) -> Origins {
        Origins::of(&self.stream)
    }
    fn start(&mut self) -> Result<Option<Epoch>> {
        Ok(None)
    }
    fn write(&mut self, batch: &Batch, _: Epoch) -> Result<u64> {
        let rdd = crate::stream::reusable(self.stream.rdd(batch)?);
        match caught(|| (self.f)(rdd, batch)) {
            Ok(()) => Ok(0),
            Err(source) => match source.downcast::<ConnectError>() {
                Ok(error) if error.class() == Class::Closed => {
                    self.closed = Some(*error);
                    Ok(0)
                }
                Ok(error) => Err(self.failed(batch, error)),
                Err(source) => Err(self.failed(batch, source)),
            },
        }
    }
    fn commit(&mut self, _: Epoch) -> std::result::Result<(), ConnectError> {
        self.closed.take().map_or(Ok(()), Err)
    }
    fn skip(&mut self, _: bool) {}
    fn abort(&mut self, _: Epoch) {}
    fn stop(&mut self) -> std::result::Result<(), ConnectError> {
        Ok(())
    }
}

impl<D: DStream> Stream<D> {
    /// Writes every batch to `sink`, in one commit per epoch.
    #[track_caller]
    pub fn write<S: Sink<D::Item>>(self, sink: S) {
        let operator = Operator::here("write");
        let output = SinkOutput {
            stream: self.node,
            operator,
            sink: Arc::new(sink),
            pending: Vec::new(),
            written: 0,
            skip: false,
            started: false,
        };
        self.graph.change(|parts| parts.outputs.push(Box::new(output)));
    }

    /// Calls `f` with every batch's RDD, on the job's thread: for everything that no sink does. The RDD's actions run
    /// in parallel as always.
    ///
    /// An error stops the job; one that says [`Closed`](ConnectError::Closed), as a console behind `… | head` does, ends
    /// it without a failure. What `f` does outside happens again if the batch is repeated.
    #[track_caller]
    pub fn for_each_rdd<E, F>(self, f: F)
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
        F: FnMut(D::Rdd, &Batch) -> std::result::Result<(), E> + Send + 'static,
    {
        let output = ForEachRdd { stream: self.node, operator: Operator::here("for_each_rdd"), f, closed: None };
        self.graph.change(|parts| parts.outputs.push(Box::new(output)));
    }
}
