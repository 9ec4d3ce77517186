//! Quantiles of counts by size.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::quantiles::{Shares, rank};
use super::{Aggregator, Numeric};

/// About the values below which given shares of all values lie, in some KiB however many they are. `None` where there are no
/// values.
///
/// The quantile of a share is found as by [`Quantiles`](super::Quantiles), and given as a number that is at most one percent
/// nearer to 0 ([`within`](Self::within) says it otherwise). The smallest and the largest value are exact, and so are whole
/// numbers up to 256. What is not a number stands after all others.
///
/// Numbers are counted by their sign, their power of two and the first seven binary digits after it: equal counts, whatever the
/// order and the parts in which the numbers come, on every machine. Other sketches give what depends on how they were merged
/// (t-digest), or collapse what is small. A counter is kept for each such size that occurs: 128 for each doubling of the
/// numbers, 16 bytes each, or 20 KiB where they spread over three decimal powers.
///
/// ```
/// use firesteel_window::{Aggregator, ApproxQuantiles};
///
/// let quantiles = ApproxQuantiles::new([0.5, 0.99]);
/// let mut acc = Aggregator::<u32>::create(&quantiles);
/// for micros in 1..=100_000_u32 {
///     quantiles.add(&mut acc, micros);
/// }
/// let [median, slow] = Aggregator::<u32>::finish(&quantiles, &acc).unwrap_or_default();
/// assert!((49_500.0..=50_000.0).contains(&median) && (98_010.0..=99_000.0).contains(&slow));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApproxQuantiles<const N: usize> {
    shares: Shares<N>,
    /// How many binary digits after the first one are looked at.
    digits: u32,
}

/// What [`ApproxQuantiles`] keeps: how many numbers there are of each size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// In the order of the sizes.
    counts: Vec<(i32, u64)>,
    /// The smallest number, as its place in the order of all of them, and the largest.
    least: i64,
    most: i64,
}

/// The binary digits of an `f64` after the first.
const DIGITS: u32 = f64::MANTISSA_DIGITS - 1;

impl<const N: usize> ApproxQuantiles<N> {
    /// Of these shares, each from 0 to 1, at most one percent off.
    ///
    /// # Panics
    ///
    /// When a share is not from 0 to 1.
    #[must_use]
    pub const fn new(shares: [f64; N]) -> Self {
        Self { shares: Shares::new(shares), digits: 7 }
    }

    /// At most this much off, as a share of the result: `0.001` is a tenth of a percent, and takes up to eight times the room.
    ///
    /// # Panics
    ///
    /// When `error` is not from 0.00002 to 0.5.
    #[must_use]
    pub fn within(self, error: f64) -> Self {
        assert!((0.00002..=0.5).contains(&error), "an error of {error} is not from 0.00002 to 0.5");
        Self { digits: error.recip().log2().ceil() as u32, ..self }
    }

    fn size(&self, place: i64) -> i32 {
        (place >> (DIGITS - self.digits)) as i32
    }

    /// The number of this size that is next to 0.
    fn number(&self, size: i32) -> f64 {
        let (places, shift) = (i64::from(size), DIGITS - self.digits);
        // Those below 0 count downwards: the last of them is next to 0.
        number(if places < 0 { (places << shift) | ((1 << shift) - 1) } else { places << shift })
    }
}

/// The place of a number in the order of all of them. Both zeros have one place, and what is no number is beyond all.
fn place(number: f64) -> i64 {
    // Adding 0 makes -0 a 0.
    let number = if number.is_nan() { f64::NAN.abs() } else { number + 0.0 };
    flip(number.to_bits() as i64)
}

/// The number at a place.
fn number(place: i64) -> f64 {
    f64::from_bits(flip(place) as u64)
}

/// Turns the order of the bits of negative numbers round; twice is once not at all.
fn flip(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

impl<In: Numeric, const N: usize> Aggregator<In> for ApproxQuantiles<N> {
    type Acc = Sizes;
    type Out = Option<[f64; N]>;

    #[inline]
    fn create(&self) -> Sizes {
        Sizes { counts: Vec::new(), least: i64::MAX, most: i64::MIN }
    }

    #[inline]
    fn add(&self, acc: &mut Sizes, value: In) {
        let place = place(value.number());
        let size = self.size(place);
        (acc.least, acc.most) = (acc.least.min(place), acc.most.max(place));
        match acc.counts.binary_search_by_key(&size, |(size, _)| *size) {
            Ok(at) => acc.counts[at].1 += 1,
            Err(at) => acc.counts.insert(at, (size, 1)),
        }
    }

    fn merge(&self, acc: &mut Sizes, other: Sizes) {
        (acc.least, acc.most) = (acc.least.min(other.least), acc.most.max(other.most));
        if let [(size, count)] = other.counts[..]
            && let Ok(at) = acc.counts.binary_search_by_key(&size, |(size, _)| *size)
        {
            acc.counts[at].1 += count;
            return;
        }
        acc.counts.extend(other.counts);
        // Two runs: in linear time.
        acc.counts.sort_by_key(|(size, _)| *size);
        acc.counts.dedup_by(|more, kept| {
            let same = more.0 == kept.0;
            kept.1 += if same { more.1 } else { 0 };
            same
        });
    }

    fn finish(&self, acc: &Sizes) -> Option<[f64; N]> {
        let count: u64 = acc.counts.iter().map(|(_, count)| count).sum();
        (count > 0).then(|| {
            self.shares.0.map(|share| {
                let rank = rank(share, count);
                if rank == count {
                    return number(acc.most);
                }
                if rank == 1 {
                    return number(acc.least);
                }
                let mut below = 0;
                let size = acc.counts.iter().find(|(_, count)| {
                    below += count;
                    below >= rank
                });
                let found = size.map_or(acc.most, |(size, _)| place(self.number(*size)));
                number(found.clamp(acc.least, acc.most))
            })
        })
    }

    fn kind(&self) -> Cow<'static, str> {
        format!("quantiles {} by {} digits", self.shares.text(), self.digits).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Quantiles;
    use super::super::testing::run;
    use super::*;

    const SHARES: [f64; 7] = [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0];

    fn check(numbers: &[f64], error: f64) {
        let exact = run(&Quantiles::new(SHARES), numbers.iter().copied()).unwrap();
        let found = run(&ApproxQuantiles::new(SHARES).within(error), numbers.iter().copied()).unwrap();
        for (share, (exact, found)) in SHARES.iter().zip(exact.into_iter().zip(found)) {
            if exact.is_infinite() {
                assert_eq!(exact, found);
            } else {
                assert!((exact - found).abs() <= error * exact.abs() + f64::MIN_POSITIVE, "{share}: {exact}, {found}");
                assert!(found.abs() <= exact.abs(), "{share}: {exact}, {found}");
            }
        }
        assert_eq!((exact[0], exact[6]), (found[0], found[6]));
    }

    #[test]
    fn the_error_is_as_it_is_said() {
        let spread: Vec<f64> = (0..10_000).map(|n| f64::from(n * n % 9_973) * 1.37).collect();
        let signs: Vec<f64> = (0..5_000).map(|n| f64::from(n - 2_500).powi(5)).collect();
        let far = [1e300, -1e300, 1e-300, 5e-324, 0.0, -0.0, f64::MAX, f64::MIN, f64::INFINITY, f64::NEG_INFINITY];
        for error in [0.5, 0.01, 0.001, 0.00002] {
            check(&spread, error);
            check(&signs, error);
            check(&far, error);
        }
    }

    #[test]
    fn small_whole_numbers_are_exact() {
        let numbers = (-128..=256).map(f64::from).collect::<Vec<_>>();
        let shares = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
        let exact = run(&Quantiles::new(shares), numbers.iter().copied());
        assert_eq!(run(&ApproxQuantiles::new(shares), numbers), exact);
    }

    #[test]
    fn what_is_no_number_stands_last_and_the_zeros_are_one() {
        let numbers = [f64::NAN, 3.0, -f64::NAN, f64::INFINITY, 1.0];
        let [first, second, third, fourth, last] =
            run(&ApproxQuantiles::new([0.2, 0.4, 0.6, 0.8, 1.0]), numbers).unwrap();
        assert_eq!((first, second, third), (1.0, 3.0, f64::INFINITY));
        assert!(fourth.is_nan() && last.is_nan());
        let zero = run(&ApproxQuantiles::new([0.5]), [-0.0]).unwrap()[0];
        assert!(zero == 0.0 && zero.is_sign_positive());
    }

    #[test]
    fn there_is_one_counter_for_each_size() {
        let quantiles = ApproxQuantiles::new([0.5]);
        let mut acc = Aggregator::<f64>::create(&quantiles);
        (0..100_000).for_each(|n| quantiles.add(&mut acc, 1.0 + f64::from(n) / 100_000.0));
        assert_eq!(acc.counts.len(), 128);
    }

    #[test]
    #[should_panic(expected = "not from 0.00002 to 0.5")]
    fn an_error_beyond_what_is_possible_is_refused() {
        let _ = ApproxQuantiles::new([0.5]).within(0.0);
    }
}
