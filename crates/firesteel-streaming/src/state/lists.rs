//! Lists that go round: what tasks have emptied, the map side fills again.

use firesteel_state::Reservation;
use parking_lot::Mutex;

use crate::state::work::Entry;

/// Emptied lists of one operator, kept from batch to batch.
///
/// Each stays with its key group: where some keys are frequent, the others' lists need not become as long as theirs.
pub(crate) struct Lists<K, T>(Mutex<Kept<K, T>>);

struct Kept<K, T> {
    /// By the place of the key group among those that the job owns.
    lists: Vec<Vec<Vec<Entry<K, T>>>>,
    /// Of the budget of state; nothing before the first batch.
    reservation: Option<Reservation>,
}

/// Lists kept for each key group at most: those of this many map tasks.
const KEPT: usize = 8;

/// Room for fewer records is kept, however few there were.
const FEW: usize = 64;

impl<K, T> Lists<K, T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Kept { lists: Vec::new(), reservation: None }))
    }

    /// An empty list for each of this many key groups.
    pub(crate) fn take(&self, groups: usize) -> Vec<Vec<Entry<K, T>>> {
        let kept = &mut self.0.lock().lists;
        kept.resize_with(groups, Vec::new);
        kept.iter_mut().map(|lists| lists.pop().unwrap_or_default()).collect()
    }

    /// Keeps the room of lists of the key group at this place for later.
    pub(crate) fn keep(&self, place: usize, lists: impl IntoIterator<Item = Vec<Entry<K, T>>>) {
        let mut kept = self.0.lock();
        let Some(kept) = kept.lists.get_mut(place) else { return };
        for mut list in lists {
            if kept.len() >= KEPT {
                break;
            }
            list.clear();
            kept.push(list);
        }
    }

    /// Tells the budget how much room is kept, when a task has given its lists back. `reserve` is asked once.
    pub(crate) fn account(&self, reserve: impl FnOnce() -> Reservation) {
        let Kept { lists, reservation } = &mut *self.0.lock();
        let room: usize = lists.iter().flatten().map(Vec::capacity).sum();
        reservation.get_or_insert_with(reserve).set((room * size_of::<Entry<K, T>>()) as u64);
    }
}

/// How many entries lists hold.
pub(crate) fn count<E>(lists: &[Vec<E>]) -> usize {
    let mut count = 0;
    for list in lists {
        count += list.len();
    }
    count
}

/// Adds a record. A list that is full grows by a quarter: it is filled again with about as many in each batch, and what
/// it has to spare, all lists have.
#[inline]
pub(crate) fn put<E>(list: &mut Vec<E>, entry: E) {
    if list.len() == list.capacity() {
        grow(list);
    }
    list.push(entry);
}

#[cold]
fn grow<E>(list: &mut Vec<E>) {
    list.reserve_exact((list.len() / 4).max(8));
}

/// Gives back the room of a list that is filled and has needed little of it.
pub(crate) fn trim<E>(list: &mut Vec<E>) {
    if list.capacity() > FEW && list.len() < list.capacity() / 4 {
        list.shrink_to((list.len() * 2).max(FEW));
    }
}

#[cfg(test)]
mod tests {
    use firesteel_state::MemoryBudget;

    use super::*;

    #[test]
    fn a_list_has_little_more_room_than_it_needs() {
        let mut list = Vec::new();
        for number in 0..10_000 {
            put(&mut list, number);
            assert!(list.capacity() <= list.len() + list.len() / 4 + 8);
        }
        list.truncate(100);
        trim(&mut list);
        assert!((100..=200).contains(&list.capacity()), "{}", list.capacity());
        assert_eq!(list, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn lists_come_back_to_their_key_groups() {
        let lists = Lists::<u8, u8>::new();
        let mut all = lists.take(128);
        assert!(all.len() == 128 && all.iter().all(|list| list.capacity() == 0));
        (0..50).for_each(|number| put(&mut all[3], (0, number, 0)));
        let room = all[3].capacity();
        lists.keep(3, [std::mem::take(&mut all[3])]);
        let again = lists.take(128);
        assert_eq!(again[3].capacity(), room);
        assert!(again.iter().all(Vec::is_empty) && again[4].capacity() == 0);
        lists.keep(5, (0..100).map(|_| Vec::with_capacity(1)));
        assert_eq!(lists.0.lock().lists[5].len(), KEPT);
        let budget = MemoryBudget::unlimited();
        lists.account(|| budget.reserve());
        assert_eq!(budget.used(), (KEPT * size_of::<Entry<u8, u8>>()) as u64);
    }
}
