//! `try_map`: records that do not fit are counted and set aside.

use std::fmt;
use std::sync::Arc;

use firesteel_core::{Accumulator, Lineage, Node, Operator, Rdd, TaskContext};
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::error::Result;
use crate::graph::What;
use crate::stream::{DStream, KEPT, Origins, Samples, SideOutput, Stream};

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

/// The stream of [`Stream::try_map`].
pub struct TryMap<D, F> {
    parent: D,
    operator: Operator,
    f: Arc<F>,
    refused: Accumulator<u64>,
    samples: Arc<Samples>,
    errors: Option<SideOutput<RecordError>>,
}

impl<D: DStream> Stream<D> {
    /// Each record as `f` makes it; records for which `f` returns an error are left out.
    ///
    /// They are counted as malformed, the first of a batch are told in its
    /// [progress](crate::BatchProgress::malformed_sample), all are logged at level `debug`, and they go to the error
    /// output if [`errors_to`](Stream::errors_to) names one.
    #[track_caller]
    pub fn try_map<U, E, F>(self, f: F) -> Stream<TryMap<D, F>>
    where
        U: Send + 'static,
        E: fmt::Display,
        F: Fn(D::Item) -> std::result::Result<U, E> + Send + Sync + 'static,
    {
        let refused = self.graph.counter(What::Malformed);
        let samples = self.graph.samples();
        let operator = Operator::here("try_map");
        let node = TryMap { parent: self.node, operator, f: Arc::new(f), refused, samples, errors: None };
        Stream { graph: self.graph, node }
    }
}

impl<D: DStream, F> Stream<TryMap<D, F>> {
    /// Sends what `try_map` refuses to a side output, with its place and the error.
    pub fn errors_to(mut self, errors: &SideOutput<RecordError>) -> Self {
        errors.feed(&self.node.parent);
        self.node.errors = Some(errors.clone());
        self
    }
}

impl<D, U, E, F> DStream for TryMap<D, F>
where
    D: DStream,
    U: Send + 'static,
    E: fmt::Display,
    F: Fn(D::Item) -> std::result::Result<U, E> + Send + Sync + 'static,
{
    type Item = U;
    type Rdd = TryMapRdd<D::Rdd, F>;

    fn rdd(&self, batch: &Batch) -> Result<Self::Rdd> {
        let parent = self.parent.rdd(batch)?;
        let node = Node::new(parent.node().context(), self.operator.clone());
        let (f, samples) = (Arc::clone(&self.f), Arc::clone(&self.samples));
        let (refused, errors) = (self.refused.clone(), self.errors.clone());
        Ok(TryMapRdd { node, parent, f, refused, samples, errors })
    }
    fn operator(&self) -> &Operator {
        &self.operator
    }
    fn operator_mut(&mut self) -> &mut Operator {
        &mut self.operator
    }
    fn trace(&self, origins: &mut Origins) {
        self.parent.trace(origins);
    }
}

/// The RDD of [`Stream::try_map`].
pub struct TryMapRdd<R, F> {
    node: Node,
    parent: R,
    f: Arc<F>,
    refused: Accumulator<u64>,
    samples: Arc<Samples>,
    errors: Option<SideOutput<RecordError>>,
}

impl<R: Clone, F> Clone for TryMapRdd<R, F> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            parent: self.parent.clone(),
            f: Arc::clone(&self.f),
            refused: self.refused.clone(),
            samples: Arc::clone(&self.samples),
            errors: self.errors.clone(),
        }
    }
}

impl<R: Rdd, F: Send + Sync + 'static> Lineage for TryMapRdd<R, F> {
    firesteel_core::narrow_lineage!();
}

impl<R, U, E, F> Rdd for TryMapRdd<R, F>
where
    R: Rdd,
    U: Send + 'static,
    E: fmt::Display,
    F: Fn(R::Item) -> std::result::Result<U, E> + Send + Sync + 'static,
{
    type Item = U;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = U> + 'a {
        let (f, operator) = (&*self.f, self.node.operator());
        if self.tells() || self.samples.want_positions() {
            task.want_positions();
        }
        let mut kept = 0;
        self.parent.compute(split, task).filter_map(move |record| match task.blame_on(operator, || f(record)) {
            Ok(record) => Some(record),
            Err(error) => {
                self.refuse(&error, task, &mut kept);
                None
            }
        })
    }
}

impl<R: Rdd, F: Send + Sync + 'static> TryMapRdd<R, F> {
    /// Whether somebody hears where a refused record stood.
    fn tells(&self) -> bool {
        self.errors.is_some() || tracing::enabled!(target: "firesteel::records", tracing::Level::DEBUG)
    }

    #[cold]
    fn refuse(&self, error: &dyn fmt::Display, task: &TaskContext, kept: &mut usize) {
        self.refused.add(1);
        let (tells, keeps) = (self.tells(), *kept < KEPT);
        if !tells && !keeps {
            return;
        }
        let refused = RecordError {
            operator: self.node.operator().to_string(),
            split: task.origin(),
            // Where nobody follows positions, what is left of one is that of another record.
            position: if task.is_stepwise() { task.position() } else { None },
            error: error.to_string(),
        };
        if keeps {
            *kept += 1;
            self.samples.keep(refused.clone(), task);
        }
        if !tells {
            return;
        }
        tracing::debug!(target: "firesteel::records", %refused, "a record was refused");
        if let Some(errors) = &self.errors {
            errors.emit(refused);
        }
    }
}
