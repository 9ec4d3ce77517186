//! Results that may be corrected: what is said of a row each time its window fires.
//!
//! A window that fires once yields rows that stay. One that fires early, or again for records that came late, yields
//! [`Change`]s: each puts the row of a key in a window, or withdraws it. What stands after them all is a table with one row
//! for each key and window; [`Latest`] is that table in memory.
//!
//! ```
//! use firesteel_window::{Change, Firing, Latest, Timestamp, Window};
//!
//! let window = |start, end| Window::new(Timestamp::from_secs(start), Timestamp::from_secs(end));
//! let mut visits = Latest::new();
//! visits.apply(Change::put(window(0, 20), "ann", Firing::OnTime, 3));
//! // A record came late, by which the session has grown.
//! visits.apply(Change::withdraw(window(0, 20), "ann", Firing::Late));
//! visits.apply(Change::put(window(0, 27), "ann", Firing::Late, 4));
//! assert!(visits.iter().eq([(window(0, 27), &"ann", &4)]));
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::window::Window;

/// Why a window fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firing {
    /// A [trigger](crate::Early) asked for a result before the window was closed. More may come.
    Early,
    /// The watermark has closed the window.
    OnTime,
    /// A record came after that, within the allowance.
    Late,
}

impl fmt::Display for Firing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Early => "early",
            Self::OnTime => "on time",
            Self::Late => "late",
        })
    }
}

/// What a firing says of the row of one key in one window, which is its identity: that it is this one now, whatever it was
/// before, or that there is none any more.
///
/// Applying one twice does what applying it once does. Those of one key have an order, which is that of firings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Change<K, T> {
    /// The window.
    #[serde(flatten)]
    pub window: Window,
    /// The key.
    pub key: K,
    /// Why the window fired.
    pub firing: Firing,
    /// The result from now on; `None` if the row is withdrawn.
    pub value: Option<T>,
}

impl<K, T> Change<K, T> {
    /// The row is this one from now on.
    pub const fn put(window: Window, key: K, firing: Firing, value: T) -> Self {
        Self { window, key, firing, value: Some(value) }
    }

    /// There is no such row from now on.
    pub const fn withdraw(window: Window, key: K, firing: Firing) -> Self {
        Self { window, key, firing, value: None }
    }

    /// Whether the row is withdrawn.
    #[must_use]
    pub const fn is_withdrawn(&self) -> bool {
        self.value.is_none()
    }

    /// The same with another result, where there is one.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Change<K, U> {
        let Self { window, key, firing, value } = self;
        Change { window, key, firing, value: value.map(f) }
    }
}

/// What a window has gathered since it fired last: a window that is purged when it fires yields pieces, each with what has come since the one before.
///
/// The pieces of a key in a window are numbered, and have no value in common: together they are what one firing would have given. So they are
/// added up where rows would be replaced; and one that comes twice, as after a failure of a sink that cannot tell, is known by its number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Piece<K, T> {
    /// The window.
    #[serde(flatten)]
    pub window: Window,
    /// The key.
    pub key: K,
    /// Which piece it is of those of the key and window, counting from 1.
    pub number: u64,
    /// Why the window fired.
    pub firing: Firing,
    /// What was made of the values that have come since the piece before.
    pub value: T,
}

/// The rows that stand after some changes, in the order of windows, then of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest<K, T> {
    rows: BTreeMap<(Window, K), T>,
}

impl<K: Ord, T> Latest<K, T> {
    /// No rows.
    #[must_use]
    pub const fn new() -> Self {
        Self { rows: BTreeMap::new() }
    }

    /// Applies a change.
    pub fn apply(&mut self, change: Change<K, T>) {
        let Change { window, key, value, .. } = change;
        match value {
            Some(value) => _ = self.rows.insert((window, key), value),
            None => _ = self.rows.remove(&(window, key)),
        }
    }

    /// The rows: window, key, result.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Window, &K, &T)> {
        self.rows.iter().map(|((window, key), value)| (*window, key, value))
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Forgets the row of the earliest window, for tables that are not to grow forever.
    pub fn forget_first(&mut self) {
        self.rows.pop_first();
    }
}

impl<K: Ord, T> Default for Latest<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn window(start: i64) -> Window {
        Window::new(Timestamp::from_secs(start), Timestamp::from_secs(start + 10))
    }

    #[test]
    fn the_last_word_on_a_row_stands() {
        let mut rows = Latest::new();
        for _ in 0..2 {
            rows.apply(Change::put(window(0), 'a', Firing::Early, 1));
            rows.apply(Change::put(window(10), 'a', Firing::Early, 5));
            rows.apply(Change::put(window(0), 'b', Firing::OnTime, 2));
            rows.apply(Change::put(window(0), 'a', Firing::Late, 3));
            rows.apply(Change::withdraw(window(0), 'b', Firing::Late));
            rows.apply(Change::withdraw(window(20), 'b', Firing::Late));
        }
        assert!(rows.iter().eq([(window(0), &'a', &3), (window(10), &'a', &5)]));
        rows.forget_first();
        assert_eq!((rows.len(), rows.is_empty()), (1, false));
    }

    #[test]
    fn a_change_is_written_with_its_window_and_its_kind() {
        let text = serde_json::to_string(&Change::put(window(0), "ann", Firing::OnTime, 2)).unwrap();
        let start = r#"{"start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:00:10Z","key":"ann","#;
        assert_eq!(text, format!(r#"{start}"firing":"on_time","value":2}}"#));
        let gone = Change::put(window(0), "ann", Firing::OnTime, 2).map(|count| count + 1);
        assert_eq!(gone.value, Some(3));
        let text = serde_json::to_string(&Change::<_, u64>::withdraw(window(0), "ann", Firing::Late)).unwrap();
        assert_eq!(text, format!(r#"{start}"firing":"late","value":null}}"#));
    }
}
