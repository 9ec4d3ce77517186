//! What `--explain` prints.

use firesteel_streaming::StreamingContext;

/// A job in words, without running it.
pub(crate) fn explain(job: &StreamingContext) -> String {
    // A description is texts and numbers, which JSON has.
    serde_json::to_string_pretty(&job.describe()).unwrap_or_default()
}
