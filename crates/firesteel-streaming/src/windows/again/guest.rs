//! Who fires in the key groups of a partition, for windows that may fire more than once.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use firesteel_core::hash::hash_key;
use firesteel_core::{Exchange, Key, TaskContext};
use firesteel_state::{Changes, GroupState, KeyGroup, OpenWindows, Result};
use firesteel_window::{Aggregator, Change, DisjointWindows, Timestamp, Window};

use crate::windows::again::counted::Counted;
use crate::windows::again::parts::OfParts;
use crate::windows::again::rows::{Brought, Passed, Wanted, by_number};
use crate::windows::again::{AgainInBatch, Spans};
use crate::windows::incoming::Incoming;
use crate::windows::rdd::{Guest, InBatch};

/// What fires of a partition for some keys, besides the windows that the watermark closes; these are the affair of `then`.
pub(super) struct Returning<'a, K: Key, V, W, A: Aggregator<V>, T, P, F> {
    pub(super) of: &'a InBatch<K, V, W, Counted<A>, T>,
    pub(super) again: &'a AgainInBatch,
    pub(super) parts: P,
    pub(super) passed: Passed,
    pub(super) task: &'a TaskContext,
    /// The rows so far.
    pub(super) rows: Vec<(Timestamp, Change<K, T>)>,
    pub(super) then: F,
    /// What the batch has brought to the group at hand, and what it has changed earlier and is due, by the hash of its key.
    brought: Vec<Brought<K>>,
    due: BTreeMap<u64, Vec<(K, Spans)>>,
    /// Whether something has been due, and how much of it could not be counted before it was read.
    ticked: bool,
    removed: u64,
}

impl AgainInBatch {
    /// How far windows have come in the batch.
    pub(super) fn passed(&self, reached: Timestamp) -> Passed {
        Passed { gone: self.allowance.gone_at_start(), before: self.allowance.before(), reached }
    }

    /// Whether firings go by the clock.
    fn has_ticks(&self) -> bool {
        self.early.is_some_and(|early| early.tick(self.now).is_some())
    }
}

impl<'a, K: Key, V, W, A: Aggregator<V>, T, P, F> Returning<'a, K, V, W, A, T, P, F> {
    pub(super) fn new(
        of: &'a InBatch<K, V, W, Counted<A>, T>,
        (again, parts, passed): (&'a AgainInBatch, P, Passed),
        task: &'a TaskContext,
        then: F,
    ) -> Self {
        let (rows, brought, due) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { of, again, parts, passed, task, rows, then, brought, due, ticked: false, removed: 0 }
    }

    /// Whether something of a key is due that changed earlier.
    fn is_due(&self, hash: u64, key: &K) -> bool {
        self.due.get(&hash).is_some_and(|keys| keys.iter().any(|(due, _)| due == key))
    }
}

impl<K, V, W, A, T, P, F> Guest<K, (A::Acc, u64)> for Returning<'_, K, V, W, A, T, P, F>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
    P: OfParts,
    F: FnMut((KeyGroup, usize), &mut OpenWindows<'_, K, (A::Acc, u64)>, Option<Window>) -> Result<Option<Timestamp>>,
{
    fn has_work(&self, place: usize) -> bool {
        let tick = self.again.ticks[place].load(Ordering::Relaxed);
        let ends = self.passed.reached == Timestamp::MAX && tick < i64::MAX;
        self.again.has_ticks() && (ends || tick <= self.again.now.as_micros())
    }

    fn before(
        &mut self,
        (group, _): (KeyGroup, usize),
        state: &mut GroupState<K>,
        incoming: &Incoming<K, (A::Acc, u64)>,
    ) -> Result<()> {
        let Self { again, parts, passed, brought, due, .. } = self;
        brought.clear();
        due.clear();
        let (mut last, is_early) = (None, again.early.is_some());
        incoming.look_at(group, &mut |part, (hash, key, (_, records))| {
            let is_wanted = match last {
                Some((of, is_wanted)) if of == part => is_wanted,
                _ => {
                    let fires = |window| passed.has_fired(window) || (is_early && passed.is_open(window));
                    let is_wanted = parts.any(part, fires);
                    last = Some((part, is_wanted));
                    is_wanted
                }
            };
            if is_wanted {
                brought.push(Brought { part, hash: *hash, key: key.clone(), records: *records });
            }
        });
        // Where event time ends, everything fires on time. A trigger that is gone leaves nothing.
        let ticks = if passed.reached == Timestamp::MAX || !again.has_ticks() { Timestamp::MAX } else { again.now };
        let mut unfired = again.unfired.of(state)?;
        let mut rows = unfired.fire(ticks)?;
        self.ticked = false;
        let ticked = &mut self.ticked;
        while unfired.read(&mut rows, usize::MAX, |_, key, spans| {
            *ticked = true;
            // What has fired on time since then is not to be told.
            if spans.iter().any(|(start, end)| parts.any(Window::new(*start, *end), |window| passed.is_open(window))) {
                due.entry(hash_key(key)).or_default().push((key.clone(), spans.clone()));
            }
        })? {}
        self.removed = rows.counted();
        Ok(())
    }

    fn fire(
        &mut self,
        at: (KeyGroup, usize),
        opened: &mut OpenWindows<'_, K, (A::Acc, u64)>,
        changed: Option<Window>,
    ) -> Result<Option<Timestamp>> {
        let (again, parts, passed, has_ticks) = (self.again, self.parts, self.passed, self.again.has_ticks());
        let mut wanted = Wanted::new();
        for brought in &self.brought {
            let early = again.early.is_some() && (!has_ticks || self.is_due(brought.hash, &brought.key));
            wanted.add(brought, passed, early, parts);
        }
        for (hash, keys) in &self.due {
            for (key, spans) in keys {
                for (start, end) in spans {
                    let part = Window::new(*start, *end);
                    wanted.add_due(part, *hash, key, passed, parts);
                }
            }
        }
        let (by_number, of) = (by_number(again.early), self.of);
        let is_early = |before, now| has_ticks || by_number(before, now);
        let makes = (of.aggregator(), of.present);
        let rows = &mut self.rows;
        self.task
            .blame_on(&of.operator, || wanted.make::<V, A, T>(opened, parts, &is_early, makes, rows, self.task))?;
        let next = (self.then)(at, opened, changed)?;
        // What has fired is forgotten in the next batch.
        Ok(if self.ticked { Some(Timestamp::MIN) } else { next })
    }

    fn after(&mut self, (_, place): (KeyGroup, usize), state: &mut GroupState<K>) -> Result<Changes> {
        let (again, parts, passed) = (self.again, self.parts, self.passed);
        let mut unfired = again.unfired.of(state)?;
        if let Some(tick) = again.early.and_then(|early| early.tick(again.now)) {
            for Brought { part, hash, key, .. } in std::mem::take(&mut self.brought) {
                if parts.any(part, |window| passed.is_open(window)) && !self.is_due(hash, &key) {
                    unfired.merge(tick, hash, key, vec![(part.start(), part.end())], join);
                }
            }
        }
        unfired.settle(join)?;
        let next = unfired.next_end_after(again.now)?.map_or(i64::MAX, Timestamp::as_micros);
        let mut changes = unfired.changes();
        changes.removed += self.removed;
        if unfired.has_other_size() {
            state.account();
        }
        again.ticks[place].store(next, Ordering::Relaxed);
        Ok(changes)
    }
}

/// Takes spans into others.
fn join(spans: &mut Spans, more: Spans) {
    more.into_iter().for_each(|span| {
        if !spans.contains(&span) {
            spans.push(span);
        }
    });
}
