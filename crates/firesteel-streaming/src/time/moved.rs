//! What moves watermarks.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What has moved a watermark to where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum MovedBy {
    /// The latest record of a split: of those that were waited for, the slowest.
    Split {
        /// The input.
        input: Arc<str>,
        /// Its split.
        split: Arc<str>,
    },
    /// The clock, since all splits were silent.
    Clock,
}
