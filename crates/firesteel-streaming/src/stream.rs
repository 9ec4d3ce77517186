//! Streams: rules that make an RDD of each micro-batch.

mod event_time;
mod joins;
mod late;
mod narrow;
mod pairs;
mod partitions;
mod print;
mod shape;
mod shared;
mod side;
mod transform;
mod try_map;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Link, Operator, Rdd, RddOps, Step};

use crate::error::Result;
use crate::plan::{Batch, NodeId, Plan, Width};
use crate::refused::message;

pub use late::{Late, LateFor, MovedBy};
pub(crate) use late::{LateOutput, Lateness, Told, late_output};
pub use shape::{EventTime, EventTimeout, Pair, Plain, ProcessingTimeout, Shape, Timed};
pub use side::SideOutput;

/// A stream of records in micro-batches.
///
/// Its methods are the operators; each returns a new stream, and nothing runs before the job does. The type says what a
/// record is, and whether records know when they happened: a `Stream<Click>` is plain, a `Stream<Click, Timed>` has
/// event time. Streams of pairs, such as [`key_by`](Self::key_by) makes, are keyed. So functions take and return
/// streams in plain words, and programs of any length compile:
///
/// ```
/// use firesteel_streaming::Stream;
/// use firesteel_testkit::TestJob;
///
/// fn words(lines: Stream<String>) -> Stream<String> {
///     lines.flat_map(|line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
/// }
///
/// let test = TestJob::new();
/// let lines = test.script([vec!["to be or".to_owned(), "not to be".to_owned()]]);
/// let mut streams = vec![words(lines)];
/// for prefix in ["b", "be"] {
///     let stream = streams.pop().expect("there is one");
///     streams.push(stream.filter(move |word| word.starts_with(prefix)));
/// }
/// let found = test.record(streams.remove(0).count());
/// test.run()?;
/// assert_eq!(found.batches(), [[2]]);
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
///
/// A stream has one consumer; a [clone](#impl-Clone-for-Stream<T,+S>) has another.
#[must_use = "a stream without an output computes nothing: end it with write, print or for_each_rdd"]
pub struct Stream<T: Send + 'static, S: Shape = Plain> {
    pub(crate) plan: Arc<Plan>,
    pub(crate) node: NodeId,
    pub(crate) rule: Rule<S::Record<T>>,
}

/// How a stream makes the RDD of a batch. A rule holds that of the stream before it.
pub(crate) struct Rule<R: 'static> {
    node: NodeId,
    make: Link<Make<R>>,
}

type Make<R> = dyn Fn(&Batch) -> Result<BoxRdd<R>> + Send + Sync;

impl<R: Send + 'static> Rule<R> {
    pub(crate) fn new(node: NodeId, make: impl Fn(&Batch) -> Result<BoxRdd<R>> + Send + Sync + 'static) -> Self {
        Self { node, make: Link::new(Arc::new(make)) }
    }

    /// The RDD of the batch: once for all consumers, where there are several.
    pub(crate) fn rdd(&self, batch: &Batch) -> Result<BoxRdd<R>> {
        match batch.keeper::<shared::Keep<R>>(self.node) {
            None => Ok(batch.counted(self.node, (self.make)(batch)?)),
            Some(keep) => self.kept(batch, keep),
        }
    }

    /// The same, kept for others. Apart from the other way, which a chain of a thousand operators takes a thousand times deep: there, each
    /// byte of a frame counts.
    #[inline(never)]
    fn kept(&self, batch: &Batch, keep: shared::Keep<R>) -> Result<BoxRdd<R>> {
        let made = || Ok(keep(batch.counted(self.node, (self.make)(batch)?), batch.operator(self.node)));
        batch.facts().get_or(self.node, made)
    }
}

impl<R: 'static> Clone for Rule<R> {
    fn clone(&self) -> Self {
        Self { node: self.node, make: self.make.clone() }
    }
}

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    pub(crate) fn new(
        plan: Arc<Plan>,
        node: NodeId,
        make: impl Fn(&Batch) -> Result<BoxRdd<S::Record<T>>> + Send + Sync + 'static,
    ) -> Self {
        Self { plan, node, rule: Rule::new(node, make) }
    }

    /// Gives the last operator a name: it appears in errors, events and progress instead of its kind, and what the
    /// operator keeps is stored under it. In a job with a checkpoint, name what has state: it is found again by its
    /// name when the program has changed.
    pub fn named(self, name: &str) -> Self {
        self.plan.name(self.node, name);
        self
    }

    /// The version of the last operator, 0 by default. Functions cannot be compared with those of the program that
    /// wrote a checkpoint: another version tells that the operator's function makes something else of what is stored,
    /// such as another event time or another key, and the job is refused there, with the way out.
    pub fn version(self, version: u32) -> Self {
        self.plan.set_version(self.node, version);
        self
    }

    /// An operator that works on the records of each partition. All that is compiled for it is its step. `keeps_keys`:
    /// keys stay as and where they are.
    pub(crate) fn step<U, Z>(
        self,
        operator: Operator,
        keeps_keys: bool,
        step: Arc<dyn Step<S::Record<T>, Z::Record<U>>>,
    ) -> Stream<U, Z>
    where
        U: Send + 'static,
        Z: Shape,
    {
        let Self { plan, node: parent, rule } = self;
        let node = plan.add(operator, &[parent], Width::Narrow);
        Stream::new(plan, node, move |batch| {
            Ok(BoxRdd::step(rule.rdd(batch)?, batch.operator(node), keeps_keys, &step))
        })
    }

    /// The same operator, of whose rows `step` makes others.
    pub(crate) fn refined<U: Send + 'static>(self, step: Arc<dyn Step<S::Record<T>, S::Record<U>>>) -> Stream<U, S> {
        let Self { plan, node, rule: Rule { make, .. } } = self;
        Stream::new(plan, node, move |batch| Ok(BoxRdd::step(make(batch)?, batch.operator(node), false, &step)))
    }

    /// An operator after this one. `make` derives its RDD from this stream's.
    pub(crate) fn then<U, Z, M>(self, operator: Operator, width: Width, make: M) -> Stream<U, Z>
    where
        U: Send + 'static,
        Z: Shape,
        M: Fn(BoxRdd<S::Record<T>>, &Operator, &Batch) -> Result<BoxRdd<Z::Record<U>>> + Send + Sync + 'static,
    {
        let Self { plan, node: parent, rule } = self;
        let node = plan.add(operator, &[parent], width);
        Stream::new(plan, node, move |batch| make(rule.rdd(batch)?, batch.operator(node), batch))
    }

    /// An operator after this stream and another.
    pub(crate) fn then_with<O, Y, U, Z, M>(
        self,
        other: Stream<O, Y>,
        operator: Operator,
        width: Width,
        make: M,
    ) -> Stream<U, Z>
    where
        O: Send + 'static,
        Y: Shape,
        U: Send + 'static,
        Z: Shape,
        M: Fn(BoxRdd<S::Record<T>>, BoxRdd<Y::Record<O>>, &Operator, &Batch) -> Result<BoxRdd<Z::Record<U>>>
            + Send
            + Sync
            + 'static,
    {
        let Self { plan, node: parent, rule } = self;
        let (other_node, other_rule) = (other.node, other.rule);
        let node = plan.add(operator, &[parent, other_node], width);
        Stream::new(plan, node, move |batch| {
            make(rule.rdd(batch)?, other_rule.rdd(batch)?, batch.operator(node), batch)
        })
    }
}

impl<T: Send + 'static, S: Shape> fmt::Debug for Stream<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({})", self.plan.operator(self.node))
    }
}

/// The RDD under the name and place of the stream's operator, for messages and lineages, and without its type.
pub(crate) fn called<R: Rdd>(mut rdd: R, operator: &Operator) -> BoxRdd<R::Item> {
    rdd.node_mut().set_operator(operator.clone());
    rdd.boxed()
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
