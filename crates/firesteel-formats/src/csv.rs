//! CSV: rows of fields, as a rule after a row with their names.

mod dialect;
mod reading;
mod row;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::by_path::{ByPath, FromPath, OnBoth};
use crate::format::{BadFormat, Format, WriteFormat};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;
use crate::text::{Fit, fit};
use dialect::Dialect;
pub use reading::ReadingCsv;
pub use write::WritingCsv;

/// Files of comma-separated values (RFC 4180), by way of `serde`.
///
/// - **Columns go by name.** The first row of each file names them, in any order; those that the type does not have are ignored.
///   A file that lacks one that the type needs, or has none that the type has, does not fit, which is told before its first row. Without a header
///   ([`no_header`](Self::no_header)) fields are read in the order of the struct or tuple, or by [names that are
///   given](Self::columns).
/// - **A row ends with a line, unless that is within quotes**: so a file cannot be read from its middle, and is one task's at a
///   time. Where no field has a line end in it, [`lines_are_records`](Self::lines_are_records) lets large files be read in
///   parallel. A quote that is not closed is an error of the row that it begins in, which takes the rest of the file, or what
///   [the longest record](crate::Reading::too_long) may have.
/// - **A field is one value**: a number is parsed from all of its text and has to fit, `true` and `false` are the truth values, an
///   enum is the name of its variant, an empty field is the `None` of an `Option`. A row with more or fewer fields than the
///   header has names is refused; so is one of several fields that is the header again, as where files were put together. Blank lines are no rows.
/// - **Written** is what is read again as it was, with a header in each file. What would not be is refused, and the field is named:
///   lists, structs and maps within a row, an `Option` with an empty text in it.
///
/// ```
/// use firesteel_formats::{Csv, Format, Found, Head, Reading};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Order {
///     id: u32,
///     note: Option<String>,
/// }
///
/// let text = b"note;price;id\n'two\nlines';1.5;7\n";
/// let mut reading = Csv::<Order>::new().delimiter(b';').quote(b'\'').begin();
/// assert_eq!(reading.head(text, true), Ok(Head::Length(14)));
/// assert_eq!(reading.find(&text[14..], true), Found::Record { record: 0..17, after: 18 });
/// let order = reading.decode(&text[14..31]);
/// assert_eq!(order, Ok(Order { id: 7, note: Some("two\nlines".into()) }));
/// ```
pub struct Csv<T> {
    dialect: Dialect,
    of: PhantomData<fn() -> T>,
}

impl<T> Csv<T> {
    /// With commas, double quotes and a header.
    #[must_use]
    pub fn new() -> Self {
        Self { dialect: Dialect::default(), of: PhantomData }
    }

    /// What stands between fields: `;`, a tab. A comma unless told otherwise.
    #[must_use]
    pub fn delimiter(mut self, byte: u8) -> Self {
        self.dialect.delimiter = byte;
        self
    }

    /// What stands around fields with delimiters, quotes and line ends in them, and is doubled within. `"` unless told
    /// otherwise.
    #[must_use]
    pub fn quote(mut self, byte: u8) -> Self {
        self.dialect.quote = byte;
        self
    }

    /// The first row is a record like the others.
    #[must_use]
    pub fn no_header(mut self) -> Self {
        self.dialect.header = false;
        self
    }

    /// The files have no header, and these are the names of their columns.
    #[must_use]
    pub fn columns(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.dialect.header = false;
        self.dialect.columns = Some(names.into_iter().map(Into::into).collect::<Arc<[String]>>());
        self
    }

    /// A row ends at every line end: no field has one in it. Large files can be read in parallel then, and a quote that is
    /// not closed costs its own line only.
    #[must_use]
    pub fn lines_are_records(mut self) -> Self {
        self.dialect.by_lines = true;
        self
    }
}

impl<T: DeserializeOwned + Send + 'static> Format for Csv<T> {
    type Item = T;
    type Reading = ReadingCsv<T>;

    fn name(&self) -> &'static str {
        "CSV"
    }

    fn is_text(&self) -> bool {
        true
    }

    fn begin(&self) -> ReadingCsv<T> {
        ReadingCsv::new(self.dialect.clone())
    }

    fn ends_at_newlines(&self) -> bool {
        self.dialect.by_lines
    }

    fn has_head(&self) -> bool {
        true
    }

    fn looks_at_files(&self) -> bool {
        self.takes_path_columns()
    }

    fn of_file(&self, file: &Arc<FileOrigin>) -> Result<Self, Mismatch> {
        self.of_path(file)
    }

    fn check(&self) -> Result<(), BadFormat> {
        self.dialect.check()?;
        // Whatever the columns are called.
        let names = self.dialect.columns.clone().unwrap_or_else(|| Arc::new(["?".to_owned()]));
        let path = &self.dialect.path;
        if path.is_asked() && !self.dialect.header && self.dialect.columns.is_none() {
            let reason = "columns of a path go by name, and these have none: give the files a header, or say `columns`";
            return Err(BadFormat { setting: "path columns", reason: reason.to_owned() });
        }
        match fit::<T>(&names, path) {
            Fit::WantsAny(reason) => Err(BadFormat { setting: "the type of records", reason }),
            Fit::Lacks(name) if self.dialect.columns.is_some() && !path.is_asked() => Err(BadFormat {
                setting: "columns",
                reason: format!("the type needs `{name}`, which is not among them"),
            }),
            _ => Ok(()),
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> ByPath for Csv<T> {
    fn with_path_columns(mut self, both: OnBoth) -> Self {
        self.dialect.path = FromPath::asked(both);
        self
    }

    fn takes_path_columns(&self) -> bool {
        self.dialect.path.is_asked()
    }

    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        let mut csv = self.clone();
        csv.dialect.path = csv.dialect.path.of::<T>(file)?;
        if let Some(names) = &csv.dialect.columns {
            reading::fits::<T>(names, &csv.dialect.path)?;
        }
        Ok(csv)
    }
}

impl<T: Serialize + 'static> WriteFormat<T> for Csv<T> {
    type Writing = WritingCsv;

    fn may_be_joined(&self) -> bool {
        // Who joins files knows no other quote.
        self.dialect.quote == b'"'
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn name(&self) -> &'static str {
        "CSV"
    }

    fn begin(&self) -> WritingCsv {
        WritingCsv::new(self.dialect.clone())
    }
}

impl<T> Default for Csv<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Csv<T> {
    fn clone(&self) -> Self {
        Self { dialect: self.dialect.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Csv<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csv").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}
