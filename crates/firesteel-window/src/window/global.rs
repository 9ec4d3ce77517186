//! One window for all of time.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DisjointWindows, Window, WindowAssigner};
use crate::time::Timestamp;

/// One window that holds everything, and closes at the end of event time: where the inputs end.
///
/// A job whose inputs do not end has no result of it, and keeps a row for every key.
///
/// ```
/// use firesteel_window::{Global, Timestamp, WindowAssigner};
///
/// let window = Global.window_of(Timestamp::EPOCH);
/// assert!(!window.is_closed_by("9999-01-01T00:00:00Z".parse()?));
/// assert!(window.is_closed_by(Timestamp::MAX));
/// # Ok::<(), firesteel_window::TimeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Global;

impl WindowAssigner for Global {
    #[inline]
    fn window_of(&self, _: Timestamp) -> Window {
        Window { start: Timestamp::MIN, end: Timestamp::MAX }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![("window", "global".to_owned())]
    }
}

impl DisjointWindows for Global {}

impl fmt::Display for Global {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the global window")
    }
}

impl fmt::Debug for Global {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
