//! Count, mean and variance, in parts and in any grouping.

use serde::{Deserialize, Serialize};

use super::sum::exact_sum;

/// How many numbers there are, their mean and their variance.
///
/// Kept are the sums of the numbers and of their squares, each in three times the precision of an `f64`: so that neither
/// the order of the numbers nor how they were split shows in what comes out, and a mean far from 0 costs no digits.
///
/// ```
/// use firesteel_window::aggregate::Moments;
///
/// let mut moments = Moments::default();
/// [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().for_each(|number| moments.add(number));
/// assert_eq!((moments.count(), moments.mean(), moments.variance()), (8, Some(5.0), Some(4.0)));
/// ```
///
/// One number that is not a number makes the mean and the variance not a number. An infinite one makes the mean infinite
/// and the variance not a number. The variance of numbers beyond ±10¹⁵³, whose squares no `f64` holds, is infinite.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Moments {
    count: u64,
    sum: Total,
    squares: Total,
}

impl Moments {
    /// Takes one number in.
    #[inline]
    pub fn add(&mut self, number: f64) {
        self.count += 1;
        self.sum.add(number);
        self.squares.add_product(number, number);
    }

    /// Takes in the numbers of another.
    #[inline]
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum.merge(other.sum);
        self.squares.merge(other.squares);
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum.value()
    }

    /// Their mean; `None` if there are none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum() / self.count as f64)
    }

    /// Their variance as a whole population; `None` if there are none.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        (self.count > 0).then(|| self.distances() / self.count as f64)
    }

    /// The variance of what they are a sample of; `None` if there are fewer than two.
    #[must_use]
    pub fn sample_variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.distances() / (self.count - 1) as f64)
    }

    /// Their standard deviation as a whole population; `None` if there are none.
    #[must_use]
    pub fn std_dev(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// The standard deviation of what they are a sample of; `None` if there are fewer than two.
    #[must_use]
    pub fn sample_std_dev(&self) -> Option<f64> {
        self.sample_variance().map(f64::sqrt)
    }

    /// The sum of the squares of the distances from the mean.
    fn distances(&self) -> f64 {
        if !self.sum().is_finite() {
            return f64::NAN;
        }
        if !self.squares.value().is_finite() {
            return f64::INFINITY;
        }
        // First the distances from a number near the mean, which come out of the sums without rounding.
        let (count, center) = (self.count as f64, self.sum() / self.count as f64);
        let (all, left) = product(count, center);
        let (mut squares, mut rest) = (self.squares, self.sum);
        for part in self.sum.parts() {
            squares.add_product(part, -2.0 * center);
        }
        for part in [all, left] {
            squares.add_product(part, center);
            rest.add(-part);
        }
        // Rounding may take it below 0.
        let rest = rest.value();
        (squares.value() - rest * rest / count).max(0.0)
    }
}

/// A sum in three times the precision of an `f64`: what rounding cuts off from each part goes into the next (Knuth's
/// TwoSum, cascaded as by Ogita, Rump and Oishi, 2005).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Total {
    first: f64,
    second: f64,
    third: f64,
}

impl Total {
    #[inline]
    fn add(&mut self, number: f64) {
        let (first, error) = exact_sum(self.first, number);
        let (second, error) = exact_sum(self.second, error);
        *self = Self { first, second, third: self.third + error };
    }

    #[inline]
    fn add_product(&mut self, a: f64, b: f64) {
        let (product, error) = product(a, b);
        self.add(product);
        self.add_error(error);
    }

    /// Adds what was cut off elsewhere. It is not a number where the sum is infinite, and must not reach that.
    #[inline]
    fn add_error(&mut self, error: f64) {
        let (second, error) = exact_sum(self.second, error);
        (self.second, self.third) = (second, self.third + error);
    }

    #[inline]
    fn merge(&mut self, other: Self) {
        self.add(other.first);
        self.add_error(other.second);
        self.third += other.third;
    }

    fn parts(&self) -> [f64; 3] {
        [self.first, self.second, self.third]
    }

    /// The sum, rounded once.
    fn value(&self) -> f64 {
        if !self.first.is_finite() {
            // The errors of an infinite sum are not numbers.
            return self.first;
        }
        let (second, third) = exact_sum(self.second, self.third);
        let (first, rest) = exact_sum(self.first, second);
        first + (rest + third)
    }
}

/// A product and what rounding has cut off from it (Dekker, 1971).
#[inline]
fn product(a: f64, b: f64) -> (f64, f64) {
    /// The upper half of the digits, and the lower.
    #[inline]
    fn halves(number: f64) -> (f64, f64) {
        let shifted = 134_217_729.0 * number;
        let high = shifted - (shifted - number);
        (high, number - high)
    }
    let product = a * b;
    let (a, b) = (halves(a), halves(b));
    (product, a.1 * b.1 - (((product - a.0 * b.0) - a.1 * b.0) - a.0 * b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: impl IntoIterator<Item = f64>) -> Moments {
        let mut moments = Moments::default();
        numbers.into_iter().for_each(|number| moments.add(number));
        moments
    }

    /// What two and more parts of the numbers make, from the first to the last and the other way round.
    fn all_ways(numbers: &[f64]) -> Vec<Moments> {
        let mut ways = vec![of(numbers.iter().copied()), of(numbers.iter().rev().copied())];
        for size in [1, 2, 7, 100] {
            let parts: Vec<Moments> = numbers.chunks(size).map(|part| of(part.iter().copied())).collect();
            for is_reversed in [false, true] {
                let mut moments = Moments::default();
                let parts = parts.iter().copied();
                if is_reversed {
                    parts.rev().for_each(|part| moments.merge(part))
                } else {
                    parts.for_each(|part| moments.merge(part))
                }
                ways.push(moments);
            }
        }
        ways
    }

    #[test]
    fn neither_order_nor_parts_show() {
        let tenths: Vec<f64> = (0..1000).map(|n| f64::from(n * n % 977) / 10.0).collect();
        let far: Vec<f64> = (0..1000).map(|n| 1e9 + f64::from(n * n % 977) / 1000.0).collect();
        let mixed: Vec<f64> = (0..1000).map(|n| (f64::from(n) - 500.0).powi(7) + 1.0 / f64::from(n + 1)).collect();
        for numbers in [tenths, far, mixed] {
            let ways = all_ways(&numbers);
            for way in &ways {
                assert_eq!(way.sum(), ways[0].sum());
                assert_eq!(way.variance(), ways[0].variance());
            }
        }
    }

    #[test]
    fn a_mean_far_from_0_costs_no_digits() {
        let numbers = [4.0, 7.0, 13.0, 16.0].map(|n| n + 1e15);
        assert_eq!(of(numbers).sample_variance(), Some(30.0));
        assert_eq!(of([1e8 + 0.5; 1000]).variance(), Some(0.0));
    }

    #[test]
    fn what_is_no_number_is_not_passed_over() {
        let odd = of([1.0, f64::NAN, 2.0]);
        assert!(odd.mean().unwrap().is_nan() && odd.variance().unwrap().is_nan() && odd.count() == 3);
        for numbers in [[f64::INFINITY, 1.0, 2.0], [1.0, f64::INFINITY, 2.0], [1.0, 2.0, f64::INFINITY]] {
            for way in all_ways(&numbers) {
                assert_eq!(way.mean(), Some(f64::INFINITY));
                assert!(way.variance().unwrap().is_nan());
            }
        }
        assert_eq!(of([1e200, -1e200]).variance(), Some(f64::INFINITY));
        assert_eq!(of([1e200, -1e200]).mean(), Some(0.0));
    }

    #[test]
    fn nothing_has_no_mean() {
        let none = of([]);
        assert_eq!((none.mean(), none.variance(), none.sample_variance()), (None, None, None));
        assert_eq!((of([3.0]).variance(), of([3.0]).sample_variance()), (Some(0.0), None));
    }
}
