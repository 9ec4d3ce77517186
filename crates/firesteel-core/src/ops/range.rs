//! `range`: numbers, made as they are needed.

use std::ops::Range;

use crate::data::Data;
use crate::operator::Operator;
use crate::rdd::{Context, Dependency, Lineage, Node, Rdd};
use crate::source::Numbered;
use crate::task::TaskContext;

/// The whole numbers that [`Context::range`] counts.
pub trait Countable: Data + Copy {
    /// How many numbers the range holds.
    fn count(range: &Range<Self>) -> u64;
    /// The part of the range from the `from`-th number up to before the `to`-th.
    fn part(range: &Range<Self>, from: u64, to: u64) -> impl Iterator<Item = Self>;
}

macro_rules! countable {
    ($($type:ty),*) => {
        $(impl Countable for $type {
            fn count(range: &Range<Self>) -> u64 {
                // Of a range of 64-bit numbers, one too many to count is left out: nobody lives to see it.
                (range.end as i128 - range.start as i128).clamp(0, i128::from(u64::MAX)) as u64
            }
            fn part(range: &Range<Self>, from: u64, to: u64) -> impl Iterator<Item = Self> {
                let at = |offset: u64| (range.start as i128 + i128::from(offset)) as $type;
                at(from)..at(to)
            }
        })*
    };
}

countable!(u16, u32, u64, usize, i16, i32, i64, isize);

/// The RDD of [`Context::range`].
#[derive(Clone)]
pub struct RangeRdd<T> {
    node: Node,
    range: Range<T>,
    partitions: usize,
}

impl<T: Countable> RangeRdd<T> {
    /// The numbers of the range, in this many partitions; none counts as one.
    #[must_use]
    pub fn new(context: &Context, operator: Operator, range: Range<T>, partitions: usize) -> Self {
        Self { node: Node::new(context, operator), range, partitions: partitions.max(1) }
    }

    fn bounds(&self, split: usize) -> (u64, u64) {
        let cut = |at: usize| (u128::from(T::count(&self.range)) * at as u128 / self.partitions as u128) as u64;
        (cut(split), cut(split + 1))
    }
}

impl<T: Countable> Lineage for RangeRdd<T> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.partitions
    }
    fn dependencies(&self, _: &mut dyn FnMut(Dependency<'_>)) {}
    fn size_hint(&self, split: usize) -> Option<u64> {
        let (from, to) = self.bounds(split);
        Some(to - from)
    }
}

impl<T: Countable> Rdd for RangeRdd<T> {
    type Item = T;

    #[inline]
    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = T> + 'a {
        let (from, to) = self.bounds(split);
        Numbered::new(T::part(&self.range, from, to), task)
    }
}

impl Context {
    /// An RDD of the numbers of a range, in the default number of partitions. Takes no memory.
    #[track_caller]
    pub fn range<T: Countable>(&self, range: Range<T>) -> RangeRdd<T> {
        RangeRdd::new(self, Operator::here("range"), range, self.parallelism())
    }

    /// An RDD of the numbers of a range, in this many partitions; none counts as one.
    #[track_caller]
    pub fn range_with<T: Countable>(&self, partitions: usize, range: Range<T>) -> RangeRdd<T> {
        RangeRdd::new(self, Operator::here("range"), range, partitions)
    }
}
