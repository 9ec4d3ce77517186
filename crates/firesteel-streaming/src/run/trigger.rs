//! When micro-batches run.

use std::panic::Location;

use firesteel_window::Duration;

use crate::error::{Error, Result};
use crate::plan::Bound;

/// When the next micro-batch runs, and when the job ends by itself.
///
/// Under every trigger a job ends when all of its sources have ended, after a last batch that closes all windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Trigger {
    /// As soon as there is something to read and the last batch is done.
    #[default]
    AsSoonAsPossible,
    /// At every multiple of an interval of processing time since the start, with or without something to read. A batch
    /// that takes longer than the interval is followed at once by the next.
    Every(Duration),
    /// Batch after batch until everything has been read that is there when the job starts.
    AvailableNow,
    /// One batch of everything that is there, whatever its size.
    Once,
}

/// A trigger that can work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) bound: Bound,
    /// From batch to batch, longer than zero.
    pub(crate) interval: Option<Duration>,
}

impl Trigger {
    /// The schedule, unless the interval is none.
    #[track_caller]
    pub(crate) fn schedule(self) -> Result<Schedule> {
        let place = Location::caller();
        let (bound, interval) = match self {
            Self::AsSoonAsPossible => (Bound::Open, None),
            Self::Every(interval) => {
                let usable = (interval > Duration::ZERO).then_some(interval);
                let refused = || Error::Setting {
                    what: format!("Trigger::Every at {place}"),
                    reason: format!("the interval is {interval}; it must be longer than zero"),
                };
                (Bound::Open, Some(usable.ok_or_else(refused)?))
            }
            Self::AvailableNow => (Bound::AvailableNow, None),
            Self::Once => (Bound::Once, None),
        };
        Ok(Schedule { bound, interval })
    }
}
