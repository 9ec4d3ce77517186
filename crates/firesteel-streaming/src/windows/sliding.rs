//! Sliding windows: records are taken into slices, and windows are made of these as they fire.
//!
//! What is stored are slices, in the table that windows side by side are in. What of them has been combined for the windows
//! that fire next is remembered from batch to batch and is no state: it is made again from the slices whenever a batch is
//! repeated, a record comes to a slice that has been read, or memory is short.

use std::collections::{BTreeSet, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;
use std::vec;

use firesteel_core::shuffle::Shuffle;
use firesteel_core::{Accumulator, Blocks, Exchange, Iterated, Key, Lineage, Open, Operator, TaskContext, block_len};
use firesteel_state::{Changes, FiredRows, KeyGroup, KeySpace, OpenWindows, Reservation};
use firesteel_window::{Aggregator, Duration, Overlap, Slices, Sliding, Timestamp, Window, WindowNumber};
use parking_lot::{Mutex, MutexGuard};

use crate::plan::{Changed, Computed, What};
use crate::state::or_fail;
use crate::stream::{Stream, Timed};
use crate::time::{Fired as FiredOnes, Tracker, least};
use crate::windows::due::Due;
use crate::windows::kind::{Held, WindowKind};
use crate::windows::rdd::{Firing, WindowShuffle, fetch};
use crate::windows::recycle::Recycled;
use crate::windows::side::WindowSide;
use crate::windows::{WindowResult, WindowedStream};

impl<K: Key> WindowKind<K> for Sliding {
    fn aggregated<V, A, T>(
        of: WindowedStream<K, V, Self>,
        aggregator: A,
        present: fn(A::Out) -> Option<T>,
    ) -> Stream<WindowResult<K, T>, Timed>
    where
        V: Send + 'static,
        A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let WindowedStream { stream: Stream { plan, node: parent, rule }, windows, operator, late } = of;
        let held = Held::<K, V, A::Acc>::new(&plan, parent, operator, &windows, aggregator.kind().into_owned(), late);
        let (fired, outside, node) = (plan.fired(), Accumulator::default(), held.node);
        plan.count(node, What::Outside, outside.clone());
        let (aggregator, recycled, due) = (Arc::new(aggregator), Arc::new(Recycled::new()), Arc::new(Due::default()));
        let overlaps = Arc::new(Overlaps::new());
        Stream::new(plan, node, move |batch| {
            let (parent, space) = (rule.rdd(batch)?, batch.key_space());
            let side = WindowSide {
                windows: windows.slices(),
                aggregator: Arc::clone(&aggregator),
                operator: batch.operator(node).clone(),
                closed_by: least(&held.trackers, Tracker::at_start),
                late: held.late.clone(),
                outside: outside.clone(),
                late_output: held.late_output.clone(),
                partitions: space.parts(parent.node().context().parallelism()),
                space,
                recycled: Arc::clone(&recycled),
                kind: PhantomData,
            };
            let firing = Firing {
                cell: Arc::clone(&held.cell),
                windows: held.windows,
                trackers: Arc::clone(&held.trackers),
                due: due.within(space),
                fired: fired.clone(),
                changes: held.changes.clone(),
            };
            let shuffle = Arc::new(Shuffle::new(batch.context(), parent, side));
            let (dependency, operator) = (Arc::clone(&shuffle), batch.operator(node).clone());
            let (batch_id, overlaps) = (batch.id(), overlaps.within(space, windows));
            Ok(batch.stateful(node, dependency, |computed| Slid {
                shuffle,
                operator,
                firing,
                windows,
                overlaps,
                present,
                batch: batch_id,
                computed,
            }))
        })
    }
}

/// What has been combined in each key group, kept from batch to batch.
struct Overlaps<K, A>(Mutex<Option<(KeySpace, OfGroups<K, A>)>>);

type OfGroups<K, A> = Arc<[Mutex<OfGroup<K, A>>]>;

struct OfGroup<K, A> {
    /// The batch that last came here.
    batch: u64,
    overlap: Overlap<K, A>,
    /// Of the memory for state; nothing before it is needed.
    reservation: Option<Reservation>,
}

impl<K, A> Overlaps<K, A> {
    fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// What there is where these key groups are the job's own. If others were before, nothing.
    fn within(&self, space: KeySpace, windows: Sliding) -> OfGroups<K, A> {
        let mut known = self.0.lock();
        match &*known {
            Some((of, groups)) if *of == space => Arc::clone(groups),
            _ => {
                let group = |_| Mutex::new(OfGroup { batch: 0, overlap: Overlap::new(windows), reservation: None });
                let groups: OfGroups<K, A> = (0..space.len()).map(group).collect();
                *known = Some((space, Arc::clone(&groups)));
                groups
            }
        }
    }
}

impl<K, A> OfGroup<K, A> {
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
///
/// Computing a partition changes the state of its key groups, as that of windows side by side does.
struct Slid<K: Key, V, A: Aggregator<V>, T> {
    shuffle: Arc<WindowShuffle<K, V, Slices, A>>,
    operator: Operator,
    firing: Firing<K, A::Acc>,
    windows: Sliding,
    overlaps: OfGroups<K, A::Acc>,
    /// The result, as far as there is one: a fired window holds a value.
    present: fn(A::Out) -> Option<T>,
    batch: u64,
    /// The partitions that some task has computed.
    computed: Computed,
}

/// The windows of a key group that fire in this batch, as far as they have not.
struct Left {
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

impl Left {
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
        let Firing { cell, windows, trackers, due, .. } = &self.firing;
        let (aggregator, operator) = (&*self.shuffle.side().aggregator, &self.operator);
        let combine = |acc: &mut A::Acc, other| task.blame_on(operator, || aggregator.merge(acc, other));
        // What the batch before has reached has fired. The watermark at the start of this one may be later.
        let (before, reached) = (least(trackers, Tracker::before), least(trackers, Tracker::reached));
        let first = self.windows.first_open(before);
        let needed = self.windows.first_open(reached).map_or(Timestamp::MAX, |open| self.windows.window(open).start());
        let mut incoming = fetch(&self.shuffle, split, task);
        let (mut left, mut changes) = (VecDeque::new(), Changes::default());
        let WindowSide { space, partitions, .. } = self.shuffle.side();
        for group in space.part(split, *partitions).iter() {
            let place = space.owned().place_of(group);
            if !incoming.has(group) && !due.has_work(place, self.batch, reached) {
                continue;
            }
            task.check_cancelled();
            due.begin(place, self.batch);
            let mut state = cell.get().lock(group);
            state.begin(self.batch);
            let mut opened = or_fail(windows.of(&mut state), operator, task);
            let changed = incoming.merge(group, &mut opened, combine);
            or_fail(opened.settle(combine), operator, task);
            self.overlaps[place].lock().begin(self.batch, changed);
            let gone = or_fail(opened.fire(needed), operator, task);
            changes += opened.changes();
            // At the end of time, nothing is left that has not fired.
            let next = first.filter(|first| self.windows.window(*first).is_closed_by(reached));
            left.extend(next.map(|next| Left::new(group, place, next, gone)));
            due.note(place, self.next_end(opened.next_end(), reached));
            if opened.has_other_size() {
                state.account();
            }
        }
        incoming.lists.into_iter().for_each(|gathered| self.shuffle.side().recycled.keep_list(gathered.entries));
        self.computed.note(split);
        let fired = BTreeSet::new();
        let rows = Rows { of: self, split, task, left, changes, fired, ahead: Vec::new().into_iter() };
        Box::new(Iterated::new(rows, task))
    }
}

impl<K, V, A, T> Slid<K, V, A, T>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    /// When the next window is due, where no slice that holds something ends before `slice`: no later than that.
    fn next_end(&self, slice: Option<Timestamp>, reached: Timestamp) -> Option<Timestamp> {
        let (slice, open) = (slice?, self.windows.first_open(reached)?);
        if slice == Timestamp::MIN {
            return Some(slice);
        }
        let holds = self.windows.windows_at(slice - Duration::micros(1)).map_or(open, |(first, _)| first);
        Some(self.windows.window(holds.max(open)).end())
    }
}

/// The results of a partition, made window by window.
struct Rows<'a, K: Key, V: Send + 'static, A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static, T> {
    of: &'a Slid<K, V, A, T>,
    split: usize,
    task: &'a TaskContext,
    left: VecDeque<Left>,
    /// What the batch has changed here.
    changes: Changes,
    /// The windows that had something.
    fired: BTreeSet<Window>,
    /// Rows that have been made.
    ahead: vec::IntoIter<(Timestamp, WindowResult<K, T>)>,
}

impl<K: Key, V: Send + 'static, A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static, T> Rows<'_, K, V, A, T> {
    /// Makes about the next `limit` rows of the first key group that is left.
    fn make(&mut self, limit: usize, mut each: impl FnMut(Window, &K, &A::Acc)) -> firesteel_state::Result<()> {
        let Some(left) = self.left.front_mut() else { return Ok(()) };
        let (of, task) = (self.of, self.task);
        let (aggregator, operator, windows) = (&*of.shuffle.side().aggregator, &of.operator, of.windows);
        let merge = &mut |acc: &mut A::Acc, other| task.blame_on(operator, || aggregator.merge(acc, other));
        let Firing { cell, windows: stored, trackers, .. } = &of.firing;
        let reached = least(trackers, Tracker::reached);
        let mut of_group = of.overlaps[left.place].lock();
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
                    self.left.pop_front();
                    return Ok(());
                }
            }
        }
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

impl<K, V, A, T> Iterator for Rows<'_, K, V, A, T>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    type Item = (Timestamp, WindowResult<K, T>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let row = self.ahead.next();
            if row.is_some() || self.left.is_empty() {
                return row;
            }
            let (of, task) = (self.of, self.task);
            task.check_cancelled();
            let (mut rows, room) = (Vec::new(), block_len::<Self::Item>());
            while rows.len() < room && !self.left.is_empty() {
                let made = self.make(room - rows.len(), |window, key, acc| {
                    let out = task.blame_on(&of.operator, || of.shuffle.side().aggregator.finish(acc));
                    let row = |value| (window.last_instant(), WindowResult { window, key: key.clone(), value });
                    rows.extend((of.present)(out).map(row));
                });
                or_fail(made, &of.operator, task);
            }
            self.ahead = rows.into_iter();
        }
    }
}

impl<K: Key, V: Send + 'static, A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static, T> Drop
    for Rows<'_, K, V, A, T>
{
    /// Takes note of what has fired and changed. Rows that nobody wanted have fired, too.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        while !self.left.is_empty() {
            // What cannot be read now is not read when the epoch ends either, which fails the job.
            if self.make(usize::MAX, |_, _, _| {}).is_err() {
                self.left.pop_front();
            }
        }
        let windows = std::mem::take(&mut self.fired);
        if !windows.is_empty() {
            self.of.firing.fired.add(FiredOnes { windows, sessions: 0 });
        }
        self.of.firing.changes.add((self.split, Changed { changes: self.changes, ..Changed::default() }));
    }
}
