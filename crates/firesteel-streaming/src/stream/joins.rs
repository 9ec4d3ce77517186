//! Joins of two streams, batch by batch. Event time ends here: a pair of two records has two times.

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Exchange, Key, Operator, PairOps};

use crate::error::Result;
use crate::plan::Width;
use crate::stream::{Pair, Shape, Stream, called};

impl<T: Send + 'static, S: Shape> Stream<T, S> {
    /// For each key of either stream in a batch, all its values in the one and all its values in the other.
    #[track_caller]
    pub fn cogroup<K, V, W, O, Y>(self, other: Stream<O, Y>) -> Stream<(K, (Vec<V>, Vec<W>))>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        O: Pair<Key = K, Value = W>,
        W: Exchange,
        Y: Shape,
    {
        self.joined(other, Operator::here("cogroup"), |first, second, operator| {
            Ok(called(first.cogroup(second), operator))
        })
    }

    /// Each pair of values that share a key in a batch.
    #[track_caller]
    pub fn join<K, V, W, O, Y>(self, other: Stream<O, Y>) -> Stream<(K, (V, W))>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        O: Pair<Key = K, Value = W>,
        W: Exchange,
        Y: Shape,
    {
        self.joined(other, Operator::here("join"), |first, second, operator| Ok(called(first.join(second), operator)))
    }

    /// Each value of this stream in a batch with each value of the other that shares its key, or with none.
    #[track_caller]
    pub fn left_outer_join<K, V, W, O, Y>(self, other: Stream<O, Y>) -> Stream<(K, (V, Option<W>))>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        O: Pair<Key = K, Value = W>,
        W: Exchange,
        Y: Shape,
    {
        self.joined(other, Operator::here("left_outer_join"), |first, second, operator| {
            Ok(called(first.left_outer_join(second), operator))
        })
    }

    /// Each value of the other stream in a batch with each value of this one that shares its key, or with none.
    #[track_caller]
    pub fn right_outer_join<K, V, W, O, Y>(self, other: Stream<O, Y>) -> Stream<(K, (Option<V>, W))>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        O: Pair<Key = K, Value = W>,
        W: Exchange,
        Y: Shape,
    {
        self.joined(other, Operator::here("right_outer_join"), |first, second, operator| {
            Ok(called(first.right_outer_join(second), operator))
        })
    }

    /// Each value of either stream in a batch with each value of the other that shares its key, or with none.
    #[track_caller]
    pub fn full_outer_join<K, V, W, O, Y>(self, other: Stream<O, Y>) -> Stream<(K, (Option<V>, Option<W>))>
    where
        T: Pair<Key = K, Value = V>,
        K: Key,
        V: Exchange,
        O: Pair<Key = K, Value = W>,
        W: Exchange,
        Y: Shape,
    {
        self.joined(other, Operator::here("full_outer_join"), |first, second, operator| {
            Ok(called(first.full_outer_join(second), operator))
        })
    }

    fn joined<O, Y, U, M>(self, other: Stream<O, Y>, operator: Operator, make: M) -> Stream<U>
    where
        T: Pair,
        O: Pair<Key = T::Key>,
        Y: Shape,
        U: Send + 'static,
        M: Fn(BoxRdd<(T::Key, T::Value)>, BoxRdd<(T::Key, O::Value)>, &Operator) -> Result<BoxRdd<U>>
            + Send
            + Sync
            + 'static,
    {
        T::pairs(self).then_with(O::pairs(other), operator, Width::Wide, move |first, second, operator, _| {
            make(S::plain(first, operator), Y::plain(second, operator), operator)
        })
    }
}
