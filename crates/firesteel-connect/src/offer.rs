//! What a store answers to a batch that it is offered, where it does not take it for certain.

use std::fmt;

use firesteel_error::{Class, codes};

/// A token has this many bytes at most.
pub const LONGEST_TOKEN: usize = 64 << 10;

/// A batch that was [offered](crate::Store::offer) is not stored, or not for certain. Each answer obliges the receiver to
/// something else:
///
/// | answer | stored | the records | what the receiver tells its peer |
/// |---|---|---|---|
/// | `Ok` | yes | in the store | that they are safe: it need not send them again |
/// | [`Full`](Self::Full) | no | come back | to send them again later, or offers them again itself; nothing comes twice |
/// | [`Stopped`](Self::Stopped) | no | come back | to send them again, to the next job; and returns |
/// | [`TooLarge`](Self::TooLarge) | no | come back | to send smaller batches: this one never fits |
/// | [`TokenTooLong`](Self::TokenTooLong) | no | come back | nothing: the receiver itself is at fault |
/// | [`Unsure`](Self::Unsure) | perhaps | in the store | nothing, as if it had no answer: who sends them again may have them there twice, who does not may lose them |
///
/// ```
/// use firesteel_connect::{Class, Refused};
///
/// let refused = Refused::Full(vec!["a", "b"]);
/// assert_eq!((refused.code(), refused.class()), ("FS-N010", Class::Retryable));
/// assert_eq!(refused.into_records(), Some(vec!["a", "b"]));
/// assert_eq!(Refused::<u32>::Unsure.into_records(), None);
/// ```
#[derive(thiserror::Error)]
pub enum Refused<T> {
    /// There was no room for all of it within the time; nothing of it is stored.
    #[error(
        "FS-N010: a batch of {} records is not stored: there was no room within the time. Offer it again, commit more \
         often, or give the store more room",
        .0.len()
    )]
    Full(Vec<T>),
    /// The receiver is to end; nothing of it is stored.
    #[error("FS-N011: a batch of {} records is not stored: the receiver has been told to stop, return from it", .0.len())]
    Stopped(Vec<T>),
    /// It is larger than all the room that the store has; nothing of it is stored.
    #[error("FS-N012: a batch of {} records never fits, and is not stored: {reason}", records.len())]
    TooLarge {
        /// The batch.
        records: Vec<T>,
        /// What does not fit, and the setting that allows more.
        reason: String,
    },
    /// Its token is longer than [`LONGEST_TOKEN`]; nothing of it is stored.
    #[error(
        "FS-N013: a batch of {} records is not stored: its token has {length} bytes, and 65536 are the most. Keep what is \
         longer elsewhere, and its name in the token",
        records.len()
    )]
    TokenTooLong {
        /// The batch.
        records: Vec<T>,
        /// The bytes of the token.
        length: usize,
    },
    /// It is taken, and the disk has not confirmed it within the time. It is handed on, with its token, once the disk does;
    /// if the process ends before, it is there whole or not at all.
    #[error(
        "FS-N014: the disk has not confirmed a batch within the time: it may be stored. Do not tell its sender that it is safe"
    )]
    Unsure,
}

codes!(Refused<T> {
    Full = "FS-N010",
    Stopped = "FS-N011",
    TooLarge = "FS-N012",
    TokenTooLong = "FS-N013",
    Unsure = "FS-N014",
});

impl<T> Refused<T> {
    /// What may be done about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Full(_) | Self::Unsure => Class::Retryable,
            Self::Stopped(_) => Class::Closed,
            Self::TooLarge { .. } | Self::TokenTooLong { .. } => Class::Program,
        }
    }

    /// The same answer, with what `each` makes of the records.
    pub(crate) fn flat_map<U, I: IntoIterator<Item = U>>(self, each: impl FnMut(T) -> I) -> Refused<U> {
        let all = |records: Vec<T>| records.into_iter().flat_map(each).collect();
        match self {
            Self::Full(records) => Refused::Full(all(records)),
            Self::Stopped(records) => Refused::Stopped(all(records)),
            Self::TooLarge { records, reason } => Refused::TooLarge { records: all(records), reason },
            Self::TokenTooLong { records, length } => Refused::TokenTooLong { records: all(records), length },
            Self::Unsure => Refused::Unsure,
        }
    }

    /// The batch, of which nothing is stored, in its order; `None` where it is taken.
    #[must_use]
    pub fn into_records(self) -> Option<Vec<T>> {
        match self {
            Self::Full(records) | Self::Stopped(records) => Some(records),
            Self::TooLarge { records, .. } | Self::TokenTooLong { records, .. } => Some(records),
            Self::Unsure => None,
        }
    }
}

impl<T> fmt::Debug for Refused<T> {
    /// Without the records, of which there may be many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({self})")
    }
}
