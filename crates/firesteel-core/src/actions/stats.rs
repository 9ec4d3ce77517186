//! Mean, variance, extremes and histograms.

use std::sync::Arc;

use crate::actions::Number;
use crate::actions::aggregate::folded;
use crate::error::{Error, Result};
use crate::operator::Operator;
use crate::rdd::Rdd;

/// Count, mean, variance and extremes of numbers.
///
/// Kept up by Welford's method (1962) and merged by that of Chan, Golub and LeVeque (1979), which do not lose their
/// digits when the mean is far from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    count: u64,
    mean: f64,
    /// The sum of the squares of the distances from the mean.
    squares: f64,
    min: f64,
    max: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Self { count: 0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Stats {
    /// The statistics with one number more.
    #[must_use]
    pub fn with(self, number: f64) -> Self {
        let count = self.count + 1;
        let delta = number - self.mean;
        let mean = self.mean + delta / count as f64;
        let squares = self.squares + delta * (number - mean);
        Self { count, mean, squares, min: self.min.min(number), max: self.max.max(number) }
    }

    /// The statistics of the numbers of both.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        if self.count == 0 || other.count == 0 {
            return if self.count == 0 { other } else { self };
        }
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        let share = other.count as f64 / count as f64;
        let squares = self.squares + other.squares + delta * delta * self.count as f64 * share;
        let (min, max) = (self.min.min(other.min), self.max.max(other.max));
        Self { count, mean: self.mean + delta * share, squares, min, max }
    }

    fn some<T>(&self, value: T) -> Option<T> {
        (self.count > 0).then_some(value)
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; `None` if there are none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.some(self.mean)
    }

    /// Their sum, as the mean tells it.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.mean * self.count as f64
    }

    /// The smallest; `None` if there are none.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        self.some(self.min)
    }

    /// The largest; `None` if there are none.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.some(self.max)
    }

    /// Their variance as a whole population; `None` if there are none.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        self.some(self.squares / self.count as f64)
    }

    /// Their standard deviation as a whole population; `None` if there are none.
    #[must_use]
    pub fn stdev(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// The variance of what they are a sample of; `None` if there are fewer than two.
    #[must_use]
    pub fn sample_variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }

    /// The standard deviation of what they are a sample of; `None` if there are fewer than two.
    #[must_use]
    pub fn sample_stdev(&self) -> Option<f64> {
        self.sample_variance().map(f64::sqrt)
    }
}

/// How many numbers fall between each two neighboring edges.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The edges, ascending: one more than there are buckets.
    pub edges: Vec<f64>,
    /// The buckets' counts.
    pub counts: Vec<u64>,
}

fn refused(operator: &Operator, reason: &str) -> Error {
    Error::Argument { operator: operator.to_string(), reason: reason.to_owned() }
}

pub(super) fn of<R: Rdd<Item: Number>>(rdd: &R, operator: Operator) -> Result<Stats> {
    let add = |stats: Stats, number: R::Item| stats.with(number.to_f64());
    folded(rdd, operator, Stats::default, add, Stats::merged)
}

pub(super) fn even_histogram<R: Rdd<Item: Number>>(rdd: &R, operator: Operator, buckets: usize) -> Result<Histogram> {
    if buckets == 0 {
        return Err(refused(&operator, "at least one bucket is needed"));
    }
    let mut first_pass = rdd.clone();
    first_pass.node_mut().set_context(rdd.node().context().ahead());
    let stats = of(&first_pass, operator.clone())?;
    // The extremes pass over what is not a number; the mean does not.
    let range = stats.min().zip(stats.max()).filter(|(low, high)| low.is_finite() && high.is_finite());
    let Some((low, high)) = range.filter(|_| !stats.mean.is_nan()) else {
        let reason = "there are no records, or one is infinite or not a number: filter first, or give the edges";
        return Err(refused(&operator, reason));
    };
    let edges: Vec<f64> = if low == high {
        vec![low, high]
    } else {
        // By halves, lest the width of the widest range overflow.
        let at = |edge: usize| low + (high / 2.0 - low / 2.0) * (edge as f64 / buckets as f64) * 2.0;
        (0..buckets).map(at).chain([high]).collect()
    };
    histogram(rdd, operator, edges.into())
}

pub(super) fn histogram<R: Rdd<Item: Number>>(rdd: &R, operator: Operator, edges: Arc<[f64]>) -> Result<Histogram> {
    // A range of one point is what equal extremes make; beyond that edges must ascend.
    let is_point = matches!(*edges, [low, high] if low == high);
    if edges.len() < 2 || !(is_point || edges.windows(2).all(|pair| pair[0] < pair[1])) {
        return Err(refused(&operator, &format!("the edges {edges:?} are not two or more ascending numbers")));
    }
    let buckets = edges.len() - 1;
    let within = Arc::clone(&edges);
    let add = move |mut counts: Vec<u64>, number: R::Item| {
        let number = number.to_f64();
        if number >= within[0] && number <= within[buckets] {
            let above = within.partition_point(|edge| *edge <= number);
            counts[(above - 1).min(buckets - 1)] += 1;
        }
        counts
    };
    let merge = |mut counts: Vec<u64>, other: Vec<u64>| {
        counts.iter_mut().zip(other).for_each(|(count, other)| *count += other);
        counts
    };
    let counts = folded(rdd, operator, move || vec![0; buckets], add, merge)?;
    Ok(Histogram { edges: edges.to_vec(), counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_is_as_good_as_one_pass() {
        let numbers: Vec<f64> = (0..1000).map(|n| 1e9 + f64::from(n * n % 977)).collect();
        let whole = numbers.iter().fold(Stats::default(), |stats, n| stats.with(*n));
        let parts = numbers.chunks(7).map(|part| part.iter().fold(Stats::default(), |stats, n| stats.with(*n)));
        let merged = parts.fold(Stats::default(), Stats::merged);
        let mean = numbers.iter().sum::<f64>() / 1000.0;
        let variance = numbers.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 1000.0;
        for stats in [whole, merged] {
            assert!((stats.mean().unwrap() - mean).abs() < 1e-5);
            assert!((stats.variance().unwrap() / variance - 1.0).abs() < 1e-9);
            assert_eq!((stats.count(), stats.min(), stats.max()), (1000, Some(1e9), Some(1e9 + 976.0)));
        }
    }

    #[test]
    fn nothing_has_no_mean() {
        let none = Stats::default();
        assert_eq!((none.mean(), none.min(), none.stdev(), none.sample_variance()), (None, None, None, None));
        assert_eq!(none.with(3.0).sample_variance(), None);
        assert_eq!(none.merged(none.with(3.0)).mean(), Some(3.0));
    }
}
