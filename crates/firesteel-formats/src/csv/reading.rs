//! Rows of a file.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_connect::Undecodable;
use serde::de::DeserializeOwned;

use super::dialect::Dialect;
use super::row::{Progress, Row};
use crate::asked::has_any;
use crate::by_path::FromPath;
use crate::format::{Found, Head, Reading};
use crate::lines::{Blank, ByLine};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;
use crate::text::{Fit, Texts, fit, record};

/// A mark at the beginning of a file that says that it is UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a file of CSV.
pub struct ReadingCsv<T> {
    dialect: Dialect,
    row: Row,
    /// Where a row ends with every line.
    lines: ByLine,
    names: Option<Arc<[String]>>,
    /// How many bytes of the row have been looked at.
    seen: usize,
    /// Whether the row is passed over.
    passing: bool,
    /// The field in which the last row ended that was passed over.
    passed_in: usize,
    /// The bytes before the header.
    before_head: usize,
    /// The header as it stands in the file, where no row should be the same.
    header: Option<Box<[u8]>>,
    of: PhantomData<fn() -> T>,
}

impl<T> ReadingCsv<T> {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            row: Row::new(&dialect),
            lines: ByLine::new(Blank::Nothing),
            names: dialect.columns.clone(),
            dialect,
            seen: 0,
            passing: false,
            passed_in: 0,
            before_head: 0,
            header: None,
            of: PhantomData,
        }
    }

    #[inline]
    fn find_row(&mut self, bytes: &[u8], ended: bool) -> Found {
        if self.seen == 0 && !self.passing {
            let blank = bytes.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            if blank > 0 {
                return Found::Skip(blank);
            }
            self.row.clear();
        }
        match self.row.read(&bytes[self.seen..]) {
            Progress::Row(read) => {
                let after = self.seen + read;
                self.passed_in = self.row.fields() - 1;
                (self.seen, self.passing) = (0, false);
                Found::Record { record: 0..after - 1, after }
            }
            Progress::More if !ended => {
                self.seen = bytes.len();
                Found::More(bytes.len())
            }
            Progress::More => self.last(bytes.len()),
        }
    }

    /// The row that the file ends with.
    #[cold]
    fn last(&mut self, length: usize) -> Found {
        (self.seen, self.passing) = (0, false);
        if matches!(self.row.read(b"\n"), Progress::Row(_)) {
            self.passed_in = self.row.fields() - 1;
            return Found::Record { record: 0..length, after: length };
        }
        self.passed_in = self.row.fields();
        let field = self.field(self.passed_in);
        let reason = format!("CSV: the quote that opens {field} is not closed before the file ends");
        self.row.reset();
        Found::Broken { after: length, reason }
    }

    /// A field in words.
    fn field(&self, index: usize) -> String {
        match self.names.as_ref().and_then(|names| names.get(index)) {
            Some(name) => format!("field {} ({name})", index + 1),
            None => format!("field {}", index + 1),
        }
    }

    /// The fields of a row that is a line.
    fn parse_line(&mut self, line: &[u8]) -> Result<(), Undecodable> {
        self.row.clear();
        let end = match self.row.read(line) {
            Progress::More => self.row.read(b"\n"),
            row => row,
        };
        match end {
            Progress::Row(1) if !line.ends_with(b"\r") => Ok(()),
            Progress::Row(_) => {
                self.row.reset();
                Err(Undecodable::new("CSV: there is a carriage return in the line, which would end the row"))
            }
            Progress::More => {
                let field = self.field(self.row.fields());
                self.row.reset();
                Err(Undecodable::new(format_args!("CSV: the quote that opens {field} is not closed in its line")))
            }
        }
    }
}

impl<T: DeserializeOwned> ReadingCsv<T> {
    /// Takes the names of the columns from the header, which has been found.
    fn take_names(&mut self) -> Result<(), Mismatch> {
        let texts = self.row.texts(None);
        let names = texts.and_then(|texts| {
            (0..texts.len()).map(|index| Ok(texts.text(index)?.unwrap_or_default().to_owned())).collect()
        });
        let names: Vec<String> =
            names.map_err(|error| Mismatch::new(format_args!("has a header that cannot be read: {error}")))?;
        let has = names.join(", ");
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            let advice = "rename one, or read the file with `columns`";
            return Err(Mismatch::new(format_args!("has two columns {:?} (it has {has}); {advice}", twice.1)));
        }
        fits::<T>(&names, &self.dialect.path)?;
        let all = names.iter().chain(self.dialect.path.names()).map(String::as_str);
        has_any::<T>("column", all, ": is its first row no header? Then read it with `columns`")?;
        self.names = Some(names.into());
        Ok(())
    }
}

/// Whether the type can be read from columns of these names.
pub(super) fn fits<T: DeserializeOwned>(names: &[String], path: &FromPath) -> Result<(), Mismatch> {
    match fit::<T>(names, path) {
        Fit::Lacks(name) => Err(Mismatch::lacks("column", name, names.iter().chain(path.names()).map(String::as_str))),
        Fit::Refuses(reason) => Err(Mismatch::new(format_args!("has a column that the type refuses: {reason}"))),
        Fit::WantsAny(reason) => Err(Mismatch::new(format_args!("cannot be read: {reason}"))),
        Fit::Open => Ok(()),
    }
}

impl<T: DeserializeOwned + Send + 'static> Reading for ReadingCsv<T> {
    type Item = T;

    fn head(&mut self, bytes: &[u8], ended: bool) -> Result<Head, Mismatch> {
        if self.before_head == 0 {
            if bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(bytes) && !ended {
                return Ok(Head::More);
            }
            if bytes.starts_with(BYTE_ORDER_MARK) {
                self.before_head = BYTE_ORDER_MARK.len();
            }
        }
        if !self.dialect.header {
            return Ok(Head::Length(self.before_head));
        }
        loop {
            let rest = &bytes[self.before_head..];
            if rest.is_empty() {
                return Ok(if ended { Head::Length(self.before_head) } else { Head::More });
            }
            match self.find(rest, ended) {
                Found::Skip(blank) => self.before_head += blank,
                Found::More(_) => return Ok(Head::More),
                Found::Broken { reason, .. } => {
                    return Err(Mismatch::new(format_args!("has a header that cannot be read: {reason}")));
                }
                Found::Record { record, after } => {
                    let header = line_of(&rest[record.clone()]);
                    if self.dialect.by_lines {
                        let header = self.parse_line(&rest[record]);
                        header.map_err(|error| {
                            Mismatch::new(format_args!("has a header that cannot be read: {}", error.reason()))
                        })?;
                    }
                    self.take_names()?;
                    // A row of one field may well be called as its column is.
                    self.header =
                        Some(header.into()).filter(|_| self.names.as_ref().is_some_and(|names| names.len() > 1));
                    return Ok(Head::Length(self.before_head + after));
                }
            }
        }
    }

    #[inline]
    fn find(&mut self, bytes: &[u8], ended: bool) -> Found {
        if self.dialect.by_lines { self.lines.find(bytes, ended) } else { self.find_row(bytes, ended) }
    }

    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        self.dialect.path.is_same(file)
    }

    fn pass(&mut self) -> usize {
        if self.dialect.by_lines {
            return self.lines.pass();
        }
        self.passing = true;
        self.row.drop_fields();
        std::mem::take(&mut self.seen)
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Result<T, Undecodable> {
        if self.dialect.by_lines {
            self.parse_line(bytes)?;
        }
        if self.header.as_ref().is_some_and(|header| is_again(bytes, header)) {
            return Err(again());
        }
        let (names, fields) = (self.names.as_deref(), self.row.fields());
        if let Some(names) = names.filter(|names| names.len() != fields) {
            return Err(uneven(fields, names.len(), self.dialect.header));
        }
        self.row
            .texts(names)
            .and_then(|texts| record(texts, names, &self.dialect.path))
            .map_err(|error| Undecodable::new(format_args!("CSV: {error}")))
    }

    fn too_long(&self, longest: usize) -> String {
        if self.dialect.by_lines {
            return format!("CSV: a line of more than {longest} bytes; allow longer ones with `longest_record`");
        }
        let field = self.field(self.passed_in);
        format!(
            "CSV: a row of more than {longest} bytes, which ends in {field}: is a quote not closed? Longer rows are allowed \
             with `longest_record`"
        )
    }
}

/// A row without the carriage return before its end.
fn line_of(row: &[u8]) -> &[u8] {
    row.strip_suffix(b"\r").unwrap_or(row)
}

/// Whether a row is the header once more, as where files were put together. Written by us, such a row stands in quotes.
#[inline]
fn is_again(row: &[u8], header: &[u8]) -> bool {
    // It may have a mark before it, and a carriage return after it.
    row.len() >= header.len()
        && row.len() <= header.len() + 4
        && line_of(row.strip_prefix(BYTE_ORDER_MARK).unwrap_or(row)) == header
}

#[cold]
fn again() -> Undecodable {
    Undecodable::new("CSV: it is the header again: has the file been put together from others?")
}

#[cold]
fn uneven(fields: usize, names: usize, header: bool) -> Undecodable {
    let by = if header { "the header names" } else { "the columns are" };
    Undecodable::new(format_args!("CSV: {fields} fields, and {by} {names}"))
}

impl<T> fmt::Debug for ReadingCsv<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingCsv").field("names", &self.names).finish_non_exhaustive()
    }
}
