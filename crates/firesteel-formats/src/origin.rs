//! Where a record comes from.

mod columns;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

pub use columns::NO_VALUE;
use columns::PathColumn;

/// What is known of a file or object as a whole, and what its path says.
///
/// A source makes one for each stretch that it reads, where a [format asks for it](crate::Format::looks_at_files); all records of the
/// stretch share it.
///
/// ```
/// use firesteel_formats::FileOrigin;
///
/// let file = FileOrigin::new("sales/day=2026-11-30/city=K%C3%B6ln/shop=__HIVE_DEFAULT_PARTITION__/part-0.csv");
/// assert_eq!(file.file_name(), "part-0.csv");
/// assert_eq!(file.column("city"), Some("Köln"));
/// let columns: Vec<_> = file.columns().collect();
/// assert_eq!(columns, [("day", Some("2026-11-30")), ("city", Some("Köln")), ("shop", None)]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileOrigin {
    path: Box<str>,
    split: Box<str>,
    modified: Option<Timestamp>,
    columns: Box<[PathColumn]>,
    /// Where it stands in another file, from which it is read.
    #[serde(skip)]
    within: Within,
}

impl FileOrigin {
    /// A file or object under this path or key, which is a split of the same name.
    #[must_use]
    pub fn new(path: impl Into<Box<str>>) -> Self {
        Self::shown(path.into(), true)
    }

    /// A file under this path. What of it is no text stands for itself as `\u{fffd}`, and gives no column to a field.
    #[must_use]
    pub fn of_path(path: &Path) -> Self {
        Self::shown(path.display().to_string().into(), path.to_str().is_some())
    }

    fn shown(path: Box<str>, is_text: bool) -> Self {
        Self {
            columns: columns::of(&path, is_text),
            split: path.clone(),
            path,
            modified: None,
            within: Within::default(),
        }
    }

    /// The same, which is a split of this name.
    #[must_use]
    pub fn split_named(self, split: &str) -> Self {
        Self { split: split.into(), ..self }
    }

    /// The same, with the time of its last change.
    #[must_use]
    pub fn modified_at(self, modified: Option<Timestamp>) -> Self {
        Self { modified, ..self }
    }

    /// The same, whose records are read from where they stand in another file: what is position `at` there is `begin` here. Lines and
    /// numbers of records are not told, which would be those of the other file.
    #[must_use]
    pub fn standing_in_another(self, at: u64, begin: u64) -> Self {
        Self { within: Within(Some((at, begin))), ..self }
    }

    /// The path or key under which it was read.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the path ends with, after the last folder.
    #[must_use]
    pub fn file_name(&self) -> &str {
        columns::folders(&self.path).1
    }

    /// The name of the split.
    #[must_use]
    pub fn split(&self) -> &str {
        &self.split
    }

    /// When it was changed last, where the place where it is tells.
    #[must_use]
    pub fn modified(&self) -> Option<Timestamp> {
        self.modified
    }

    /// The value of the column of this name in the path, of the innermost folder where there are several; `None` where there is none.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&str> {
        self.columns.iter().rev().find(|column| *column.name == *name)?.value.as_deref()
    }

    /// The columns in the path and their values, the outermost first. A value is `None` where its folder stands for none
    /// (`__HIVE_DEFAULT_PARTITION__`).
    pub fn columns(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.columns.iter().map(|column| (&*column.name, column.value.as_deref()))
    }

    pub(crate) fn path_columns(&self) -> &[PathColumn] {
        &self.columns
    }
}

/// Where a record stands in its file, as the one who reads it knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Its position in the split.
    pub position: u64,
    /// The line on which it begins, counting from 1, where the file was read from its beginning.
    pub line: Option<u64>,
    /// Its number, counting from 0, where the file was read from its beginning and every record of it was found.
    pub record: Option<u64>,
}

/// Where a record comes from: the file or object, and where in it.
///
/// - **The path** is the one under which the file was read: that which it has now, and not the one that it had before it was rotated,
///   renamed or compressed. Of a symbolic link it is that of the link. A file that has been merged into another since it was listed is told as it was. What stays is the name of the [split](Self::split): with the [position](Self::position) it
///   names the record, in every run.
/// - **A number is right or not there.** The [line](Self::line) is known where the file was read from its beginning: of compressed text
///   always, of plain text in the stretch that begins with the file. Of what a job reads after a restart, of what was added to a file
///   after the first look, and of the other stretches of a large file that several tasks read, nobody knows how many lines are
///   before it: the [byte](Self::byte) is there instead.
///
/// It prints as messages have it: `sales.csv, byte 16 (line 2)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    file: Arc<FileOrigin>,
    position: u64,
    place: Place,
}

/// What the position counts, and what else is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Place {
    /// Bytes.
    Byte,
    /// Bytes of text; the line.
    Line(u64),
    /// What is packed in the file; the number of the record, if that is known.
    Packed(Option<u64>),
    /// Rows.
    Row,
}

impl Place {
    fn without_numbers(self) -> Self {
        match self {
            Self::Line(_) => Self::Byte,
            Self::Packed(_) => Self::Packed(None),
            place => place,
        }
    }
}

/// Where a file stands in another one: a position there, and which of its own that is. It says how a file is read, and nothing of what
/// the file is: so it makes no difference between two.
#[derive(Debug, Clone, Copy, Default)]
struct Within(Option<(u64, u64)>);

impl PartialEq for Within {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Within {}

impl PartialOrd for Within {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Within {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl Hash for Within {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Origin {
    pub(crate) fn at(file: &Arc<FileOrigin>, position: u64, place: Place) -> Self {
        let (position, place) = match file.within.0 {
            None => (position, place),
            Some((at, begin)) => (begin + position.saturating_sub(at), place.without_numbers()),
        };
        Self { file: Arc::clone(file), position, place }
    }

    /// The file or object.
    #[must_use]
    pub fn file(&self) -> &FileOrigin {
        &self.file
    }

    /// The path of the file, or the key of the object, under which the record was read.
    #[must_use]
    pub fn path(&self) -> &str {
        self.file.path()
    }

    /// What the path ends with, after the last folder.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.file.file_name()
    }

    /// The name of the split: the path under which the file was found first. It stays when the file is renamed.
    #[must_use]
    pub fn split(&self) -> &str {
        self.file.split()
    }

    /// Where in the split the record stands, in what positions of the split count: the number in messages and in checkpoints.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The byte at which the record begins, counting from 0, in the text of the file as it is decompressed and decoded; `None` of
    /// tables, and where records are packed. What belongs to the record begins there: also the comma before it in a JSON array, and its
    /// length where that stands before it.
    #[must_use]
    pub fn byte(&self) -> Option<u64> {
        matches!(self.place, Place::Byte | Place::Line(_)).then_some(self.position)
    }

    /// The line on which the record begins, counting from 1, if that is known.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        match self.place {
            Place::Line(line) => Some(line),
            _ => None,
        }
    }

    /// The number of the row in a table, or of the record where records are packed (Avro), counting from 0. It counts all of them, also
    /// those that a filter leaves out. `None` in text, and after a block of packed records that is damaged.
    #[must_use]
    pub fn row(&self) -> Option<u64> {
        match self.place {
            Place::Row => Some(self.position),
            Place::Packed(record) => record,
            _ => None,
        }
    }

    /// When the file was changed last, as it was when this stretch of it was read.
    #[must_use]
    pub fn modified(&self) -> Option<Timestamp> {
        self.file.modified()
    }

    /// The value of the column of this name in the path: see [`FileOrigin::column`].
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&str> {
        self.file.column(name)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, position) = (self.path(), self.position);
        match self.place {
            Place::Byte => write!(f, "{path}, byte {position}"),
            Place::Line(line) => write!(f, "{path}, byte {position} (line {line})"),
            Place::Row | Place::Packed(None) => write!(f, "{path}, position {position}"),
            Place::Packed(Some(record)) => write!(f, "{path}, position {position} (record {record})"),
        }
    }
}

/// A record, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sourced<T> {
    /// Where it comes from.
    pub origin: Origin,
    /// The record.
    pub record: T,
}

impl<T> Sourced<T> {
    /// What the function makes of the record, with the same origin.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Sourced<U> {
        Sourced { origin: self.origin, record: change(self.record) }
    }
}
