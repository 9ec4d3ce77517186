//! Where the open windows of a stream are kept until they fire.
//!
//! A pane is what one window has gathered so far: an accumulator per key. [`Panes`] holds those of one key group, in
//! memory, in the order in which a rising watermark closes them, so that firing looks at nothing but what fires.
//!
//! ```
//! use firesteel_window::{Panes, Timestamp, Tumbling, WindowAssigner, seconds};
//!
//! # fn hash(key: &str) -> u64 { key.bytes().fold(7, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)) }
//! let windows = Tumbling::of(seconds(10));
//! let mut panes = Panes::new();
//! panes.begin(1);
//! for (key, at) in [("a", 3), ("b", 4), ("a", 9), ("a", 12)] {
//!     let window = windows.window_of(Timestamp::from_secs(at));
//!     panes.merge(window, hash(key), key, 1, |count, more| *count += more);
//! }
//! let fired: Vec<_> = panes.fire(Timestamp::from_secs(10)).map(|(_, key, count)| (*key, *count)).collect();
//! assert_eq!(fired, [("a", 2), ("b", 1)]);
//! assert_eq!(panes.key_count(), 1);
//! ```
//!
//! # Attempts that leave no trace
//!
//! A task may fail halfway and be run again. Everything done after [`begin`](Panes::begin) is an attempt at the batch
//! of that number; beginning the same number once more rolls it back: accumulators have their old values, new keys and
//! windows are gone, fired panes are open again. Beginning another number keeps it for good.
//!
//! The cost is one clone of an accumulator for each key that existed before the batch and is touched in it; merging
//! into it again, and adding keys, costs nothing. Keys are never cloned. What was fired is released with the beginning
//! of the next batch.
//!
//! # Changes, for who writes them down
//!
//! [`save`](Panes::save) hands out what has changed since it was last called: keys of windows that have fired, and keys
//! whose accumulators are new or different. Who writes that down each time can [`load`](Panes::load) it again after a
//! restart, and finds the same windows with the same keys in the same order. Nothing is noted before the first call.
//!
//! # What it does not do
//!
//! It judges no event late (a merge into a window that has fired opens it again: the caller asks the watermark
//! first), computes no hash, and writes nothing down itself.

mod pane;

use std::collections::VecDeque;
use std::fmt;

use self::pane::Pane;
use crate::time::Timestamp;
use crate::window::Window;

/// The open windows of one key group, with an accumulator `A` for each key `K` in each window.
///
/// See the [module](self) for an example and for what an attempt is.
pub struct Panes<K, A> {
    /// In the order of their windows.
    open: VecDeque<Pane<K, A>>,
    /// Where in `open` the last merge went; mostly the next one goes there too. The window found there decides.
    recent: usize,
    /// Fired in this attempt, in the order of firing.
    fired: Vec<Pane<K, A>>,
    /// The windows merged into in this attempt; one that fired and was opened again stands here twice.
    touched: Vec<Window>,
    /// Panes that have fired since changes were last asked for, and whose keys were told before.
    gone: Vec<Pane<K, A>>,
    /// The buffers of a pane that is done, for the next one.
    spare: Option<Pane<K, A>>,
    batch: Option<u64>,
    /// Counts the calls of `begin`, so that a second attempt at a batch differs from the first.
    attempt: u64,
}

impl<K, A> Default for Panes<K, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, A> Panes<K, A> {
    /// No window yet, and no batch begun.
    pub const fn new() -> Self {
        Self {
            open: VecDeque::new(),
            recent: 0,
            fired: Vec::new(),
            touched: Vec::new(),
            gone: Vec::new(),
            spare: None,
            batch: None,
            attempt: 1,
        }
    }

    /// Begins an attempt at batch number `batch`.
    ///
    /// If the last attempt was at the same batch, all its changes are rolled back. If it was at another, they are kept
    /// for good, and what it fired is released. So are changes made before the first call.
    ///
    /// The time is proportional to the keys that were changed or fired, not to those that are stored.
    pub fn begin(&mut self, batch: u64) {
        if self.batch == Some(batch) {
            self.roll_back();
        } else {
            self.keep();
        }
        self.batch = Some(batch);
        self.attempt += 1;
    }

    fn keep(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for window in touched.drain(..) {
            if let Ok(at) = self.position(window) {
                self.open[at].keep();
            }
        }
        self.touched = touched;
        for pane in self.fired.drain(..) {
            if pane.is_saved() {
                self.gone.push(pane);
                continue;
            }
            let better = match &self.spare {
                Some(spare) => pane.capacity() > spare.capacity(),
                None => true,
            };
            if better && pane.is_well_used() {
                self.spare = Some(pane.recycled());
            }
        }
    }

    fn roll_back(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for window in touched.drain(..) {
            if let Ok(at) = self.position(window)
                && !self.open[at].roll_back(self.attempt)
            {
                self.open.remove(at);
            }
        }
        self.touched = touched;
        for mut pane in std::mem::take(&mut self.fired) {
            if pane.roll_back(self.attempt)
                && let Err(at) = self.position(pane.window())
            {
                self.open.insert(at, pane);
            }
        }
    }

    /// Where the pane of a window is, or where it would have to be inserted.
    fn position(&self, window: Window) -> Result<usize, usize> {
        self.open.binary_search_by(|pane| pane.window().cmp(&window))
    }

    /// What the open windows that `watermark` closes hold: by the end of the window, then in the order in which the
    /// keys came.
    pub fn due(&self, watermark: Timestamp) -> impl Iterator<Item = (Window, &K, &A)> {
        self.open.iter().take_while(move |pane| pane.window().is_closed_by(watermark)).flat_map(Pane::iter)
    }

    /// Fires the windows that `watermark` closes: they are no longer open, and what they hold is returned in the order
    /// of [`due`](Self::due).
    ///
    /// The windows fire even if the iterator is dropped. Their contents are set aside until the next batch begins, for
    /// the case that this one is retried.
    pub fn fire(&mut self, watermark: Timestamp) -> impl Iterator<Item = (Window, &K, &A)> {
        let count = self.open.partition_point(|pane| pane.window().is_closed_by(watermark));
        let earlier = self.fired.len();
        self.fired.extend(self.open.drain(..count));
        self.fired[earlier..].iter().flat_map(Pane::iter)
    }

    /// Hands out what has changed since this was last called, or since the beginning: first the keys of windows that are
    /// not open any more to `remove`, then every key whose accumulator is new or different to `set`.
    ///
    /// The last attempt is kept for good: whoever writes this down cannot roll it back.
    pub fn save(&mut self, mut remove: impl FnMut(Window, &K), mut set: impl FnMut(Window, &K, &A)) {
        self.keep();
        self.batch = None;
        for pane in self.gone.drain(..) {
            pane.saved_keys().for_each(|key| remove(pane.window(), key));
        }
        for pane in &mut self.open {
            let window = pane.window();
            pane.save(|key, acc| set(window, key, acc));
        }
    }

    /// What all open windows hold, in the order of [`due`](Self::due).
    pub fn iter(&self) -> impl Iterator<Item = (Window, &K, &A)> {
        self.open.iter().flat_map(Pane::iter)
    }

    /// The number of open windows.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether no window is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The number of keys in all open windows; a key counts once for each window it is in.
    pub fn key_count(&self) -> usize {
        self.open.iter().map(Pane::len).sum()
    }
}

impl<K: Eq, A> Panes<K, A> {
    /// The accumulator of a key in an open window.
    pub fn get(&self, window: Window, hash: u64, key: &K) -> Option<&A> {
        self.open[self.position(window).ok()?].get(hash, key)
    }

    /// Takes `acc` into the accumulator of `key` in `window` with `combine`, or stores it if there is none.
    ///
    /// The window is opened if need be. `hash` must be the same for equal keys, and well spread over its 64 bits; that
    /// the same hash has already chosen the key group, by whatever bits, does no harm. If `combine` panics, the key may
    /// hold anything until the batch is begun again.
    ///
    /// # Panics
    ///
    /// At 2³² keys in one window, which take a hundred gigabytes and more.
    #[inline]
    pub fn merge(&mut self, window: Window, hash: u64, key: K, acc: A, combine: impl FnOnce(&mut A, A))
    where
        A: Clone,
    {
        let at = match self.open.get(self.recent) {
            Some(pane) if pane.window() == window => self.recent,
            _ => self.open_pane(window),
        };
        let pane = &mut self.open[at];
        if pane.begin(self.attempt) {
            self.touched.push(window);
        }
        pane.merge(hash, key, acc, combine);
    }

    /// Takes a key into an open window that was [saved](Self::save) before, in place of what it has there. To be called
    /// before the first batch begins; it counts as saved.
    pub fn load(&mut self, window: Window, hash: u64, key: K, acc: A)
    where
        A: Clone,
    {
        self.merge(window, hash, key, acc, |old, new| *old = new);
        self.open[self.recent].set_saved();
    }

    /// Removes a key from an open window, and the window with its last key. For what was saved as removed.
    pub fn unload(&mut self, window: Window, hash: u64, key: &K) {
        if let Ok(at) = self.position(window)
            && self.open[at].remove(hash, key)
        {
            self.open[at].set_saved();
            if self.open[at].len() == 0 {
                self.open.remove(at);
            }
        }
    }

    /// The position of the window's pane, which becomes the recent one.
    fn open_pane(&mut self, window: Window) -> usize {
        self.recent = self.position(window).unwrap_or_else(|at| {
            let pane = match self.spare.take() {
                Some(spare) => spare.reused_for(window),
                None => Pane::new(window),
            };
            self.open.insert(at, pane);
            at
        });
        self.recent
    }
}

impl<K, A> fmt::Debug for Panes<K, A> {
    /// How much is stored, not what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panes")
            .field("batch", &self.batch)
            .field("windows", &self.len())
            .field("keys", &self.key_count())
            .field("fired", &self.fired.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
