//! Quantiles: exactly, of all values, and approximately, of counts by size.

use std::borrow::Cow;
use std::fmt::Write;

use super::Aggregator;
use super::order::ascending;

/// The values below which given shares of all values lie: the median is that of `0.5`. `None` where there are no values.
///
/// The quantile of a share `q` is the smallest value that at least the share `q` of the values does not exceed, so it is
/// always one of them, and that of `0.0` is the smallest, that of `1.0` the largest. What is not comparable even with itself,
/// such as a floating-point number that is none, stands after all others.
///
/// All values are kept: where they are many, [`ApproxQuantiles`](super::ApproxQuantiles) takes some KiB.
///
/// ```
/// use firesteel_window::{Aggregator, Quantiles};
///
/// let quantiles = Quantiles::new([0.5, 0.9, 1.0]);
/// let mut acc = quantiles.create();
/// for millis in [12, 7, 9, 250, 8, 11, 10, 9, 30, 8] {
///     quantiles.add(&mut acc, millis);
/// }
/// assert_eq!(quantiles.finish(&acc), Some([9, 30, 250]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantiles<const N: usize>(Shares<N>);

impl<const N: usize> Quantiles<N> {
    /// Of these shares, each from 0 to 1.
    ///
    /// # Panics
    ///
    /// When a share is not from 0 to 1.
    #[must_use]
    pub const fn new(shares: [f64; N]) -> Self {
        Self(Shares::new(shares))
    }
}

impl<In: PartialOrd + Clone, const N: usize> Aggregator<In> for Quantiles<N> {
    type Acc = Vec<In>;
    type Out = Option<[In; N]>;

    #[inline]
    fn create(&self) -> Vec<In> {
        Vec::new()
    }

    #[inline]
    fn add(&self, acc: &mut Vec<In>, value: In) {
        acc.push(value);
    }

    #[inline]
    fn merge(&self, acc: &mut Vec<In>, mut other: Vec<In>) {
        acc.append(&mut other);
    }

    fn finish(&self, acc: &Vec<In>) -> Self::Out {
        Aggregator::<In>::finish_owned(self, acc.clone())
    }

    fn finish_owned(&self, mut acc: Vec<In>) -> Self::Out {
        if acc.is_empty() {
            return None;
        }
        // Stable, so that of equal values the earlier one comes first.
        acc.sort_by(ascending);
        let count = acc.len() as u64;
        Some(self.0.0.map(|share| acc[(rank(share, count) - 1) as usize].clone()))
    }

    fn kind(&self) -> Cow<'static, str> {
        format!("quantiles {}", self.0.text()).into()
    }
}

/// Shares from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shares<const N: usize>(pub(super) [f64; N]);

impl<const N: usize> Shares<N> {
    pub(super) const fn new(shares: [f64; N]) -> Self {
        let mut at = 0;
        while at < N {
            assert!(shares[at] >= 0.0 && shares[at] <= 1.0, "the share of a quantile is from 0 to 1");
            at += 1;
        }
        Self(shares)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for share in self.0 {
            let gap = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{gap}{share}");
        }
        text
    }
}

/// The place, from 1, of a share's quantile among this many values, of which there is one.
pub(super) fn rank(share: f64, count: u64) -> u64 {
    let exact = share * count as f64;
    // A share is a decimal fraction that was rounded: 0.07 of a hundred are seven, and not eight.
    let whole = exact.round();
    let rank = if (exact - whole).abs() <= whole * 4.0 * f64::EPSILON { whole } else { exact.ceil() };
    (rank as u64).clamp(1, count)
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        assert_eq!(run(&Quantiles::new([0.0, 0.5, 1.0]), [5, 1, 9, 7]), Some([1, 5, 9]));
        assert_eq!(run(&Quantiles::new([0.5]), ["b", "a"]), Some(["a"]));
        assert_eq!(run(&Quantiles::new([0.1, 0.99]), [3]), Some([3, 3]));
        assert_eq!(run(&Quantiles::new([0.5]), Vec::<f64>::new()), None);
    }

    #[test]
    fn shares_that_are_rounded_do_not_count_one_too_many() {
        for count in [100, 1_000, 1_000_000] {
            for percent in 1..=100 {
                assert_eq!(rank(f64::from(percent) / 100.0, count), percent as u64 * (count / 100), "{percent}");
            }
        }
        assert_eq!([0.0, 0.001, 0.5, 1.0].map(|share| rank(share, 1)), [1; 4]);
        assert_eq!(rank(0.5, 3), 2);
        assert_eq!(rank(1.0, u64::MAX), u64::MAX);
    }

    #[test]
    fn what_is_no_number_stands_last() {
        let numbers = [f64::NAN, 3.0, f64::INFINITY, 1.0];
        let found = run(&Quantiles::new([0.25, 0.5, 0.75, 1.0]), numbers).unwrap();
        assert!(found[..3] == [1.0, 3.0, f64::INFINITY] && found[3].is_nan());
    }

    #[test]
    fn the_kind_has_the_shares() {
        assert_eq!(Aggregator::<u8>::kind(&Quantiles::new([0.5, 0.99])), "quantiles 0.5 0.99");
    }

    #[test]
    #[should_panic(expected = "from 0 to 1")]
    fn a_share_is_no_percentage() {
        let _ = Quantiles::new([99.0]);
    }

    #[test]
    #[should_panic(expected = "from 0 to 1")]
    fn a_share_is_a_number() {
        let _ = Quantiles::new([f64::NAN]);
    }
}
