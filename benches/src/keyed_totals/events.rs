//! The events of W3: made from their number alone, by arithmetic that SQL has as well.
//!
//! Spark and Flink compute the same expressions (`benches/peers/workload.py`). Flink's SQL has neither shifts nor
//! exclusive or, so the usual mixers are out; a polynomial modulo a prime, evaluated without overflow in 64 bits,
//! spreads the keys well enough, as the tests here show.

use clap::ValueEnum;

/// The modulus, a Mersenne prime.
const PRIME: u64 = 2_147_483_647;
/// The factor of the square.
const SQUARE: u64 = 1_103_515_245;
/// The factor of the number itself.
const LINEAR: u64 = 12_345_678;
/// Values are below this.
const VALUES: u64 = 100;

/// How often keys occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// All keys equally often.
    Uniform,
    /// The key of rank `r` with a frequency proportional to `1 / r`, which is Zipf's law with the exponent 1.
    Zipf,
}

impl Shape {
    /// The name on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "zipf",
        }
    }
}

/// What a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyType {
    /// The number itself, in 64 bits.
    Number,
    /// A text of thirty characters, which stands for the number.
    Text,
}

impl KeyType {
    /// The name on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Text => "text",
        }
    }

    /// The name of the workload with such keys.
    #[must_use]
    pub fn workload(self) -> &'static str {
        match self {
            Self::Number => "W3",
            Self::Text => "W3c",
        }
    }
}

/// The sequence of events, without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyedEvents {
    /// Keys are below this, at least 1.
    pub keys: u64,
    /// How they are distributed.
    pub shape: Shape,
}

impl KeyedEvents {
    /// The number of the key of event `number`, which is below three thousand million.
    #[must_use]
    #[inline]
    pub fn key(self, number: u64) -> u64 {
        let random = ((number * number % PRIME) * SQUARE + number * LINEAR) % PRIME;
        match self.shape {
            Shape::Uniform => random % self.keys,
            // The inverse of the distribution function, whose density is that of the logarithm.
            Shape::Zipf => (self.keys as f64).powf(random as f64 / PRIME as f64) as u64 - 1,
        }
    }

    /// The value of event `number`.
    #[must_use]
    #[inline]
    pub fn value(number: u64) -> i64 {
        (number % VALUES).cast_signed()
    }

    /// The sum of the first `count` values.
    ///
    /// ```
    /// use firesteel_benches::keyed_totals::events::KeyedEvents;
    ///
    /// assert_eq!(KeyedEvents::sum_of_values(203), 2 * 4_950 + 0 + 1 + 2);
    /// ```
    #[must_use]
    pub fn sum_of_values(count: u64) -> i64 {
        let below = |bound: u64| bound * bound.saturating_sub(1) / 2;
        (count / VALUES * below(VALUES) + below(count % VALUES)).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn counts(events: KeyedEvents, numbers: std::ops::Range<u64>) -> HashMap<u64, u64> {
        let mut counts = HashMap::new();
        numbers.for_each(|number| *counts.entry(events.key(number)).or_default() += 1);
        counts
    }

    #[test]
    fn uniform_keys_repeat_as_often_as_random_ones() {
        let keys = 100_000;
        let events = KeyedEvents { keys, shape: Shape::Uniform };
        for first in [0, 1_000_000_000, 2_500_000_000] {
            let counts = counts(events, first..first + keys);
            assert!(counts.keys().all(|&key| key < keys));
            // Of as many draws as there are keys, 1 - 1/e hit a new one.
            let share = counts.len() as f64 / keys as f64;
            assert!((share - 0.632).abs() < 0.01, "{share}");
            assert!(counts.values().all(|&count| count < 20));
        }
    }

    #[test]
    fn zipf_keys_are_as_frequent_as_their_rank_says() {
        let events = KeyedEvents { keys: 1_000, shape: Shape::Zipf };
        let counts = counts(events, 0..200_000);
        // The integral of 1 / (r ln 1000) over the ranks, which begin at 1.
        for ranks in [1..2, 2..3, 3..10, 10..100, 100..1_000] {
            let count: u64 = ranks.clone().filter_map(|rank| counts.get(&(rank - 1))).sum();
            let expected = (ranks.end as f64 / ranks.start as f64).ln() / 1_000_f64.ln();
            let share = count as f64 / 200_000.0;
            assert!((share / expected - 1.0).abs() < 0.03, "{ranks:?}: {share}, not {expected}");
        }
        assert!(counts.keys().all(|&key| key < 1_000));
    }

    #[test]
    fn the_first_events_are_what_they_were() {
        let keys = |shape| (0..5).map(|number| KeyedEvents { keys: 1_000_000, shape }.key(number)).collect::<Vec<_>>();
        assert_eq!(keys(Shape::Uniform), [0, 860_923, 785_042, 739_651, 757_456]);
        assert_eq!(keys(Shape::Zipf), [0, 1_310, 1, 7_113, 28]);
    }

    #[test]
    fn the_closed_form_is_the_sum() {
        for count in [0, 1, 99, 100, 101, 12_345] {
            assert_eq!(KeyedEvents::sum_of_values(count), (0..count).map(KeyedEvents::value).sum::<i64>());
        }
    }
}
