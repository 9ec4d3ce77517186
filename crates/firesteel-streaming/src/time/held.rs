//! What an operator holds back of the watermark.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use firesteel_state::KeyGroups;
use firesteel_window::{Duration, Timestamp};

use crate::time::Tracker;
use crate::time::asked::{Answer, Answers, When};

/// How far the watermark is held back by an operator whose results have event time, so that none of them is late for the
/// operators after it. Where due timers have not all fired: to just before the first of them. And at the start of a batch to where
/// the batch before had come: what ends between there and the start, because a split has ended or fallen silent, fires in this batch.
pub(super) struct Held {
    /// The watermarks that the operator goes by.
    of: Arc<[Arc<Tracker>]>,
    at_start: AtomicI64,
    /// How much earlier than the watermark its results may have happened.
    slack: Duration,
    /// By the place of the key group among those that the job owns; nothing before there is state.
    groups: OnceLock<Box<[AtomicI64]>>,
}

impl Held {
    pub(super) fn new(of: &Arc<[Arc<Tracker>]>, slack: Duration) -> Self {
        Self { of: Arc::clone(of), at_start: AtomicI64::new(i64::MAX), slack, groups: OnceLock::new() }
    }

    /// Just before the first of the timers that are left; the end of time if none are.
    fn left(&self) -> Timestamp {
        let first = self.groups.get().into_iter().flatten().map(|group| group.load(Ordering::Relaxed)).min();
        Timestamp::from_micros(first.unwrap_or(i64::MAX))
    }

    /// The first of the timers that are left in the key group at this place, if any is. There are `groups` at most.
    pub(super) fn hold(&self, place: usize, groups: KeyGroups, first: Option<Timestamp>) {
        let nothing_held = || (0..groups.count()).map(|_| AtomicI64::new(i64::MAX)).collect();
        if let Some(held) = self.groups.get_or_init(nothing_held).get(place) {
            let before = first.map_or(i64::MAX, |first| first.as_micros().saturating_sub(1));
            held.store(before, Ordering::Relaxed);
        }
    }

    /// A batch begins: what was held back at the end of the one before it judges lateness.
    pub(super) fn begin(&self) {
        self.at_start.store(self.left().as_micros(), Ordering::Relaxed);
    }

    /// How far it lets event time come.
    pub(super) fn ask(&self, when: When, known: &mut Answers) -> Answer {
        let (left, of) = match when {
            When::Reached => (self.left(), When::Reached),
            When::AtStart | When::Before => {
                (Timestamp::from_micros(self.at_start.load(Ordering::Relaxed)), When::Before)
            }
        };
        let mut answer = Answer { watermark: left, is_silent: left == Timestamp::MAX };
        for part in &*self.of {
            let of_part = known.ask(part, of);
            answer.watermark = answer.watermark.min(of_part.watermark);
            answer.is_silent &= of_part.is_silent;
        }
        // What reaches it before it is done is asked for by itself.
        let watermark =
            if self.slack.is_zero() && when == When::Reached { left } else { self.before(answer.watermark) };
        Answer { watermark, ..answer }
    }

    /// As much before a watermark as results may be. Where time has ended, they all are there.
    fn before(&self, watermark: Timestamp) -> Timestamp {
        if watermark == Timestamp::MAX { watermark } else { watermark.saturating_sub(self.slack) }
    }
}
