//! `map`: a function over each record.

use crate::block::pace::Paced;
use crate::block::{Blocks, Spare, Step};
use crate::operator::Operator;
use crate::rows::Upstream;
use crate::task::TaskContext;

/// Each record as a function makes it.
pub struct MapStep<F>(Paced<F>);

impl<F: Send + Sync + 'static> MapStep<F> {
    /// The step of this function.
    pub fn new(f: F) -> Self {
        Self(Paced::new(f))
    }
}

impl<T, U, F> Step<T, U> for MapStep<F>
where
    T: Send + 'static,
    U: Send + 'static,
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
    f: &'a Paced<F>,
    operator: &'a Operator,
    task: &'a TaskContext,
    input: Spare<T>,
}

impl<T, U, F> Blocks<U> for Mapped<'_, T, F>
where
    T: Send + 'static,
    U: Send + 'static,
    F: Fn(T) -> U + Send + Sync + 'static,
{
    fn next(&mut self) -> Option<U> {
        let record = self.parent.next()?;
        Some(self.task.blame_on(self.operator, || (self.f.f())(record)))
    }

    fn fill(&mut self, block: &mut Vec<U>) -> bool {
        let Self { parent, f, operator, task, input } = self;
        let more = parent.fill(input);
        let records = input.len();
        if let Some(watch) = f.in_one_go(task, records) {
            task.blame_on(operator, || block.extend(input.drain(..).map(f.f())));
            f.learn(watch, task, records);
        } else {
            f.in_pieces(task, operator, input, block, |f, records, out, _, _| {
                for record in records {
                    out.push(f(record));
                }
            });
        }
        more
    }
}
