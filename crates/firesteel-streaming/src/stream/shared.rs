//! Streams with several consumers.

mod kept;

use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Data, Operator, RddOps};

use crate::stream::{Shape, Stream, reusable};

use kept::SharedRdd;

/// The same stream for another consumer. Its records are computed once per batch and kept in memory until the next: a
/// source before it is read once, a `try_map` before it counts once, state before it changes once. Each record is kept
/// with its position in the source, so that what fails after it is named as if nothing lay between.
///
/// Where the records of a batch do not fit into the [part of memory](firesteel_budget::Part::Storage) for them, some are
/// computed again for each consumer; what is counted on the way still counts once.
///
/// ```
/// use firesteel_testkit::TestJob;
///
/// let test = TestJob::new();
/// let numbers = test.script([vec![1, 2, 3]]);
/// let even = test.record(numbers.clone().filter(|n| n % 2 == 0));
/// let odd = test.record(numbers.filter(|n| n % 2 == 1));
/// let progress = test.run()?;
/// assert_eq!((even.batches(), odd.batches()), (vec![vec![2]], vec![vec![1, 3]]));
/// assert_eq!(progress[0].rows_in, 3);
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
impl<T: Send + 'static, S: Shape> Clone for Stream<T, S>
where
    S::Record<T>: Data,
{
    fn clone(&self) -> Self {
        let keep: Keep<S::Record<T>> = keep;
        self.plan.keep(self.node, Arc::new(keep));
        Self { plan: Arc::clone(&self.plan), node: self.node, rule: self.rule.clone() }
    }
}

/// Makes the RDD of a batch one that keeps its records.
pub(super) type Keep<R> = fn(BoxRdd<R>, &Operator) -> BoxRdd<R>;

fn keep<R: Data>(rdd: BoxRdd<R>, operator: &Operator) -> BoxRdd<R> {
    SharedRdd::new(reusable(rdd), operator.clone()).boxed()
}
