//! Accumulators on their way into the state of one partition, key group by key group.

use std::collections::VecDeque;

use firesteel_core::{Exchange, Key};
use firesteel_state::OpenWindows;

use crate::time::{KEY_GROUPS, key_group};
use crate::windows::side::{Entry, Gathered};

/// What map tasks left for a partition. What belongs to one key is in the order of the tasks.
pub(crate) struct Incoming<K, A> {
    pub(crate) lists: Vec<Gathered<K, A>>,
    /// Lists of one key group each: the group, and which they are.
    pub(crate) sorted: VecDeque<(usize, usize)>,
    /// Lists of any key groups. What belongs to the first of them stands at the end.
    pub(crate) mixed: Vec<usize>,
}

impl<K: Key, A: Exchange> Incoming<K, A> {
    pub(crate) fn add(&mut self, mut gathered: Gathered<K, A>) {
        match gathered.group {
            _ if gathered.entries.is_empty() => {}
            Some(group) => self.sorted.push_back((group, self.lists.len())),
            None => {
                backwards(&mut gathered.entries);
                self.mixed.push(self.lists.len());
            }
        }
        self.lists.push(gathered);
    }

    /// Whether there is something for this group. Groups before it have been taken.
    pub(crate) fn has(&self, group: usize) -> bool {
        self.sorted.front().is_some_and(|first| first.0 == group)
            || self.mixed.iter().any(|list| is_next(&self.lists[*list].entries, group))
    }

    /// Takes what there is for a group into its windows.
    pub(crate) fn merge(
        &mut self,
        group: usize,
        opened: &mut OpenWindows<'_, K, A>,
        combine: impl Fn(&mut A, A) + Copy,
    ) {
        let mut mixed = self.mixed.iter().copied().peekable();
        loop {
            let sorted = self.sorted.front().filter(|first| first.0 == group).map(|first| first.1);
            // In the order of the map tasks.
            let list = match (sorted, mixed.peek()) {
                (Some(sorted), Some(mixed)) if sorted < *mixed => sorted,
                (Some(sorted), None) => sorted,
                (_, Some(mixed)) => *mixed,
                (None, None) => return,
            };
            let Gathered { window, entries, .. } = &mut self.lists[list];
            if sorted == Some(list) {
                self.sorted.pop_front();
                opened.merge_all(*window, entries, combine);
            } else {
                mixed.next();
                while is_next(entries, group)
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
fn is_next<K, A>(entries: &[Entry<K, A>], group: usize) -> bool {
    entries.last().is_some_and(|last| key_group(last.0) == group)
}

/// Puts entries in the order of their key groups, back to front; those of a group stay in their order, back to front.
fn backwards<K, A>(entries: &mut [Entry<K, A>]) {
    let mut until = [0_u32; KEY_GROUPS];
    for entry in &*entries {
        until[key_group(entry.0)] += 1;
    }
    let mut sum = 0;
    for count in until.iter_mut().rev() {
        sum += *count;
        *count = sum;
    }
    // Where each one goes.
    let mut places: Vec<u32> = Vec::with_capacity(entries.len());
    places.extend(entries.iter().map(|entry| {
        let place = &mut until[key_group(entry.0)];
        *place -= 1;
        *place
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
    use super::*;

    #[test]
    fn entries_come_group_by_group_each_in_its_order() {
        let hash = |n: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61) << 57 | n;
        for count in [0, 1, 2, 7, 1_000] {
            let mut entries: Vec<Entry<u64, ()>> = (0..count).map(|n| (hash(n), n, ())).collect();
            let mut expected = entries.clone();
            expected.sort_by_key(|entry| key_group(entry.0));
            backwards(&mut entries);
            entries.reverse();
            assert_eq!(entries, expected);
        }
    }
}
