//! What fires of sliding windows: records are taken into slices, and windows are made of these as they fire.
//!
//! What is stored are slices, in the table that windows side by side are in. What of them has been combined for the windows
//! that fire next is remembered from batch to batch and is no state: it is made again from the slices whenever a batch is
//! repeated, a record comes to a slice that has been read, or memory is short.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use firesteel_core::{Blocks, Exchange, Key, Open, TaskContext};
use firesteel_state::{Changes, FiredRows, KeyGroup, OpenWindows, Reservation};
use firesteel_window::{Aggregator, Duration, Overlap, Slices, Sliding, Timestamp, Window, WindowNumber};
use parking_lot::{Mutex, MutexGuard};

use crate::time::{When, least};
use crate::windows::WindowResult;
use crate::windows::rdd::{Firing, InBatch};
use crate::windows::rows::{Rows, Unread};

/// What has been combined in a key group, kept from batch to batch.
pub(super) struct OfGroup<K, A> {
    /// The batch that last came here.
    batch: u64,
    overlap: Overlap<K, A>,
    /// Of the memory for state; nothing before it is needed.
    reservation: Option<Reservation>,
}

impl<K, A> OfGroup<K, A> {
    pub(super) fn new(windows: Sliding) -> Self {
        Self { batch: 0, overlap: Overlap::new(windows), reservation: None }
    }

    /// A batch comes here, in which slices from this one on have changed.
    fn begin(&mut self, batch: u64, changed: Option<Window>) {
        // An attempt that is repeated begins with other slices than it left.
        let is_repeated = std::mem::replace(&mut self.batch, batch) == batch;
        if is_repeated || changed.is_some_and(|slice| self.overlap.has_read(slice.start())) {
            self.overlap.forget();
        }
    }
}

/// What fires in one batch, of windows that overlap.
pub(super) struct Slid<K: Key, V, A: Aggregator<V>, T> {
    pub(super) of: InBatch<K, V, Slices, A, T>,
    pub(super) windows: Sliding,
    pub(super) overlaps: Arc<[Mutex<OfGroup<K, A::Acc>>]>,
}

/// The windows of a key group that fire in this batch, as far as they have not.
pub(super) struct Group {
    group: KeyGroup,
    place: usize,
    /// The next one that may.
    next: WindowNumber,
    /// Whether it has been entered, and how many of its rows there were before.
    entered: bool,
    /// The slices that hold something from some time on, in their order, and that time.
    slices: Vec<Window>,
    from: Timestamp,
    /// Slices that are needed by no window any more.
    gone: FiredRows,
}

impl Group {
    fn new(group: KeyGroup, place: usize, next: WindowNumber, gone: FiredRows) -> Self {
        Self { group, place, next, entered: false, slices: Vec::new(), from: Timestamp::MAX, gone }
    }

    /// Finds out which slices there are, as far as that is not known.
    fn look<K: Key, A: Exchange>(
        &mut self,
        opened: &OpenWindows<'_, K, A>,
        from: Timestamp,
        reached: Timestamp,
    ) -> firesteel_state::Result<()> {
        if from < self.from {
            (self.slices, self.from) = (opened.within(from, reached)?, from);
        }
        Ok(())
    }

    /// The next window that fires; `is_empty`: nothing that was read reaches into it.
    fn due(&self, windows: Sliding, is_empty: bool, reached: Timestamp) -> Option<WindowNumber> {
        let mut next = self.next;
        if is_empty {
            let start = windows.window(next).start();
            let slice = self.slices.get(self.slices.partition_point(|slice| slice.start() < start))?;
            next = next.max(windows.windows_at(slice.start())?.0);
        }
        windows.window(next).is_closed_by(reached).then_some(next)
    }
}

impl<K, V, A, T> Open<(Timestamp, WindowResult<K, T>)> for Slid<K, V, A, T>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    fn open<'a>(
        &'a self,
        split: usize,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<(Timestamp, WindowResult<K, T>)> + 'a> {
        let (first, reached) = (self.first(), self.of.firing.reached());
        let mut groups = VecDeque::new();
        let changes = self.of.visit(split, task, |at, opened, changed| {
            self.fire(at, opened, changed, (first, reached), &mut groups)?;
            Ok(self.next_end(opened.next_end(), reached))
        });
        Rows::blocks(&self.of, task, self.left(split, task, groups, changes))
    }
}

impl<K, V, A, T> Slid<K, V, A, T>
where
    K: Key,
    A: Aggregator<V, Acc: Exchange>,
{
    /// The first window that fires in this batch, if there is one.
    pub(super) fn first(&self) -> Option<WindowNumber> {
        // What the batch before has reached has fired. The watermark at the start of this one may be later.
        let first = self.windows.first_open(least(&self.of.firing.trackers, When::Before));
        // At the end of time, nothing is left that has not fired.
        first.filter(|first| self.windows.window(*first).is_closed_by(self.of.firing.reached()))
    }

    /// Fires in a key group from `first` on; what is needed by no window that `gone` leaves goes.
    pub(super) fn fire(
        &self,
        (group, place): (KeyGroup, usize),
        opened: &mut OpenWindows<'_, K, A::Acc>,
        changed: Option<Window>,
        (first, gone): (Option<WindowNumber>, Timestamp),
        groups: &mut VecDeque<Group>,
    ) -> firesteel_state::Result<()> {
        let windows = self.windows;
        let needed = windows.first_open(gone).map_or(Timestamp::MAX, |open| windows.window(open).start());
        self.overlaps[place].lock().begin(self.of.batch, changed);
        let gone = opened.fire(needed)?;
        // What goes is counted there, also where nothing fires.
        let goes = opened.fired(&gone).next().is_some();
        let next = first.or_else(|| windows.first_open(self.of.firing.reached()).filter(|_| goes));
        groups.extend(next.map(|next| Group::new(group, place, next, gone)));
        Ok(())
    }

    /// What fires in these groups, to be read.
    pub(super) fn left<'a>(
        &'a self,
        split: usize,
        task: &'a TaskContext,
        groups: VecDeque<Group>,
        changes: Changes,
    ) -> Left<'a, K, V, A, T> {
        Left { slid: self, split, task, groups, changes, fired: BTreeSet::new() }
    }

    /// When the next window is due, where no slice that holds something ends before `slice`: no later than that.
    pub(super) fn next_end(&self, slice: Option<Timestamp>, reached: Timestamp) -> Option<Timestamp> {
        let (slice, open) = (slice?, self.windows.first_open(reached)?);
        if slice == Timestamp::MIN {
            return Some(slice);
        }
        let holds = self.windows.windows_at(slice - Duration::micros(1)).map_or(open, |(first, _)| first);
        Some(self.windows.window(holds.max(open)).end())
    }
}

/// What fires in a partition and is left to be made, window by window.
pub(super) struct Left<'a, K: Key, V, A: Aggregator<V>, T> {
    slid: &'a Slid<K, V, A, T>,
    split: usize,
    task: &'a TaskContext,
    groups: VecDeque<Group>,
    /// What the batch has changed here.
    changes: Changes,
    /// The windows that had something.
    fired: BTreeSet<Window>,
}

impl<K, V, A, T> Unread<K, A::Acc> for Left<'_, K, V, A, T>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    fn is_over(&self) -> bool {
        self.groups.is_empty()
    }

    fn read(&mut self, limit: usize, mut each: impl FnMut(Window, &K, &A::Acc)) -> firesteel_state::Result<()> {
        let Some(left) = self.groups.front_mut() else { return Ok(()) };
        let (Slid { of, windows, overlaps }, task) = (self.slid, self.task);
        let (aggregator, operator, windows) = (of.aggregator(), &of.operator, *windows);
        let merge = &mut |acc: &mut A::Acc, other| task.blame_on(operator, || aggregator.merge(acc, other));
        let Firing { cell, windows: stored, .. } = &of.firing;
        let reached = of.firing.reached();
        let mut of_group = overlaps[left.place].lock();
        let mut room = limit;
        loop {
            if left.entered {
                let (window, mut some) = (windows.window(left.next), false);
                let more = of_group.overlap.read(room, merge, |key, acc| {
                    (some, room) = (true, room - 1);
                    each(window, key, acc);
                });
                if some {
                    self.fired.insert(window);
                }
                if more {
                    return Ok(());
                }
                (left.entered, left.next) = (false, left.next.next());
                task.check_cancelled();
            }
            let mut state = cell.get().lock(left.group);
            let opened = stored.of(&mut state)?;
            left.look(&opened, of_group.overlap.needs_from(left.next), reached)?;
            match left.due(windows, of_group.overlap.is_empty(), reached) {
                Some(next) => {
                    left.look(&opened, of_group.overlap.needs_from(next), reached)?;
                    let mut read = |slice, each: &mut dyn FnMut(u64, &K, &A::Acc)| opened.look_into(slice, each);
                    of_group.overlap.enter(next, &left.slices, &mut read, merge)?;
                    (left.entered, left.next) = (true, next);
                }
                None => {
                    opened.read(&mut left.gone, usize::MAX, |_, _, _| {})?;
                    self.changes.removed += left.gone.counted();
                    drop(state);
                    account(&mut of_group, || (cell.get().reserve(), cell.get().is_short_of_memory()));
                    drop(of_group);
                    self.groups.pop_front();
                    return Ok(());
                }
            }
        }
    }

    fn skip(&mut self) {
        self.groups.pop_front();
    }

    fn end(&mut self) {
        self.slid.of.firing.ended(self.split, std::mem::take(&mut self.fired), self.changes);
    }
}

/// Takes note of what an overlap takes, or lets go of it where memory is short.
fn account<K, A>(of_group: &mut MutexGuard<'_, OfGroup<K, A>>, ask: impl FnOnce() -> (Reservation, bool)) {
    let (new, is_short) = ask();
    let OfGroup { overlap, reservation, .. } = &mut **of_group;
    if is_short {
        overlap.release();
    }
    reservation.get_or_insert(new).set(overlap.bytes());
}
