//! `join` and its outer kin: pairs of values that share a key.

use std::marker::PhantomData;

use crate::data::{Exchange, Key};
use crate::operator::Operator;
use crate::ops::cogroup::Cogroup;
use crate::ops::macros::{lineage_of_inner, node_of_inner};
use crate::partitioner::Placement;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

/// Which pairs a join keeps.
pub trait JoinKind<V, W>: Send + Sync + 'static {
    /// What it makes of a pair of values.
    type Joined: Send + 'static;

    /// The pair as the join yields it. A side that has no value for the key comes as one `None`; `None` drops the pair.
    fn pair(first: Option<V>, second: Option<W>) -> Option<Self::Joined>;
}

macro_rules! join_kinds {
    ($($(#[$doc:meta])* $name:ident -> $joined:ty: |$first:ident, $second:ident| $pair:expr;)+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl<V: Send + 'static, W: Send + 'static> JoinKind<V, W> for $name {
                type Joined = $joined;
                #[inline]
                fn pair($first: Option<V>, $second: Option<W>) -> Option<$joined> {
                    $pair
                }
            }
        )+
    };
}

join_kinds! {
    /// Keys that both sides have.
    Inner -> (V, W): |first, second| first.zip(second);
    /// All keys of the first side.
    LeftOuter -> (V, Option<W>): |first, second| first.map(|first| (first, second));
    /// All keys of the second side.
    RightOuter -> (Option<V>, W): |first, second| second.map(|second| (first, second));
    /// All keys of either side.
    FullOuter -> (Option<V>, Option<W>): |first, second| Some((first, second));
}

/// The RDD of the joins of [`PairOps`](crate::PairOps); `J` is [`Inner`], [`LeftOuter`], [`RightOuter`] or
/// [`FullOuter`].
pub struct Joined<A, B, K, V, W, J> {
    inner: Cogroup<A, B, K, V, W>,
    kind: PhantomData<fn() -> J>,
}

impl<A, B, K, V, W, J> Joined<A, B, K, V, W, J>
where
    A: Rdd<Item = (K, V)>,
    B: Rdd<Item = (K, W)>,
    K: Key,
    V: Exchange,
    W: Exchange,
    J: JoinKind<V, W>,
{
    /// The pairs of values of `first` and `second` that share a key, keys placed so.
    #[must_use]
    pub fn new(operator: Operator, placement: impl Into<Placement<K>>, first: A, second: B) -> Self {
        Self { inner: Cogroup::new(operator, placement, first, second), kind: PhantomData }
    }
}

impl<A: Clone, B: Clone, K, V, W, J> Clone for Joined<A, B, K, V, W, J> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), kind: PhantomData }
    }
}

impl<A, B, K, V, W, J> Lineage for Joined<A, B, K, V, W, J>
where
    A: Rdd<Item = (K, V)>,
    B: Rdd<Item = (K, W)>,
    K: Key,
    V: Exchange,
    W: Exchange,
    J: JoinKind<V, W>,
{
    node_of_inner!();
    lineage_of_inner!();
}

impl<A, B, K, V, W, J> Rdd for Joined<A, B, K, V, W, J>
where
    A: Rdd<Item = (K, V)>,
    B: Rdd<Item = (K, W)>,
    K: Key,
    V: Exchange,
    W: Exchange,
    J: JoinKind<V, W>,
{
    type Item = (K, J::Joined);

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
        self.inner.compute(split, task).flat_map(|(key, (first, second))| {
            let mut key = Some(key);
            let mut pairs = Product::new(first, second).filter_map(|(first, second)| J::pair(first, second)).peekable();
            std::iter::from_fn(move || {
                let pair = pairs.next()?;
                let key = if pairs.peek().is_some() { key.clone() } else { key.take() };
                Some((key?, pair))
            })
        })
    }
}

/// Each value of one side with each of the other, in order; an empty side counts as one `None`. The last use of a value
/// moves it.
struct Product<V, W> {
    first: std::vec::IntoIter<V>,
    current: Option<V>,
    second: Vec<W>,
    last_row: std::vec::IntoIter<W>,
    width: usize,
    column: usize,
    done: bool,
}

impl<V, W> Product<V, W> {
    fn new(first: Vec<V>, second: Vec<W>) -> Self {
        let (first, width) = (first.into_iter(), second.len().max(1));
        let last_row = Vec::new().into_iter();
        Self { first, current: None, second, last_row, width, column: 0, done: false }
    }
}

impl<V: Clone, W: Clone> Iterator for Product<V, W> {
    type Item = (Option<V>, Option<W>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.column == 0 {
            self.current = self.first.next();
            if self.first.as_slice().is_empty() {
                self.last_row = std::mem::take(&mut self.second).into_iter();
            }
        }
        let is_last_row = self.first.as_slice().is_empty();
        let second = if is_last_row { self.last_row.next() } else { self.second.get(self.column).cloned() };
        self.column += 1;
        if self.column < self.width {
            return Some((self.current.clone(), second));
        }
        (self.column, self.done) = (0, is_last_row);
        Some((self.current.take(), second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(first: &[u8], second: &[char]) -> Vec<(Option<u8>, Option<char>)> {
        Product::new(first.to_vec(), second.to_vec()).collect()
    }

    #[test]
    fn every_value_meets_every_other_in_order() {
        let pairs = [(1, 'x'), (1, 'y'), (2, 'x'), (2, 'y')].map(|(a, b)| (Some(a), Some(b)));
        assert_eq!(product(&[1, 2], &['x', 'y']), pairs);
        assert_eq!(product(&[1, 2], &[]), [(Some(1), None), (Some(2), None)]);
        assert_eq!(product(&[], &['x', 'y']), [(None, Some('x')), (None, Some('y'))]);
        assert_eq!(product(&[1], &['x']), [(Some(1), Some('x'))]);
    }
}
