//! Streams: rules that make an RDD of each micro-batch.

mod basic;
mod boxed;
mod feeds;
mod joins;
mod lift;
mod pairs;
mod partitions;
mod print;
mod samples;
mod shared;
mod side;
mod source;
mod transform;
mod try_map;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use firesteel_core::{Operator, Rdd};

use crate::batch::Batch;
use crate::error::Result;
use crate::graph::Graph;

pub use boxed::BoxStream;
pub(crate) use feeds::Feeds;
pub(crate) use lift::Width;
pub use lift::{Lift, Lift2};
pub(crate) use samples::{KEPT, Samples};
pub use shared::Shared;
pub use side::{SideOutput, SideStream};
pub use source::SourceStream;
pub use try_map::{RecordError, TryMap};

/// A rule that yields an RDD for a given micro-batch, and nothing more.
///
/// Every RDD operator is therefore a stream operator. Users meet this trait only as `impl DStream<Item = T>`, when
/// they write functions that take or return a [`Stream`].
#[diagnostic::on_unimplemented(message = "`{Self}` is not a stream")]
pub trait DStream: Send + Sync + 'static {
    /// A record.
    type Item: Send + 'static;
    /// The RDD of one batch.
    type Rdd: Rdd<Item = Self::Item>;

    /// The RDD of the batch. Called on the job's thread, possibly several times for one batch.
    ///
    /// # Errors
    /// When there can be no RDD, which stops the job.
    fn rdd(&self, batch: &Batch) -> Result<Self::Rdd>;

    /// What the stream's last operator is called.
    fn operator(&self) -> &Operator;

    /// For renaming it.
    fn operator_mut(&mut self) -> &mut Operator;

    /// Told when the last operator was given a name: state is found again by it.
    fn renamed(&mut self) {}

    /// Adds where the stream's records come from.
    fn trace(&self, origins: &mut Origins);
}

/// Where the records of a stream come from.
#[derive(Debug, Default, Clone)]
pub struct Origins {
    pub(crate) inputs: Vec<usize>,
    /// The side outputs that are read.
    pub(crate) sides: Vec<Arc<Feeds>>,
    pub(crate) shuffled: bool,
}

impl Origins {
    /// Where the records of `stream` come from.
    pub(crate) fn of(stream: &impl DStream) -> Self {
        let mut origins = Self::default();
        stream.trace(&mut origins);
        origins
    }

    /// When an output of such records runs: those of level n run behind those of level n - 1, whose side outputs they
    /// read.
    ///
    /// # Errors
    /// The name of a side output that is fed by what reads it.
    pub(crate) fn level(&self) -> std::result::Result<usize, Arc<str>> {
        Feeds::level(&self.sides)
    }
}

/// A stream of records in micro-batches.
///
/// Its methods are the operators; each returns a new stream, and nothing runs before the job does. A stream has one
/// consumer; [`shared`](Self::shared) makes one that can be cloned.
#[must_use = "a stream without an output computes nothing: end it with write, print or for_each_rdd"]
pub struct Stream<D> {
    pub(crate) graph: Arc<Graph>,
    pub(crate) node: D,
}

impl<D: Clone> Clone for Stream<D> {
    fn clone(&self) -> Self {
        Self { graph: Arc::clone(&self.graph), node: self.node.clone() }
    }
}

impl<D> std::fmt::Debug for Stream<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

/// Calls a user's function on the job's thread; a panic becomes an error like any other.
pub(crate) fn caught<T, E>(call: impl FnOnce() -> std::result::Result<T, E>) -> std::result::Result<T, Cause>
where
    E: Into<Cause>,
{
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Into::into),
        Err(panic) => Err(format!("it panicked: {}", message(&*panic)).into()),
    }
}

/// The text of a panic.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it left no text")
}

/// The error of a user's function.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The same RDD for user code, which may run several actions over it: shuffles keep what they have moved.
pub(crate) fn reusable<R: Rdd>(mut rdd: R) -> R {
    let context = rdd.node().context();
    let options = firesteel_core::JobOptions { single_use: false, ..context.options().clone() };
    let context = context.with_options(options);
    rdd.node_mut().set_context(context);
    rdd
}
