//! Tasks that were repeated because user code panicked.

use firesteel_streaming::{BatchProgress, Error, StreamingListener, Summary};

use crate::warnings;

/// Tells of repeated tasks when it is known that nobody else does: a record that is set aside is told with its panic, and
/// so is one that fails the job.
pub(crate) struct Retries;

impl StreamingListener for Retries {
    fn on_batch(&self, progress: &BatchProgress) {
        warnings::settle(!progress.dead_letters.is_empty());
    }

    fn on_end(&self, _: &Summary, error: Option<&Error>) {
        warnings::settle(error.is_some());
    }
}
