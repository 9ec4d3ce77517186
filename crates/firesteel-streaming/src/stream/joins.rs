//! Joins of two streams, batch by batch.

use firesteel_core::{Exchange, Key, Operator, PairOps};

use crate::stream::lift::{Width, called};
use crate::stream::{DStream, Stream};

impl<K, V, D> Stream<D>
where
    K: Key,
    V: Exchange,
    D: DStream<Item = (K, V)>,
{
    /// For each key of either stream in a batch, all its values in the one and all its values in the other.
    #[track_caller]
    pub fn cogroup<W, E>(self, other: Stream<E>) -> Stream<impl DStream<Item = (K, (Vec<V>, Vec<W>))>>
    where
        W: Exchange,
        E: DStream<Item = (K, W)>,
    {
        self.lift_with(other, Operator::here("cogroup"), Width::Wide, |first, second, operator, _| {
            Ok(called(first.cogroup(second), operator))
        })
    }

    /// Each pair of values that share a key in a batch.
    #[track_caller]
    pub fn join<W, E>(self, other: Stream<E>) -> Stream<impl DStream<Item = (K, (V, W))>>
    where
        W: Exchange,
        E: DStream<Item = (K, W)>,
    {
        self.lift_with(other, Operator::here("join"), Width::Wide, |first, second, operator, _| {
            Ok(called(first.join(second), operator))
        })
    }

    /// Each value of this stream in a batch with each value of the other that shares its key, or with none.
    #[track_caller]
    pub fn left_outer_join<W, E>(self, other: Stream<E>) -> Stream<impl DStream<Item = (K, (V, Option<W>))>>
    where
        W: Exchange,
        E: DStream<Item = (K, W)>,
    {
        self.lift_with(other, Operator::here("left_outer_join"), Width::Wide, |first, second, operator, _| {
            Ok(called(first.left_outer_join(second), operator))
        })
    }

    /// Each value of the other stream in a batch with each value of this one that shares its key, or with none.
    #[track_caller]
    pub fn right_outer_join<W, E>(self, other: Stream<E>) -> Stream<impl DStream<Item = (K, (Option<V>, W))>>
    where
        W: Exchange,
        E: DStream<Item = (K, W)>,
    {
        self.lift_with(other, Operator::here("right_outer_join"), Width::Wide, |first, second, operator, _| {
            Ok(called(first.right_outer_join(second), operator))
        })
    }

    /// Each value of either stream in a batch with each value of the other that shares its key, or with none.
    #[track_caller]
    pub fn full_outer_join<W, E>(self, other: Stream<E>) -> Stream<impl DStream<Item = (K, (Option<V>, Option<W>))>>
    where
        W: Exchange,
        E: DStream<Item = (K, W)>,
    {
        self.lift_with(other, Operator::here("full_outer_join"), Width::Wide, |first, second, operator, _| {
            Ok(called(first.full_outer_join(second), operator))
        })
    }
}
