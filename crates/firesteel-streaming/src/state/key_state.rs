//! What the functions of `map_with_state` and `flat_map_with_state` see of a key's state.

use std::fmt;
use std::marker::PhantomData;

use firesteel_window::{Duration, Timestamp};

use crate::state::work::BatchTimes;
use crate::stream::{EventTimeout, ProcessingTimeout};

/// The state of one key, for the length of one call.
///
/// `T` says which timeouts the function may set: none in [`map_with_state`](crate::Stream::map_with_state), whose
/// timeout is a setting of the operator; those of processing time in
/// [`flat_map_with_state`](crate::Stream::flat_map_with_state) ([`ProcessingTimeout`]); those of event time, too, where
/// the stream has one ([`EventTimeout`]).
///
/// What a call does counts when it returns: if it panics, the state is what it was.
pub struct KeyState<'a, S, T = NoTimeout> {
    stored: Option<&'a S>,
    change: Change<S>,
    moment: BatchTimes,
    timing_out: bool,
    timeout: Option<Timeout>,
    kind: PhantomData<T>,
}

/// The timeout is a setting of the operator, or there is none.
#[derive(Debug, Clone, Copy)]
pub enum NoTimeout {}

/// What becomes of the state.
pub(crate) enum Change<S> {
    Keep,
    Set(S),
    Remove,
}

/// When a function wants to be called for a key again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timeout {
    Processing(Timestamp),
    Event(Timestamp),
}

impl<'a, S, T> KeyState<'a, S, T> {
    pub(crate) fn new(stored: Option<&'a S>, moment: BatchTimes, timing_out: bool) -> Self {
        Self { stored, change: Change::Keep, moment, timing_out, timeout: None, kind: PhantomData }
    }

    /// What the call wants: the state's fate, and the timeout.
    pub(crate) fn into_parts(self) -> (Change<S>, Option<Timeout>) {
        (self.change, self.timeout)
    }

    /// Whether the key has state.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.get().is_some()
    }

    /// The state, as this call has left it so far; `None` if there is none.
    #[must_use]
    pub fn get(&self) -> Option<&S> {
        match &self.change {
            Change::Keep => self.stored,
            Change::Set(state) => Some(state),
            Change::Remove => None,
        }
    }

    /// Whether the call was made because the key's time is up. There are no values then.
    #[must_use]
    pub const fn is_timing_out(&self) -> bool {
        self.timing_out
    }

    /// The processing time of the batch.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.moment.time
    }

    /// How far event time has come: the watermark at the start of the batch, and in a timeout the one that the batch's
    /// records have reached. [`Timestamp::MIN`] where there is no event time.
    #[must_use]
    pub const fn watermark(&self) -> Timestamp {
        if self.timing_out { self.moment.reached } else { self.moment.watermark }
    }
}

impl<S> KeyState<'_, S, NoTimeout> {
    /// Gives the key a new state.
    ///
    /// # Panics
    /// After [`remove`](Self::remove), and while the key times out: the state is on its way out, and what is written now
    /// would be lost.
    pub fn update(&mut self, state: S) {
        self.refuse("update");
        self.change = Change::Set(state);
    }

    /// Takes the key's state away.
    ///
    /// # Panics
    /// If it is removed already, and while the key times out: it is removed after the call anyway.
    pub fn remove(&mut self) {
        self.refuse("remove");
        self.change = Change::Remove;
    }

    #[track_caller]
    fn refuse(&self, what: &str) {
        assert!(
            !self.timing_out,
            "{what} of state that is timing out: it is removed after this call; ask is_timing_out() first"
        );
        assert!(!matches!(self.change, Change::Remove), "{what} of state that this call has removed already");
    }
}

/// What the functions of `flat_map_with_state` may do, whatever the timeouts.
macro_rules! by_function {
    ($($kind:ty),+) => {
        $(impl<S> KeyState<'_, S, $kind> {
            /// Gives the key a new state.
            pub fn update(&mut self, state: S) {
                self.change = Change::Set(state);
            }

            /// Takes the key's state away. Its timeout is another matter.
            pub fn remove(&mut self) {
                self.change = Change::Remove;
            }

            /// Has the function called for this key when so much processing time has passed, unless the key has got
            /// values before that. It replaces a timeout that was set before; a call that sets none leaves the key
            /// without one.
            ///
            /// # Panics
            /// If `after` is zero or negative.
            pub fn set_timeout_after(&mut self, after: Duration) {
                assert!(after > Duration::ZERO, "a timeout after {after}: it has to lie ahead");
                self.timeout = Some(Timeout::Processing(self.moment.time.saturating_add(after)));
            }
        })+
    };
}

by_function!(ProcessingTimeout, EventTimeout);

impl<S> KeyState<'_, S, EventTimeout> {
    /// Has the function called for this key when the watermark has reached `at`, unless the key has got values before
    /// that. It replaces a timeout that was set before; a call that sets none leaves the key without one.
    ///
    /// # Panics
    /// If the [watermark](Self::watermark) has passed `at` already, unless it is at the end of time: then no timeout
    /// can lie ahead, and none fires any more.
    pub fn set_timeout_at(&mut self, at: Timestamp) {
        let watermark = self.watermark();
        let ahead = at > watermark || watermark == Timestamp::MAX;
        assert!(ahead, "a timeout at {at}: it has to lie after the watermark, which is at {watermark}");
        self.timeout = Some(Timeout::Event(at));
    }
}

impl<S: fmt::Debug, T> fmt::Debug for KeyState<'_, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyState")
            .field("state", &self.get())
            .field("is_timing_out", &self.timing_out)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use firesteel_window::seconds;

    use super::*;

    const TIMES: BatchTimes = BatchTimes {
        time: Timestamp::from_secs(1),
        watermark: Timestamp::from_secs(1),
        reached: Timestamp::from_secs(2),
        ends: false,
    };

    #[test]
    fn a_call_sees_what_it_has_done() {
        let mut state = KeyState::<_, NoTimeout>::new(Some(&7), TIMES, false);
        assert_eq!(state.get(), Some(&7));
        state.update(8);
        assert_eq!(state.get(), Some(&8));
        state.remove();
        assert!(!state.exists());
    }

    #[test]
    #[should_panic(expected = "update of state that this call has removed already")]
    fn what_is_removed_cannot_be_updated() {
        let mut state = KeyState::<_, NoTimeout>::new(Some(&7), TIMES, false);
        state.remove();
        state.update(8);
    }

    #[test]
    #[should_panic(expected = "remove of state that this call has removed already")]
    fn what_is_removed_cannot_be_removed() {
        let mut state = KeyState::<_, NoTimeout>::new(Some(&7), TIMES, false);
        state.remove();
        state.remove();
    }

    #[test]
    #[should_panic(expected = "update of state that is timing out")]
    fn what_times_out_cannot_be_updated() {
        let mut state = KeyState::<_, NoTimeout>::new(Some(&7), TIMES, true);
        assert_eq!(state.get(), Some(&7));
        state.update(8);
    }

    #[test]
    #[should_panic(expected = "remove of state that is timing out")]
    fn what_times_out_cannot_be_removed() {
        KeyState::<_, NoTimeout>::new(Some(&7), TIMES, true).remove();
    }

    #[test]
    fn a_function_that_sets_timeouts_may_change_its_mind() {
        let mut state = KeyState::<i32, EventTimeout>::new(Some(&7), TIMES, true);
        assert!(state.is_timing_out());
        state.remove();
        state.update(9);
        state.set_timeout_after(seconds(5));
        assert_eq!(state.timeout, Some(Timeout::Processing(Timestamp::from_secs(6))));
        state.set_timeout_at(Timestamp::from_secs(3));
        let (change, timeout) = state.into_parts();
        assert!(matches!(change, Change::Set(9)));
        assert_eq!(timeout, Some(Timeout::Event(Timestamp::from_secs(3))));
    }

    #[test]
    #[should_panic(expected = "it has to lie ahead")]
    fn a_timeout_after_no_time_is_refused() {
        KeyState::<i32, ProcessingTimeout>::new(None, TIMES, false).set_timeout_after(Duration::ZERO);
    }

    #[test]
    #[should_panic(expected = "it has to lie ahead")]
    fn a_timeout_after_a_negative_time_is_refused() {
        KeyState::<i32, ProcessingTimeout>::new(None, TIMES, false).set_timeout_after(seconds(-5));
    }

    #[test]
    #[should_panic(expected = "it has to lie after the watermark")]
    fn a_timeout_that_the_watermark_has_passed_is_refused() {
        KeyState::<i32, EventTimeout>::new(None, TIMES, false).set_timeout_at(Timestamp::from_secs(1));
    }
}
