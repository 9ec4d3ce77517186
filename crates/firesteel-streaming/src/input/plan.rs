//! How much a micro-batch reads, and in which ranges.

use firesteel_connect::{PositionUnit, ReadRange, Split};
use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

use crate::input::Cut;

/// How large a micro-batch may become. Under overload batches stay within the limits and the source waits.
///
/// ```
/// use firesteel_streaming::BatchLimits;
/// let limits = BatchLimits::default().records(10_000).bytes(8 << 20);
/// # let _ = limits;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BatchLimits {
    /// Records at most, over all splits of a source; without it, a million where records can be counted beforehand.
    pub records: Option<u64>,
    /// Bytes at most, over all splits of a source; without it, 64 MiB where positions are bytes.
    pub bytes: Option<u64>,
}

impl BatchLimits {
    /// Limits the records.
    #[must_use]
    pub fn records(self, records: u64) -> Self {
        Self { records: Some(records.max(1)), ..self }
    }

    /// Limits the bytes.
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes.max(1)), ..self }
    }
}

/// How far the trigger lets a run go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// As long as something comes.
    Open,
    /// What was there when the run began.
    AvailableNow,
    /// One batch of all there is.
    Once,
}

/// What a batch is admitted under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admission {
    pub(crate) now: Timestamp,
    pub(crate) limits: BatchLimits,
    pub(crate) bound: Bound,
    pub(crate) executors: usize,
}

const DEFAULT_RECORDS: u64 = 1_000_000;
const DEFAULT_BYTES: u64 = 64 << 20;
/// A task of fewer records is not worth a thread.
const PART_RECORDS: u64 = 16_384;
/// A task of fewer bytes is not worth a thread.
const PART_BYTES: u64 = 2 << 20;

/// Cuts what is unread (split, available, position) into ranges: within the limits, each split getting its share, and
/// large ranges of divisible splits cut for parallel tasks.
pub(crate) fn cut(unread: &[(Split, Option<u64>, u64)], admission: &Admission) -> Vec<Cut> {
    let limits = match admission.bound {
        Bound::Once => BatchLimits { records: Some(u64::MAX), bytes: Some(u64::MAX) },
        _ => admission.limits,
    };
    let mut cuts = Vec::new();
    let mut records_left = limits.records.unwrap_or(DEFAULT_RECORDS);
    let mut bytes_left = limits.bytes.unwrap_or(DEFAULT_BYTES);
    for (index, (split, available, position)) in unread.iter().enumerate() {
        let splits_left = (unread.len() - index) as u64;
        let share = |left: u64| if left == u64::MAX { left } else { left.div_ceil(splits_left).max(1) };
        let (records, bytes) = (share(records_left), share(bytes_left));
        let mut range = ReadRange {
            split: split.id.clone(),
            from: *position,
            to: *available,
            max_records: limits.records.map(|_| records),
            max_bytes: limits.bytes.map(|_| bytes),
        };
        match (split.unit, available) {
            (PositionUnit::Records, Some(available)) => {
                let to = (*available).min(position.saturating_add(records));
                (range.to, range.max_records) = (Some(to), None);
                records_left = records_left.saturating_sub(to - position);
            }
            (PositionUnit::Bytes, Some(available)) if limits.records.is_none() => {
                let to = (*available).min(position.saturating_add(bytes));
                // Only a divisible split can be read up to a byte between two records.
                if split.divisible {
                    (range.to, range.max_bytes) = (Some(to), None);
                } else {
                    range.max_bytes = Some(bytes);
                }
                bytes_left = bytes_left.saturating_sub(to - position);
            }
            _ => {
                range.max_records = Some(records);
                range.max_bytes = Some(bytes);
                records_left = records_left.saturating_sub(records);
                bytes_left = bytes_left.saturating_sub(bytes);
            }
        }
        range.max_records = range.max_records.filter(|limit| *limit != u64::MAX);
        range.max_bytes = range.max_bytes.filter(|limit| *limit != u64::MAX);
        divide(range, split, admission.executors, &mut cuts);
    }
    cuts
}

fn divide(range: ReadRange, split: &Split, executors: usize, cuts: &mut Vec<Cut>) {
    let records = |len: u64| (split.unit == PositionUnit::Records).then_some(len);
    let Some(to) = range.to.filter(|_| split.divisible && range.max_records.is_none() && range.max_bytes.is_none())
    else {
        let hint = range.len_hint().and_then(records).or(range.max_records);
        cuts.push((range, hint));
        return;
    };
    let least = if split.unit == PositionUnit::Bytes { PART_BYTES } else { PART_RECORDS };
    let len = to - range.from;
    let parts = (len / least).clamp(1, executors.max(1) as u64);
    for part in 0..parts {
        let bound = |part: u64| range.from + (u128::from(len) * u128::from(part) / u128::from(parts)) as u64;
        let exact = ReadRange::exact(split.id.clone(), bound(part), bound(part + 1));
        let hint = exact.len_hint().and_then(records);
        cuts.push((exact, hint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firesteel_connect::SplitId;

    fn split(unit: PositionUnit, available: Option<u64>, divisible: bool) -> (Split, Option<u64>, u64) {
        let id = SplitId::new("s");
        (Split { id, first: 0, available, unit, divisible, finished: false }, available, 0)
    }

    fn admission(limits: BatchLimits) -> Admission {
        Admission { now: Timestamp::EPOCH, limits, bound: Bound::Open, executors: 2 }
    }

    #[test]
    fn a_large_range_is_cut_for_the_executors_and_a_small_one_is_not() {
        let large = split(PositionUnit::Records, Some(100_000), true);
        let cuts = cut(&[large], &admission(BatchLimits::default()));
        let bounds: Vec<_> = cuts.iter().map(|(range, hint)| (range.from, range.to, *hint)).collect();
        assert_eq!(bounds, [(0, Some(50_000), Some(50_000)), (50_000, Some(100_000), Some(50_000))]);
        let small = split(PositionUnit::Records, Some(100), true);
        assert_eq!(cut(&[small], &admission(BatchLimits::default())).len(), 1);
    }

    #[test]
    fn splits_share_the_limit_and_what_one_leaves_the_next_may_take() {
        let few = split(PositionUnit::Records, Some(10), true);
        let many = split(PositionUnit::Records, Some(1_000), true);
        let cuts = cut(&[few, many], &admission(BatchLimits::default().records(100)));
        let lens: Vec<_> = cuts.iter().map(|(range, _)| range.len_hint()).collect();
        assert_eq!(lens, [Some(10), Some(90)]);
    }

    #[test]
    fn an_unknown_end_is_bounded_by_records_and_bytes() {
        let cuts = cut(&[split(PositionUnit::Bytes, None, false)], &admission(BatchLimits::default()));
        let (range, _) = &cuts[0];
        assert_eq!((range.to, range.max_records, range.max_bytes), (None, Some(DEFAULT_RECORDS), Some(DEFAULT_BYTES)));
        let once = Admission { bound: Bound::Once, ..admission(BatchLimits::default().records(5)) };
        let (range, _) = &cut(&[split(PositionUnit::Bytes, None, false)], &once)[0];
        assert_eq!((range.to, range.max_records, range.max_bytes), (None, None, None));
    }
}
