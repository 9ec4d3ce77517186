//! Settings that give stored bytes their meaning, and what becomes of these where a setting changes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happens where the stored value of a setting is not the declared one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OnChange {
    /// The program is refused: what is stored means something else under the new value.
    #[default]
    Refused,
    /// The new value holds from the start on, for what is stored, too.
    NewHolds,
    /// The stored value holds as long as what was stored under it is there.
    StoredHolds,
}

/// One setting of an input, a watermark or an operator with state: `size = 5m`.
///
/// ```
/// use firesteel_state::{OnChange, Setting};
///
/// let size = Setting::refused("size", "5m");
/// assert_eq!(size.on_change, OnChange::Refused);
/// assert_eq!(size.to_string(), "size = 5m");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Setting {
    /// What is set, unique within its member: `size`.
    pub name: String,
    /// To what, as a person reads it; equal settings have equal texts.
    pub value: String,
    /// What happens when it changes.
    pub on_change: OnChange,
}

impl Setting {
    fn new(name: impl Into<String>, value: impl fmt::Display, on_change: OnChange) -> Self {
        Self { name: name.into(), value: value.to_string(), on_change }
    }

    /// A setting under whose new value the stored bytes would be misread.
    #[must_use]
    pub fn refused(name: impl Into<String>, value: impl fmt::Display) -> Self {
        Self::new(name, value, OnChange::Refused)
    }

    /// A setting whose new value holds at once.
    #[must_use]
    pub fn new_holds(name: impl Into<String>, value: impl fmt::Display) -> Self {
        Self::new(name, value, OnChange::NewHolds)
    }

    /// A setting whose old value holds for what is stored.
    #[must_use]
    pub fn stored_holds(name: impl Into<String>, value: impl fmt::Display) -> Self {
        Self::new(name, value, OnChange::StoredHolds)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value)
    }
}
