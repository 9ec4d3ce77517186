//! Avro: object container files.

mod blocks;
mod joined;
mod message;
mod reading;
mod writing;

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::by_path::{ByPath, FromPath, OnBoth};
use crate::format::Format;
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;
pub(crate) use blocks::{Blocks, Header};
pub use message::{
    AvroMessage, AvroSchema, AvroSchemas, BadAvroSchema, EncodeAvro, FixedSchemas, SchemaKey, SchemasOutage,
};
pub use reading::ReadingAvro;
pub use writing::{WriteAvro, WritingAvro};

/// Avro object container files, whose records are read straight into a type that derives `Deserialize`.
///
/// - **The schema is the file's own**, by which its records were written. Fields go by their names: those that the type does not
///   have are passed over, one that it needs and the schema lacks is told before the first record. Between versions of a schema
///   `serde` resolves: `rename`, `alias`, `default`. Records within records have to be called as the schema calls them
///   (`#[serde(rename)]` of the struct).
/// - **Values** have to fit as they are: a `long` into an `i64`, an `int` into an `i32`, a `double` into an `f64`, a union with
///   `null` into an `Option`, an enum by the name of its symbol; `u32` and smaller types take what is within their range. A time is read
///   by [`epoch_time`](crate::epoch_time), a type that wraps another one with `#[serde(transparent)]`.
/// - **Compression**: none, `deflate`, `snappy`. `zstandard`, `bzip2` and `xz` are refused by name, since they need C.
/// - **Positions** count the bytes of the blocks as they are decompressed. A file is read by one task at a time, and after a
///   restart from its beginning, up to where the job stood. A file that is not complete, or damaged, is an error after the
///   whole blocks before.
///
/// A block of records is held in memory as a whole, so the longest record that is allowed is the longest block.
///
/// ```
/// use firesteel_formats::{Avro, Format};
///
/// #[derive(serde::Deserialize)]
/// struct Click {
///     user: String,
///     ad: i64,
/// }
///
/// assert_eq!(Avro::<Click>::new().name(), "Avro");
/// ```
pub struct Avro<T> {
    /// Which fields come from the path of a file.
    path: FromPath,
    of: PhantomData<fn() -> T>,
}

impl<T> Avro<T> {
    /// Files of records of this type.
    #[must_use]
    pub fn new() -> Self {
        Self { path: FromPath::default(), of: PhantomData }
    }

    /// Writes files by this schema, in blocks that are compressed with deflate: the names of the type's fields are those of the
    /// schema's. What does not fit it is not written; a schema that is none fails with the first record.
    #[must_use]
    pub fn written_as(self, schema: &str) -> WriteAvro<T> {
        WriteAvro::new(schema)
    }
}

impl<T: DeserializeOwned + Send + 'static> Format for Avro<T> {
    type Item = T;
    type Reading = ReadingAvro<T>;

    fn name(&self) -> &'static str {
        "Avro"
    }

    fn begin(&self) -> ReadingAvro<T> {
        ReadingAvro::new(self.path.clone())
    }

    fn has_head(&self) -> bool {
        true
    }

    fn unpack(&self, file: Box<dyn Read + Send>) -> Option<Box<dyn Read + Send>> {
        Some(Box::new(Blocks::new(file)))
    }

    fn is_packed(&self) -> bool {
        true
    }

    fn looks_at_files(&self) -> bool {
        self.takes_path_columns()
    }

    fn of_file(&self, file: &Arc<FileOrigin>) -> Result<Self, Mismatch> {
        self.of_path(file)
    }
}

impl<T: DeserializeOwned + Send + 'static> ByPath for Avro<T> {
    fn with_path_columns(self, both: OnBoth) -> Self {
        Self { path: FromPath::asked(both), ..self }
    }

    fn takes_path_columns(&self) -> bool {
        self.path.is_asked()
    }

    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        Ok(Self { path: self.path.of::<T>(file)?, of: PhantomData })
    }
}

impl<T> Default for Avro<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Avro<T> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Avro<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Avro<{}>", std::any::type_name::<T>())
    }
}
