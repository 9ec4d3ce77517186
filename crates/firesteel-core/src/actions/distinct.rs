//! Counting distinct records without keeping them.

use std::hash::Hash;

use hyperloglockless::HyperLogLog;

use crate::actions::aggregate::folded;
use crate::error::{Error, Result};
use crate::hash::{BuildKeyHasher, hash_key};
use crate::operator::Operator;
use crate::rdd::Rdd;

/// What sketches of 2⁴ and 2¹⁸ registers promise.
const ERRORS: std::ops::RangeInclusive<f64> = 0.0021..=0.26;

pub(super) fn count<R: Rdd<Item: Hash>>(rdd: &R, operator: Operator, error: f64) -> Result<u64> {
    if !ERRORS.contains(&error) {
        let reason = format!("an error of {error} is not between {} and {}", ERRORS.start(), ERRORS.end());
        return Err(Error::Argument { operator: operator.to_string(), reason });
    }
    let precision = precision(error);
    let empty = move || HyperLogLog::with_hasher(precision, BuildKeyHasher);
    let add = |mut sketch: HyperLogLog<BuildKeyHasher>, record| {
        sketch.insert_hash(hash_key(&record));
        sketch
    };
    let merge = |mut sketch: HyperLogLog<BuildKeyHasher>, other| {
        sketch.union(&other).expect("sketches of one precision are of one size");
        sketch
    };
    let sketch = folded(rdd, operator, empty, add, merge)?;
    Ok(sketch.raw_count().round() as u64)
}

/// The number of index bits for a standard error of `1.04 / √2ᵖ` (Flajolet et al., 2007).
fn precision(error: f64) -> u8 {
    let registers = (1.04 / error).powi(2);
    (registers.log2().ceil() as u8).clamp(4, 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precision_is_the_least_that_meets_the_error() {
        assert_eq!([0.26, 0.05, 0.01, 0.0021].map(precision), [4, 9, 14, 18]);
    }

    #[test]
    fn sketches_keep_their_promise_with_this_hash() {
        for distinct in [0u64, 1, 100, 5_000, 100_000, 1_000_000] {
            let mut sketches = [0, 1].map(|_| HyperLogLog::with_hasher(precision(0.01), BuildKeyHasher));
            for n in 0..distinct {
                sketches[(n % 2) as usize].insert_hash(hash_key(&n));
                sketches[(n % 3 % 2) as usize].insert_hash(hash_key(&n));
            }
            let [mut sketch, other] = sketches;
            sketch.union(&other).unwrap();
            let error = (sketch.raw_count() - distinct as f64).abs() / distinct.max(1) as f64;
            assert!(error < 0.03, "{distinct} distinct were counted as {}", sketch.raw_count());
        }
    }
}
