//! Aggregation in a tree: partial results are merged by tasks, a few at a time.

use std::sync::Arc;

use crate::actions::aggregate::reduce;
use crate::error::Result;
use crate::lineage::Lineage as _;
use crate::operator::Operator;
use crate::ops::{BoxRdd, FoldedRdd, MapPartitions, MapPartitionsWithIndex, Reduce, Values};
use crate::partitioner::CustomPartitioner;
use crate::rdd::{Exchange, Rdd, Records};

pub(super) fn aggregate<R: Rdd, U: Exchange>(
    rdd: &R,
    operator: Operator,
    zero: U,
    add: impl Fn(U, R::Item) -> U + Send + Sync + 'static,
    merge: impl Fn(U, U) -> U + Send + Sync + 'static,
    depth: usize,
) -> Result<U> {
    let (merge, empty) = (Arc::new(merge), zero.clone());
    let fold = whole(move |records| Box::new(std::iter::once(records.fold(zero.clone(), &add))));
    let mut partials = BoxRdd::new(MapPartitions::new(rdd.clone(), operator.as_kind("map_partitions"), fold));
    let mut width = partials.num_partitions();
    let scale = ((width as f64).powf(1.0 / depth.max(1) as f64).ceil() as usize).max(2);
    // As Spark: a level of merging tasks is worth it while it leaves less than it costs.
    while width > scale + width.div_ceil(scale) {
        let (from, to) = (width, width.div_ceil(scale));
        let group = numbered(move |part, records| Box::new(records.map(move |partial| (part * to / from, partial))));
        let grouped = MapPartitionsWithIndex::new(partials, operator.as_kind("map_partitions"), group);
        let merge = Arc::clone(&merge);
        let in_order = CustomPartitioner::new(to, |group: &usize| *group);
        let merged = FoldedRdd::new(grouped, operator.clone(), Reduce(move |a, b| merge(a, b)), in_order);
        partials = BoxRdd::new(Values::new(merged, operator.as_kind("values")));
        width = to;
    }
    Ok(reduce(&partials, operator, move |a, b| merge(a, b))?.unwrap_or(empty))
}

/// Tells the compiler that the function takes records of any lifetime.
fn whole<T, U, F: for<'r> Fn(Records<'r, T>) -> Records<'r, U>>(f: F) -> Arc<F> {
    Arc::new(f)
}

/// The same for a function that is told the partition's number.
fn numbered<T, U, F: for<'r> Fn(usize, Records<'r, T>) -> Records<'r, U>>(f: F) -> Arc<F> {
    Arc::new(f)
}
