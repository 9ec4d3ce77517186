//! An operator with state outside of Firesteel: a rate limiter.
//!
//! It depends on what Firesteel makes public and on nothing else, as the operator of any other crate would. A program
//! names it where it names the library's own:
//!
//! ```
//! use firesteel::memory::{Collector, MemorySource};
//! use firesteel::prelude::*;
//! use rate_limiter::RateLimiter;
//!
//! # fn main() -> firesteel::Result<()> {
//! let passed = Collector::new();
//! let job = StreamingContext::builder("logins").build()?;
//! job.read(MemorySource::new([("ann", 1), ("ann", 2), ("bob", 2), ("ann", 3), ("ann", 31)]))
//!     .map(|(user, second)| (user.to_owned(), second))
//!     .event_time(|login| Timestamp::from_secs(login.1), Watermark::bounded(seconds(5)))
//!     .apply(RateLimiter::new(2, minutes(1)))
//!     .named("logins per user")
//!     .write(passed.clone());
//! job.run(Trigger::AvailableNow)?;
//! let mut passed = passed.records();
//! passed.sort();
//! let expected = [("ann", 1), ("ann", 2), ("ann", 31), ("bob", 2)];
//! assert!(passed.iter().map(|(user, second)| (user.as_str(), *second)).eq(expected));
//! # Ok(())
//! # }
//! ```

use firesteel::operator::{GroupBatch, KeyedOperator, OperatorInfo, Results, WithTimes};
use firesteel::rdd::{Data, Exchange, Key};
use firesteel::state::{Declaration, Result, Setting, StateOptions, Ttl, Value};
use firesteel::window::{Duration, Timestamp};
use firesteel::{Shape, SideOutput};

/// Lets at most `burst` records of each key pass at once, and as many again in each `period`: a bucket of tokens for each
/// key, which is full at first, loses one for each record that passes, and is filled again evenly.
///
/// Where records know when they happened, buckets are filled in event time, and a record that comes late counts at the
/// watermark; otherwise they are filled in processing time. The records that pass are those of the stream, with their
/// times where it has them.
///
/// What is kept of a key is one timestamp: when its bucket will be full. A full bucket is as good as none, so that it is
/// forgotten, and the state holds the keys of the last `period`.
pub struct RateLimiter<K: Data, V: Data> {
    burst: u32,
    period: Duration,
    refused: Option<SideOutput<(K, V)>>,
}

impl<K: Data, V: Data> RateLimiter<K, V> {
    /// At most `burst` records at once, and as many again in each `period`.
    #[must_use]
    pub fn new(burst: u32, period: Duration) -> Self {
        Self { burst, period, refused: None }
    }

    /// Puts the records that do not pass into this side output.
    #[must_use]
    pub fn refused_to(self, refused: &SideOutput<(K, V)>) -> Self {
        Self { refused: Some(refused.clone()), ..self }
    }

    /// How long a bucket takes to get one token. There is one per period at least: who asks for none is refused before.
    fn interval(&self) -> Duration {
        Duration::micros(self.period.as_micros() / i64::from(self.burst.max(1)))
    }

    /// Whether a record passes now; if so, when the bucket will be full after it.
    fn pass(&self, full: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let next = full.unwrap_or(now).max(now).saturating_add(self.interval());
        // A bucket that is empty is full in a period.
        (next <= now.saturating_add(self.period)).then_some(next)
    }
}

impl<K: Key, V: Exchange, S: Shape> KeyedOperator<K, V, S> for RateLimiter<K, V>
where
    S::Record<V>: Data,
{
    type Route = WithTimes;
    type State = Value<Timestamp>;
    type Out = (K, V);
    type OutShape = S;

    fn info(&self) -> OperatorInfo {
        // Buckets that are there count by the new settings at once.
        let mut info = OperatorInfo::new("rate_limit")
            .setting(Setting::new_holds("burst", self.burst))
            .setting(Setting::new_holds("period", self.period));
        if let Some(refused) = &self.refused {
            info = info.fills(refused);
        }
        if self.burst == 0 || self.interval() <= Duration::ZERO {
            let (burst, period) = (self.burst, self.period);
            info = info.refused(format!(
                "{burst} records in {period} is no rate: let one record pass at least, and no more than one per microsecond"
            ));
        }
        info
    }

    fn route(&self) -> WithTimes {
        WithTimes
    }

    fn declare(&self, states: &mut Declaration<K>) -> Value<Timestamp> {
        let ttl = Ttl::after(self.period);
        let ttl = if S::HAS_TIME { ttl.in_event_time() } else { ttl };
        states.value_with("full at", StateOptions::default().ttl(ttl))
    }

    fn run(
        &self,
        full: &Value<Timestamp>,
        group: &mut GroupBatch<'_, K, S::Record<V>>,
        results: &mut Results<'_, (K, V), S>,
    ) -> Result<()> {
        group.prefetch()?;
        let times = group.times();
        let (records, state) = group.records();
        for (hash, key, record) in records {
            let (at, value) = S::split(record);
            let now = if S::HAS_TIME { at.max(times.watermark()) } else { times.time() };
            let mut ctx = state.key(hash, &key, times.at(at));
            let passes = full.update(&mut ctx, |full| match self.pass(*full, now) {
                Some(after) => {
                    *full = Some(after);
                    true
                }
                None => false,
            })?;
            if passes {
                results.emit(at, (key, value));
            } else if let Some(refused) = &self.refused {
                refused.emit((key, value));
            }
        }
        Ok(())
    }
}
