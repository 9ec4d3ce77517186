//! What most actions are made of: an aggregation of each partition, and a merge of what these made.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use firesteel_window::Aggregator;

use crate::actions::KeyMap;
use crate::data::Key;
use crate::error::{Error, Result};
use crate::hash::hash_key;
use crate::operator::Operator;
use crate::rdd::Rdd;
use crate::shuffle::KeyedTable;
use crate::task::{TaskContext, TaskError, TaskIdentity};

/// What `aggregator` makes of all records.
pub(super) fn aggregate<R, A>(rdd: &R, operator: Operator, aggregator: A) -> Result<A::Out>
where
    R: Rdd,
    A: Aggregator<R::Item, Acc: Send + 'static, Out: Send + 'static> + Send + Sync + 'static,
{
    let aggregator = Arc::new(aggregator);
    let [in_start, in_add] = [(); 2].map(|()| Arc::clone(&aggregator));
    let add = move |mut acc, record| {
        in_add.add(&mut acc, record);
        acc
    };
    let merge = |mut acc, later| {
        aggregator.merge(&mut acc, later);
        acc
    };
    let acc = folded(rdd, operator.clone(), move || in_start.create(), add, merge)?;
    on_caller(&operator, || aggregator.finish_owned(acc))
}

/// Folds each partition from `start` with `add`, and merges the results in partition order.
pub(super) fn folded<R: Rdd, A: Send + 'static>(
    rdd: &R,
    operator: Operator,
    start: impl Fn() -> A + Send + Sync + 'static,
    add: impl Fn(A, R::Item) -> A + Send + Sync + 'static,
    merge: impl Fn(A, A) -> A,
) -> Result<A> {
    let start = Arc::new(start);
    let (in_task, by) = (Arc::clone(&start), operator.clone());
    let partials = rdd.node().context().run(rdd, move |rdd, split, task| {
        let start = task.blame_on(&by, &*in_task);
        task.fold(rdd.compute(split, task), start, |acc, record| task.blame_on(&by, || add(acc, record)))
    })?;
    on_caller(&operator, || partials.into_iter().reduce(merge).unwrap_or_else(&*start))
}

pub(super) fn reduce<R: Rdd>(
    rdd: &R,
    operator: Operator,
    f: impl Fn(R::Item, R::Item) -> R::Item + Send + Sync + 'static,
) -> Result<Option<R::Item>> {
    let f = Arc::new(f);
    let merge = Arc::clone(&f);
    let add = move |acc: Option<R::Item>, record| match acc {
        Some(acc) => Some(f(acc, record)),
        None => Some(record),
    };
    folded(
        rdd,
        operator,
        || None,
        add,
        |a, b| match (a, b) {
            (Some(a), Some(b)) => Some(merge(a, b)),
            (a, b) => a.or(b),
        },
    )
}

/// The record that comes first in an order; the earlier of equal ones.
pub(super) fn extreme<R: Rdd>(
    rdd: &R,
    operator: Operator,
    order: impl Fn(&R::Item, &R::Item) -> Ordering + Send + Sync + 'static,
) -> Result<Option<R::Item>> {
    reduce(rdd, operator, move |a, b| if order(&b, &a).is_lt() { b } else { a })
}

/// How often each key occurs.
pub(crate) fn count<R: Rdd, K: Key>(
    rdd: &R,
    key: impl Fn(R::Item) -> K + Send + Sync + 'static,
) -> Result<KeyMap<K, u64>> {
    let counted = rdd.node().context().run(rdd, move |rdd, split, task| {
        let mut table = KeyedTable::<K, u64>::default();
        task.drain(rdd.compute(split, task), |record| {
            let key = key(record);
            table.upsert(hash_key(&key), key, (), |()| 1, |count, ()| *count += 1);
        });
        table.into_entries()
    })?;
    let mut counts = KeyMap::default();
    for (_, key, count) in counted.into_iter().flatten() {
        *counts.entry(key).or_insert(0) += count;
    }
    Ok(counts)
}

/// Runs code of the user's on the thread that called the action. A panic in it becomes the error it would be in a task.
pub(super) fn on_caller<T: Send + 'static>(operator: &Operator, work: impl FnOnce() -> T) -> Result<T> {
    let identity = TaskIdentity { job: 0, stage: 0, partition: 0, attempt: 0 };
    let task = TaskContext::new(identity, false, Arc::new(AtomicBool::new(false)));
    let outcome = task.run(|task| Box::new(task.blame_on(operator, work)));
    let output = outcome.map_err(|error| match error {
        TaskError::Panic(blame) => Error::TaskFailed { blame: Box::new(blame), attempts: 1, source: None },
        TaskError::Failed { source, blame, .. } => {
            Error::TaskFailed { blame: Box::new(blame), attempts: 1, source: Some(source) }
        }
        TaskError::FetchFailed { .. } | TaskError::Cancelled => Error::Cancelled { reason: None },
    })?;
    output.0.downcast().map(|result| *result).map_err(|_| Error::Misuse { what: format!("{operator} was mixed up") })
}
