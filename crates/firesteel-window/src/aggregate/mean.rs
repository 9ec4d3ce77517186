//! The mean, as a sum and a count.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Aggregator, Summand};

/// The arithmetic mean of the values; `None` where there are none.
///
/// It is the sum of [`Sum`](super::Sum), divided once at the end: exact up to that division for whole numbers,
/// compensated for floating point, and cheaper per value than a running mean, which divides each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mean;

/// What [`Mean`] keeps: the sum so far, and how many values it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeanParts<P> {
    sum: P,
    count: u64,
}

impl<In: Summand> Aggregator<In> for Mean {
    type Acc = MeanParts<In::Partial>;
    type Out = Option<In::Average>;

    #[inline]
    fn create(&self) -> Self::Acc {
        MeanParts { sum: In::zero(), count: 0 }
    }

    #[inline]
    fn add(&self, acc: &mut Self::Acc, value: In) {
        value.add_to(&mut acc.sum);
        acc.count += 1;
    }

    #[inline]
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc) {
        In::merge(&mut acc.sum, other.sum);
        acc.count += other.count;
    }

    #[inline]
    fn finish(&self, acc: &Self::Acc) -> Self::Out {
        (acc.count > 0).then(|| In::average(&acc.sum, acc.count))
    }

    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("mean")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;
    use crate::time::{millis, seconds};

    #[test]
    fn is_the_sum_over_the_count() {
        assert_eq!(run(&Mean, [1_u8, 2]), Some(1.5));
        assert_eq!(run(&Mean, Vec::<i64>::new()), None);
        assert_eq!(run(&Mean, [seconds(1), seconds(2)]), Some(millis(1_500)));
    }

    #[test]
    fn is_stable() {
        // A plain sum in 64 bits is off in the tenth digit.
        assert_eq!(run(&Mean, vec![0.1; 1_000_000]), Some(0.1));
        // Small differences on a large base are not lost.
        let base = 1e15;
        assert_eq!(run(&Mean, [base + 0.25, base + 0.5, base + 0.75]), Some(base + 0.5));
        assert_eq!(run(&Mean, [i64::MAX, i64::MAX]), Some(i64::MAX as f64));
    }
}
