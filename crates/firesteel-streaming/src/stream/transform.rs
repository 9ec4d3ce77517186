//! Functions from RDDs to RDDs as operators of streams.

use firesteel_core::{Operator, Rdd};

use crate::batch::Batch;
use crate::error::Error;
use crate::stream::lift::Width;
use crate::stream::{Cause, DStream, Stream, caught, reusable};

impl<D: DStream> Stream<D> {
    /// The RDD that `f` makes of each batch's: every RDD operator, joins with static tables, and so on.
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
    pub fn transform<R, E, F>(self, f: F) -> Stream<impl DStream<Item = R::Item>>
    where
        R: Rdd,
        E: Into<Cause>,
        F: Fn(D::Rdd, &Batch) -> Result<R, E> + Send + Sync + 'static,
    {
        self.lift(Operator::here("transform"), Width::Wide, move |rdd, operator, batch| {
            caught(|| f(reusable(rdd), batch)).map_err(|source| failed(operator, batch, source))
        })
    }

    /// The RDD that `f` makes of each batch's two.
    #[track_caller]
    pub fn transform_with<G, R, E, F>(self, other: Stream<G>, f: F) -> Stream<impl DStream<Item = R::Item>>
    where
        G: DStream,
        R: Rdd,
        E: Into<Cause>,
        F: Fn(D::Rdd, G::Rdd, &Batch) -> Result<R, E> + Send + Sync + 'static,
    {
        self.lift_with(other, Operator::here("transform_with"), Width::Wide, move |first, second, operator, batch| {
            let made = caught(|| f(reusable(first), reusable(second), batch));
            made.map_err(|source| failed(operator, batch, source))
        })
    }
}

fn failed(operator: &Operator, batch: &Batch, source: Cause) -> Error {
    Error::Transform { operator: operator.to_string(), batch: batch.id(), source }
}
