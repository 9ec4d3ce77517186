//! What becomes of stored values when their state gets a TTL, loses it or gets another.

use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

use super::{TimeDomain, Times, Ttl};

/// When a state got another TTL, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtlChange {
    /// The watermark.
    pub watermark: Timestamp,
    /// The processing time.
    pub processing: Timestamp,
    /// After which epoch.
    #[serde(default)]
    pub epoch: u64,
    /// Whether the TTL that ended then had come after the same epoch: nothing was done under it, as where a job was started with a
    /// mistaken one, failed, and was started with another. Nothing expires by such a one.
    #[serde(default)]
    pub undone: bool,
}

impl TtlChange {
    /// A change at these times after an epoch.
    #[must_use]
    pub const fn at(times: &Times, epoch: u64) -> Self {
        Self { watermark: times.watermark, processing: times.processing, epoch, undone: false }
    }

    fn now(self, domain: TimeDomain) -> Timestamp {
        match domain {
            TimeDomain::Event => self.watermark,
            TimeDomain::Processing => self.processing,
        }
    }

    /// When values were touched that count as touched by the change. Where event time had not begun or had ended, the
    /// processing time stands for it: a time before all others would have them expire with the first record.
    fn touches(self, domain: TimeDomain) -> Timestamp {
        match self.now(domain) {
            Timestamp::MIN | Timestamp::MAX => self.processing,
            now => now,
        }
    }
}

/// The TTLs of the values that are stored under one number of a state: the one that they were written with, and those
/// that the state has had since.
///
/// What had expired when the TTL was changed stays expired. What had not counts as touched at the change if it had no
/// TTL before, or one by another clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTtl {
    /// Oldest first.
    before: Vec<(Option<Ttl>, TtlChange)>,
    now: Option<Ttl>,
}

impl StoredTtl {
    pub(crate) fn new(before: Vec<(Option<Ttl>, TtlChange)>, now: Option<Ttl>) -> Self {
        Self { before, now }
    }

    /// Whether values under this number ever expire.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.now.is_some() || self.before.iter().any(|(ttl, _)| ttl.is_some())
    }

    /// The time of a value's last touch, [`Timestamp::EPOCH`] where there is none, and the value. `None` if it does not
    /// begin with a time, and should.
    #[must_use]
    pub fn split<'a>(&self, stored: &'a [u8]) -> Option<(Timestamp, &'a [u8])> {
        if self.before.first().map_or(self.now, |(ttl, _)| *ttl).is_none() {
            return Some((Timestamp::EPOCH, stored));
        }
        let (touched, value) = stored.split_first_chunk()?;
        Some((Timestamp::from_micros(i64::from_le_bytes(*touched)), value))
    }

    /// The time of the last touch as it counts now; `None` if the value had expired before a TTL was changed.
    #[must_use]
    pub fn carried(&self, mut touched: Timestamp) -> Option<Timestamp> {
        let next = self.before.iter().skip(1).map(|(ttl, _)| *ttl).chain([self.now]);
        for ((ttl, change), next) in self.before.iter().zip(next) {
            if !change.undone && ttl.is_some_and(|ttl| ttl.is_over(touched, change.now(ttl.domain()))) {
                return None;
            }
            touched = match next {
                Some(next) if ttl.is_none_or(|ttl| ttl.domain() != next.domain()) => change.touches(next.domain()),
                Some(_) => touched,
                None => Timestamp::EPOCH,
            };
        }
        Some(touched)
    }

    /// Whether a stored value is gone. Backends that drop values while they rewrite files ask it. `now` tells how far a
    /// clock has come, if that is known.
    pub fn is_over(&self, stored: &[u8], now: impl Fn(TimeDomain) -> Option<Timestamp>) -> bool {
        // Values that do not begin with a time where they should are none of the declared ones: they stay.
        let Some((touched, _)) = self.split(stored) else { return false };
        match (self.carried(touched), self.now) {
            (None, _) => true,
            (Some(touched), Some(ttl)) => now(ttl.domain()).is_some_and(|now| ttl.is_over(touched, now)),
            (Some(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use firesteel_window::seconds;

    use super::*;

    const fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    fn change(watermark: i64, processing: i64) -> TtlChange {
        TtlChange { watermark: at(watermark), processing: at(processing), epoch: 0, undone: false }
    }

    #[test]
    fn what_had_no_ttl_counts_as_touched_when_it_gets_one() {
        let ttl = Ttl::after(seconds(10));
        let stored = StoredTtl::new(vec![(None, change(50, 100))], Some(ttl));
        assert_eq!(stored.split(b"value"), Some((Timestamp::EPOCH, &b"value"[..])));
        assert_eq!(stored.carried(Timestamp::EPOCH), Some(at(100)));
        let in_event_time = StoredTtl { now: Some(ttl.in_event_time()), ..stored };
        assert_eq!(in_event_time.carried(Timestamp::EPOCH), Some(at(50)));
        let before_event_time = TtlChange { watermark: Timestamp::MIN, ..change(0, 100) };
        let stored = StoredTtl::new(vec![(None, before_event_time)], Some(ttl.in_event_time()));
        assert_eq!(stored.carried(Timestamp::EPOCH), Some(at(100)), "the first record does not make it expire");
    }

    #[test]
    fn what_had_expired_stays_expired() {
        let (short, long) = (Ttl::after(seconds(10)), Ttl::after(seconds(1_000)));
        for next in [Some(long), None, Some(long.in_event_time())] {
            let stored = StoredTtl::new(vec![(Some(short), change(50, 100))], next);
            assert_eq!(stored.carried(at(90)), None, "{next:?}");
            assert!(stored.is_over(&[&at(90).as_micros().to_le_bytes()[..], b"value"].concat(), |_| None));
            assert!(stored.carried(at(91)).is_some());
        }
        let stored = StoredTtl::new(vec![(Some(short), change(50, 100))], Some(long));
        assert_eq!(stored.carried(at(91)), Some(at(91)), "the time of the same clock stays");
    }

    #[test]
    fn nothing_expires_by_a_ttl_under_which_nothing_was_done() {
        let (hour, second) = (Ttl::after(seconds(3_600)), Ttl::after(seconds(1)));
        for (first, after) in [(None, None), (Some(hour), Some(hour))] {
            let undone = TtlChange { undone: true, ..change(0, 160) };
            let stored = StoredTtl::new(vec![(first, change(0, 100)), (Some(second), undone)], after);
            assert!(stored.carried(at(90)).is_some(), "{first:?}");
            let stored = StoredTtl::new(vec![(Some(second), undone)], after);
            assert!(stored.carried(at(100)).is_some(), "{first:?}: what a snapshot has of it");
        }
    }

    #[test]
    fn changes_follow_each_other() {
        let ttl = Ttl::after(seconds(10));
        let before = vec![(Some(ttl), change(0, 100)), (None, change(0, 500)), (Some(ttl), change(0, 505))];
        let stored = StoredTtl::new(before.clone(), Some(ttl.in_event_time()));
        assert_eq!(stored.carried(at(95)), Some(at(0)));
        let later = [(Some(ttl), change(0, 511))];
        let stored = StoredTtl::new([&before[..2], &later].concat(), None);
        assert_eq!(stored.carried(at(95)), None, "it got ten seconds at 500");
        assert_eq!(stored.split(&[0; 3]), None);
        assert!(!stored.is_over(&[0; 3], |_| Some(at(1_000_000))));
    }
}
