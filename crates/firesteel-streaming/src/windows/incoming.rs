//! Accumulators on their way into the state of one partition, key group by key group.

use std::cmp::Reverse;
use std::collections::VecDeque;

use firesteel_core::{Exchange, Key};
use firesteel_state::{KeyGroup, KeyGroupRange, KeySpace, OpenWindows};
use firesteel_window::Window;

use crate::windows::side::{Entry, Gathered};

/// What map tasks left for a partition. What belongs to one key is in the order of the tasks.
pub(crate) struct Incoming<K, A> {
    space: KeySpace,
    /// The partition's key groups.
    groups: KeyGroupRange,
    pub(crate) lists: Vec<Gathered<K, A>>,
    /// Lists of one key group each: the group, and which they are.
    sorted: VecDeque<(KeyGroup, usize)>,
    /// Lists of any key groups. What belongs to the first of them stands at the end.
    mixed: Vec<usize>,
}

impl<K: Key, A: Exchange> Incoming<K, A> {
    /// Nothing yet for a partition of this many.
    pub(crate) fn new(space: KeySpace, groups: KeyGroupRange) -> Self {
        Self { space, groups, lists: Vec::new(), sorted: VecDeque::new(), mixed: Vec::new() }
    }

    pub(crate) fn add(&mut self, mut gathered: Gathered<K, A>) {
        match gathered.group {
            _ if gathered.entries.is_empty() => {}
            Some(group) => self.sorted.push_back((group, self.lists.len())),
            None => {
                backwards(&mut gathered.entries, self.space, self.groups);
                self.mixed.push(self.lists.len());
            }
        }
        self.lists.push(gathered);
    }

    /// Puts lists in the order in which they are taken, when all have been added.
    pub(crate) fn settle(&mut self) {
        self.sorted.make_contiguous().sort_unstable();
    }

    /// Whether there is something for this group. Groups before it have been taken.
    pub(crate) fn has(&self, group: KeyGroup) -> bool {
        self.sorted.front().is_some_and(|first| first.0 == group)
            || self.mixed.iter().any(|list| is_next(&self.lists[*list].entries, group, self.space))
    }

    /// Hands what there is for a group to `each`, in any order. Groups before it have been taken.
    pub(crate) fn look_at(&self, group: KeyGroup, each: &mut dyn FnMut(Window, &Entry<K, A>)) {
        let sorted = self.sorted.iter().take_while(|first| first.0 == group);
        for (_, list) in sorted {
            let Gathered { window, entries, .. } = &self.lists[*list];
            entries.iter().for_each(|entry| each(*window, entry));
        }
        for list in &self.mixed {
            let Gathered { window, entries, .. } = &self.lists[*list];
            let of_group = entries.iter().rev().take_while(|entry| self.space.group_of(entry.0) == group);
            of_group.for_each(|entry| each(*window, entry));
        }
    }

    /// Takes what there is for a group into its windows; returns the first of these.
    pub(crate) fn merge(
        &mut self,
        group: KeyGroup,
        opened: &mut OpenWindows<'_, K, A>,
        combine: impl Fn(&mut A, A) + Copy,
    ) -> Option<Window> {
        let (space, mut first) = (self.space, None);
        let mut mixed = self.mixed.iter().copied().peekable();
        loop {
            let sorted = self.sorted.front().filter(|first| first.0 == group).map(|first| first.1);
            // In the order of the map tasks.
            let list = match (sorted, mixed.peek()) {
                (Some(sorted), Some(mixed)) if sorted < *mixed => sorted,
                (Some(sorted), None) => sorted,
                (_, Some(mixed)) => *mixed,
                (None, None) => return first,
            };
            let Gathered { window, entries, .. } = &mut self.lists[list];
            first = Some(first.map_or(*window, |first: Window| first.min(*window)));
            if sorted == Some(list) {
                self.sorted.pop_front();
                opened.merge_all(*window, entries, combine);
            } else {
                mixed.next();
                while is_next(entries, group, space)
                    && let Some((hash, key, acc)) = entries.pop()
                {
                    opened.merge(*window, hash, key, acc, combine);
                }
            }
        }
    }
}

/// Whether the last entry is of this group.
#[inline]
fn is_next<K, A>(entries: &[Entry<K, A>], group: KeyGroup, space: KeySpace) -> bool {
    entries.last().is_some_and(|last| space.group_of(last.0) == group)
}

/// With fewer entries than one for this many key groups, comparing them takes less time than counting them by group.
const FEW: usize = 8;

/// Puts entries in the order of their key groups, back to front; those of a group stay in their order, back to front.
fn backwards<K, A>(entries: &mut [Entry<K, A>], space: KeySpace, groups: KeyGroupRange) {
    if entries.len() < groups.len() / FEW {
        entries.reverse();
        return entries.sort_by_key(|entry| Reverse(space.group_of(entry.0)));
    }
    let place = |hash| groups.place_of(space.group_of(hash));
    let mut until = vec![0_u32; groups.len()];
    for entry in &*entries {
        until[place(entry.0)] += 1;
    }
    let mut sum = 0;
    for count in until.iter_mut().rev() {
        sum += *count;
        *count = sum;
    }
    // Where each one goes.
    let mut places: Vec<u32> = Vec::with_capacity(entries.len());
    places.extend(entries.iter().map(|entry| {
        let until = &mut until[place(entry.0)];
        *until -= 1;
        *until
    }));
    for at in 0..entries.len() {
        while places[at] as usize != at {
            let to = places[at] as usize;
            entries.swap(at, to);
            places.swap(at, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use firesteel_state::KeyGroups;

    use super::*;

    #[test]
    fn entries_come_group_by_group_each_in_its_order() {
        let hash = |n: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61) << 57 | n;
        for groups in [1, 8, 128, 1_024, 32_768] {
            let space = KeySpace::whole(KeyGroups::new(groups).unwrap());
            for count in [0, 1, 2, 7, 1_000] {
                let mut entries: Vec<Entry<u64, ()>> = (0..count).map(|n| (hash(n), n, ())).collect();
                let mut expected = entries.clone();
                expected.sort_by_key(|entry| space.group_of(entry.0));
                backwards(&mut entries, space, space.owned());
                entries.reverse();
                assert_eq!(entries, expected, "{count} entries in {groups} groups");
            }
        }
    }
}
