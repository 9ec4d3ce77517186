//! Readers that wait for the next range of their split.

use std::collections::VecDeque;

use firesteel_connect::{ReadRange, SplitId};
use parking_lot::Mutex;

/// This many are kept at most: each may hold a file, a connection, or some megabytes.
const MOST: usize = 32;

/// Readers by the split and the position at which they stand, the oldest first.
pub(crate) struct Parked<R>(Mutex<VecDeque<(SplitId, u64, R)>>);

impl<R> Parked<R> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    /// The reader that stands where the range begins.
    pub(crate) fn take(&self, range: &ReadRange) -> Option<R> {
        let mut parked = self.0.lock();
        let index = parked.iter().position(|(split, at, _)| *split == range.split && *at == range.from)?;
        parked.remove(index).map(|(_, _, reader)| reader)
    }

    /// Keeps the reader, if none of its split has got further.
    pub(crate) fn put(&self, split: &SplitId, at: u64, reader: R) {
        let mut parked = self.0.lock();
        if parked.iter().any(|(other, further, _)| other == split && *further > at) {
            return;
        }
        parked.retain(|(other, ..)| other != split);
        if parked.len() == MOST {
            parked.pop_front();
        }
        parked.push_back((split.clone(), at, reader));
    }

    /// Lets go of the readers of splits for which `gone` holds.
    pub(crate) fn drop_where(&self, gone: impl Fn(&SplitId) -> bool) {
        let mut parked = self.0.lock();
        let (dropped, kept) = parked.drain(..).partition(|(split, ..)| gone(split));
        *parked = kept;
        drop(parked);
        // What a reader does when it is dropped is done without the lock.
        drop::<VecDeque<_>>(dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(split: &str, from: u64) -> ReadRange {
        ReadRange::starting_at(SplitId::new(split), from)
    }

    #[test]
    fn a_reader_is_handed_out_once_and_only_where_it_stands() {
        let parked = Parked::new();
        parked.put(&SplitId::new("a"), 10, "at 10");
        assert_eq!(parked.take(&range("a", 9)), None);
        assert_eq!(parked.take(&range("b", 10)), None);
        assert_eq!(parked.take(&range("a", 10)), Some("at 10"));
        assert_eq!(parked.take(&range("a", 10)), None);
    }

    #[test]
    fn of_a_split_the_one_that_has_got_furthest_is_kept_and_of_all_splits_a_few() {
        let parked = Parked::new();
        let a = SplitId::new("a");
        parked.put(&a, 10, 10);
        parked.put(&a, 30, 30);
        parked.put(&a, 20, 20);
        assert_eq!(parked.take(&range("a", 20)), None);
        assert_eq!(parked.take(&range("a", 30)), Some(30));
        for split in 0..1_000 {
            parked.put(&SplitId::new(split.to_string()), 1, split);
        }
        assert_eq!(parked.take(&range("967", 1)), None);
        assert_eq!(parked.take(&range("968", 1)), Some(968));
        parked.drop_where(|split| split.as_str() != "999");
        assert_eq!((parked.take(&range("998", 1)), parked.take(&range("999", 1))), (None, Some(999)));
    }
}
