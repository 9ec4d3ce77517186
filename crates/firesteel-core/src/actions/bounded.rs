//! The smallest few of many records.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::actions::aggregate::folded;
use crate::error::Result;
use crate::operator::Operator;
use crate::rdd::Rdd;

/// The `n` records that come first in an order, in that order; the earlier of equal ones first.
pub(super) fn smallest<R: Rdd>(
    rdd: &R,
    operator: Operator,
    n: usize,
    order: impl Fn(&R::Item, &R::Item) -> Ordering + Send + Sync + 'static,
) -> Result<Vec<R::Item>> {
    let order = Arc::new(order);
    let cut = move |mut records: Vec<R::Item>, n: usize| {
        // A stable sort of at most twice as many now and then: as cheap as a heap, and equal records keep their order.
        records.sort_by(|a, b| order(a, b));
        records.truncate(n);
        records
    };
    let cut = Arc::new(cut);
    let last = Arc::clone(&cut);
    let full = n.saturating_mul(2).max(1024);
    let add = move |mut records: Vec<R::Item>, record| {
        records.push(record);
        if records.len() < full { records } else { cut(records, n) }
    };
    let merge_cut = Arc::clone(&last);
    let merge = move |mut first: Vec<R::Item>, second: Vec<R::Item>| {
        first.extend(second);
        if first.len() < full { first } else { merge_cut(first, n) }
    };
    if n == 0 {
        return Ok(Vec::new());
    }
    let candidates = folded(rdd, operator.clone(), Vec::new, add, merge)?;
    super::aggregate::on_caller(&operator, || last(candidates, n))
}
