//! The pauses that end sessions: one for all records, or one for each.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use firesteel_window::{Duration, Session, Timestamp, Window, WindowError};

/// A function that says with which pause after a record its session ends.
pub(super) type EachGap<V> = Arc<dyn Fn(&V) -> Duration + Send + Sync>;

/// Sessions in which each record says how long a pause after it ends them: see
/// [`Stream::sessions_by`](crate::Stream::sessions_by).
#[derive(Clone)]
pub struct SessionBy {
    /// An [`EachGap`] for values of the stream that it was made for.
    gap: Arc<dyn Any + Send + Sync>,
}

impl SessionBy {
    pub(super) fn new<V: 'static>(gap: EachGap<V>) -> Self {
        Self { gap: Arc::new(gap) }
    }

    /// The function, for values of its stream.
    pub(super) fn gaps<V: 'static>(&self) -> Option<Gaps<V>> {
        self.gap.downcast_ref::<EachGap<V>>().cloned().map(Gaps::Each)
    }
}

impl fmt::Debug for SessionBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sessions with a gap for each record")
    }
}

/// Which pauses end sessions.
pub(super) enum Gaps<V> {
    Fixed(Session),
    Each(EachGap<V>),
}

impl<V> Clone for Gaps<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Fixed(session) => Self::Fixed(*session),
            Self::Each(gap) => Self::Each(Arc::clone(gap)),
        }
    }
}

impl<V> Gaps<V> {
    /// The session of a record alone.
    ///
    /// # Panics
    /// When a record says that its gap is negative: its function is at fault, as one that panics itself.
    #[inline]
    pub(super) fn window_of(&self, at: Timestamp, value: &V) -> Window {
        match self {
            Self::Fixed(session) => session.window_of(at),
            Self::Each(gap) => {
                let gap = gap(value);
                assert!(
                    !gap.is_negative(),
                    "the session of a record of {at} cannot end after a gap of {gap}: give zero or more"
                );
                Window::new(at, at.saturating_add(gap))
            }
        }
    }

    /// What they are set to, for people and for a checkpoint.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Fixed(session) => session.settings(),
            Self::Each(_) => vec![("window", "session".to_owned()), ("gap", "by record".to_owned())],
        }
    }

    pub(super) fn refused(&self) -> Option<WindowError> {
        match self {
            Self::Fixed(session) => session.validate().err(),
            Self::Each(_) => None,
        }
    }
}
