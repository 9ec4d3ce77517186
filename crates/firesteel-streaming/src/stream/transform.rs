//! Functions from RDDs to RDDs as operators of streams.

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Operator, Rdd};

use crate::error::{Error, Result};
use crate::plan::{Batch, Width};
use crate::stream::{Cause, Shape, Stream, caught, reusable};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// The RDD that `f` makes of each batch's: every RDD operator, joins with static tables, and so on. Event time ends
    /// here; with [`with_time`](Self::with_time) before it, `f` sees the times.
    ///
    /// `f` runs on the job's thread, once per batch and output; actions in it run jobs of their own. An error stops the
    /// job.
    ///
    /// ```
    /// use firesteel_core::{PairOps, RddOps};
    /// use firesteel_testkit::TestJob;
    ///
    /// let test = TestJob::new();
    /// let sorted = test.script([vec![3, 1, 2]]).transform(|rdd, _| rdd.sort_by(|n| *n));
    /// let sorted = test.record(sorted);
    /// test.run()?;
    /// assert_eq!(sorted.batches(), [[1, 2, 3]]);
    /// # Ok::<(), firesteel_streaming::Error>(())
    /// ```
    #[track_caller]
    pub fn transform<R, E, F>(self, f: F) -> Stream<R::Item>
    where
        R: Rdd,
        E: Into<Cause>,
        F: Fn(BoxRdd<T>, &Batch) -> Result<R, E> + Send + Sync + 'static,
    {
        self.then(Operator::here("transform"), Width::Wide, move |rdd, operator, batch| {
            let made = caught(|| f(reusable(S::plain(rdd, operator)), batch))
                .map_err(|source| failed(operator, batch, source))?;
            Ok(firesteel_core::RddOps::boxed(made))
        })
    }

    /// The RDD that `f` makes of each batch's two.
    #[track_caller]
    pub fn transform_with<O, Y, R, E, F>(self, other: Stream<O, Y>, f: F) -> Stream<R::Item>
    where
        O: Send + 'static,
        Y: Shape,
        R: Rdd,
        E: Into<Cause>,
        F: Fn(BoxRdd<T>, BoxRdd<O>, &Batch) -> Result<R, E> + Send + Sync + 'static,
    {
        self.then_with(other, Operator::here("transform_with"), Width::Wide, move |first, second, operator, batch| {
            let (first, second) = (S::plain(first, operator), Y::plain(second, operator));
            let made = caught(|| f(reusable(first), reusable(second), batch));
            Ok(firesteel_core::RddOps::boxed(made.map_err(|source| failed(operator, batch, source))?))
        })
    }
}

fn failed(operator: &Operator, batch: &Batch, source: Cause) -> Error {
    Error::Transform { operator: operator.to_string(), batch: batch.id(), source }
}
