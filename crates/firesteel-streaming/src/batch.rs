//! One micro-batch, as the operators see it.

use firesteel_core::Context;
use firesteel_window::Timestamp;

/// What a [`DStream`](crate::DStream) knows of the micro-batch it makes an RDD for.
#[derive(Clone, Debug)]
pub struct Batch {
    pub(crate) id: u64,
    pub(crate) time: Timestamp,
    pub(crate) context: Context,
}

impl Batch {
    /// The batch's number, counting from 1.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The processing time at which the batch was admitted. A repetition of the batch has the same.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The context for RDDs of this batch: its default parallelism fits the batch's size.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }
}
