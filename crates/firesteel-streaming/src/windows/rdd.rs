//! The reduce side of a windowed aggregation: accumulators meet the state, and windows fire.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use firesteel_core::ops::BoxRdd;
use firesteel_core::shuffle::{Fetched, Shuffle};
use firesteel_core::{Blocks, Exchange, Key, Open, Operator, TaskContext};
use firesteel_state::{Changes, FiredRows, GroupState, KeyGroup, OpenWindows, Windows};
use firesteel_window::{Aggregator, DisjointWindows, Timestamp, Window};

use crate::plan::{Changed, Computed, StateChanges};
use crate::state::{StoreCell, or_fail};
use crate::time::{Fired as FiredOnes, FiredCount, Tracker, When, distinct, least};
use crate::windows::WindowResult;
use crate::windows::due::Due;
use crate::windows::incoming::Incoming;
use crate::windows::rows::{Rows, Unread};
use crate::windows::side::{Gathered, WindowBucket, WindowSide};

type WindowShuffle<K, V, W, A> =
    Shuffle<BoxRdd<(Timestamp, (K, V))>, WindowSide<K, V, W, A>, WindowBucket<K, <A as Aggregator<V>>::Acc>>;

/// A windowed aggregation in one batch.
///
/// Computing a partition changes the state of its key groups. It begins by rolling back what an earlier attempt at the
/// same batch did, so that any number of attempts has the effect of one.
pub(super) struct InBatch<K: Key, V, W, A: Aggregator<V>, T> {
    pub(super) shuffle: Arc<WindowShuffle<K, V, W, A>>,
    pub(super) operator: Operator,
    pub(super) firing: Firing<K, A::Acc>,
    /// The result, as far as there is one: a fired window holds a value.
    pub(super) present: fn(A::Out) -> Option<T>,
    pub(super) batch: u64,
    /// The partitions that some task has computed.
    pub(super) computed: Computed,
}

/// What decides which windows fire, and what takes note of them.
pub(super) struct Firing<K: Key, Acc> {
    pub(super) cell: Arc<StoreCell<K>>,
    pub(super) windows: Windows<Acc>,
    pub(super) trackers: Arc<[Arc<Tracker>]>,
    pub(super) due: Arc<[Due]>,
    pub(super) fired: FiredCount,
    pub(super) changes: StateChanges,
}

impl<K: Key, Acc> Firing<K, Acc> {
    /// How far the watermark has come with this batch.
    pub(super) fn reached(&self) -> Timestamp {
        least(&self.trackers, When::Reached)
    }

    /// Takes note of the windows that have fired in a partition, and of what the batch has changed there.
    pub(super) fn ended(&self, split: usize, windows: BTreeSet<Window>, changes: Changes) {
        if !windows.is_empty() {
            self.fired.add(FiredOnes { windows, sessions: 0 });
        }
        self.changes.add((split, Changed { changes, ..Changed::default() }));
    }
}

impl<K, V, W, A, T> InBatch<K, V, W, A, T>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    pub(super) fn aggregator(&self) -> &A {
        &self.shuffle.side().aggregator
    }

    /// Takes what has come for a partition into its key groups, and has each of them `fire` in which there is something to do: the
    /// group with its place among the job's own, its windows, and the first one that has changed. What that returns is when the
    /// next one is due.
    pub(super) fn visit<F>(&self, split: usize, task: &TaskContext, fire: F) -> Changes
    where
        F: FnMut(
            (KeyGroup, usize),
            &mut OpenWindows<'_, K, A::Acc>,
            Option<Window>,
        ) -> firesteel_state::Result<Option<Timestamp>>,
    {
        self.visit_with(split, task, &mut Only(fire))
    }

    /// The same, with what is to be done before and after that.
    pub(super) fn visit_with<G: Guest<K, A::Acc>>(&self, split: usize, task: &TaskContext, guest: &mut G) -> Changes {
        let (Firing { cell, windows, due, .. }, operator) = (&self.firing, &self.operator);
        let combine = |acc: &mut A::Acc, other| task.blame_on(operator, || self.aggregator().merge(acc, other));
        let (reached, mut changes) = (self.firing.reached(), Changes::default());
        let mut incoming = self.fetch(split, task);
        let WindowSide { space, partitions, .. } = self.shuffle.side();
        for group in space.part(split, *partitions).iter() {
            let place = space.owned().place_of(group);
            if !incoming.has(group) && !due[place].has_work(self.batch, reached) && !guest.has_work(place) {
                continue;
            }
            task.check_cancelled();
            due[place].begin(self.batch);
            let mut state = cell.get().lock(group);
            state.begin(self.batch);
            or_fail(guest.before((group, place), &mut state, &incoming), operator, task);
            let mut opened = or_fail(windows.of(&mut state), operator, task);
            let changed = incoming.merge(group, &mut opened, combine);
            let settled = opened.settle(combine);
            let next = settled.and_then(|()| guest.fire((group, place), &mut opened, changed));
            changes += opened.changes();
            due[place].note(or_fail(next, operator, task));
            if opened.has_other_size() {
                state.account();
            }
            changes += or_fail(guest.after((group, place), &mut state), operator, task);
        }
        incoming.lists.into_iter().for_each(|gathered| self.shuffle.side().recycled.keep_list(gathered.entries));
        self.computed.note(split);
        changes
    }

    /// What the map tasks left for the partition.
    fn fetch(&self, split: usize, task: &TaskContext) -> Incoming<K, A::Acc> {
        let outputs = self.shuffle.outputs();
        let WindowSide { space, partitions, .. } = self.shuffle.side();
        let mut incoming = Incoming::new(*space, space.part(split, *partitions));
        for map in 0..outputs.num_maps() {
            match outputs.fetch(map, split, task) {
                Fetched::Owned(bucket) => {
                    let count = bucket.0.iter().map(|gathered| gathered.entries.len() as u64).sum();
                    task.count_shuffle_read(count);
                    bucket.0.into_iter().for_each(|gathered| incoming.add(gathered));
                }
                Fetched::Shared(bucket) => {
                    for Gathered { window, group, entries } in &bucket.0 {
                        incoming.add(Gathered { window: *window, group: *group, entries: entries.clone() });
                    }
                }
            }
        }
        incoming.settle();
        incoming
    }
}

/// What is done in each key group in which there is something to do.
pub(super) trait Guest<K: Key, Acc> {
    /// Whether a group has something to do, besides taking records and firing what the watermark closes.
    fn has_work(&self, place: usize) -> bool {
        let _ = place;
        false
    }

    /// Looks at what will be taken into the windows of a group, and at its other state.
    fn before(
        &mut self,
        at: (KeyGroup, usize),
        state: &mut GroupState<K>,
        incoming: &Incoming<K, Acc>,
    ) -> firesteel_state::Result<()> {
        let _ = (at, state, incoming);
        Ok(())
    }

    /// Fires, once the records have been taken in; returns when something is due next.
    fn fire(
        &mut self,
        at: (KeyGroup, usize),
        opened: &mut OpenWindows<'_, K, Acc>,
        changed: Option<Window>,
    ) -> firesteel_state::Result<Option<Timestamp>>;

    /// Changes other state of the group; returns what it has changed.
    fn after(&mut self, at: (KeyGroup, usize), state: &mut GroupState<K>) -> firesteel_state::Result<Changes> {
        let _ = (at, state);
        Ok(Changes::default())
    }
}

/// Who only fires.
struct Only<F>(F);

impl<K: Key, Acc, F> Guest<K, Acc> for Only<F>
where
    F: FnMut(
        (KeyGroup, usize),
        &mut OpenWindows<'_, K, Acc>,
        Option<Window>,
    ) -> firesteel_state::Result<Option<Timestamp>>,
{
    fn fire(
        &mut self,
        at: (KeyGroup, usize),
        opened: &mut OpenWindows<'_, K, Acc>,
        changed: Option<Window>,
    ) -> firesteel_state::Result<Option<Timestamp>> {
        (self.0)(at, opened, changed)
    }
}

/// What fires of windows side by side.
pub(super) struct Fired<K: Key, V, W, A: Aggregator<V>, T>(pub(super) InBatch<K, V, W, A, T>);

impl<K, V, W, A, T> Open<(Timestamp, WindowResult<K, T>)> for Fired<K, V, W, A, T>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    T: Send + 'static,
{
    fn open<'a>(
        &'a self,
        split: usize,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<(Timestamp, WindowResult<K, T>)> + 'a> {
        let (Self(of), firing) = (self, &self.0.firing);
        let (reached, mut groups, mut fired) = (firing.reached(), VecDeque::new(), BTreeSet::new());
        let changes = of.visit(split, task, |(group, _), opened, _| {
            let rows = opened.fire(reached)?;
            if opened.fired(&rows).next().is_some() {
                fired.append(&mut distinct(opened.fired(&rows)));
                groups.push_back((group, rows));
            }
            Ok(opened.next_end())
        });
        Rows::blocks(of, task, Left { firing, split, groups, changes, fired })
    }
}

/// What has fired in a partition and is left to be read from its state, slice by slice.
struct Left<'a, K: Key, Acc> {
    firing: &'a Firing<K, Acc>,
    split: usize,
    /// The key groups in which something has fired, and how far it has been read.
    groups: VecDeque<(KeyGroup, FiredRows)>,
    /// What the batch has changed here.
    changes: Changes,
    fired: BTreeSet<Window>,
}

impl<K: Key, Acc: Exchange> Unread<K, Acc> for Left<'_, K, Acc> {
    fn is_over(&self) -> bool {
        self.groups.is_empty()
    }

    fn read(&mut self, limit: usize, each: impl FnMut(Window, &K, &Acc)) -> firesteel_state::Result<()> {
        let Some((group, rows)) = self.groups.front_mut() else { return Ok(()) };
        let more = self.firing.windows.of(&mut self.firing.cell.get().lock(*group))?.read(rows, limit, each)?;
        if !more {
            self.changes.removed += rows.counted();
            self.groups.pop_front();
        }
        Ok(())
    }

    fn skip(&mut self) {
        self.groups.pop_front();
    }

    fn end(&mut self) {
        self.firing.ended(self.split, std::mem::take(&mut self.fired), self.changes);
    }
}
