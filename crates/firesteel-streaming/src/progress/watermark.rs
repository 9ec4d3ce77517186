//! How far event time has come, and who holds it back.

use std::fmt;
use std::sync::Arc;

use firesteel_window::{Duration, Timestamp};
use serde::Serialize;

/// How far event time has come at one operator: one that says when records happened, or one that brings several watermarks
/// together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WatermarkProgress {
    /// The operator's number in the program, as in [`Explain`](crate::Explain).
    pub id: usize,
    /// Its name, or else its kind.
    pub operator: Arc<str>,
    /// The watermark after the batch; nothing before it is known.
    pub watermark: Option<Timestamp>,
    /// Who holds it back: the slowest split of all. Nobody where time has ended, or no split is waited for.
    pub held_by: Option<HeldBy>,
    /// How many splits are not waited for, since they are silent.
    pub idle: u64,
    /// The splits of which the batch has read nothing, though something is there: they lead the slowest one by more than the watermark
    /// [allows](firesteel_window::BoundedOutOfOrderness::align_within).
    pub waiting: Vec<WaitingSplit>,
}

/// A split that waits for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WaitingSplit {
    /// The input.
    pub input: Arc<str>,
    /// The split.
    pub split: Arc<str>,
    /// How far its event time is ahead of that of the slowest split, in microseconds; nothing where that has had no record.
    pub ahead_us: Option<u64>,
}

/// Who holds a watermark back: the split that event time waits for, and since when nothing has come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HeldBy {
    /// The operator that follows the split's event times, by its name, or else its kind; where watermarks are brought together, it says
    /// which of them is the slowest.
    pub operator: Arc<str>,
    /// The input; nothing where records come from no split, as after a shuffle, or none has come.
    pub input: Option<Arc<str>>,
    /// The split.
    pub split: Option<Arc<str>>,
    /// The latest event time of its records; nothing where none has come.
    pub latest: Option<Timestamp>,
    /// When the last of them came, by the clock; before the first one, when the split was found. After a restart, when the job was started.
    pub since: Option<Timestamp>,
    /// For how long nothing had come of it when the batch began, in microseconds.
    pub silent_us: u64,
    /// Why nothing comes.
    pub reason: HoldReason,
}

/// Why a split holds a watermark back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HoldReason {
    /// It is not silent: its records happened before those of the others.
    Slowest,
    /// Nothing has come of it.
    Silent,
    /// Records were read of it, and none has come to where event time is followed: a filter lets none pass, or all are further
    /// ahead of the clock than they may be.
    NothingPasses,
    /// There is something to read, and the batch has read none of it.
    Unread,
    /// No split has had a record yet.
    NotBegun,
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.input, &self.split) {
            (Some(input), Some(split)) if input == split => write!(f, "`{input}`")?,
            (Some(input), Some(split)) => write!(f, "split `{split}` of `{input}`")?,
            _ => write!(f, "`{}`", self.operator)?,
        }
        let why = match self.reason {
            HoldReason::Slowest => ", the slowest",
            HoldReason::Silent => ", silent",
            HoldReason::NothingPasses => ", of which nothing that was read has passed",
            HoldReason::Unread => ", of which nothing was read",
            HoldReason::NotBegun => ", which has not begun",
        };
        f.write_str(why)?;
        if self.reason != HoldReason::Slowest && self.silent_us > 0 {
            write!(f, " for {}", Duration::micros(self.silent_us.cast_signed()))?;
        }
        Ok(())
    }
}
