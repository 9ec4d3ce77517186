//! Files that are written.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use firesteel_connect::Unencodable;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::Serialize;

use super::columns::Growing;
use super::schema;
use crate::format::Writing;
use crate::shape::Shape;

/// This many rows, or this many bytes, are turned into columns at once.
const ROWS: usize = 4_096;
const BYTES: usize = 4 << 20;

/// Writes a Parquet file.
pub struct WritingParquet {
    file: Result<File, String>,
}

/// Columns that are written, batch after batch.
pub(crate) struct Columns {
    writer: ArrowWriter<Written>,
    written: Written,
}

impl Columns {
    pub(crate) fn new(schema: SchemaRef, compression: Compression) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder().set_compression(compression).build();
        // Parquet says of each column what it is; what else could be noted beside only other programs of this kind read.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let written = Written::default();
        Ok(Self { writer: ArrowWriter::try_new_with_options(written.clone(), schema, options)?, written })
    }

    /// Appends rows, and ends the row group if it has this many bytes, about.
    pub(crate) fn write(&mut self, batch: &RecordBatch, group: usize) -> Result<(), ParquetError> {
        self.writer.write(batch)?;
        if self.writer.in_progress_size() >= group {
            self.writer.flush()?;
        }
        Ok(())
    }

    pub(crate) fn end(&mut self) -> Result<(), ParquetError> {
        self.writer.finish().map(|_| ())
    }

    /// Hands on what the library has written.
    pub(crate) fn pass_on(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut written = Vec::new();
        self.written.append_to(&mut written);
        out.write_all(&written)
    }
}

struct File {
    columns: Columns,
    rows: Growing,
    /// How many bytes a row group may have, about, as they are written.
    group: usize,
}

/// What the library has written and the file does not have yet.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// Moves it to its end.
    fn append_to(&self, out: &mut Vec<u8>) {
        out.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WritingParquet {
    pub(super) fn new(shape: &Shape, compression: Compression, group: usize) -> Self {
        Self { file: File::begin(shape, compression, group) }
    }
}

impl File {
    fn begin(shape: &Shape, compression: Compression, group: usize) -> Result<Self, String> {
        let fields = schema::columns(shape)?;
        let rows = Growing::new(&DataType::Struct(fields.clone()), false).ok_or("a column has no form")?;
        let columns = Columns::new(Arc::new(Schema::new(fields)), compression);
        Ok(Self { columns: columns.map_err(|error| error.to_string())?, rows, group })
    }

    fn write(&mut self, record: &impl Serialize) -> Result<(), String> {
        let before = self.rows.len();
        if let Err(error) = record.serialize(&mut self.rows) {
            self.rows.truncate(before);
            return Err(error.to_string());
        }
        let rows = self.rows.len();
        if rows >= ROWS || (rows.is_multiple_of(16) && self.rows.bytes() >= BYTES.min(self.group)) {
            self.pass_on().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Hands the rows to the library.
    fn pass_on(&mut self) -> Result<(), ParquetError> {
        if self.rows.len() == 0 {
            return Ok(());
        }
        let batch = RecordBatch::from(self.rows.finish_struct()?);
        self.columns.write(&batch, self.group)
    }

    fn end(&mut self) -> Result<(), ParquetError> {
        self.pass_on()?;
        self.columns.end()
    }
}

fn refused(reason: impl fmt::Display) -> Unencodable {
    Unencodable::new(format_args!("Parquet: {reason}"))
}

impl<T: Serialize> Writing<T> for WritingParquet {
    fn write(&mut self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let file = self.file.as_mut().map_err(refused)?;
        file.write(record).map_err(refused)?;
        file.columns.written.append_to(out);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let file = self.file.as_mut().map_err(refused)?;
        file.end().map_err(refused)?;
        file.columns.written.append_to(out);
        Ok(())
    }
}

impl fmt::Debug for WritingParquet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WritingParquet").finish_non_exhaustive()
    }
}
