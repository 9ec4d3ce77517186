//! What sliding windows make of the slices that they share, at a cost that hardly depends on how many of them overlap.
//!
//! A window's result for a key is the combination of what the key has in the window's slices. An [`Overlap`] goes through
//! windows one after the other and combines at most two accumulators for each key and window: what the key has from the
//! window's start up to a **divide**, and what it has from there to its end. The first is one of a stack that was made when
//! the divide was passed, from the last slice before it to the first; the second grows by what each window adds. In all, each slice
//! is read twice. This is the two-stack queue, with the stacks turned over for all keys at the same instants (van Herk's
//! and Gil and Werman's way for running maxima): where the divides are follows from the windows alone, so that results do
//! not depend on when somebody began to look, to the last digit.
//!
//! What is here can be made again from the slices at any time, and is nothing that has to be stored.
//!
//! ```
//! use firesteel_window::{Overlap, Sliding, Timestamp, Window, WindowAssigner, seconds};
//!
//! let windows = Sliding::of(seconds(3)).every(seconds(1));
//! // The largest value in each second.
//! let seconds = [(0, 5), (1, 2), (4, 7)].map(|(at, value)| (windows.slices().window_of(Timestamp::from_secs(at)), value));
//! let slices: Vec<Window> = seconds.iter().map(|(slice, _)| *slice).collect();
//!
//! let mut overlap = Overlap::new(windows);
//! let (mut next, mut largest) = (windows.windows_at(slices[0].start()).unwrap().0, vec![]);
//! while windows.window(next).end() <= Timestamp::from_secs(6) {
//!     let mut read = |slice: Window, each: &mut dyn FnMut(u64, &&'static str, &i32)| {
//!         seconds.iter().filter(|(of, _)| *of == slice).for_each(|(_, value)| each(1, &"a", value));
//!         Ok::<(), ()>(())
//!     };
//!     let mut merge = |most: &mut i32, more: i32| *most = more.max(*most);
//!     overlap.enter(next, &slices, &mut read, &mut merge).unwrap();
//!     overlap.read(usize::MAX, &mut merge, |_, most| largest.push((windows.window(next).end().as_secs(), *most)));
//!     next = next.next();
//! }
//! assert_eq!(largest, [(1, 5), (2, 5), (3, 5), (4, 2), (5, 7), (6, 7)]);
//! ```

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;

use crate::time::Timestamp;
use crate::window::{Sliding, Window, WindowNumber};

/// What sliding windows make of slices, window by window: see the [module](self).
pub struct Overlap<K, A> {
    windows: Sliding,
    /// The divide within the window that has been entered last.
    divide: Option<Timestamp>,
    /// When it begins.
    start: Timestamp,
    /// Slices that begin before are read.
    until: Timestamp,
    /// How many entries have been handed out in this window.
    told: usize,
    entries: Vec<Entry<K, A>>,
    index: HashTable<u32>,
    /// Accumulators in stacks.
    stacked: usize,
}

struct Entry<K, A> {
    hash: u64,
    key: K,
    /// From the start of a slice to the divide, the last slice first.
    stack: Vec<(Timestamp, A)>,
    /// From the divide on.
    after: Option<A>,
}

/// The key groups have taken some bits of a hash: mixes it for an index of its own.
#[inline]
const fn spread(hash: u64) -> u64 {
    let product = hash as u128 * 0x9E37_79B9_7F4A_7C15;
    product as u64 ^ (product >> 64) as u64
}

impl<K, A> Overlap<K, A> {
    /// Nothing has been looked at yet.
    #[must_use]
    pub const fn new(windows: Sliding) -> Self {
        Self {
            windows,
            divide: None,
            start: Timestamp::MIN,
            until: Timestamp::MIN,
            told: 0,
            entries: Vec::new(),
            index: HashTable::new(),
            stacked: 0,
        }
    }

    /// Forgets what it has read: the next window is made from its slices.
    pub fn forget(&mut self) {
        self.divide = None;
        self.until = Timestamp::MIN;
        self.clear();
    }

    fn clear(&mut self) {
        (self.told, self.stacked) = (0, 0);
        self.entries.clear();
        self.index.clear();
    }

    /// Gives back memory that was needed once, too.
    pub fn release(&mut self) {
        *self = Self::new(self.windows);
    }

    /// Whether a slice that begins at this time has been read: if it has changed, what is here has to be
    /// [forgotten](Self::forget).
    #[must_use]
    pub fn has_read(&self, start: Timestamp) -> bool {
        start < self.until
    }

    /// From when on slices are needed to enter a window; those before are read, or before the window.
    #[must_use]
    pub fn needs_from(&self, window: WindowNumber) -> Timestamp {
        match self.divide {
            Some(divide) if divide == self.windows.divide(window) => self.until,
            _ => self.windows.window(window).start(),
        }
    }

    /// Whether no key has something in the windows that follow, apart from slices that are not read yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how many bytes of memory it takes, without what keys and accumulators own.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = self.entries.capacity() * size_of::<Entry<K, A>>()
            + self.stacked * size_of::<(Timestamp, A)>()
            + self.index.allocation_size();
        bytes as u64
    }
}

impl<K: Clone + Eq, A: Clone> Overlap<K, A> {
    /// Goes to a window, which lies after all that were entered before. `slices` are all slices that hold something from
    /// [`needs_from`](Self::needs_from) on, or from before that, in the order of time; `read` hands out what one of them holds, with the hash of each key, which
    /// is the same for equal keys and well spread.
    ///
    /// Every slice of the window has to be complete: if one of them changes later, [`forget`](Self::forget) is to be called.
    ///
    /// # Errors
    /// Those of `read`. What was read so far is forgotten.
    pub fn enter<E>(
        &mut self,
        window: WindowNumber,
        slices: &[Window],
        read: &mut impl FnMut(Window, &mut dyn FnMut(u64, &K, &A)) -> Result<(), E>,
        merge: &mut impl FnMut(&mut A, A),
    ) -> Result<(), E> {
        let entered = self.try_enter(window, slices, read, merge);
        if entered.is_err() {
            self.forget();
        }
        entered
    }

    fn try_enter<E>(
        &mut self,
        number: WindowNumber,
        slices: &[Window],
        read: &mut impl FnMut(Window, &mut dyn FnMut(u64, &K, &A)) -> Result<(), E>,
        merge: &mut impl FnMut(&mut A, A),
    ) -> Result<(), E> {
        let (window, divide) = (self.windows.window(number), self.windows.divide(number));
        if self.divide != Some(divide) {
            self.clear();
            let first = slices.partition_point(|slice| slice.start() < window.start());
            let last = slices.partition_point(|slice| slice.start() < divide);
            for slice in slices[first..last.max(first)].iter().rev() {
                read(*slice, &mut |hash, key, acc| self.put_before(slice.start(), hash, key, acc, merge))?;
            }
            self.until = divide;
        }
        let first = slices.partition_point(|slice| slice.start() < self.until);
        let last = slices.partition_point(|slice| slice.start() < window.end());
        for slice in &slices[first..last.max(first)] {
            read(*slice, &mut |hash, key, acc| self.put_after(hash, key, acc, merge))?;
        }
        self.until = self.until.max(window.end());
        (self.divide, self.start, self.told) = (Some(divide), window.start(), 0);
        Ok(())
    }

    /// Takes in what a key has in a slice before all that were taken in before.
    fn put_before(&mut self, start: Timestamp, hash: u64, key: &K, acc: &A, merge: &mut impl FnMut(&mut A, A)) {
        let (entry, mut acc) = (self.entry(hash, key), acc.clone());
        if let Some((_, later)) = entry.stack.last() {
            merge(&mut acc, later.clone());
        }
        entry.stack.push((start, acc));
        self.stacked += 1;
    }

    /// Takes in what a key has in a slice after the divide.
    fn put_after(&mut self, hash: u64, key: &K, acc: &A, merge: &mut impl FnMut(&mut A, A)) {
        match &mut self.entry(hash, key).after {
            Some(gathered) => merge(gathered, acc.clone()),
            none => *none = Some(acc.clone()),
        }
    }

    fn entry(&mut self, hash: u64, key: &K) -> &mut Entry<K, A> {
        let entries = &mut self.entries;
        let slot = self.index.entry(
            spread(hash),
            |at| entries[*at as usize].hash == hash && entries[*at as usize].key == *key,
            |at| spread(entries[*at as usize].hash),
        );
        let at = match slot {
            Slot::Occupied(slot) => *slot.get(),
            Slot::Vacant(slot) => {
                let at = u32::try_from(entries.len()).expect("one window holds fewer than 2^32 keys");
                entries.push(Entry { hash, key: key.clone(), stack: Vec::new(), after: None });
                slot.insert(at);
                at
            }
        };
        &mut entries[at as usize]
    }

    /// Hands out what the next keys, about `limit` of them, have in the window; `false` if there are none left after these.
    pub fn read(&mut self, limit: usize, merge: &mut impl FnMut(&mut A, A), mut each: impl FnMut(&K, &A)) -> bool {
        let mut left = limit;
        while self.told < self.entries.len() {
            if left == 0 {
                return true;
            }
            let entry = &mut self.entries[self.told];
            while entry.stack.last().is_some_and(|(start, _)| *start < self.start) {
                entry.stack.pop();
                self.stacked -= 1;
            }
            match (entry.stack.last(), &entry.after) {
                (Some((_, before)), Some(after)) => {
                    let mut both = before.clone();
                    merge(&mut both, after.clone());
                    each(&entry.key, &both);
                }
                (Some((_, one)), None) | (None, Some(one)) => each(&entry.key, one),
                (None, None) => {
                    self.remove(self.told);
                    continue;
                }
            }
            self.told += 1;
            left -= 1;
        }
        false
    }

    /// Removes a key that has nothing left; the last one takes its place.
    fn remove(&mut self, at: usize) {
        let last = self.entries.len() - 1;
        let hash = self.entries[at].hash;
        if let Ok(slot) = self.index.find_entry(spread(hash), |place| *place as usize == at) {
            slot.remove();
        }
        self.entries.swap_remove(at);
        if let Some(moved) = self.entries.get(at)
            && let Some(place) = self.index.find_mut(spread(moved.hash), |place| *place as usize == last)
        {
            *place = at as u32;
        }
    }
}

impl<K, A> std::fmt::Debug for Overlap<K, A> {
    /// How much is here, not what.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlap").field("windows", &self.windows).field("keys", &self.entries.len()).finish()
    }
}
