//! How long values stay visible, and the times that decide it.

mod stored;

use std::fmt;

use firesteel_window::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

pub use stored::{StoredTtl, TtlChange};

/// The clock that a timer or a TTL follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimeDomain {
    /// When things happened, as the records and the watermark tell.
    Event,
    /// When the program sees them.
    Processing,
}

impl fmt::Display for TimeDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "event time",
            Self::Processing => "processing time",
        })
    }
}

/// The times at which a record or a timer is handled. Handed in: nothing here reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The event time of the record or the time of the timer. The watermark counts instead where that is later.
    pub event: Timestamp,
    /// The watermark at the start of the batch.
    pub watermark: Timestamp,
    /// The processing time of the batch: a repetition of the batch has the same.
    pub processing: Timestamp,
}

impl Times {
    /// The times of a record without an event time, in a job without watermarks.
    #[must_use]
    pub const fn processing(now: Timestamp) -> Self {
        Self { event: Timestamp::MIN, watermark: Timestamp::MIN, processing: now }
    }

    /// The times of a record with an event time.
    #[must_use]
    pub const fn new(event: Timestamp, watermark: Timestamp, processing: Timestamp) -> Self {
        Self { event, watermark, processing }
    }

    /// How far the clock of the domain has come.
    #[must_use]
    pub const fn now(&self, domain: TimeDomain) -> Timestamp {
        match domain {
            TimeDomain::Event => self.watermark,
            TimeDomain::Processing => self.processing,
        }
    }
}

/// How long a value stays visible (its time to live).
///
/// A value older than that is invisible at once, whether it has been removed yet or not. In memory, the store of a job is
/// swept of such values as batches go by: of all of them once in as many batches as there are key groups. A backend
/// drops them when it rewrites its files.
///
/// A state can be given a TTL after values have been stored, lose it, or get another: what has no time of that clock
/// counts as touched at the start that brings the change, and what had expired by then stays so.
///
/// ```
/// use firesteel_state::Ttl;
/// use firesteel_window::{hours, minutes};
///
/// let session = Ttl::after(minutes(30)).refreshed_by_reads();
/// let daily = Ttl::after(hours(24)).in_event_time();
/// assert_ne!(session, daily);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ttl {
    after: Duration,
    domain: TimeDomain,
    reads: bool,
}

impl Ttl {
    /// Expires this long in processing time after the value was last written.
    #[must_use]
    pub const fn after(span: Duration) -> Self {
        Self { after: span, domain: TimeDomain::Processing, reads: false }
    }

    /// Counts in event time: from the time of the record that wrote the value until the watermark is so much later.
    #[must_use]
    pub const fn in_event_time(self) -> Self {
        Self { domain: TimeDomain::Event, ..self }
    }

    /// Reading a value renews it as writing does, which makes a read as expensive as a write.
    #[must_use]
    pub const fn refreshed_by_reads(self) -> Self {
        Self { reads: true, ..self }
    }

    /// The clock it follows.
    #[must_use]
    pub const fn domain(&self) -> TimeDomain {
        self.domain
    }

    /// How long a value stays visible.
    #[must_use]
    pub const fn span(&self) -> Duration {
        self.after
    }

    /// Whether a value that was last touched then is gone. Backends that drop values while they rewrite files ask it.
    #[must_use]
    pub fn is_over(&self, touched: Timestamp, now: Timestamp) -> bool {
        touched.saturating_add(self.after) <= now
    }

    /// Whether values that are stored under one TTL, or under none, can simply be taken for those of the next: they have
    /// the times that it asks for, and none that had expired becomes visible.
    pub(crate) fn holds_on(stored: Option<Self>, next: Option<Self>) -> bool {
        match (stored, next) {
            (None, None) => true,
            (Some(stored), Some(next)) => stored.domain == next.domain && next.after <= stored.after,
            _ => false,
        }
    }

    pub(crate) const fn counts_reads(&self) -> bool {
        self.reads
    }

    pub(crate) fn expired(&self, touched: Timestamp, times: &Times) -> bool {
        self.is_over(touched, times.now(self.domain))
    }

    /// The time to note for a value touched now, last touched before. Older records do not shorten it.
    pub(crate) fn touch(&self, before: Timestamp, times: &Times) -> Timestamp {
        let now = match self.domain {
            TimeDomain::Event => times.event.max(times.watermark),
            TimeDomain::Processing => times.processing,
        };
        before.max(now)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.reads { "read or write" } else { "write" };
        write!(f, "{} of {} after the last {by}", self.after, self.domain)
    }
}
