//! One timeout for each key, which moves with nearly every record.

use firesteel_core::Key;
use firesteel_state::{Declaration, Fired, KeyContext, Result, TimeDomain, Timers, Value};
use firesteel_window::Timestamp;

use crate::state::group_batch::GroupBatch;

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
        Self { at: states.value("timeout"), timers: states.processing_timers("timeout timer") }
    }

    /// Declares deadlines in event time.
    pub(crate) fn event<K: Key + Ord>(states: &mut Declaration<K>) -> Self {
        Self { at: states.value("event timeout"), timers: states.event_timers("event timeout timer") }
    }

    /// When the key times out.
    fn get<K: Key>(&self, key: &mut KeyContext<'_, K>) -> Result<Option<Timestamp>> {
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

    /// Calls `f` with each key of the group whose time is up, and with the time for which that was planned. The key has
    /// no timeout any more then; `f` may set another one, which is looked at as well.
    ///
    /// Where event time ends, every key that has a timeout reaches it, once: those that are set by that would never
    /// end.
    pub(crate) fn expire<K: Key, T>(
        &self,
        group: &mut GroupBatch<'_, K, T>,
        mut f: impl FnMut(&mut KeyContext<'_, K>, Timestamp) -> Result<()>,
    ) -> Result<()> {
        let ends = self.timers.domain() == TimeDomain::Event && group.times().ends;
        let fire = |fired: &Fired<K>, mut key: KeyContext<'_, K>| {
            let Some(at) = self.over(&mut key, fired.time, ends)? else { return Ok(()) };
            f(&mut key, at)
        };
        match self.timers.domain() {
            TimeDomain::Processing => group.fire_processing_timers(fire),
            TimeDomain::Event => group.fire_event_timers(fire),
        }
    }

    /// The time that was planned, if the key's time is up now that one of its timers has fired.
    fn over<K: Key>(&self, key: &mut KeyContext<'_, K>, fired: Timestamp, ends: bool) -> Result<Option<Timestamp>> {
        let Some(at) = self.get(key)? else { return Ok(None) };
        if at > fired {
            // The timer has fired: it stands for the deadline no longer. At the end of time, it still fires as one of
            // those that were there.
            key.defer_timers(false);
            self.ensure(key, at)?;
            return Ok(None);
        }
        self.at.clear(key)?;
        if ends {
            // What is left of the key's timers would fire for the deadline that comes after this one.
            self.timers.clear(key)?;
        }
        Ok(Some(at))
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
