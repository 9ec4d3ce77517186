//! Parquet: tables of columns.

mod check;
mod chunks;
mod column;
mod columns;
mod error;
mod filter;
mod project;
mod reading;
mod schema;
mod text;
mod value;
mod writing;

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use parquet::basic::Compression;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::by_path::{ByPath, FromPath, OnBoth};
use crate::format::{Format, WriteFormat};
use crate::mismatch::Mismatch;
use crate::no_stream::NoStream;
use crate::origin::FileOrigin;
use crate::shape::Shape;
use crate::table::{CountRows, ReadAt, Table, TableError};
pub(crate) use chunks::guarded;
pub use filter::{ColumnName, Condition, Literal, column};
use reading::{Rows, count_rows};
pub(crate) use writing::Columns;
pub use writing::WritingParquet;

/// Parquet files, whose rows are read into a type that derives `Deserialize`, and written from one that derives `Serialize`, too.
///
/// - **Columns go by name** in each file, in any order. Only those that the type names are read, also within structs; of a type that
///   takes what there is (`flatten`, [`serde_json::Value`]) all are. A file that lacks a column which the type needs, has one
///   twice, or one of another type, is told before its first row.
/// - **Values** are read as they are, or refused: integers of any width where they fit; floats bit for bit, those of 32 bits also as
///   `f64`, and those of 64 bits not as `f32`; texts, enums by the name of a variant without data, bytes, lists, structs, maps, tuples from
///   structs. A null is an Option's `None`.
/// - **Decimals** are texts with all of their digits (so are those of a type that reads itself from text), integers where they have no
///   fraction, and as `f64` the one that is nearest.
/// - **Times** of any unit, also those of 96 bits, are a [`Timestamp`](firesteel_window::Timestamp), or a number of the unit that
///   [`epoch_time`](crate::epoch_time) asks for, or a text (RFC 3339). A plain integer is refused, since its unit would be anybody's guess. Times
///   without a zone are texts without one, and instants where [`local_times_are_utc`](Self::local_times_are_utc) says so. Beyond the
///   microsecond, digits are dropped, as those of a text are. Dates and times of day are texts: `2025-01-31`, `12:00:00.25`.
/// - **A value that does not fit** costs its own row, which is refused with the column's name.
/// - **Large files** can be read in parallel, from any row on. A file without its end is not read: it may be on its way.
/// - **Written** are the columns that the type's `Deserialize` asks for, in files with statistics and snappy: times as instants of microseconds
///   or milliseconds, `Vec<u8>` as bytes, enums without data as texts, tuples as structs. What has no column is refused by name: an
///   `Option` in an `Option`, integers of 128 bits, variants with data, types without end.
/// - **Compression** of columns: none, snappy, gzip, lz4, and with the feature `parquet-zstd` zstd. Brotli is refused by name.
///
/// ```
/// use std::sync::Arc;
///
/// use firesteel_formats::{Format, Parquet, WriteFormat, Writing, column};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Sale {
///     shop: String,
///     price: Option<f64>,
/// }
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Shop {
///     shop: String,
/// }
///
/// let sales = Parquet::<Sale>::new();
/// let (mut writing, mut file) = (WriteFormat::<Sale>::begin(&sales), vec![]);
/// for (shop, price) in [("Oslo", Some(7.5)), ("Lima", None), ("Bern", Some(8.0))] {
///     writing.write(&Sale { shop: shop.into(), price }, &mut file).unwrap();
/// }
/// Writing::<Sale>::end(&mut writing, &mut file).unwrap();
///
/// let dear = Parquet::<Shop>::new().rows_where(column("price").at_least(8));
/// let mut table = dear.table(Arc::new(bytes::Bytes::from(file))).unwrap()?;
/// let row = table.row(0, 3)?.unwrap();
/// assert_eq!((table.rows(), row.at, row.item.unwrap()), (3, 2, Shop { shop: "Bern".into() }));
/// # Ok::<(), firesteel_formats::TableError>(())
/// ```
pub struct Parquet<T> {
    settings: Settings,
    /// What the type asks for, once that is known.
    shape: Arc<OnceLock<Shape>>,
    of: PhantomData<fn() -> T>,
}

/// How files are read.
#[derive(Debug, Clone)]
struct Settings {
    filter: Option<Condition>,
    /// Whether row groups and pages in which no row is wanted are left unread.
    prunes: bool,
    /// Whether times without a zone are instants.
    local_is_utc: bool,
    compression: Compression,
    /// How many bytes a row group that is written may have.
    group: usize,
    /// Which fields come from the path of a file.
    path: FromPath,
}

/// How large a row group becomes, about, unless told otherwise.
pub(crate) const GROUP: usize = 16 << 20;

impl<T> Parquet<T> {
    /// Files of records of this type.
    #[must_use]
    pub fn new() -> Self {
        let (compression, group) = (Compression::SNAPPY, GROUP);
        let path = FromPath::default();
        let settings = Settings { filter: None, prunes: true, local_is_utc: false, compression, group, path };
        Self { settings, shape: Arc::default(), of: PhantomData }
    }

    /// Reads only the rows of which this is true. Row groups and pages that have none, by what their writer noted of them,
    /// are not read at all. Said twice, both have to be true.
    #[must_use]
    pub fn rows_where(mut self, condition: Condition) -> Self {
        self.settings.filter = Some(match self.settings.filter {
            Some(before) => before.and(condition),
            None => condition,
        });
        self
    }

    /// Looks at each row, whatever a file says of its row groups and pages: for files whose writer is not to be trusted.
    #[must_use]
    pub fn look_at_all_rows(mut self) -> Self {
        self.settings.prunes = false;
        self
    }

    /// Takes times without a zone for those of UTC. Unless it is said, they are texts, and no instants.
    #[must_use]
    pub fn local_times_are_utc(mut self) -> Self {
        self.settings.local_is_utc = true;
        self
    }

    /// How many bytes a row group has when it is written, about: so much is held in memory for each file that is open. 16 MiB
    /// unless told otherwise; readers read a row group at a time.
    #[must_use]
    pub fn row_group_bytes(mut self, bytes: usize) -> Self {
        self.settings.group = bytes;
        self
    }

    /// Writes pages that are compressed with lz4 instead of snappy.
    #[must_use]
    pub fn lz4(mut self) -> Self {
        self.settings.compression = Compression::LZ4_RAW;
        self
    }

    /// Writes pages that are compressed with zstd instead of snappy.
    #[cfg(feature = "parquet-zstd")]
    #[must_use]
    pub fn zstd(mut self) -> Self {
        self.settings.compression = Compression::ZSTD(parquet::basic::ZstdLevel::default());
        self
    }
}

impl<T: DeserializeOwned + Send + 'static> Format for Parquet<T> {
    type Item = T;
    type Reading = NoStream<T>;

    fn name(&self) -> &'static str {
        "Parquet"
    }

    fn begin(&self) -> NoStream<T> {
        NoStream::new()
    }

    fn rows(&self) -> Option<CountRows> {
        Some(count_rows)
    }

    fn table(&self, file: Arc<dyn ReadAt>) -> Option<Result<Box<dyn Table<T>>, TableError>> {
        let shape = self.shape.get_or_init(Shape::of::<T>);
        Some(Rows::open(file, &self.settings, shape).map(|rows| Box::new(rows) as Box<dyn Table<T>>))
    }

    fn looks_at_files(&self) -> bool {
        self.takes_path_columns()
    }

    fn of_file(&self, file: &Arc<FileOrigin>) -> Result<Self, Mismatch> {
        self.of_path(file)
    }

    fn picks_rows(&self) -> bool {
        self.settings.filter.is_some()
    }
}

impl<T: DeserializeOwned + Send + 'static> ByPath for Parquet<T> {
    fn with_path_columns(mut self, both: OnBoth) -> Self {
        self.settings.path = FromPath::asked(both);
        self
    }

    fn takes_path_columns(&self) -> bool {
        self.settings.path.is_asked()
    }

    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        let mut parquet = self.clone();
        parquet.settings.path = self.settings.path.of::<T>(file)?;
        Ok(parquet)
    }
}

impl<T: Serialize + DeserializeOwned + 'static> WriteFormat<T> for Parquet<T> {
    type Writing = WritingParquet;

    fn extension(&self) -> &'static str {
        "parquet"
    }

    fn name(&self) -> &'static str {
        "Parquet"
    }

    fn may_be_compressed(&self) -> bool {
        false
    }

    fn may_be_joined(&self) -> bool {
        true
    }

    fn begin(&self) -> WritingParquet {
        let shape = self.shape.get_or_init(Shape::of::<T>);
        WritingParquet::new(shape, self.settings.compression, self.settings.group)
    }
}

impl<T> Default for Parquet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Parquet<T> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), shape: Arc::clone(&self.shape), of: PhantomData }
    }
}

impl<T> fmt::Debug for Parquet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parquet").field("settings", &self.settings).finish_non_exhaustive()
    }
}
