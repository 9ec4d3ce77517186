//! `try_map`: records that do not fit are counted and set aside.

use std::fmt;
use std::sync::Arc;

use firesteel_core::{Accumulator, Blocks, Lineage, Node, Operator, Rdd, RddOps, TaskContext};
use serde::{Deserialize, Serialize};

use crate::plan::{What, Width};
use crate::shape::Shape;
use crate::stream::{SideOutput, Stream};

/// Why a record did not get through, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordError {
    /// The operator that refused it.
    pub operator: String,
    /// The split of the source it came from.
    pub split: Option<Arc<str>>,
    /// Its position in that split.
    pub position: Option<u64>,
    /// What the function returned.
    pub error: String,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(split) = &self.split {
            write!(f, "{split}, ")?;
        }
        if let Some(position) = self.position {
            write!(f, "position {position}, ")?;
        }
        write!(f, "{}: {}", self.operator, self.error)
    }
}

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Each record as `f` makes it; records for which `f` returns an error are left out.
    ///
    /// They are counted as malformed and logged at level `debug`; [`try_map_to`](Self::try_map_to) also puts them into an
    /// error output.
    #[track_caller]
    pub fn try_map<U, E, F>(self, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        E: fmt::Display,
        F: Fn(T) -> std::result::Result<U, E> + Send + Sync + 'static,
    {
        self.try_map_with(Operator::here("try_map"), None, f)
    }

    /// As [`try_map`](Self::try_map): records for which `f` returns an error go to a side output, with their place and
    /// the error.
    #[track_caller]
    pub fn try_map_to<U, E, F>(self, errors: &SideOutput<RecordError>, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        E: fmt::Display,
        F: Fn(T) -> std::result::Result<U, E> + Send + Sync + 'static,
    {
        self.try_map_with(Operator::here("try_map"), Some(errors.clone()), f)
    }

    fn try_map_with<U, E, F>(self, operator: Operator, errors: Option<SideOutput<RecordError>>, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        E: fmt::Display,
        F: Fn(T) -> std::result::Result<U, E> + Send + Sync + 'static,
    {
        let refusals = Refusals { count: self.plan.counter(What::Malformed), errors: errors.clone() };
        let f = Arc::new(move |record: S::Record<T>, refuse: &dyn Fn(&dyn fmt::Display)| {
            S::try_map(record, |record| f(record).map_err(|error| refuse(&error)).ok())
        });
        let stream = self.then(operator, Width::Narrow, move |rdd, operator, _| {
            let node = Node::new(rdd.node().context(), operator.clone());
            Ok(TryMapRdd { node, parent: rdd, f: Arc::clone(&f), refusals: refusals.clone() }.boxed())
        });
        if let Some(errors) = errors {
            stream.plan.feed(errors.node(), stream.node);
        }
        stream
    }
}

/// What becomes of refused records.
#[derive(Clone)]
struct Refusals {
    count: Accumulator<u64>,
    errors: Option<SideOutput<RecordError>>,
}

impl Refusals {
    /// Whether somebody hears where a refused record stood.
    fn tells(&self) -> bool {
        self.errors.is_some() || tracing::enabled!(target: "firesteel::records", tracing::Level::DEBUG)
    }

    #[cold]
    fn refuse(&self, operator: &Operator, error: &dyn fmt::Display, task: &TaskContext) {
        self.count.add(1);
        if !self.tells() {
            return;
        }
        let refused = RecordError {
            operator: operator.to_string(),
            split: task.origin(),
            position: task.position(),
            error: error.to_string(),
        };
        tracing::debug!(target: "firesteel::records", %refused, "a record was refused");
        if let Some(errors) = &self.errors {
            errors.emit(refused);
        }
    }
}

/// The RDD of [`Stream::try_map`]. The function is told how to refuse a record.
struct TryMapRdd<R, F> {
    node: Node,
    parent: R,
    f: Arc<F>,
    refusals: Refusals,
}

impl<R: Clone, F> Clone for TryMapRdd<R, F> {
    fn clone(&self) -> Self {
        let (node, parent) = (self.node.clone(), self.parent.clone());
        Self { node, parent, f: Arc::clone(&self.f), refusals: self.refusals.clone() }
    }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for TryMapRdd<R, F> {
    firesteel_core::narrow_lineage!();
    fn wants_positions(&self) -> bool {
        self.refusals.tells() || self.parent.wants_positions()
    }
}

impl<R, U, F> TryMapRdd<R, F>
where
    R: Rdd,
    F: Fn(R::Item, &dyn Fn(&dyn fmt::Display)) -> Option<U>,
{
    #[inline]
    fn apply(&self, record: R::Item, task: &TaskContext) -> Option<U> {
        let operator = self.node.operator();
        (self.f)(record, &|error| self.refusals.refuse(operator, error, task))
    }
}

impl<R, U, F> Rdd for TryMapRdd<R, F>
where
    R: Rdd,
    U: Send + 'static,
    F: Fn(R::Item, &dyn Fn(&dyn fmt::Display)) -> Option<U> + Send + Sync + 'static,
{
    type Item = U;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = U> + 'a {
        let operator = self.node.operator();
        self.parent.compute(split, task).filter_map(move |record| task.blame_on(operator, || self.apply(record, task)))
    }

    fn blocks<'a>(&'a self, split: usize, task: &'a TaskContext) -> Box<dyn Blocks<U> + 'a> {
        Box::new(TryMapped { rdd: self, parent: self.parent.blocks(split, task), task, input: Vec::new() })
    }
}

/// The records of a partition, block by block.
struct TryMapped<'a, R: Rdd, F> {
    rdd: &'a TryMapRdd<R, F>,
    parent: Box<dyn Blocks<R::Item> + 'a>,
    task: &'a TaskContext,
    input: Vec<R::Item>,
}

impl<R, U, F> Blocks<U> for TryMapped<'_, R, F>
where
    R: Rdd,
    F: Fn(R::Item, &dyn Fn(&dyn fmt::Display)) -> Option<U>,
{
    fn next(&mut self) -> Option<U> {
        let (rdd, task) = (self.rdd, self.task);
        loop {
            let record = self.parent.next()?;
            let made = task.blame_on(rdd.node.operator(), || rdd.apply(record, task));
            if made.is_some() {
                return made;
            }
        }
    }

    fn fill(&mut self, block: &mut Vec<U>) -> bool {
        let Self { rdd, parent, task, input } = self;
        let more = parent.fill(input);
        task.blame_on(rdd.node.operator(), || {
            block.extend(input.drain(..).filter_map(|record| rdd.apply(record, task)));
        });
        more
    }
}
