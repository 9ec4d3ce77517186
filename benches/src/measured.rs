//! What one run of one side yields: its answer and its time.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::keys::Key;
use crate::random::mix;

/// The answer of a run, condensed so that two answers compare at no cost.
///
/// The checksum is a sum over the rows and so does not depend on the order
/// they come out in; partial outcomes of several threads add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Result rows: windows by campaign for W1, records that passed for W2.
    pub rows: u64,
    /// Wrapping sum of one number per row.
    pub checksum: u64,
}

impl Outcome {
    /// Counts a row of a windowed count: `campaign` had `count` events in the
    /// window that starts at `start` microseconds.
    #[inline]
    pub fn add_window(&mut self, campaign: &impl Key, start: i64, count: u64) {
        let key = mix(start.cast_unsigned() ^ mix(campaign.number()));
        self.add_value(mix(key ^ count));
    }

    /// Counts a row that is one number.
    #[inline]
    pub fn add_value(&mut self, value: u64) {
        self.rows += 1;
        self.checksum = self.checksum.wrapping_add(value);
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.checksum = self.checksum.wrapping_add(other.checksum);
    }
}

/// One timed run of one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Records read.
    pub events: usize,
    /// Wall time from the start of the job to its last result row, with the
    /// start of threads and dataflow and without the generation of data.
    pub seconds: f64,
    /// The answer.
    pub outcome: Outcome,
}

impl Measured {
    /// Records read per second.
    #[must_use]
    pub fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(rows: &[(u32, i64, u64)]) -> Outcome {
        let mut outcome = Outcome::default();
        for (campaign, start, count) in rows {
            outcome.add_window(campaign, *start, *count);
        }
        outcome
    }

    #[test]
    fn does_not_depend_on_the_order_or_the_division_of_rows() {
        let mut parts = outcome(&[(3, 0, 9)]);
        parts += outcome(&[(2, 10, 4), (1, 0, 5)]);
        assert_eq!(parts, outcome(&[(1, 0, 5), (2, 10, 4), (3, 0, 9)]));
    }

    #[test]
    fn tells_swapped_counts_apart() {
        let right = outcome(&[(1, 0, 5), (2, 0, 4)]);
        assert_ne!(right, outcome(&[(1, 0, 4), (2, 0, 5)]));
        assert_ne!(right, outcome(&[(1, 10, 5), (2, 0, 4)]));
    }
}
