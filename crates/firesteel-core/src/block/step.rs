//! What an operator does to the records of a partition, and what it works with.

use std::sync::Arc;

use crate::block::{Applied, Blocks, Pace, Upstream};
use crate::operator::Operator;
use crate::task::TaskContext;

/// What an operator does to the records of a partition.
///
/// This, and no more, is compiled for each operator of a stream.
pub trait Step<T, U>: Send + Sync + 'static {
    /// The records that `parent`'s become.
    fn open<'a>(&'a self, parent: Upstream<'a, T>, context: StepContext<'a, T, U>) -> Box<dyn Blocks<U> + 'a>;

    /// Whether it needs to know the position of each record.
    fn wants_positions(&self) -> bool {
        false
    }
}

/// On whose behalf a [`Step`] works.
pub struct StepContext<'a, T, U> {
    /// The operator whose step it is.
    pub operator: &'a Operator,
    /// The task.
    pub task: &'a TaskContext,
    step: &'a Arc<dyn Step<T, U>>,
}

impl<T, U> Clone for StepContext<'_, T, U> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, U> Copy for StepContext<'_, T, U> {}

impl<'a, T: 'static, U: 'static> StepContext<'a, T, U> {
    /// Opens the step of an operator.
    pub(crate) fn open(
        step: &'a Arc<dyn Step<T, U>>,
        operator: &'a Operator,
        task: &'a TaskContext,
        parent: Upstream<'a, T>,
    ) -> Box<dyn Blocks<U> + 'a> {
        step.open(parent, Self { operator, task, step })
    }

    /// Calls user code on behalf of the operator: if it panics, the operator gets the blame.
    #[inline(always)]
    pub fn blame<R>(&self, call: impl FnOnce() -> R) -> R {
        self.task.blame_on(self.operator, call)
    }
}

impl<T: Send + 'static, U: Send + 'static> StepContext<'_, T, U> {
    /// Goes through a block in pieces, and together with other executors where that is worth it: the step is opened for
    /// each piece, on behalf of a task that has nobody to share it with. What comes out is in the order of what goes in.
    #[cold]
    pub fn in_pieces(&self, pace: &Pace, input: &mut Vec<T>, out: &mut Vec<U>) {
        let step = Arc::clone(self.step);
        let apply: Arc<Applied<T, U>> = Arc::new(move |records: Vec<T>, out: &mut Vec<U>, operator, task| {
            let piece: Box<dyn Blocks<T>> = Box::new(Piece(records));
            let mut made = StepContext::open(&step, operator, task, piece.into());
            loop {
                let mut block = Vec::new();
                let more = made.fill(&mut block);
                out.append(&mut block);
                if !more {
                    break;
                }
            }
        });
        pace.in_pieces(self.task, self.operator, input, out, |_| 1, apply);
    }
}

/// Some of the records of a block.
struct Piece<T>(Vec<T>);

impl<T> Blocks<T> for Piece<T> {
    fn next(&mut self) -> Option<T> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    fn fill(&mut self, block: &mut Vec<T>) -> bool {
        block.append(&mut self.0);
        false
    }
}
