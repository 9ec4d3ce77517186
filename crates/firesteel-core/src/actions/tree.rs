//! Aggregation in a tree: partial results are merged by tasks, a few at a time.

use std::sync::Arc;

use firesteel_window::{Aggregator, Reduce};

use crate::actions::aggregate::{on_caller, reduce};
use crate::data::{Exchange, Records};
use crate::error::Result;
use crate::operator::Operator;
use crate::ops::{BoxRdd, MapPartitions, MapPartitionsWithIndex, Values, aggregated_some};
use crate::partitioner::CustomPartitioner;
use crate::rdd::Lineage as _;
use crate::rdd::Rdd;

pub(super) fn aggregate<R: Rdd, A>(rdd: &R, operator: Operator, aggregator: A, depth: usize) -> Result<A::Out>
where
    A: Aggregator<R::Item, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    let aggregator = Arc::new(aggregator);
    let merging = {
        let aggregator = Arc::clone(&aggregator);
        move |mut acc, later| {
            aggregator.merge(&mut acc, later);
            acc
        }
    };
    let in_task = Arc::clone(&aggregator);
    let fold = whole(move |records| {
        let mut acc = in_task.create();
        records.for_each(|record| in_task.add(&mut acc, record));
        Box::new(std::iter::once(acc))
    });
    let mut partials = BoxRdd::new(MapPartitions::new(rdd.clone(), operator.as_kind("map_partitions"), fold));
    let mut width = partials.num_partitions();
    let scale = ((width as f64).powf(1.0 / depth.max(1) as f64).ceil() as usize).max(2);
    let merge = Arc::new(Reduce::new(merging.clone()));
    // As Spark: a level of merging tasks is worth it while it leaves less than it costs.
    while width > scale + width.div_ceil(scale) {
        let (from, to) = (width, width.div_ceil(scale));
        let group = numbered(move |part, records| Box::new(records.map(move |partial| (part * to / from, partial))));
        let grouped = MapPartitionsWithIndex::new(partials, operator.as_kind("map_partitions"), group);
        let in_order = CustomPartitioner::new(to, |group: &usize| *group);
        let merged = aggregated_some(grouped, operator.clone(), Arc::clone(&merge), in_order);
        partials = BoxRdd::new(Values::new(merged, operator.as_kind("values")));
        width = to;
    }
    let merged = reduce(&partials, operator.clone(), merging)?;
    on_caller(&operator, || aggregator.finish_owned(merged.unwrap_or_else(|| aggregator.create())))
}

/// Tells the compiler that the function takes records of any lifetime.
fn whole<T, U, F: for<'r> Fn(Records<'r, T>) -> Records<'r, U>>(f: F) -> Arc<F> {
    Arc::new(f)
}

/// The same for a function that is told the partition's number.
fn numbered<T, U, F: for<'r> Fn(usize, Records<'r, T>) -> Records<'r, U>>(f: F) -> Arc<F> {
    Arc::new(f)
}
