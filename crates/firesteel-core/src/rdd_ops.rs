//! Transformations of every RDD.

use std::sync::Arc;

use crate::operator::Operator;
use crate::ops::{Filter, FlatMap, Map};
use crate::rdd::Rdd;

/// Transformations: each makes a new RDD and runs nothing.
pub trait RddOps: Rdd {
    /// Each record as `f` makes it.
    #[track_caller]
    fn map<U: Send + 'static, F: Fn(Self::Item) -> U + Send + Sync + 'static>(self, f: F) -> Map<Self, F> {
        Map::new(self, Operator::here("map"), Arc::new(f))
    }

    /// The records for which `f` holds.
    #[track_caller]
    fn filter<F: Fn(&Self::Item) -> bool + Send + Sync + 'static>(self, f: F) -> Filter<Self, F> {
        Filter::new(self, Operator::here("filter"), Arc::new(f))
    }

    /// The records that `f` makes of each.
    #[track_caller]
    fn flat_map<I, F>(self, f: F) -> FlatMap<Self, F>
    where
        I: IntoIterator<Item: Send + 'static> + 'static,
        F: Fn(Self::Item) -> I + Send + Sync + 'static,
    {
        FlatMap::new(self, Operator::here("flat_map"), Arc::new(f))
    }

    /// The same RDD under a name of its own, for messages, lineages and events.
    #[must_use]
    fn named(mut self, name: &str) -> Self {
        self.node_mut().set_name(name);
        self
    }
}

impl<R: Rdd> RddOps for R {}
