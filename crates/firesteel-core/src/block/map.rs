//! `map`: a function over each record.

use crate::block::{Blocks, Spare, Step};
use crate::operator::Operator;
use crate::rows::Upstream;
use crate::task::TaskContext;

/// Each record as a function makes it.
pub struct MapStep<F>(pub F);

impl<T, U, F> Step<T, U> for MapStep<F>
where
    T: 'static,
    F: Fn(T) -> U + Send + Sync + 'static,
{
    fn open<'a>(
        &'a self,
        parent: Upstream<'a, T>,
        operator: &'a Operator,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<U> + 'a> {
        Box::new(Mapped { parent, f: &self.0, operator, task, input: Spare::new() })
    }
}

/// A function over each record.
struct Mapped<'a, T: 'static, F> {
    parent: Upstream<'a, T>,
    f: &'a F,
    operator: &'a Operator,
    task: &'a TaskContext,
    input: Spare<T>,
}

impl<T: 'static, U, F: Fn(T) -> U> Blocks<U> for Mapped<'_, T, F> {
    fn next(&mut self) -> Option<U> {
        let record = self.parent.next()?;
        Some(self.task.blame_on(self.operator, || (self.f)(record)))
    }

    fn fill(&mut self, block: &mut Vec<U>) -> bool {
        let Self { parent, f, operator, task, input } = self;
        let more = parent.fill(input);
        task.blame_on(operator, || block.extend(input.drain(..).map(*f)));
        more
    }
}
