//! What a connector promises when things fail.

use serde::{Deserialize, Serialize};

/// How often a record is reflected in what leaves the job, after any failure.
///
/// Ordered from weakest to strongest: a job's guarantee is the minimum over its links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// A record may be lost, never doubled.
    AtMostOnce,
    /// A record is never lost, but may be reflected twice.
    AtLeastOnce,
    /// A record is reflected exactly once.
    ExactlyOnce,
}

impl std::fmt::Display for Guarantee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AtMostOnce => "at-most-once",
            Self::AtLeastOnce => "at-least-once",
            Self::ExactlyOnce => "exactly-once",
        })
    }
}

/// For how long a source can hand out the same records again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replay {
    /// While the process lives: a failed task is repeated, a restart loses what was in flight.
    WhileRunning,
    /// Across restarts: the same range always holds the same records.
    Always,
}

/// For how long a sink keeps what was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retention {
    /// While the process lives.
    WhileRunning,
    /// Until somebody removes it.
    Always,
}
