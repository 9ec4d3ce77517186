//! What becomes of files that are not as they should be.

use firesteel_formats::{CountRows, Format};
use firesteel_frames::TextEncoding;

use super::after::AfterReading;
use super::order::FileOrder;

/// What becomes of a file that is gone before all of it was read that was known to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnMissing {
    /// The job ends: with an error that says what can be done.
    #[default]
    Fail,
    /// It is told and counted, and the job continues without the rest of it.
    Skip,
}

/// What becomes of a file or folder that cannot be read, or not to its end: forbidden, damaged, of a kind that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUnreadable {
    /// The job ends.
    Fail,
    /// It is told, counted, and retried: what can be read of it is read when it can. What is damaged is passed over where it is known what comes
    /// after it: rows of a table, and files that were merged into one.
    Retry,
}

/// Where records end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Borders {
    /// At every newline.
    #[default]
    Lines,
    /// Where the format says.
    Records,
    /// Within what has to be unpacked.
    Packed,
    /// They are rows of a table, and positions are their numbers.
    Rows,
}

impl Borders {
    /// Those of a format; text that has to be decoded can be read from its beginning only.
    pub(crate) fn of(format: &impl Format, encoding: Option<TextEncoding>) -> Self {
        if format.rows().is_some() {
            Self::Rows
        } else if format.is_packed() || encoding.is_some_and(|encoding| encoding != TextEncoding::Utf8) {
            Self::Packed
        } else if format.ends_at_newlines() {
            Self::Lines
        } else {
            Self::Records
        }
    }
}

/// How files are followed.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) follow: bool,
    pub(crate) borders: Borders,
    /// How text is encoded, where that was said.
    pub(crate) encoding: Option<TextEncoding>,
    /// Counts the rows of a file, where files are tables; and whether not all of them are read.
    pub(crate) rows: Option<CountRows>,
    pub(crate) picks_rows: bool,
    /// How long a file is silent until it is taken for finished.
    pub(crate) finish_after: firesteel_window::Duration,
    pub(crate) on_missing: OnMissing,
    pub(crate) on_unreadable: Option<OnUnreadable>,
    /// Whether the system's notifications are used; where many files are followed if nobody has said.
    pub(crate) is_notified: Option<bool>,
    pub(crate) order: FileOrder,
    /// How many new files may wait to be read.
    pub(crate) max_files: Option<usize>,
    /// How long ago a new file may have been changed.
    pub(crate) max_age: Option<firesteel_window::Duration>,
    pub(crate) after_reading: AfterReading,
}

impl Policy {
    pub(crate) fn new() -> Self {
        let finish_after = firesteel_window::minutes(5);
        Self {
            follow: false,
            borders: Borders::Lines,
            encoding: None,
            rows: None,
            picks_rows: false,
            finish_after,
            on_missing: OnMissing::default(),
            on_unreadable: None,
            is_notified: None,
            order: FileOrder::default(),
            max_files: None,
            max_age: None,
            after_reading: AfterReading::keep(),
        }
    }

    /// Whether what cannot be opened is told, and left for later or out.
    pub(crate) fn is_patient(&self) -> bool {
        self.on_unreadable != Some(OnUnreadable::Fail)
    }

    /// Whether a file that is damaged or ends in the middle is told and left for later: by default where files are followed. Where they are read once, nobody would come back to what is missing.
    pub(crate) fn bears_damage(&self) -> bool {
        self.on_unreadable.map_or(self.follow, |policy| policy == OnUnreadable::Retry)
    }

    /// Whether a known file that cannot be read for now is told and left for later: where somebody comes back to it.
    pub(crate) fn leaves_for_later(&self) -> bool {
        self.follow && self.bears_damage()
    }
}
