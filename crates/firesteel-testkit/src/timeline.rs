//! A notation for events in time, so that a test reads like the table it stands for.
//!
//! `a@1 b@2 | a@12` is two batches: `a` at second 1 and `b` at second 2, then `a` at second 12. An empty batch is
//! written as nothing or as `∅`.

use std::fmt;

use firesteel_error::{Class, codes};
use firesteel_window::Timestamp;

/// An event: its key, and when it happened.
pub type Event = (String, Timestamp);

/// Why a timeline cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineError {
    /// What stands there instead of `key@seconds`.
    pub found: String,
}

impl fmt::Display for TimelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FS-K001: an event is written key@seconds, but this is {:?}", self.found)
    }
}

impl std::error::Error for TimelineError {}

codes!(TimelineError = "FS-K001");

impl TimelineError {
    /// What may be done about it: the test is at fault.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Program
    }
}

/// The batches of a timeline.
///
/// # Errors
/// When something is not of the form `key@seconds`.
///
/// ```
/// let batches = firesteel_testkit::timeline::parse("a@1 b@2 | ∅ | a@12")?;
/// assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 1]);
/// # Ok::<(), firesteel_testkit::timeline::TimelineError>(())
/// ```
pub fn parse(timeline: &str) -> Result<Vec<Vec<Event>>, TimelineError> {
    timeline.split('|').map(parse_batch).collect()
}

fn parse_batch(batch: &str) -> Result<Vec<Event>, TimelineError> {
    batch.split_whitespace().filter(|word| *word != "∅").map(parse_event).collect()
}

fn parse_event(word: &str) -> Result<Event, TimelineError> {
    let event =
        word.split_once('@').and_then(|(key, at)| Some((key.to_owned(), Timestamp::from_secs(at.parse().ok()?))));
    event.ok_or_else(|| TimelineError { found: word.to_owned() })
}
