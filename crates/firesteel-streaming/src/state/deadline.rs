//! One time-out for each key, which moves with nearly every record.

use firesteel_core::Key;
use firesteel_state::{Declaration, KeyContext, Result, TimeDomain, Timers, Value};
use firesteel_window::Timestamp;

/// The time at which each key times out.
///
/// It stands in a value of its own. Moving a timer each time would cost much more, so a timer only promises that it
/// fires no later than the key times out: when it fires too early, another one is registered for the rest.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    at: Value<Timestamp>,
    timers: Timers,
}

impl Deadline {
    /// Declares deadlines in processing time.
    pub(crate) fn processing<K: Key + Ord>(states: &mut Declaration<K>) -> Self {
        Self { at: states.value("time-out"), timers: states.processing_timers("time-out timer") }
    }

    /// Declares deadlines in event time.
    pub(crate) fn event<K: Key + Ord>(states: &mut Declaration<K>) -> Self {
        Self { at: states.value("event time-out"), timers: states.event_timers("event time-out timer") }
    }

    /// The clock it follows.
    pub(crate) const fn domain(&self) -> TimeDomain {
        self.timers.domain()
    }

    /// When the key times out.
    pub(crate) fn get<K: Key>(&self, key: &mut KeyContext<'_, K>) -> Result<Option<Timestamp>> {
        Ok(self.at.get(key)?.copied())
    }

    /// Says when the key times out, or that it does not.
    pub(crate) fn set<K: Key>(&self, key: &mut KeyContext<'_, K>, at: Option<Timestamp>) -> Result<()> {
        let before = self.get(key)?;
        if at == before {
            return Ok(());
        }
        let Some(at) = at else { return self.at.clear(key) };
        self.at.set(key, at)?;
        // While there was a deadline, there was a timer no later than it.
        if before.is_none_or(|before| before > at) {
            self.ensure(key, at)?;
        }
        Ok(())
    }

    /// Whether the key's time is up, now that one of its timers has fired. It has no deadline any more then.
    pub(crate) fn is_over<K: Key>(&self, key: &mut KeyContext<'_, K>, fired: Timestamp) -> Result<bool> {
        let Some(at) = self.get(key)? else { return Ok(false) };
        if at > fired {
            // The timer has fired: it stands for the deadline no longer.
            self.ensure(key, at)?;
            return Ok(false);
        }
        self.at.clear(key)?;
        Ok(true)
    }

    /// Makes sure that a timer of the key fires no later than `at`.
    fn ensure<K: Key>(&self, key: &mut KeyContext<'_, K>, at: Timestamp) -> Result<()> {
        let first = self.timers.list(key)?.first().copied();
        if first.is_none_or(|first| first > at) {
            self.timers.register(key, at)?;
        }
        Ok(())
    }
}
