//! A format whose records have their origin with them.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use firesteel_connect::Undecodable;

use crate::by_path::{ByPath, OnBoth};
use crate::format::{BadFormat, Format, Found, Head, Reading};
use crate::mismatch::Mismatch;
use crate::origin::{FileOrigin, Origin, Place, Sourced, Standing};
use crate::table::{CountRows, ReadAt, Row, Table, TableError};

/// Any format, with each record's [`Origin`].
///
/// ```
/// use std::sync::Arc;
/// use firesteel_connect::Decoding;
/// use firesteel_formats::{FileOrigin, Format, Lines, Reading, Standing, WithOrigin};
///
/// let lines = WithOrigin::of(Lines::of(Decoding::new(|line: &[u8]| Ok::<_, &str>(line.len()))));
/// let file = Arc::new(FileOrigin::new("log/day=1/a.log"));
/// let mut reading = lines.of_file(&file)?.begin();
/// reading.stands(Standing { position: 7, line: Some(2), record: None });
/// let line = reading.decode(b"two").unwrap();
/// assert_eq!((line.record, line.origin.line(), line.origin.column("day")), (3, Some(2), Some("1")));
/// # Ok::<(), firesteel_formats::Mismatch>(())
/// ```
#[derive(Debug, Clone)]
pub struct WithOrigin<F> {
    format: F,
    file: Option<Arc<FileOrigin>>,
}

impl<F: Format> WithOrigin<F> {
    /// Records of this format.
    #[must_use]
    pub fn of(format: F) -> Self {
        Self { format, file: None }
    }

    /// The format within.
    #[must_use]
    pub fn inner(&self) -> &F {
        &self.format
    }
}

impl<F: Format> Format for WithOrigin<F> {
    type Item = Sourced<F::Item>;
    type Reading = ReadingWithOrigin<F::Reading>;

    fn name(&self) -> &'static str {
        self.format.name()
    }

    fn begin(&self) -> Self::Reading {
        let kind = match (self.format.is_packed(), self.format.is_text()) {
            (true, _) => Kind::Packed,
            (false, true) => Kind::Text,
            (false, false) => Kind::Bytes,
        };
        ReadingWithOrigin { reading: self.format.begin(), file: self.file.clone(), kind, at: Standing::default() }
    }

    fn ends_at_newlines(&self) -> bool {
        self.format.ends_at_newlines()
    }

    fn is_text(&self) -> bool {
        self.format.is_text()
    }

    fn has_head(&self) -> bool {
        self.format.has_head()
    }

    fn is_packed(&self) -> bool {
        self.format.is_packed()
    }

    fn unpack(&self, file: Box<dyn Read + Send>) -> Option<Box<dyn Read + Send>> {
        self.format.unpack(file)
    }

    fn rows(&self) -> Option<CountRows> {
        self.format.rows()
    }

    fn table(&self, file: Arc<dyn ReadAt>) -> Option<Result<Box<dyn Table<Self::Item>>, TableError>> {
        let opened = self.format.table(file)?;
        let origin = self.file.clone();
        Some(opened.map(|table| Box::new(TableWithOrigin { table, file: origin }) as Box<dyn Table<Self::Item>>))
    }

    fn picks_rows(&self) -> bool {
        self.format.picks_rows()
    }

    fn check(&self) -> Result<(), BadFormat> {
        self.format.check()
    }

    fn looks_at_files(&self) -> bool {
        true
    }

    fn of_file(&self, file: &Arc<FileOrigin>) -> Result<Self, Mismatch> {
        let format = if self.format.looks_at_files() { self.format.of_file(file)? } else { self.format.clone() };
        Ok(Self { format, file: Some(Arc::clone(file)) })
    }
}

impl<F: Format + ByPath> ByPath for WithOrigin<F> {
    fn with_path_columns(self, both: OnBoth) -> Self {
        Self { format: self.format.with_path_columns(both), file: self.file }
    }

    fn takes_path_columns(&self) -> bool {
        self.format.takes_path_columns()
    }

    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        Ok(Self { format: self.format.of_path(file)?, file: Some(Arc::new(file.clone())) })
    }
}

/// What the positions of a stretch count.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Bytes,
    Packed,
}

/// Reads records with their origin.
pub struct ReadingWithOrigin<P> {
    reading: P,
    file: Option<Arc<FileOrigin>>,
    kind: Kind,
    at: Standing,
}

/// A place that is not told would be a wrong one.
#[cold]
fn nowhere() -> Undecodable {
    Undecodable::new(
        "where its record comes from is not known: the source does not tell its format which file it reads",
    )
}

impl<P: Reading> Reading for ReadingWithOrigin<P> {
    type Item = Sourced<P::Item>;

    const WANTS_PLACES: bool = true;

    fn stands(&mut self, at: Standing) {
        self.at = at;
        if P::WANTS_PLACES {
            self.reading.stands(at);
        }
    }

    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        self.file = Some(Arc::clone(file));
        self.reading.moved(file)
    }

    fn head(&mut self, bytes: &[u8], ended: bool) -> Result<Head, Mismatch> {
        self.reading.head(bytes, ended)
    }

    #[inline]
    fn find(&mut self, bytes: &[u8], ended: bool) -> Found {
        self.reading.find(bytes, ended)
    }

    #[inline]
    fn find_quickly(&mut self, bytes: &[u8]) -> Option<(usize, usize)> {
        self.reading.find_quickly(bytes)
    }

    fn pass(&mut self) -> usize {
        self.reading.pass()
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Result<Self::Item, Undecodable> {
        let record = self.reading.decode(bytes)?;
        let Some(file) = &self.file else { return Err(nowhere()) };
        let place = match (self.kind, self.at.line) {
            (Kind::Text, Some(line)) => Place::Line(line),
            (Kind::Packed, _) => Place::Packed(self.at.record),
            _ => Place::Byte,
        };
        Ok(Sourced { origin: Origin::at(file, self.at.position, place), record })
    }

    fn end(&mut self) -> Result<(), String> {
        self.reading.end()
    }

    fn too_long(&self, longest: usize) -> String {
        self.reading.too_long(longest)
    }
}

impl<P> fmt::Debug for ReadingWithOrigin<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingWithOrigin").field("file", &self.file).field("at", &self.at).finish_non_exhaustive()
    }
}

/// Rows with their origin.
struct TableWithOrigin<T> {
    table: Box<dyn Table<T>>,
    file: Option<Arc<FileOrigin>>,
}

impl<T> Table<Sourced<T>> for TableWithOrigin<T> {
    fn rows(&self) -> u64 {
        self.table.rows()
    }

    fn bytes_per_row(&self) -> u64 {
        self.table.bytes_per_row()
    }

    fn row(&mut self, from: u64, to: u64) -> Result<Option<Row<Sourced<T>>>, TableError> {
        let Some(Row { at, item }) = self.table.row(from, to)? else { return Ok(None) };
        let Some(file) = &self.file else {
            return Err(TableError::Mismatch(Mismatch::new(nowhere())));
        };
        let sourced = |record| Sourced { origin: Origin::at(file, at, Place::Row), record };
        Ok(Some(Row { at, item: item.map(sourced) }))
    }

    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        self.file = Some(Arc::clone(file));
        self.table.moved(file)
    }
}
