//! Room for blocks, which executors use again and again.
//!
//! A batch of some thousand records would otherwise allocate a block for each of its operators and give all of them back,
//! and that is what memory allocators are slowest at: they return the pages to the system and ask for them again.

use std::any::Any;
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Rooms that a thread keeps at most, of all types of records together. The one that was put back first goes first.
const KEPT: usize = 64;

/// Bytes that a room may have to be kept: twice those of a block.
const LARGEST: usize = 32_768;

thread_local! {
    static ROOMS: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// A list with room for a block. Dropped, it leaves its room to the next of this type on the thread.
#[expect(clippy::box_collection, reason = "the box is what the thread keeps, so that nothing is allocated for it")]
pub struct Spare<T: 'static>(Option<Box<Vec<T>>>);

impl<T: 'static> Spare<T> {
    /// An empty list, with room if the thread has some to spare.
    #[must_use]
    pub fn new() -> Self {
        let kept = ROOMS.try_with(|rooms| {
            let mut rooms = rooms.borrow_mut();
            let at = rooms.iter().rposition(|room| room.is::<Vec<T>>())?;
            rooms.remove(at).downcast::<Vec<T>>().ok()
        });
        Self(Some(kept.ok().flatten().unwrap_or_default()))
    }
}

impl<T: 'static> Default for Spare<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: 'static> Deref for Spare<T> {
    type Target = Vec<T>;

    #[inline]
    fn deref(&self) -> &Vec<T> {
        self.0.as_ref().expect("the list is there until it is dropped")
    }
}

impl<T: 'static> DerefMut for Spare<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<T> {
        self.0.as_mut().expect("the list is there until it is dropped")
    }
}

impl<T: 'static> Drop for Spare<T> {
    fn drop(&mut self) {
        let Some(mut list) = self.0.take() else { return };
        let bytes = list.capacity() * size_of::<T>();
        if bytes == 0 || bytes > LARGEST || std::thread::panicking() {
            return;
        }
        list.clear();
        // While a thread ends, nothing is kept any more.
        let _ = ROOMS.try_with(|rooms| {
            let mut rooms = rooms.borrow_mut();
            if rooms.len() == KEPT {
                rooms.remove(0);
            }
            rooms.push(list);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_used_again_by_lists_of_the_same_type_and_holds_nothing() {
        let mut first = Spare::<u64>::new();
        first.extend(0..100);
        let room = first.capacity();
        drop(first);
        assert_eq!(Spare::<u32>::new().capacity(), 0, "of another type");
        let again = Spare::<u64>::new();
        assert_eq!((again.len(), again.capacity()), (0, room));
        assert_eq!(Spare::<u64>::new().capacity(), 0, "there was one");
    }

    #[test]
    fn large_rooms_are_not_kept_and_neither_are_many() {
        drop({
            let mut large = Spare::<u8>::new();
            large.reserve(LARGEST + 1);
            large
        });
        assert_eq!(Spare::<u8>::new().capacity(), 0);
        let many: Vec<_> = (0..2 * KEPT)
            .map(|_| {
                let mut list = Spare::<u16>::new();
                list.push(1);
                list
            })
            .collect();
        drop(many);
        assert_eq!(ROOMS.with_borrow(Vec::len), KEPT);
    }
}
