//! Readers that wait for the next range of their split.

use std::any::Any;
use std::collections::VecDeque;

use firesteel_connect::{ReadRange, SplitId};
use parking_lot::Mutex;

/// This many are kept at most: each may hold a file, a connection, or some megabytes.
const MOST: usize = 32;

/// Readers of one source by the split and the position at which they stand, the oldest first. Of whatever type: none of this
/// is compiled once more for each source.
#[derive(Default)]
pub(crate) struct Parked(Mutex<VecDeque<(SplitId, u64, Box<dyn Any + Send>)>>);

impl Parked {
    /// The reader that stands where the range begins.
    pub(crate) fn take(&self, range: &ReadRange) -> Option<Box<dyn Any + Send>> {
        let mut parked = self.0.lock();
        let index = parked.iter().position(|(split, at, _)| *split == range.split && *at == range.from)?;
        parked.remove(index).map(|(_, _, reader)| reader)
    }

    /// Keeps the reader, if none of its split has got further.
    pub(crate) fn put(&self, split: &SplitId, at: u64, reader: Box<dyn Any + Send>) {
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

    /// What stands there.
    fn take(parked: &Parked, split: &str, from: u64) -> Option<u32> {
        let reader = parked.take(&ReadRange::starting_at(SplitId::new(split), from))?;
        reader.downcast().ok().map(|reader| *reader)
    }

    fn put(parked: &Parked, split: &str, at: u64, reader: u32) {
        parked.put(&SplitId::new(split), at, Box::new(reader));
    }

    #[test]
    fn a_reader_is_handed_out_once_and_only_where_it_stands() {
        let parked = Parked::default();
        put(&parked, "a", 10, 7);
        assert_eq!([take(&parked, "a", 9), take(&parked, "b", 10)], [None, None]);
        assert_eq!([take(&parked, "a", 10), take(&parked, "a", 10)], [Some(7), None]);
    }

    #[test]
    fn of_a_split_the_one_that_has_got_furthest_is_kept_and_of_all_splits_a_few() {
        let parked = Parked::default();
        [10, 30, 20].into_iter().for_each(|at| put(&parked, "a", u64::from(at), at));
        assert_eq!([take(&parked, "a", 20), take(&parked, "a", 30)], [None, Some(30)]);
        (0..1_000).for_each(|split| put(&parked, &split.to_string(), 1, split));
        assert_eq!([take(&parked, "967", 1), take(&parked, "968", 1)], [None, Some(968)]);
        parked.drop_where(|split| split.as_str() != "999");
        assert_eq!([take(&parked, "998", 1), take(&parked, "999", 1)], [None, Some(999)]);
    }
}
