//! Windows that may fire more than once: early by a trigger, on time, and again for what comes late.
//!
//! They are held as others are. What is new is who fires: beside the windows that a watermark closes, keys for which a batch has
//! brought something, in windows that have fired and stay; and keys of open windows, where a trigger asks for it. What has changed since a
//! window fired last stands in a table of its own, by the tick of the clock at which it fires: windows of processing time,
//! which fire as windows do.

mod counted;
mod guest;
mod parts;
mod rows;
mod sliding;
mod whole;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use firesteel_core::{Accumulator, Exchange, Key, Operator};
use firesteel_state::{Declaration, Setting, Windows};
use firesteel_window::{Aggregator, Change, Duration, Early, Firing, Timestamp, WindowAssigner, WindowError};

use crate::plan::{Batch, NodeId, Plan, What};
use crate::stream::LateOutput;
use crate::time::Allowance;
use crate::windows::held::{About, Held};
use crate::windows::of_groups::OfGroups;

pub(crate) use counted::Counted;
pub(super) use sliding::SlidAgain;
pub(super) use whole::FiredAgain;

/// When windows fire, besides on time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Firings {
    /// How long they stay after they have fired.
    pub(crate) late: Duration,
    /// What makes them fire before.
    pub(crate) early: Option<Early>,
}

impl Firings {
    /// What they are set to. Any other may follow: what is stored is the same.
    pub(crate) fn settings(&self) -> [Setting; 2] {
        let early = self.early.map_or_else(|| "on time".to_owned(), |early| early.to_string());
        [Setting::new_holds("allowed lateness", self.late), Setting::new_holds("trigger", early)]
    }

    /// Why they cannot be.
    pub(crate) fn refused(&self) -> Option<WindowError> {
        let late = (self.late < Duration::ZERO).then_some(WindowError::Lateness { lateness: self.late });
        late.or_else(|| self.early.and_then(|early| early.validate().err()))
    }
}

/// How many rows came early, and how many late.
#[derive(Clone, Default)]
pub(super) struct Told {
    early: Accumulator<u64>,
    late: Accumulator<u64>,
}

impl Told {
    /// Has them counted at a node.
    pub(super) fn count_at(&self, plan: &Plan, node: NodeId) {
        plan.count(node, What::FiredEarly, self.early.clone());
        plan.count(node, What::FiredLate, self.late.clone());
    }

    /// Counts rows; those that are withdrawn are none.
    pub(super) fn count<'a, K: 'a, T: 'a>(&self, rows: impl Iterator<Item = &'a Change<K, T>>) {
        let (mut early, mut late) = (0, 0);
        for row in rows.filter(|row| !row.is_withdrawn()) {
            early += u64::from(row.firing == Firing::Early);
            late += u64::from(row.firing == Firing::Late);
        }
        self.add(early, late);
    }

    /// Counts this many.
    pub(super) fn add(&self, early: u64, late: u64) {
        if early > 0 {
            self.early.add(early);
        }
        if late > 0 {
            self.late.add(late);
        }
    }
}

/// Parts of windows that have changed since they fired: beginning and end of each.
type Spans = Vec<(Timestamp, Timestamp)>;

/// A windowed aggregation that may fire more than once.
pub(super) struct HeldAgain<K: Key, V, A: Aggregator<V>> {
    pub(super) held: Held<K, V, Counted<A>>,
    allowance: Arc<Allowance>,
    early: Option<Early>,
    unfired: Windows<Spans>,
    ticks: Arc<OfGroups<AtomicI64>>,
    told: Told,
}

/// The same, in one batch.
pub(super) struct AgainInBatch {
    pub(super) allowance: Arc<Allowance>,
    pub(super) early: Option<Early>,
    /// What has changed since it fired, by the tick at which it does.
    pub(super) unfired: Windows<Spans>,
    /// For each key group, no tick is due before this time, in microseconds; at first, something may be.
    pub(super) ticks: Arc<[AtomicI64]>,
    /// The processing time of the batch.
    pub(super) now: Timestamp,
    pub(super) told: Told,
}

impl<K, V, A> HeldAgain<K, V, A>
where
    K: Key,
    V: Send + 'static,
    A: Aggregator<V, Acc: Exchange, Out: Send + 'static> + Send + Sync + 'static,
{
    /// Adds the aggregation to the program.
    pub(super) fn new(
        plan: &Plan,
        (parent, operator): (NodeId, Operator),
        windows: &impl WindowAssigner,
        (aggregator, firings): (A, Firings),
        late: Option<(LateOutput<K, V>, NodeId)>,
    ) -> Self {
        let aggregator = Counted(Arc::new(aggregator));
        let mut about = About::of(windows, aggregator.kind().into_owned());
        about.settings.extend(firings.settings());
        about.refused = about.refused.or_else(|| firings.refused());
        let mut states = Declaration::new(operator.kind());
        let unfired = states.windows::<Spans>("unfired");
        let held = Held::declared(plan, parent, operator, (states, about), aggregator, late);
        let allowance = Allowance::new(firings.late, plan.trackers(parent));
        plan.allow(held.node(), &allowance);
        let told = Told::default();
        told.count_at(plan, held.node());
        let ticks = Arc::new(OfGroups::new());
        if firings.early.is_some_and(|early| early.tick(Timestamp::EPOCH).is_some()) {
            held.cell().wake(next_tick(&ticks));
        }
        Self { held, allowance, early: firings.early, unfired, ticks, told }
    }

    /// What it is in a batch.
    pub(super) fn in_batch(&self, batch: &Batch) -> AgainInBatch {
        AgainInBatch {
            allowance: Arc::clone(&self.allowance),
            early: self.early,
            unfired: self.unfired,
            ticks: self.ticks.within(batch.key_space(), || AtomicI64::new(i64::MIN)),
            now: batch.time(),
            told: self.told.clone(),
        }
    }

    /// Records of windows that this watermark closes are late: those windows are gone.
    pub(super) fn closed_by(&self) -> Timestamp {
        self.allowance.gone_at_start()
    }
}

/// When a batch has to run for the next tick, though nothing has come.
fn next_tick(ticks: &Arc<OfGroups<AtomicI64>>) -> impl Fn() -> Option<Timestamp> + Send + Sync + use<> {
    let ticks = Arc::clone(ticks);
    move || {
        let Some(ticks) = ticks.known() else { return Some(Timestamp::MIN) };
        let next = ticks.iter().map(|tick| tick.load(Ordering::Relaxed)).min();
        next.filter(|next| *next < i64::MAX).map(Timestamp::from_micros)
    }
}
