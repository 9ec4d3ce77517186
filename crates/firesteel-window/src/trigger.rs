//! What makes a window fire before it is closed, written as a state machine.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::early::Early;
use crate::error::WindowError;
use crate::time::Timestamp;
use crate::window::Window;

/// When windows fire before they are closed: a state machine of each key and window.
///
/// It is asked with each value that comes into a window, and at the times by the clock that it has asked for; its state is kept with the
/// window, through restarts, until the window is gone. It does no I/O, reads no clock and knows no engine: the same calls give the same
/// answers, so that a batch that is run again does the same.
///
/// A trigger says when a window fires *early*. That it fires when it is closed, and again for what comes late where that is allowed, no trigger
/// changes, and none ends: values of a window whose trigger has fired come into it as before. A window fires once for each key and batch at most, at the end of
/// the batch, with all that the batch has brought.
///
/// ```
/// use firesteel_window::trigger::{Decision, TriggerTimes, WindowTrigger};
///
/// /// Fires when the values since the last firing are worth more than a limit.
/// struct Worth(u64);
///
/// impl WindowTrigger<u64> for Worth {
///     type State = u64;
///
///     fn on_value(&self, worth: &mut u64, value: &u64, _: TriggerTimes) -> Decision {
///         *worth += value;
///         if *worth <= self.0 {
///             return Decision::wait();
///         }
///         *worth = 0;
///         Decision::fire()
///     }
///
///     fn settings(&self) -> Vec<(&'static str, String)> {
///         vec![("trigger", format!("worth more than {}", self.0))]
///     }
/// }
/// # use firesteel_window::{Timestamp, Window};
/// # let (mut state, at) = (0, Timestamp::EPOCH);
/// # let times = TriggerTimes { window: Window::new(at, at), at, now: at, watermark: at };
/// # let fires = [3, 4, 5].map(|value| Worth(6).on_value(&mut state, &value, times).fires());
/// # assert_eq!(fires, [false, true, false]);
/// ```
pub trait WindowTrigger<V>: Send + Sync + 'static {
    /// What it remembers of a key and window: nothing at first, the default.
    type State: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// A value has come into an open window.
    fn on_value(&self, state: &mut Self::State, value: &V, times: TriggerTimes) -> Decision;

    /// A time by the clock has come that it has asked for, and the window is open still.
    fn on_time(&self, state: &mut Self::State, times: TriggerTimes) -> Decision {
        let _ = (state, times);
        Decision::fire()
    }

    /// What it is set to, as names with values, for people and for comparison.
    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("trigger", "custom".to_owned())]
    }

    /// Whether it can work as declared. A job asks once, before it starts.
    ///
    /// # Errors
    /// A [`WindowError`] that names what was refused.
    fn validate(&self) -> Result<(), WindowError> {
        Ok(())
    }
}

/// The times when a trigger is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriggerTimes {
    /// The window.
    pub window: Window,
    /// When the value happened; when the clock is to be looked at, its time.
    pub at: Timestamp,
    /// The processing time of the batch.
    pub now: Timestamp,
    /// The watermark at the start of the batch.
    pub watermark: Timestamp,
}

/// What a trigger answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Decision {
    fires: bool,
    looks_at: Option<Timestamp>,
}

impl Decision {
    /// Nothing yet.
    pub const fn wait() -> Self {
        Self { fires: false, looks_at: None }
    }

    /// The window fires with this batch.
    pub const fn fire() -> Self {
        Self { fires: true, looks_at: None }
    }

    /// Asks to be called at this processing time, or in the first batch after it. Of several times that are asked for in one window, the
    /// earliest holds; after it others may be asked for.
    pub const fn look_at(self, now: Timestamp) -> Self {
        Self { looks_at: Some(now), ..self }
    }

    /// Whether the window fires.
    #[must_use]
    pub const fn fires(self) -> bool {
        self.fires
    }

    /// When the trigger wants to be called.
    #[must_use]
    pub const fn looks_at(self) -> Option<Timestamp> {
        self.looks_at
    }
}

/// By the number of values, or by the clock.
impl<V> WindowTrigger<V> for Early {
    /// How many values there were.
    type State = u64;

    fn on_value(&self, count: &mut u64, _: &V, times: TriggerTimes) -> Decision {
        let before = *count;
        *count += 1;
        let decision = if self.is_passed(before, *count) { Decision::fire() } else { Decision::wait() };
        self.tick(times.now).map_or(decision, |tick| decision.look_at(tick.end()))
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("trigger", self.to_string())]
    }

    fn validate(&self) -> Result<(), WindowError> {
        Self::validate(self)
    }
}

/// As that which is there; without one, windows fire when they are closed.
impl<V, P: WindowTrigger<V>> WindowTrigger<V> for Option<P> {
    type State = P::State;

    fn on_value(&self, state: &mut P::State, value: &V, times: TriggerTimes) -> Decision {
        self.as_ref().map_or(Decision::wait(), |trigger| trigger.on_value(state, value, times))
    }

    fn on_time(&self, state: &mut P::State, times: TriggerTimes) -> Decision {
        self.as_ref().map_or(Decision::wait(), |trigger| trigger.on_time(state, times))
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        self.as_ref().map_or_else(|| vec![("trigger", String::new())], P::settings)
    }

    fn validate(&self) -> Result<(), WindowError> {
        self.as_ref().map_or(Ok(()), P::validate)
    }
}
