//! Avro: object container files.

mod blocks;
mod damage;
mod encode;
mod message;
mod nodes;
mod read;
mod reading;
mod schema;
mod value;
mod writing;

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use apache_avro::{Codec, DeflateSettings};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::by_path::{ByPath, FromPath, OnBoth};
use crate::format::{Format, WriteFormat};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;
use crate::shape::Shape;
use crate::text::struct_name;
pub(crate) use blocks::{Blocks, Header};
pub use message::{AvroMessage, AvroSchema, AvroSchemas, EncodeAvro, FixedSchemas, SchemaKey, SchemasOutage};
pub use reading::ReadingAvro;
use writing::EXTENSION;
pub use writing::{WriteAvro, WritingAvro};

/// Avro object container files, whose records are read straight into a type that derives `Deserialize`, and written from one that
/// derives `Serialize`, too.
///
/// - **Read** is by the file's own schema, and the type resolves it, as it does that of [`AvroMessage`]: fields go by their names, those that
///   the type does not have are passed over, one that it needs and the schema lacks is told before the first record. Between versions
///   of a schema `serde` resolves: `rename`, `alias`, `default`. What records are called does not matter.
/// - **Positions** count the bytes of the blocks as they are decompressed. A file is read by one task at a time, and after a
///   restart from its beginning, up to where the job stood. A file that is not complete, or damaged, is an error after the
///   whole blocks before. A block is held in memory as a whole, so the longest record that is allowed is the longest block.
/// - **Compression**: none, `deflate`, `snappy`. `zstandard`, `bzip2` and `xz` are refused by name, since they need C.
/// - **Written** are files by a schema that follows from the type, and never from the records of one file: it has the fields that the
///   type's `Deserialize` asks for. [`written_as`](Self::written_as) takes another one. Blocks have 64,000 bytes at most, or one record, and are
///   compressed with deflate. The same records make the same file, byte by byte.
///
/// | type | in the schema |
/// |---|---|
/// | a struct | `record`, called as the struct; one within it as the field, in a namespace of the fields around it |
/// | `Option<T>` | a union of `null` and `T`, with the default `null` |
/// | `bool`, `f32`, `f64` | `boolean`, `float`, `double`, bit by bit |
/// | `i8`, `i16`, `i32`, `u8`, `u16` | `int` |
/// | `i64`, `u32`, `u64` | `long`; a `u64` beyond it costs its record |
/// | `String`, `char`, what is read from text | `string` |
/// | `Vec<u8>`, bytes | `bytes` |
/// | [`Timestamp`](firesteel_window::Timestamp), [`epoch_time`](crate::epoch_time)`::micros` | `long` as `timestamp-micros` |
/// | [`epoch_time`](crate::epoch_time)`::millis`, `::seconds` | `long` as `timestamp-millis` |
/// | lists; maps whose keys are texts | `array`; `map` |
/// | tuples, arrays | `record` with the fields `_0`, `_1` |
/// | enums without data | `enum`; `string` if a variant is no name for Avro |
///
/// Refused by the name of the field is what has no form: integers of 128 bits, an `Option` in an `Option`, maps with other keys, variants with
/// data, `flatten` and `untagged`, types without end, fields whose names are none for Avro (letters, digits and `_`).
///
/// ```
/// use std::io::{Cursor, Read};
///
/// use firesteel_formats::{Avro, Format, WriteFormat, Writing};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Click {
///     user: String,
///     ad: Option<u32>,
/// }
///
/// let clicks = Avro::<Click>::new();
/// let (mut writing, mut file) = (WriteFormat::<Click>::begin(&clicks), vec![]);
/// writing.write(&Click { user: "ann".into(), ad: Some(7) }, &mut file).unwrap();
/// Writing::<Click>::end(&mut writing, &mut file).unwrap();
///
/// // Its schema, and its records as they are read.
/// let mut bytes = String::new();
/// clicks.unpack(Box::new(Cursor::new(file))).unwrap().read_to_string(&mut bytes)?;
/// assert!(bytes.contains(r#"{"name":"ad","type":["null","long"],"default":null}"#));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Avro<T> {
    /// Which fields come from the path of a file.
    path: FromPath,
    /// How blocks are compressed that are written.
    codec: Codec,
    /// By what schema the type is written, once that is known.
    schema: Arc<OnceLock<Result<Arc<str>, String>>>,
    of: PhantomData<fn() -> T>,
}

impl<T> Avro<T> {
    /// Files of records of this type.
    #[must_use]
    pub fn new() -> Self {
        let codec = Codec::Deflate(DeflateSettings::default());
        Self { path: FromPath::default(), codec, schema: Arc::default(), of: PhantomData }
    }

    /// Writes blocks that are compressed with snappy instead of deflate: larger, and quicker.
    #[must_use]
    pub fn snappy(self) -> Self {
        Self { codec: Codec::Snappy, ..self }
    }

    /// Writes blocks that are not compressed.
    #[must_use]
    pub fn uncompressed(self) -> Self {
        Self { codec: Codec::Null, ..self }
    }

    /// Writes files by this schema instead of the type's own: the names of the type's fields are those of the schema's. A field that a
    /// record lacks has its default, or null. What does not fit is not written; a schema that is none fails with the first record.
    #[must_use]
    pub fn written_as(self, schema: &str) -> WriteAvro<T> {
        WriteAvro::new(schema, self.codec)
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
        Ok(Self { path: self.path.of::<T>(file)?, ..self.clone() })
    }
}

impl<T: Serialize + DeserializeOwned + 'static> WriteFormat<T> for Avro<T> {
    type Writing = WritingAvro;

    fn extension(&self) -> &'static str {
        EXTENSION
    }

    fn name(&self) -> &'static str {
        "Avro"
    }

    fn may_be_joined(&self) -> bool {
        true
    }

    fn begin(&self) -> WritingAvro {
        let made = || schema::schema(&Shape::of::<T>(), struct_name::<T>()).map(Arc::from);
        WritingAvro::new(self.schema.get_or_init(made).as_ref(), self.codec)
    }
}

impl<T> Default for Avro<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Avro<T> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), codec: self.codec, schema: Arc::clone(&self.schema), of: PhantomData }
    }
}

impl<T> fmt::Debug for Avro<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Avro<{}>", std::any::type_name::<T>())
    }
}
