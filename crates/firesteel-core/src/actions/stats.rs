//! Mean, variance, extremes and histograms.

use std::sync::Arc;

use firesteel_window::aggregate::Moments;

use crate::actions::Number;
use crate::actions::aggregate::folded;
use crate::error::{Error, Result};
use crate::operator::Operator;
use crate::rdd::Rdd;

/// Count, mean, variance and extremes of numbers, as [`Moments`] keeps them: neither the order of the numbers nor how
/// they were split shows.
///
/// One number that is not a number makes all of them but the count not a number: it is nowhere passed over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    moments: Moments,
    min: f64,
    max: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Self { moments: Moments::default(), min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

/// The smaller of two numbers, -0 being smaller than 0, if both are numbers.
fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    if a.total_cmp(&b).is_le() { a } else { b }
}

impl Stats {
    /// The statistics with one number more.
    #[must_use]
    pub fn with(mut self, number: f64) -> Self {
        self.moments.add(number);
        let (min, max) = (smaller(self.min, number), -smaller(-self.max, -number));
        Self { min, max, ..self }
    }

    /// The statistics of the numbers of both.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        self.moments.merge(other.moments);
        let (min, max) = (smaller(self.min, other.min), -smaller(-self.max, -other.max));
        Self { min, max, ..self }
    }

    fn some(&self, value: f64) -> Option<f64> {
        (self.count() > 0).then_some(value)
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.moments.count()
    }

    /// Their mean; `None` if there are none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        self.moments.mean()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.moments.sum()
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
        self.moments.variance()
    }

    /// Their standard deviation as a whole population; `None` if there are none.
    #[must_use]
    pub fn stdev(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// The variance of what they are a sample of; `None` if there are fewer than two.
    #[must_use]
    pub fn sample_variance(&self) -> Option<f64> {
        self.moments.sample_variance()
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
    let range = stats.min().zip(stats.max()).filter(|(low, high)| low.is_finite() && high.is_finite());
    let Some((low, high)) = range else {
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
    fn what_is_no_number_is_nowhere_passed_over() {
        let of = |numbers: &[f64]| numbers.iter().fold(Stats::default(), |stats, n| stats.with(*n));
        for odd in [of(&[f64::NAN, 1.0]), of(&[1.0, f64::NAN]), of(&[1.0]).merged(of(&[f64::NAN])), of(&[f64::NAN])] {
            assert!(
                [odd.min(), odd.max(), odd.mean(), odd.variance()].iter().all(|of| of.unwrap().is_nan()),
                "{odd:?}"
            );
        }
        for zeros in [of(&[0.0, -0.0]), of(&[-0.0, 0.0]), of(&[0.0]).merged(of(&[-0.0]))] {
            assert_eq!([zeros.min(), zeros.max()].map(|zero| zero.unwrap().is_sign_negative()), [true, false]);
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
