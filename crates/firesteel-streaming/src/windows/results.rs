//! What windows yield.

use firesteel_window::Window;
use serde::{Deserialize, Serialize};

/// The result of one key in one window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WindowResult<K, T> {
    /// The window.
    #[serde(flatten)]
    pub window: Window,
    /// The key.
    pub key: K,
    /// What the aggregation made of the key's values in the window.
    pub value: T,
}
