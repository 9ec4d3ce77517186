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
mod shape;
mod text;
mod value;
mod writing;

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use parquet::basic::Compression;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::{Format, WriteFormat};
use crate::table::{CountRows, NoStream, ReadAt, Table, TableError};
pub use filter::{ColumnName, Condition, Literal, column};
use reading::{Rows, count_rows};
use shape::Shape;
pub use writing::WritingParquet;

/// Parquet files, whose rows are read into a type that derives `Deserialize`, and written from one.
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
}

/// How large a row group becomes, about, unless told otherwise.
const GROUP: usize = 16 << 20;

impl<T> Parquet<T> {
    /// Files of records of this type.
    #[must_use]
    pub fn new() -> Self {
        let (compression, group) = (Compression::SNAPPY, GROUP);
        let settings = Settings { filter: None, prunes: true, local_is_utc: false, compression, group };
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

    fn picks_rows(&self) -> bool {
        self.settings.filter.is_some()
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
