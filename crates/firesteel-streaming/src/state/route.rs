//! How records get to an operator with state: what becomes of them before they cross the shuffle.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::{Accumulator, Data, Exchange, Key};
use firesteel_window::Aggregator;

use crate::plan::{NodeId, What};
use crate::state::combine::Combine;
use crate::state::route::sealed::{Place, Prepared};
use crate::state::side;
use crate::stream::{Late, LateOutput, Shape, SideOutput, late_output};

pub(crate) mod sealed {
    use std::sync::Arc;

    use firesteel_core::{Data, Key};

    use crate::plan::{NodeId, Plan};
    use crate::state::side::Prepare;
    use crate::stream::Shape;
    use crate::time::Tracker;

    /// What the engine does with a route.
    pub trait Prepared<K: Key, V: Send + 'static, S: Shape>: Send + 'static {
        /// What travels, beside its key.
        type Travels: Data;
        /// What is done to the records of map partitions.
        type Prepare: Prepare<S::Record<(K, V)>, K, Self::Travels>;

        /// Makes it, for this place in the plan.
        fn prepare(self, place: &Place<'_>) -> Self::Prepare;
    }

    /// An operator's place in the plan.
    #[derive(Clone, Copy)]
    pub struct Place<'a> {
        pub(crate) plan: &'a Plan,
        pub(crate) node: NodeId,
        /// The watermarks that hold there.
        pub(crate) trackers: &'a Arc<[Arc<Tracker>]>,
    }
}

/// How records get to a [`KeyedOperator`](super::KeyedOperator): what is made of them in the tasks that have them,
/// before they travel to the tasks that have the state of their keys.
///
/// Sealed: the choice is between [`WithTimes`], [`WithoutTimes`], [`InTime`] and [`Combined`].
pub trait Route<K: Key, V: Send + 'static, S: Shape>: Prepared<K, V, S, Travels = Self::Item> {
    /// What comes to the operator under each key.
    type Item: Data;
}

/// Every record travels as it is: a value alone where the stream is plain, with its event time where it is timed.
#[derive(Debug, Clone, Copy, Default)]
pub struct WithTimes;

/// Every record's value travels, without its event time.
#[derive(Debug, Clone, Copy, Default)]
pub struct WithoutTimes;

/// As [`WithTimes`], but for records that happened before the watermark at the start of their batch: these are counted
/// as late and left out. Where there is no event time, no record is late.
pub struct InTime<K, V> {
    count: Accumulator<u64>,
    late: Option<LateOutput<K, V>>,
    /// The side output that it fills.
    fills: Option<NodeId>,
}

/// The values of each key are aggregated before they travel, as far as that makes the data smaller: what comes to the
/// operator are accumulators, several of them for a key that is in several partitions. They come in the order of the
/// partitions.
pub struct Combined<A>(Arc<A>);

impl<K, V> InTime<K, V> {
    /// Late records are counted and left out.
    #[must_use]
    pub fn new() -> Self {
        Self { count: Accumulator::default(), late: None, fills: None }
    }

    /// Late records go to this side output, too.
    #[must_use]
    pub fn late_to(self, late: &SideOutput<Late<(K, V)>>) -> Self
    where
        K: Data,
        V: Data,
    {
        Self { late: Some(late_output(late)), fills: Some(late.node()), ..self }
    }

    /// Late records are told so, too. The operator says which side outputs that fills.
    pub(crate) fn telling(late: LateOutput<K, V>) -> Self {
        Self { late: Some(late), ..Self::new() }
    }
}

impl<K, V> Default for InTime<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for InTime<K, V> {
    fn clone(&self) -> Self {
        Self { count: self.count.clone(), late: self.late.clone(), fills: self.fills }
    }
}

impl<K, V> fmt::Debug for InTime<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTime").field("has_output", &self.late.is_some()).finish()
    }
}

impl<A> Combined<A> {
    /// Aggregated by this.
    #[must_use]
    pub fn by(aggregator: &Arc<A>) -> Self {
        Self(Arc::clone(aggregator))
    }
}

impl<A> fmt::Debug for Combined<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Combined").field(&std::any::type_name::<A>()).finish()
    }
}

impl<K: Key, V: Exchange, S: Shape> Route<K, V, S> for WithTimes
where
    S::Record<V>: Data,
{
    type Item = S::Record<V>;
}

impl<K: Key, V: Exchange, S: Shape> Prepared<K, V, S> for WithTimes
where
    S::Record<V>: Data,
{
    type Travels = S::Record<V>;
    type Prepare = side::Gathered<S, V>;

    fn prepare(self, _: &Place<'_>) -> Self::Prepare {
        side::Gathered::new()
    }
}

impl<K: Key, V: Exchange, S: Shape> Route<K, V, S> for WithoutTimes {
    type Item = V;
}

impl<K: Key, V: Exchange, S: Shape> Prepared<K, V, S> for WithoutTimes {
    type Travels = V;
    type Prepare = side::Values<S>;

    fn prepare(self, _: &Place<'_>) -> Self::Prepare {
        side::Values::new()
    }
}

impl<K: Key, V: Exchange, S: Shape> Route<K, V, S> for InTime<K, V>
where
    S::Record<V>: Data,
{
    type Item = S::Record<V>;
}

impl<K: Key, V: Exchange, S: Shape> Prepared<K, V, S> for InTime<K, V>
where
    S::Record<V>: Data,
{
    type Travels = S::Record<V>;
    type Prepare = side::InTime<S, K, V>;

    fn prepare(self, place: &Place<'_>) -> Self::Prepare {
        place.plan.count(place.node, What::Late, self.count.clone());
        if let Some(side) = self.fills {
            place.plan.feed(side, place.node);
        }
        side::InTime { trackers: Arc::clone(place.trackers), count: self.count, output: self.late, shape: PhantomData }
    }
}

impl<K, V, S, A> Route<K, V, S> for Combined<A>
where
    K: Key,
    V: Send + 'static,
    S: Shape,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
{
    type Item = A::Acc;
}

impl<K, V, S, A> Prepared<K, V, S> for Combined<A>
where
    K: Key,
    V: Send + 'static,
    S: Shape,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
{
    type Travels = A::Acc;
    type Prepare = Combine<K, V, A, S>;

    fn prepare(self, _: &Place<'_>) -> Self::Prepare {
        Combine::new(&self.0)
    }
}
