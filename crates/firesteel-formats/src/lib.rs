//! Formats: how bytes become records, and records bytes.
//!
//! A [`Format`] says where the records of a file end and what they are; a decoder ([`firesteel_connect::Decode`]) makes one
//! record of its bytes, whatever carries them.
//!
//! | | |
//! |---|---|
//! | [`Lines`] | lines of text, by any decoder |
//! | [`Json`] | one value a line, or [values](JsonValues) over several lines; a decoder, too |
//! | `Csv` | rows of fields after a header; feature `csv` |
//! | `Pattern` | the named groups of a regular expression; a decoder, too; feature `pattern` |
//! | [`CombinedLog`] | the access log of Apache and nginx; a decoder, too |
//! | [`Raw`] | bytes as they are |
//! | `Multiline` | records of several lines, by any decoder; feature `pattern` |
//! | `Avro` | object container files; feature `avro` |
//! | `AvroMessage` | single Avro records, by the schema that each names; a decoder; feature `avro` |
//! | `Parquet` | tables of columns; feature `parquet` |
//! | [`Delimited`] | records of any decoder, each after its length |
//! | `Protobuf` | messages; files of messages each after its length; feature `protobuf` |
//!
//! A [`Joiner`] makes one file of several, whatever the type of their records is.
//!
//! It reads no file and no socket: sources hand it the bytes of their own buffers.

mod access_log;
#[cfg(any(feature = "avro", feature = "csv", feature = "parquet"))]
mod asked;
#[cfg(feature = "avro")]
mod avro;
mod by_path;
#[cfg_attr(
    not(any(feature = "avro", feature = "csv", feature = "parquet", feature = "pattern")),
    allow(dead_code, reason = "JSON needs none")
)]
mod candidates;
#[cfg(feature = "csv")]
mod csv;
mod delimited;
pub mod epoch_time;
mod format;
mod from_path;
mod join;
mod json;
mod lines;
mod mismatch;
#[cfg(feature = "pattern")]
mod multiline;
mod no_stream;
#[cfg(any(feature = "avro", feature = "parquet"))]
mod number;
mod origin;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "pattern")]
mod pattern;
#[cfg(feature = "protobuf")]
mod protobuf;
mod raw;
#[cfg(any(feature = "avro", feature = "parquet"))]
#[cfg_attr(not(feature = "parquet"), allow(dead_code, reason = "what is written needs a part of it"))]
mod shape;
mod table;
#[cfg_attr(not(all(feature = "csv", feature = "pattern")), allow(dead_code, reason = "each format needs a part of it"))]
mod text;
mod text_value;
mod with_origin;

pub use access_log::{Access, CombinedLog};
#[cfg(feature = "avro")]
pub use avro::{
    Avro, AvroMessage, AvroSchema, AvroSchemas, EncodeAvro, FixedSchemas, ReadingAvro, SchemaKey, SchemasOutage,
    WriteAvro, WritingAvro,
};
pub use by_path::{ByPath, OnBoth};
#[cfg(feature = "csv")]
pub use csv::{Csv, ReadingCsv, WritingCsv};
pub use delimited::{Delimited, Lengths, ReadingDelimited, WritingDelimited};
pub use format::{BadFormat, Format, Found, Head, Reading, WriteFormat, Writing};
pub use join::{Joined, Joiner, NotJoined, Opener};
pub use json::{Json, JsonValues, ReadingValues};
pub use lines::{Lines, ReadingLines, WriteLines, WritingLines};
pub use mismatch::Mismatch;
#[cfg(feature = "pattern")]
pub use multiline::{Multiline, ReadingMultiline};
pub use no_stream::NoStream;
pub use origin::{FileOrigin, NO_VALUE, Origin, Sourced, Standing};
#[cfg(feature = "parquet")]
pub use parquet::{ColumnName, Condition, Literal, Parquet, WritingParquet, column};
#[cfg(feature = "pattern")]
pub use pattern::Pattern;
#[cfg(feature = "protobuf")]
pub use protobuf::{DelimitedProtobuf, Protobuf, ReadingProtobuf, WritingProtobuf};
pub use raw::Raw;
pub use table::{CountRows, ReadAt, RefusedRow, Row, Table, TableError};
pub use with_origin::{ReadingWithOrigin, WithOrigin};
