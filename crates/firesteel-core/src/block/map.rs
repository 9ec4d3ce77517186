//! `map`: a function over each record.

use crate::block::{Blocks, Pace, Spare, Step, StepContext, Upstream};

/// Each record as a function makes it.
pub struct MapStep<F> {
    f: F,
    pace: Pace,
}

impl<F> MapStep<F> {
    /// The step of this function.
    pub fn new(f: F) -> Self {
        Self { f, pace: Pace::default() }
    }
}

impl<T, U, F> Step<T, U> for MapStep<F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> U + Send + Sync + 'static,
{
    fn open<'a>(&'a self, parent: Upstream<'a, T>, context: StepContext<'a, T, U>) -> Box<dyn Blocks<U> + 'a> {
        Box::new(Mapped { parent, step: self, context, input: Spare::new() })
    }
}

/// A function over each record.
struct Mapped<'a, T: 'static, U, F> {
    parent: Upstream<'a, T>,
    step: &'a MapStep<F>,
    context: StepContext<'a, T, U>,
    input: Spare<T>,
}

impl<T, U, F> Blocks<U> for Mapped<'_, T, U, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> U + Send + Sync + 'static,
{
    fn next(&mut self) -> Option<U> {
        let record = self.parent.next()?;
        Some(self.context.blame(|| (self.step.f)(record)))
    }

    fn fill(&mut self, block: &mut Vec<U>) -> bool {
        let Self { parent, step: MapStep { f, pace }, context, input } = self;
        let more = parent.fill(input);
        let records = input.len();
        if let Some(watch) = pace.in_one_go(context.task, records) {
            context.blame(|| block.extend(input.drain(..).map(f)));
            pace.learn(watch, context.task, records);
        } else {
            context.in_pieces(pace, input, block);
        }
        more
    }
}
