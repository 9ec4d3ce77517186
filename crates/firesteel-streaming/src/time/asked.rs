//! How far event time has come, where watermarks go by others.

use std::collections::HashMap;
use std::sync::Arc;

use firesteel_window::Timestamp;

use crate::time::Tracker;

/// Of which moment a watermark is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum When {
    /// Of the end of the batch before: what it closes has fired. Splits that have ended or fallen silent since then may have
    /// moved the one at the start further.
    Before,
    /// Of the start of the batch: it judges lateness.
    AtStart,
    /// Of the end of the batch: what follows from all records up to those of this batch.
    Reached,
}

/// How far event time has come, and whether others need not wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) watermark: Timestamp,
    pub(super) is_silent: bool,
}

/// What has been answered while one question is asked: many paths may lead from one watermark to another, twice as many with
/// each operator between, and each watermark is asked once.
#[derive(Default)]
pub(super) struct Answers(HashMap<(*const Tracker, When), Answer>);

impl Answers {
    pub(super) fn ask(&mut self, tracker: &Tracker, when: When) -> Answer {
        if !tracker.goes_by_others() {
            return tracker.answer(when, self);
        }
        if let Some(known) = self.0.get(&(std::ptr::from_ref(tracker), when)) {
            return *known;
        }
        let answer = tracker.answer(when, self);
        self.0.insert((std::ptr::from_ref(tracker), when), answer);
        answer
    }
}

/// The smallest of some watermarks; the end of time if there are none.
pub(crate) fn least(trackers: &[Arc<Tracker>], when: When) -> Timestamp {
    let mut known = Answers::default();
    trackers.iter().map(|tracker| known.ask(tracker, when).watermark).min().unwrap_or(Timestamp::MAX)
}
