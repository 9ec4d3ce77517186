//! Splits: the parts of a source that can be read in parallel, and positions inside them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The stable name of a split: a file's path, a topic's partition, a receiver's number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SplitId(Arc<str>);

impl SplitId {
    /// A split of this name. Names are unique within a source and mean the same after a restart.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SplitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SplitId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SplitId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// What one step of a position means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionUnit {
    /// Positions count records without gaps: a range of `n` positions holds `n` records.
    Records,
    /// Positions grow with every record but may have gaps, as Kafka offsets do.
    Sequence,
    /// Positions count bytes.
    Bytes,
}

/// What a source knows of one of its splits at the moment.
///
/// ```
/// use firesteel_connect::{PositionUnit, Split, SplitId};
///
/// let split = Split::new(SplitId::new("clicks-0"), PositionUnit::Sequence).starting_at(10).available(250);
/// assert_eq!((split.first, split.available, split.divisible, split.finished), (10, Some(250), false, false));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Split {
    /// The split's name.
    pub id: SplitId,
    /// The position of the first record that can still be read.
    pub first: u64,
    /// The position after the last record known to be there; `None` when only reading can tell.
    pub available: Option<u64>,
    /// What positions count.
    pub unit: PositionUnit,
    /// Whether a read may start at any position: the engine then cuts large ranges into parallel tasks.
    /// A reader that starts between two records skips to the next one, and the reader of the range before it
    /// reads that record to its end, so that each record belongs to the range that holds its first position.
    pub divisible: bool,
    /// Whether no record will ever come after those that are there now.
    pub finished: bool,
}

impl Split {
    /// A split that begins at position 0, whose end only reading can tell, which is read by one task at a time, and to which
    /// more may come.
    #[must_use]
    pub fn new(id: SplitId, unit: PositionUnit) -> Self {
        Self { id, first: 0, available: None, unit, divisible: false, finished: false }
    }

    /// The first record that can still be read is at this position.
    #[must_use]
    pub fn starting_at(self, first: u64) -> Self {
        Self { first, ..self }
    }

    /// The last record known to be there ends at this position.
    #[must_use]
    pub fn available(self, up_to: impl Into<Option<u64>>) -> Self {
        Self { available: up_to.into(), ..self }
    }

    /// A read may start at any position, if `divisible`.
    #[must_use]
    pub fn divisible(self, divisible: bool) -> Self {
        Self { divisible, ..self }
    }

    /// No record will ever come after those that are there now, if `finished`.
    #[must_use]
    pub fn finished(self, finished: bool) -> Self {
        Self { finished, ..self }
    }
}

/// A stretch of one split for one task to read: `[from, to)`, cut short by the limits.
///
/// The first run of a batch may leave `to` open and bound the read by `max_records` or `max_bytes`; the position
/// the reader reached then becomes the range's end, and every repetition asks for exactly `[from, to)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReadRange {
    /// The split.
    pub split: SplitId,
    /// The first position to read.
    pub from: u64,
    /// The position to stop before, where it is known.
    pub to: Option<u64>,
    /// Records to read at most.
    pub max_records: Option<u64>,
    /// Bytes to read at most; the record that crosses the limit is still read, so that a read always gets on.
    pub max_bytes: Option<u64>,
}

impl ReadRange {
    /// Everything in `[from, to)`.
    ///
    /// ```
    /// use firesteel_connect::{ReadRange, SplitId};
    /// let range = ReadRange::exact(SplitId::new("clicks-0"), 10, 20);
    /// assert_eq!(range.len_hint(), Some(10));
    /// ```
    #[must_use]
    pub fn exact(split: SplitId, from: u64, to: u64) -> Self {
        Self { split, from, to: Some(to), max_records: None, max_bytes: None }
    }

    /// Everything from `from` on.
    ///
    /// ```
    /// use firesteel_connect::{ReadRange, SplitId};
    /// let range = ReadRange::starting_at(SplitId::new("clicks-0"), 10).max_records(5).max_bytes(1 << 20);
    /// assert_eq!((range.to, range.max_records), (None, Some(5)));
    /// ```
    #[must_use]
    pub fn starting_at(split: SplitId, from: u64) -> Self {
        Self { split, from, to: None, max_records: None, max_bytes: None }
    }

    /// The same, ending before `to`.
    #[must_use]
    pub fn up_to(self, to: u64) -> Self {
        Self { to: Some(to), ..self }
    }

    /// The same, of at most this many records.
    #[must_use]
    pub fn max_records(self, most: impl Into<Option<u64>>) -> Self {
        Self { max_records: most.into(), ..self }
    }

    /// The same, of at most this many bytes, and one record at least.
    #[must_use]
    pub fn max_bytes(self, most: impl Into<Option<u64>>) -> Self {
        Self { max_bytes: most.into(), ..self }
    }

    /// How many positions the range spans, where its end is known.
    #[must_use]
    pub fn len_hint(&self) -> Option<u64> {
        self.to.map(|to| to.saturating_sub(self.from))
    }
}
