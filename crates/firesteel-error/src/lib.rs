//! What all errors of Firesteel have in common: a class, and codes that stay the same.
//!
//! Every public error type has two methods. `code()` names the kind of error, such as `FS-T004`; the message begins with
//! it, it is never given to another error, and all of them stand in `docs/errors.md`. `class()` tells what may be done.
//!
//! ```
//! use firesteel_error::{Class, codes};
//!
//! #[derive(Debug)]
//! enum OvenError {
//!     Cold { degrees: u32 },
//!     Full,
//! }
//!
//! codes!(OvenError { Cold = "FS-X001", Full = "FS-X002" });
//!
//! impl OvenError {
//!     fn class(&self) -> Class {
//!         match self {
//!             Self::Cold { .. } => Class::Retryable,
//!             Self::Full => Class::Fatal,
//!         }
//!     }
//! }
//!
//! assert_eq!(OvenError::Cold { degrees: 20 }.code(), "FS-X001");
//! assert_eq!(OvenError::CODES, [("Cold", "FS-X001"), ("Full", "FS-X002")]);
//! # assert_eq!(OvenError::Full.class(), Class::Fatal);
//! ```
//!
//! It holds no error of its own: each crate has those of its users.

#![forbid(unsafe_code)]

mod codes;

use std::io::{Error, ErrorKind};

/// What may be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The same call may succeed later: the engine tries again, waiting longer each time.
    Retryable,
    /// One value is at fault, and the next one may be good: the engine fails the batch or sets the record aside, as the
    /// user chose.
    Record,
    /// The program or one of its settings is at fault: it fails in the same way until that is changed.
    Program,
    /// What the program relies on is at fault: a file, a disk, another process. The job stops, and a person is needed.
    Fatal,
    /// Nobody knows whether the call has had its effect: it must be asked before anything follows.
    Unknown,
    /// A later process has taken over: this one ends at once, repeats nothing and cleans up nothing.
    Fenced,
    /// Somebody has ended it on purpose, or nobody takes the results any more, as with `… | head`: the job ends, and
    /// that is no failure.
    Closed,
}

impl Class {
    /// The class of an error of the operating system: what passes by itself, or when there is room again, can be
    /// retried.
    ///
    /// ```
    /// use firesteel_error::Class;
    /// assert_eq!(Class::of_io(&std::io::ErrorKind::StorageFull.into()), Class::Retryable);
    /// assert_eq!(Class::of_io(&std::io::ErrorKind::NotFound.into()), Class::Fatal);
    /// ```
    #[must_use]
    pub fn of_io(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Interrupted
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::ResourceBusy => Self::Retryable,
            _ => Self::Fatal,
        }
    }
}
