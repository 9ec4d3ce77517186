//! What keys gather in windows.

use std::marker::PhantomData;

use firesteel_window::{Timestamp, Window};

use crate::changes::Changes;
use crate::codec::{StateKey, StateValue};
use crate::error::Result;
use crate::group::GroupState;
use crate::table::windows::{FiredRows, WindowTable};
use crate::table::{Stamps, Table};

/// What each key has gathered in each open window.
///
/// ```
/// # use firesteel_state::*;
/// use firesteel_window::{Timestamp, Tumbling, WindowAssigner, seconds};
///
/// let mut states = Declaration::<u64>::new("clicks");
/// let clicks = states.windows::<u64>("windows");
/// # let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| *key)?;
/// # let mut group = store.lock(KeyGroup(0));
/// let assigner = Tumbling::of(seconds(10));
/// let mut windows = clicks.of(&mut group)?;
/// for (user, at) in [(7, 3), (8, 4), (7, 9), (7, 12)] {
///     let window = assigner.window_of(Timestamp::from_secs(at));
///     windows.merge(window, user, user, 1, |count, more| *count += more); // the key is its own hash here
/// }
/// windows.settle(|count, more| *count += more)?;
/// let mut rows = windows.fire(Timestamp::from_secs(10))?;
/// let mut fired = vec![];
/// while windows.read(&mut rows, 100, |_, user, count| fired.push((*user, *count)))? {}
/// assert_eq!(fired, [(7, 2), (8, 1)]);
/// # Ok::<(), StateError>(())
/// ```
#[derive(Debug)]
pub struct Windows<A> {
    at: usize,
    kind: PhantomData<fn() -> A>,
}

impl<A> Clone for Windows<A> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<A> Copy for Windows<A> {}

impl<A: StateValue> Windows<A> {
    pub(crate) const fn new(at: usize) -> Self {
        Self { at, kind: PhantomData }
    }

    /// The open windows of a key group.
    ///
    /// # Errors
    /// When the handle belongs to another operator.
    pub fn of<'a, K: StateKey>(&self, group: &'a mut GroupState<K>) -> Result<OpenWindows<'a, K, A>> {
        let stamps = group.stamps();
        Ok(OpenWindows { table: group.table(self.at, "windows")?, stamps })
    }
}

/// The open windows of a key group, in a batch.
///
/// First all records are [merged](Self::merge), then they are [settled](Self::settle), then windows [fire](Self::fire);
/// what has fired is [read](Self::read) bit by bit, at any time before the next batch begins.
pub struct OpenWindows<'a, K, A> {
    table: &'a mut WindowTable<K, A>,
    stamps: Stamps,
}

impl<K: StateKey, A: StateValue> OpenWindows<'_, K, A> {
    /// Takes `acc` into what `key` has gathered in `window` with `combine`, or makes it the first that it has gathered.
    /// Nothing is read from a backend here: that is done for many keys at once.
    ///
    /// A window that has fired is opened again: the caller asks the watermark first. If `combine` panics, the key may hold
    /// anything until the batch is begun again.
    #[inline]
    pub fn merge(&mut self, window: Window, hash: u64, key: K, acc: A, combine: impl FnOnce(&mut A, A)) {
        self.table.merge(window, (hash, key), acc, self.stamps, combine);
    }

    /// The same for many keys of one window, front to back: hash, key and what it has gathered. Cheaper than one by one,
    /// since their places are looked for all at once. The list is empty then.
    pub fn merge_all(&mut self, window: Window, entries: &mut Vec<(u64, K, A)>, combine: impl FnMut(&mut A, A)) {
        self.table.merge_all(window, entries, self.stamps, combine);
    }

    /// Ends the merging of a batch's records: what the backend has of keys that were not in memory is read, and what was
    /// merged since is taken into it with `combine`.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn settle(&mut self, combine: impl FnMut(&mut A, A)) -> Result<()> {
        self.table.settle(self.stamps, combine)
    }

    /// Fires the windows that `watermark` closes: they are not open any more, whether what they hold is
    /// [read](Self::read) or not.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn fire(&mut self, watermark: Timestamp) -> Result<FiredRows> {
        Ok(FiredRows::from_window(self.table.fire(watermark)?))
    }

    /// No window is due before this time, whether it is in memory or not; `None` if there is no open window. What has
    /// fired is due for being forgotten.
    #[must_use]
    pub fn next_end(&self) -> Option<Timestamp> {
        self.table.next_end()
    }

    /// The windows whose rows are still to be read.
    pub fn fired(&self, rows: &FiredRows) -> impl Iterator<Item = Window> {
        self.table.fired_from(rows.window())
    }

    /// Hands some `limit` of the rows that have fired to `each`; `false` if none are left after these. Rows come in the
    /// order of their windows' ends. Those of a window are in the order in which its keys came, if all of them are in
    /// memory; otherwise those that the backend knows come first, in the order of their bytes.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn read(&self, rows: &mut FiredRows, limit: usize, mut each: impl FnMut(Window, &K, &A)) -> Result<bool> {
        self.table.read_fired(rows, limit, &mut each)
    }

    /// The windows that hold something and lie within a span, in the order of their ends; those that have fired in this batch
    /// are among them. For windows that are made of others, such as sliding ones of [slices](firesteel_window::Slices).
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn within(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Window>> {
        self.table.within(from, to)
    }

    /// Hands what one of those windows holds to `each`: the hash of a key, the key, and what it has gathered. It stays as it is.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn look_into(&self, window: Window, each: &mut dyn FnMut(u64, &K, &A)) -> Result<()> {
        self.table.look_into(window, each)
    }

    /// The windows that hold something and end after one instant and no later than another, in the order of their ends;
    /// those that have fired in this batch are not among them. For windows that stay after they have ended.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn ended(&self, after: Timestamp, until: Timestamp) -> Result<Vec<Window>> {
        self.table.ended(after, until)
    }

    /// As [`next_end`](Self::next_end), for windows that end after an instant. What has fired does not count.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn next_end_after(&self, after: Timestamp) -> Result<Option<Timestamp>> {
        self.table.next_end_after(after)
    }

    /// Hands what a key has gathered in a window that has not fired in this batch to `each`; `false` if it has nothing there.
    /// A key that the batch has brought costs no read of the backend.
    ///
    /// # Errors
    /// When the backend cannot be read.
    pub fn look_up(&self, window: Window, hash: u64, key: &K, each: &mut dyn FnMut(&A)) -> Result<bool> {
        self.table.look_up(window, hash, key, each)
    }

    /// Whether the windows take another amount of memory than when this was asked last: then the key group is to be
    /// [accounted](GroupState::account).
    pub fn has_other_size(&mut self) -> bool {
        self.table.has_other_size()
    }

    /// How much the attempt at the batch has changed so far. Of what has fired, only rows of windows that were in memory as
    /// a whole are counted as removed; for others see [`FiredRows::counted`].
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.table.changes()
    }
}

impl<K, A> std::fmt::Debug for OpenWindows<'_, K, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenWindows").field("stamps", &self.stamps).finish_non_exhaustive()
    }
}
