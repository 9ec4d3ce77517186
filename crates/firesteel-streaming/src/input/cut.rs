//! How much a micro-batch reads, and in which ranges.

use firesteel_connect::{PositionUnit, ReadRange, Split};

use crate::input::{Cost, Cut};
use crate::plan::{Admission, BatchLimits, Bound};

const DEFAULT_RECORDS: u64 = 1_000_000;
const DEFAULT_BYTES: u64 = 64 << 20;
/// A task of fewer records is not worth a thread, as long as it is not known what they cost.
const PART_RECORDS: u64 = 16_384;
/// A task of fewer bytes is not worth a thread, as long as it is not known what they cost.
const PART_BYTES: u64 = 2 << 20;

/// What is unread of a split: up to where, and from where on.
pub(crate) type Unread = (Split, Option<u64>, u64);

/// What is left of a limit.
#[derive(Clone, Copy)]
struct Budget(Option<u64>);

impl Budget {
    /// An even share among this many; nothing when nothing is left, `None` without a limit.
    fn share(self, among: usize) -> Option<u64> {
        self.0.map(|left| left.div_ceil(among.max(1) as u64))
    }

    fn spend(&mut self, used: Option<u64>) {
        self.0 = self.0.map(|left| left.saturating_sub(used.unwrap_or(0)));
    }
}

/// Cuts what is unread into ranges: within the limits, each split getting its share, and large ranges of divisible
/// splits cut for parallel tasks.
///
/// A limit may be too small for all splits. Returns how many, from the first on, have got something. `cost` is that of a
/// position.
pub(crate) fn cut(unread: &[Unread], admission: &Admission, cost: Cost) -> (Vec<Cut>, usize) {
    let limits = if admission.bound == Bound::Once { BatchLimits::default() } else { admission.limits };
    let default = |amount| (admission.bound != Bound::Once).then_some(amount);
    let mut records_left = Budget(limits.records.or(default(DEFAULT_RECORDS)));
    let mut bytes_left = Budget(limits.bytes.or(default(DEFAULT_BYTES)));
    let mut cuts = Vec::new();
    for (index, (split, available, position)) in unread.iter().enumerate() {
        let splits_left = unread.len() - index;
        let (records, bytes) = (records_left.share(splits_left), bytes_left.share(splits_left));
        if records == Some(0) || bytes == Some(0) {
            return (cuts, index);
        }
        let up_to = |available: u64, most: Option<u64>| {
            most.map_or(available, |most| available.min(position.saturating_add(most)))
        };
        // Where positions have gaps there are fewer records, and a limit on records means records.
        let by_positions = split.unit == PositionUnit::Records || (split.divisible && limits.records.is_none());
        let mut range = ReadRange::starting_at(split.id.clone(), *position).max_records(records).max_bytes(bytes);
        range.to = *available;
        match (split.unit, available) {
            (PositionUnit::Records | PositionUnit::Sequence, Some(available)) if by_positions => {
                let to = up_to(*available, records);
                (range.to, range.max_records) = (Some(to), None);
                // How many bytes a record has is the source's to know.
                range.max_bytes = bytes.filter(|_| limits.bytes.is_some());
                records_left.spend(Some(to - position));
                bytes_left.spend(range.max_bytes);
            }
            (PositionUnit::Bytes, Some(available)) if limits.records.is_none() => {
                let to = up_to(*available, bytes);
                range.max_records = None;
                // Only a divisible split can be read up to a byte between two records.
                if split.divisible {
                    (range.to, range.max_bytes) = (Some(to), None);
                }
                bytes_left.spend(Some(to - position));
            }
            _ => {
                records_left.spend(records);
                bytes_left.spend(bytes);
            }
        }
        divide(range, split, admission.executors, cost, &mut cuts);
    }
    (cuts, unread.len())
}

fn divide(range: ReadRange, split: &Split, executors: usize, cost: Cost, cuts: &mut Vec<Cut>) {
    let records = |len: u64| (split.unit == PositionUnit::Records).then_some(len);
    let Some(to) = range.to.filter(|_| split.divisible && range.max_records.is_none() && range.max_bytes.is_none())
    else {
        let hint = range.len_hint().and_then(records).or(range.max_records);
        cuts.push((range, hint));
        return;
    };
    let least = if split.unit == PositionUnit::Bytes { PART_BYTES } else { PART_RECORDS };
    let len = to - range.from;
    let by_count = || (len / least).clamp(1, executors.max(1) as u64);
    let parts = cost.parts(len, executors).map_or_else(by_count, |parts| (parts as u64).min(len).max(1));
    for part in 0..parts {
        let bound = |part: u64| range.from + (u128::from(len) * u128::from(part) / u128::from(parts)) as u64;
        let exact = ReadRange::exact(split.id.clone(), bound(part), bound(part + 1));
        let hint = exact.len_hint().and_then(records);
        cuts.push((exact, hint));
    }
}

#[cfg(test)]
mod tests {
    use firesteel_window::Timestamp;

    use super::*;
    use firesteel_connect::SplitId;

    fn split(unit: PositionUnit, available: Option<u64>, divisible: bool) -> (Split, Option<u64>, u64) {
        let id = SplitId::new("s");
        (Split::new(id, unit).available(available).divisible(divisible), available, 0)
    }

    fn admission(limits: BatchLimits) -> Admission {
        Admission { now: Timestamp::EPOCH, limits, bound: Bound::Open, executors: 2 }
    }

    #[test]
    fn a_large_range_is_cut_for_the_executors_and_a_small_one_is_not() {
        let large = split(PositionUnit::Records, Some(100_000), true);
        let (cuts, _) = cut(&[large], &admission(BatchLimits::default()), Cost::default());
        let bounds: Vec<_> = cuts.iter().map(|(range, hint)| (range.from, range.to, *hint)).collect();
        assert_eq!(bounds, [(0, Some(50_000), Some(50_000)), (50_000, Some(100_000), Some(50_000))]);
        let small = split(PositionUnit::Records, Some(100), true);
        assert_eq!(cut(&[small], &admission(BatchLimits::default()), Cost::default()).0.len(), 1);
    }

    #[test]
    fn splits_share_the_limit_and_what_one_leaves_the_next_may_take() {
        let few = split(PositionUnit::Records, Some(10), true);
        let many = split(PositionUnit::Records, Some(1_000), true);
        let (cuts, _) = cut(&[few, many], &admission(BatchLimits::default().records(100)), Cost::default());
        let lens: Vec<_> = cuts.iter().map(|(range, _)| range.len_hint()).collect();
        assert_eq!(lens, [Some(10), Some(90)]);
    }

    #[test]
    fn a_limit_too_small_for_all_splits_is_kept_all_the_same() {
        let many = [(); 10].map(|()| split(PositionUnit::Records, Some(1_000), true));
        let (cuts, served) = cut(&many, &admission(BatchLimits::default().records(3)), Cost::default());
        let lens: Vec<_> = cuts.iter().map(|(range, _)| range.len_hint()).collect();
        assert_eq!((lens, served), (vec![Some(1); 3], 3));
    }

    #[test]
    fn an_unknown_end_is_bounded_by_records_and_bytes() {
        let unknown = || split(PositionUnit::Bytes, None, false);
        let (cuts, _) = cut(&[unknown()], &admission(BatchLimits::default()), Cost::default());
        let (range, _) = &cuts[0];
        assert_eq!((range.to, range.max_records, range.max_bytes), (None, Some(DEFAULT_RECORDS), Some(DEFAULT_BYTES)));
        let once = Admission { bound: Bound::Once, ..admission(BatchLimits::default().records(5)) };
        for (range, _) in cut(&[unknown(), unknown()], &once, Cost::default()).0 {
            assert_eq!((range.to, range.max_records, range.max_bytes), (None, None, None));
        }
    }
}
