//! The operators that work on each record alone.

use std::sync::Arc;

use firesteel_core::Operator;
use firesteel_core::ops::{Filter, FlatMap, Map};

use crate::stream::lift::Width;
use crate::stream::{DStream, Stream};

impl<D: DStream> Stream<D> {
    /// Gives the last operator a name: it appears in errors, events and progress instead of its kind.
    pub fn named(mut self, name: &str) -> Self {
        let operator = self.node.operator_mut();
        *operator = operator.clone().named(name);
        self.node.renamed();
        self
    }

    /// Each record as `f` makes it.
    #[track_caller]
    pub fn map<U, F>(self, f: F) -> Stream<impl DStream<Item = U>>
    where
        U: Send + 'static,
        F: Fn(D::Item) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.lift(Operator::here("map"), Width::Narrow, move |rdd, operator, _| {
            Ok(Map::new(rdd, operator.clone(), Arc::clone(&f)))
        })
    }

    /// The records for which `f` holds.
    #[track_caller]
    pub fn filter<F>(self, f: F) -> Stream<impl DStream<Item = D::Item>>
    where
        F: Fn(&D::Item) -> bool + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.lift(Operator::here("filter"), Width::Narrow, move |rdd, operator, _| {
            Ok(Filter::new(rdd, operator.clone(), Arc::clone(&f)))
        })
    }

    /// The records that `f` makes of each.
    #[track_caller]
    pub fn flat_map<I, F>(self, f: F) -> Stream<impl DStream<Item = I::Item>>
    where
        I: IntoIterator<Item: Send + 'static> + 'static,
        F: Fn(D::Item) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.lift(Operator::here("flat_map"), Width::Narrow, move |rdd, operator, _| {
            Ok(FlatMap::new(rdd, operator.clone(), Arc::clone(&f)))
        })
    }

    /// A pair of each record and the key that `f` finds in it.
    #[track_caller]
    pub fn key_by<K, F>(self, f: F) -> Stream<impl DStream<Item = (K, D::Item)>>
    where
        K: Send + 'static,
        F: Fn(&D::Item) -> K + Send + Sync + 'static,
    {
        let f = Arc::new(move |record| (f(&record), record));
        self.lift(Operator::here("key_by"), Width::Narrow, move |rdd, operator, _| {
            Ok(Map::new(rdd, operator.clone(), Arc::clone(&f)))
        })
    }
}
