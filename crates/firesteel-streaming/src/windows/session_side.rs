//! The map side of sessions: records become sessions of their key before they travel.

use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_core::{Accumulator, Exchange, Key, Operator, TaskContext};
use firesteel_window::{Aggregator, Duration, Sessions, Timestamp, Window};

use crate::plan::NodeId;
use crate::state::{ByGroup, Place, Prepare, Prepared, Route, Tables, Trials};
use crate::stream::{LateFor, LateOutput, Lateness, Timed, Told};
use crate::time::{Allowance, Tracker, When, least};
use crate::windows::gaps::Gaps;
use crate::windows::held::tells;

/// What a session has gathered, on its way to the others of its key.
#[derive(Clone)]
pub(super) struct Piece<A> {
    pub(super) window: Window,
    pub(super) acc: A,
    pub(super) passed: Option<Passed>,
}

/// When a session closes: a watermark that is at its end leaves it open.
pub(super) fn closes_at(end: Timestamp) -> Timestamp {
    end.saturating_add(Duration::micros(1))
}

/// A record that happened before the watermark, or before that less an allowance: late, unless the session that it belongs to is open. Only the state knows.
#[derive(Clone)]
pub(super) struct Passed(pub(super) Option<Told>);

/// How records get to their sessions: those of a key that are in time are put together before they travel.
pub(super) struct IntoSessions<K, V, A> {
    pub(super) windows: Gaps<V>,
    pub(super) aggregator: Arc<A>,
    /// How long sessions stay after they have fired.
    pub(super) allowance: Option<Arc<Allowance>>,
    pub(super) late: Accumulator<u64>,
    pub(super) late_output: Option<(LateOutput<K, V>, NodeId)>,
}

impl<K, V, A> Route<K, V, Timed> for IntoSessions<K, V, A>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
{
    type Item = Piece<A::Acc>;
}

impl<K, V, A> Prepared<K, V, Timed> for IntoSessions<K, V, A>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
{
    type Travels = Piece<A::Acc>;
    type Prepare = SessionSide<K, V, A>;

    fn prepare(self, place: &Place<'_>) -> Self::Prepare {
        let late_output = tells(place.plan, place.node, &self.late, self.late_output);
        SessionSide {
            windows: self.windows,
            aggregator: self.aggregator,
            allowance: self.allowance,
            trackers: Arc::clone(place.trackers),
            late_output,
            tables: Tables::new(),
            trials: Trials::default(),
        }
    }
}

/// Gathers sessions within the map partition, as long as that makes the data smaller.
pub(super) struct SessionSide<K, V, A: Aggregator<V>> {
    windows: Gaps<V>,
    aggregator: Arc<A>,
    allowance: Option<Arc<Allowance>>,
    trackers: Arc<[Arc<Tracker>]>,
    late_output: Option<LateOutput<K, V>>,
    tables: Tables<K, Sessions<A::Acc>>,
    trials: Trials,
}

impl<K, V, A> Prepare<(Timestamp, (K, V)), K, Piece<A::Acc>> for SessionSide<K, V, A>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange> + Send + Sync + 'static,
{
    fn write(
        &self,
        records: impl Iterator<Item = (Timestamp, (K, V))>,
        mut groups: ByGroup<'_, K, Piece<A::Acc>>,
        operator: &Operator,
        task: &TaskContext,
    ) {
        let (aggregator, windows) = (&*self.aggregator, &self.windows);
        let at_start = || least(&self.trackers, When::AtStart);
        let watermark = self.allowance.as_ref().map_or_else(at_start, |allowance| allowance.gone_at_start());
        let one = |(window, value)| {
            let mut sessions = Sessions::new();
            sessions.add(window, aggregator.start(value), |acc, more| aggregator.merge(acc, more));
            sessions
        };
        let add = |sessions: &mut Sessions<A::Acc>, (window, value)| {
            sessions.add_value(
                window,
                value,
                |value| aggregator.start(value),
                |acc, value| aggregator.add(acc, value),
                |acc, more| aggregator.merge(acc, more),
            );
        };
        let mut table = self.tables.take();
        let (mut seen, mut passes) = (0_usize, !self.trials.begins());
        task.drain(records, |(at, (key, value))| {
            let (hash, window) = (hash_key(&key), task.blame_on(operator, || windows.window_of(at, &value)));
            let is_passed = at < watermark;
            if is_passed && !groups.owns(hash) {
                return;
            }
            seen += usize::from(!is_passed);
            if is_passed || passes {
                let told = self.late_output.as_ref().filter(|_| is_passed).map(|output| {
                    let late_for = LateFor { first: window, last: window, count: 1 };
                    output(&key, &value, Lateness::of(at, Some(late_for), &self.trackers))
                });
                let acc = task.blame_on(operator, || aggregator.start(value));
                groups.put((hash, key, Piece { window, acc, passed: is_passed.then_some(Passed(told)) }));
                return;
            }
            let new = task.blame_on(operator, || table.upsert(hash, key, (window, value), one, add));
            if new && self.trials.gives_up(table.len(), seen) {
                passes = true;
                table.drain().for_each(|entry| put(&mut groups, entry));
            }
        });
        self.trials.ended(seen, (!passes).then_some(table.len()));
        table.drain().for_each(|entry| put(&mut groups, entry));
        self.tables.keep(table);
    }
}

/// Puts the sessions of a key into the list of its key group.
fn put<K: Key, A>(groups: &mut ByGroup<'_, K, Piece<A>>, (hash, key, sessions): (u64, K, Sessions<A>)) {
    let mut sessions = sessions.into_iter();
    let Some(first) = sessions.next() else { return };
    for (window, acc) in sessions {
        groups.put((hash, key.clone(), Piece { window, acc, passed: None }));
    }
    // The order is that of time but for the first: they do not touch each other.
    groups.put((hash, key, Piece { window: first.0, acc: first.1, passed: None }));
}
