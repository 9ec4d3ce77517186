//! `try_map`: records that do not fit are counted and set aside.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Accumulator, Blocks, Operator, Pace, Spare, Step, StepContext, TaskContext, Upstream};

use crate::plan::{NodeId, Plan, What};
use crate::refused::{KEPT, Rejected, RejectedBy, Rejects, Samples};
use crate::stream::{Shape, SideOutput, Stream};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// Each record as `f` makes it; records for which `f` returns an error are left out.
    ///
    /// They are counted as malformed, the first of a batch are told in its
    /// [progress](crate::BatchProgress::malformed_sample), and all are logged at level `debug`.
    /// [`StreamingContext::rejected`](crate::StreamingContext::rejected) has all of a job, and
    /// [`try_map_to`](Self::try_map_to) puts those of one function into an output of their own, too.
    #[track_caller]
    pub fn try_map<U, E, F>(self, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        E: fmt::Display + 'static,
        F: Fn(T) -> std::result::Result<U, E> + Send + Sync + 'static,
    {
        self.try_map_with(Operator::here("try_map"), None, f)
    }

    /// As [`try_map`](Self::try_map): records for which `f` returns an error go to a side output, with their place and
    /// the error.
    #[track_caller]
    pub fn try_map_to<U, E, F>(self, errors: &SideOutput<Rejected>, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        E: fmt::Display + 'static,
        F: Fn(T) -> std::result::Result<U, E> + Send + Sync + 'static,
    {
        self.try_map_with(Operator::here("try_map"), Some(errors.clone()), f)
    }

    fn try_map_with<U, E, F>(self, operator: Operator, errors: Option<SideOutput<Rejected>>, f: F) -> Stream<U, S>
    where
        U: Send + 'static,
        E: fmt::Display + 'static,
        F: Fn(T) -> std::result::Result<U, E> + Send + Sync + 'static,
    {
        let (samples, rejects) = (self.plan.samples(), self.plan.rejects());
        let refusals = Refusals { count: Accumulator::default(), samples, errors, rejects };
        let step =
            TryMapStep { f, refusals: refusals.clone(), pace: Pace::default(), kind: PhantomData::<fn(S, T, E)> };
        let stream: Stream<U, S> = self.step(operator, false, Arc::new(step));
        refusals.come_from(&stream.plan, stream.node);
        stream
    }
}

/// What becomes of refused records.
#[derive(Clone)]
struct Refusals {
    count: Accumulator<u64>,
    samples: Arc<Samples>,
    errors: Option<SideOutput<Rejected>>,
    rejects: Rejects,
}

impl Refusals {
    /// Whether somebody hears where a refused record stood.
    fn tells(&self) -> bool {
        self.errors.is_some() || self.rejects.are_told()
    }

    /// This operator refuses them.
    fn come_from(self, plan: &Plan, node: NodeId) {
        plan.count(node, What::Malformed, self.count);
        if let Some(errors) = self.errors {
            plan.feed(errors.node(), node);
        }
    }

    #[cold]
    fn refuse(&self, operator: &Operator, error: &dyn fmt::Display, task: &TaskContext, kept: &Cell<usize>) {
        self.count.add(1);
        let (tells, keeps) = (self.tells(), kept.get() < KEPT);
        if !tells && !keeps {
            return;
        }
        let refused = Rejected {
            by: RejectedBy::Function,
            operator: operator.to_string(),
            split: task.origin(),
            // Where nobody follows positions, what is left of one is that of another record.
            position: if task.is_stepwise() { task.position() } else { None },
            error: error.to_string(),
            payload: None,
        };
        if keeps {
            kept.set(kept.get() + 1);
            self.samples.keep(refused.clone(), task);
        }
        if !tells {
            return;
        }
        self.rejects.tell(&refused);
        if let Some(errors) = &self.errors {
            errors.emit(refused);
        }
    }
}

/// What [`Stream::try_map`] does to the records of a partition.
struct TryMapStep<F, K> {
    f: F,
    refusals: Refusals,
    pace: Pace,
    kind: PhantomData<K>,
}

impl<S, T, E, F> TryMapStep<F, fn(S, T, E)> {
    /// What the function makes of each record.
    fn each<'a, U>(
        &'a self,
        operator: &'a Operator,
        task: &'a TaskContext,
        kept: &'a Cell<usize>,
    ) -> impl Fn(S::Record<T>) -> Option<S::Record<U>> + 'a
    where
        S: Shape,
        T: Send + 'static,
        U: Send + 'static,
        E: fmt::Display + 'static,
        F: Fn(T) -> std::result::Result<U, E>,
    {
        move |record| {
            S::try_map(record, |record| match (self.f)(record) {
                Ok(made) => Some(made),
                Err(error) => {
                    self.refusals.refuse(operator, &error, task, kept);
                    None
                }
            })
        }
    }
}

impl<S, T, U, E, F> Step<S::Record<T>, S::Record<U>> for TryMapStep<F, fn(S, T, E)>
where
    S: Shape,
    T: Send + 'static,
    U: Send + 'static,
    E: fmt::Display + 'static,
    F: Fn(T) -> std::result::Result<U, E> + Send + Sync + 'static,
{
    fn open<'a>(
        &'a self,
        parent: Upstream<'a, S::Record<T>>,
        context: StepContext<'a, S::Record<T>, S::Record<U>>,
    ) -> Box<dyn Blocks<S::Record<U>> + 'a> {
        Box::new(TryMapped { step: self, parent, context, input: Spare::new(), kept: Cell::new(0) })
    }

    fn wants_positions(&self) -> bool {
        self.refusals.tells() || self.refusals.samples.want_positions()
    }
}

/// The records of a partition, block by block.
struct TryMapped<'a, R: 'static, M, P> {
    step: &'a P,
    parent: Upstream<'a, R>,
    context: StepContext<'a, R, M>,
    input: Spare<R>,
    /// How many of those that are refused are kept for people.
    kept: Cell<usize>,
}

impl<S, T, U, E, F> Blocks<S::Record<U>> for TryMapped<'_, S::Record<T>, S::Record<U>, TryMapStep<F, fn(S, T, E)>>
where
    S: Shape,
    T: Send + 'static,
    U: Send + 'static,
    E: fmt::Display + 'static,
    F: Fn(T) -> std::result::Result<U, E> + Send + Sync + 'static,
{
    fn next(&mut self) -> Option<S::Record<U>> {
        let each = self.step.each(self.context.operator, self.context.task, &self.kept);
        loop {
            let record = self.parent.next()?;
            let made = self.context.blame(|| each(record));
            if made.is_some() {
                return made;
            }
        }
    }

    fn fill(&mut self, block: &mut Vec<S::Record<U>>) -> bool {
        let Self { step, parent, context, input, kept } = self;
        let more = parent.fill(input);
        let records = input.len();
        if let Some(watch) = step.pace.in_one_go(context.task, records) {
            let each = step.each(context.operator, context.task, kept);
            context.blame(|| block.extend(input.drain(..).filter_map(each)));
            step.pace.learn(watch, context.task, records);
        } else {
            context.in_pieces(&step.pace, input, block);
        }
        more
    }
}
