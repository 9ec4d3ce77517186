//! `sample` and `random_split`: some of the records, drawn from a seed.

use crate::data::Data;
use crate::error::{Error, Result};
use crate::operator::Operator;
use crate::ops::either::Either;
use crate::ops::macros::operator;
use crate::random::Random;
use crate::rdd::{Lineage, Rdd};
use crate::task::TaskContext;

operator! {
    /// The RDD of [`RddOps::sample`](crate::RddOps::sample) and [`RddOps::random_split`](crate::RddOps::random_split):
    /// the records whose draw of `[0, 1)` falls into a cell.
    pub struct Sample<R> { from: f64, to: f64, seed: u64 }
}

impl<R: Rdd> Sample<R> {
    /// About the given fraction of the records.
    ///
    /// # Errors
    /// When the fraction is not within `[0, 1]`.
    pub fn fraction(parent: R, operator: Operator, fraction: f64, seed: u64) -> Result<Self> {
        if !(0.0..=1.0).contains(&fraction) {
            let reason = format!("the fraction {fraction} is not between 0 and 1");
            return Err(Error::Argument { operator: operator.to_string(), reason });
        }
        Ok(Self::new(parent, operator, 0.0, fraction, seed))
    }

    /// One sample per weight, no record in two of them.
    ///
    /// # Errors
    /// When a weight is negative or not finite, or their sum is 0.
    pub fn split(parent: &R, operator: &Operator, weights: &[f64], seed: u64) -> Result<Vec<Self>> {
        let total: f64 = weights.iter().sum();
        let usable = |weight: &f64| (0.0..f64::INFINITY).contains(weight);
        if !(weights.iter().all(usable) && total > 0.0 && total.is_finite()) {
            let reason = format!("the weights {weights:?} are not numbers from 0 with a sum above 0");
            return Err(Error::Argument { operator: operator.to_string(), reason });
        }
        let mut sum = 0.0;
        let mut edges: Vec<f64> = std::iter::once(0.0)
            .chain(weights.iter().map(|weight| {
                sum += weight;
                sum / total
            }))
            .collect();
        // Rounding must not lose the last records.
        if let Some(last) = edges.last_mut() {
            *last = 1.0;
        }
        let cells = edges.windows(2);
        Ok(cells.map(|cell| Self::new(parent.clone(), operator.clone(), cell[0], cell[1], seed)).collect())
    }
}

impl<R: Rdd> Lineage for Sample<R> {
    crate::narrow_lineage!();
    crate::same_placement!();
}

impl<R: Rdd> Rdd for Sample<R> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let mut random = Random::of_partition(self.seed, split);
        let cell = self.from..self.to;
        self.parent.compute(split, task).filter(move |_| cell.contains(&random.unit()))
    }
}

operator! {
    /// The RDD of [`RddOps::sample_with_replacement`](crate::RddOps::sample_with_replacement): each record as often as
    /// drawn from a Poisson distribution.
    pub struct Resample<R> { mean: f64, seed: u64 }
}

impl<R: Rdd> Resample<R> {
    /// Each record `mean` times on average.
    ///
    /// # Errors
    /// When the mean is negative or not finite.
    pub fn times(parent: R, operator: Operator, mean: f64, seed: u64) -> Result<Self> {
        if !(0.0..f64::INFINITY).contains(&mean) {
            let reason = format!("the fraction {mean} is not a number from 0");
            return Err(Error::Argument { operator: operator.to_string(), reason });
        }
        Ok(Self::new(parent, operator, mean, seed))
    }
}

impl<R: Rdd> Lineage for Resample<R> {
    crate::narrow_lineage!();
    crate::same_placement!();
}

impl<R: Rdd<Item: Data>> Rdd for Resample<R> {
    type Item = R::Item;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = R::Item> + 'a {
        let mut random = Random::of_partition(self.seed, split);
        self.parent.compute(split, task).flat_map(move |record| match random.poisson(self.mean) {
            0 => Either::Left(None.into_iter()),
            1 => Either::Left(Some(record).into_iter()),
            times => Either::Right((0..times).map(move |_| record.clone())),
        })
    }
}
