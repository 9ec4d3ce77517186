//! A group of records on its way to the disk.

use std::path::Path;
use std::sync::Arc;

/// What the writer writes at once.
pub(crate) struct Group {
    /// A whole frame.
    pub(crate) frame: Vec<u8>,
    /// How many of its bytes are records.
    pub(crate) bytes: u64,
    pub(crate) number: u64,
    pub(crate) token: Option<Arc<[u8]>>,
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) committed: u64,
}

/// Where a frame was written.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) path: Arc<Path>,
    /// Where in the file it begins.
    pub(crate) at: u64,
    /// Where in the file it ends.
    pub(crate) end: u64,
}
