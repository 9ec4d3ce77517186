//! Notes: what a source knows a split again by.

use std::sync::Arc;

use crate::{Class, ConnectError};

/// What a source wants to know again of a split, beside its position, when the job has been started again: which file it was,
/// say, and what was in it. Bytes of the source's own, which nobody else reads.
///
/// ```
/// use firesteel_connect::SplitNote;
///
/// let note = SplitNote::new(*b"inode 7")?;
/// assert_eq!(note.as_bytes(), b"inode 7");
/// assert!(SplitNote::new(vec![0; SplitNote::MOST + 1]).is_err());
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SplitNote(Arc<[u8]>);

impl SplitNote {
    /// How many bytes a note may have: a checkpoint holds one for each split.
    pub const MOST: usize = 16 << 10;

    /// A note of these bytes.
    ///
    /// # Errors
    /// [`ConnectError::Other`] when there are more than [`MOST`](Self::MOST).
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> crate::Result<Self> {
        let bytes = bytes.into();
        if bytes.len() > Self::MOST {
            return Err(ConnectError::Other {
                context: "noting what a split is".to_owned(),
                class: Class::Program,
                source: format!("the note has {} bytes; {} are allowed", bytes.len(), Self::MOST).into(),
            });
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
