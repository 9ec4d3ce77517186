//! The right answer to W3, computed in the most obvious way, and its condensed form.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::events::KeyedEvents;

/// What a key has: how many events, and the sum of their values.
pub type Total = (u64, i64);

/// The modulus of the digest, a prime.
const DIGEST: u64 = 8_191;

/// The totals of all keys, condensed so that a wrong one shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Keys that have occurred.
    pub keys: u64,
    /// Events of all keys.
    pub total_count: u64,
    /// Values of all keys.
    pub total_sum: i64,
    /// The sum over the keys of `(key + 1) * (count * sum % 8191)`: it tells swapped or split totals apart, and can
    /// be computed in SQL.
    pub digest: u64,
}

impl Totals {
    /// Adds a key with its total.
    pub fn add(&mut self, key: u64, (count, sum): Total) {
        self.keys += 1;
        self.total_count += count;
        self.total_sum += sum;
        self.digest += (key + 1) * (count * sum.cast_unsigned() % DIGEST);
    }

    /// Adds the totals of other keys.
    pub fn merge(&mut self, other: &Self) {
        self.keys += other.keys;
        self.total_count += other.total_count;
        self.total_sum += other.total_sum;
        self.digest += other.digest;
    }

    /// The totals of the first `count` events: one thread, one map.
    ///
    /// # Panics
    /// If the totals are not those of the closed form, which do not depend on the keys.
    #[must_use]
    pub fn of(events: KeyedEvents, count: u64) -> Self {
        let mut map: HashMap<u64, Total, firesteel_core::hash::BuildKeyHasher> = HashMap::default();
        for number in 0..count {
            let (events, sum) = map.entry(events.key(number)).or_default();
            *events += 1;
            *sum += KeyedEvents::value(number);
        }
        let mut totals = Self::default();
        map.into_iter().for_each(|(key, total)| totals.add(key, total));
        assert_eq!((totals.total_count, totals.total_sum), (count, KeyedEvents::sum_of_values(count)));
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::super::events::Shape;
    use super::*;

    fn totals(all: &[(u64, Total)]) -> Totals {
        let mut totals = Totals::default();
        all.iter().for_each(|&(key, total)| totals.add(key, total));
        totals
    }

    #[test]
    fn the_digest_tells_what_the_sums_do_not() {
        let right = totals(&[(1, (2, 10)), (2, (3, 20))]);
        for wrong in [[(1, (3, 20)), (2, (2, 10))], [(1, (2, 20)), (2, (3, 10))], [(1, (3, 10)), (2, (2, 20))]] {
            let wrong = totals(&wrong);
            assert_eq!((wrong.total_count, wrong.total_sum, wrong.keys), (5, 30, 2));
            assert_ne!(wrong.digest, right.digest);
        }
        let mut merged = totals(&[(2, (3, 20))]);
        merged.merge(&totals(&[(1, (2, 10))]));
        assert_eq!(merged, right);
    }

    #[test]
    fn counts_what_occurs() {
        let events = KeyedEvents { keys: 1, shape: Shape::Uniform };
        let sum = (0..150).map(|value| value % 100).sum();
        assert_eq!(Totals::of(events, 150), totals(&[(0, (150, sum))]));
    }
}
