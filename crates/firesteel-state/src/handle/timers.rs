//! Timers for each key.

use firesteel_window::Timestamp;

use crate::codec::StateKey;
use crate::context::KeyContext;
use crate::error::Result;
use crate::group::{Fired, TimersFrom};
use crate::ttl::TimeDomain;

/// Timers of one name: a key may have any number, at different times.
///
/// They fire in the order of time, then of keys, then of registration; see
/// [`GroupState::pop_due`](crate::GroupState::pop_due). A time in the past fires at once, with the next that are due.
///
/// ```
/// # use firesteel_state::*;
/// # use firesteel_window::{Timestamp, minutes};
/// # let mut states = Declaration::<String>::new("sessions");
/// let end = states.processing_timers("end of session");
/// # let store = KeyedStore::in_memory(states, KeyGroups::default(), |key| key.len() as u64)?;
/// # let mut group = store.lock(KeyGroup(0));
/// # let ann = String::from("ann");
/// # let noon = Timestamp::EPOCH;
/// # let mut context = group.key(3, &ann, Times::processing(noon));
/// # let ann = &mut context;
/// assert!(end.register(ann, noon + minutes(30))?);
/// assert!(!end.register(ann, noon + minutes(30))?, "it is there already");
/// end.register(ann, noon + minutes(5))?;
/// assert_eq!(end.list(ann)?, [noon + minutes(5), noon + minutes(30)]);
/// assert!(end.delete(ann, noon + minutes(30))?);
/// # Ok::<(), StateError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Timers {
    at: usize,
    domain: TimeDomain,
}

impl Timers {
    pub(crate) const fn new(at: usize, domain: TimeDomain) -> Self {
        Self { at, domain }
    }

    /// The clock they follow.
    #[must_use]
    pub const fn domain(&self) -> TimeDomain {
        self.domain
    }

    /// Where those are that a context may see: those that its clock fires, and deferred ones.
    fn everywhere(&self) -> impl Iterator<Item = TimersFrom> + use<> {
        let deferred = (self.domain == TimeDomain::Event).then_some(TimersFrom::Deferred);
        std::iter::once(TimersFrom::Clock(self.domain)).chain(deferred)
    }

    /// Registers a timer for the key. `false` if there is one of this name at this time already.
    ///
    /// # Errors
    /// When the handle belongs to another operator, or the backend cannot be read. Where a timer [fires](KeyContext::fires), one
    /// of the same name cannot be registered for its time or an earlier one, since that would have no end.
    pub fn register<K: StateKey>(&self, context: &mut KeyContext<'_, K>, at: Timestamp) -> Result<bool> {
        context.check_timer(self.at, at)?;
        let deferred = context.defers_timers() && self.domain == TimeDomain::Event;
        let from = if deferred { TimersFrom::Deferred } else { TimersFrom::Clock(self.domain) };
        let (place, timer) = context.timers(self.at, from)?;
        place.table.register(place.hash, place.key, timer, at, place.stamps)
    }

    /// Deletes a timer of the key. `false` if there is none of this name at this time.
    ///
    /// # Errors
    /// When the handle belongs to another operator, or the backend cannot be read.
    pub fn delete<K: StateKey>(&self, context: &mut KeyContext<'_, K>, at: Timestamp) -> Result<bool> {
        let mut deleted = false;
        for from in self.everywhere() {
            let (place, timer) = context.timers(self.at, from)?;
            deleted |= place.table.delete(place.hash, place.key, timer, at, place.stamps)?;
        }
        Ok(deleted)
    }

    /// Deletes all timers of this name that the key has.
    ///
    /// # Errors
    /// When the handle belongs to another operator, or the backend cannot be read.
    pub fn clear<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<()> {
        for at in self.list(context)? {
            self.delete(context, at)?;
        }
        Ok(())
    }

    /// When the key's timers of this name fire, in ascending order.
    ///
    /// # Errors
    /// When the handle belongs to another operator, or the backend cannot be read.
    pub fn list<K: StateKey>(&self, context: &mut KeyContext<'_, K>) -> Result<Vec<Timestamp>> {
        let (place, timer) = context.timers(self.at, TimersFrom::Clock(self.domain))?;
        let mut times = place.table.list(place.hash, place.key, timer)?;
        if self.domain == TimeDomain::Event {
            let (place, timer) = context.timers(self.at, TimersFrom::Deferred)?;
            let deferred = place.table.list(place.hash, place.key, timer)?;
            if !deferred.is_empty() {
                times.extend(deferred);
                times.sort_unstable();
                times.dedup();
            }
        }
        Ok(times)
    }
}

impl<K> Fired<K> {
    /// Whether it is one of these timers.
    #[must_use]
    pub fn is(&self, timers: &Timers) -> bool {
        self.at == timers.at
    }
}
