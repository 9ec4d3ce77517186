//! Parquet: rows are read as columns and written as columns, in row groups of the usual size.

use std::fmt;
use std::io::{Read, Write};

use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::schema::types::Type;

use super::{Joined, NotJoined, Opener};
use crate::parquet::{Columns, GROUP, guarded};

/// This many rows are read at once.
const ROWS: usize = 4_096;

/// A table that grows.
#[derive(Default)]
pub(super) struct Table {
    file: Option<File>,
    rows: u64,
}

struct File {
    /// As the file says it, and as the library calls it.
    schema: Type,
    arrow: SchemaRef,
    compression: Option<Compression>,
    columns: Columns,
}

impl Table {
    pub(super) fn add(&mut self, file: Opener<'_>, records: u64, out: &mut dyn Write) -> Result<Joined, NotJoined> {
        // Its end says where its columns are. It is a small one.
        let mut bytes = Vec::new();
        file().and_then(|mut file| file.read_to_end(&mut bytes)).map_err(NotJoined::Read)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(bytes), options));
        let builder = builder.map_err(damaged)?;
        let metadata = builder.metadata().file_metadata();
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
        if rows != records {
            let reason = format!("it has {rows} rows, and {records} records are said to be in it");
            return Err(NotJoined::Damaged(reason));
        }
        let schema = metadata.schema().clone();
        let chunks = builder.metadata().row_groups().iter().flat_map(|group| group.columns());
        let mut packed = chunks.map(parquet::file::metadata::ColumnChunkMetaData::compression);
        let compression = packed.next();
        if packed.any(|other| Some(other) != compression) {
            return Err(NotJoined::Unfit("its columns are compressed in several ways".to_owned()));
        }
        if let Some(packer) = compression.and_then(missing) {
            return Err(NotJoined::Unfit(format!(
                "its columns are compressed by {packer}, which this program is built without"
            )));
        }
        let is_same = |file: &File| file.schema == schema && file.compression == compression;
        if self.file.as_ref().is_some_and(|file| !is_same(file)) {
            return Err(NotJoined::Differs("it has other columns, or is compressed in another way".to_owned()));
        }
        let File { columns, arrow, .. } = match &mut self.file {
            Some(file) => file,
            none => none.insert(begin(schema, builder.schema().clone(), compression)?),
        };
        let mut reader = guarded(|| builder.with_batch_size(ROWS).build()).map_err(damaged)?;
        let mut found = 0;
        while let Some(batch) = guarded(|| reader.next().transpose().map_err(ParquetError::from)).map_err(damaged)? {
            found += batch.num_rows() as u64;
            let batch = batch.with_schema(arrow.clone()).map_err(|error| NotJoined::Unfit(error.to_string()))?;
            columns.write(&batch, GROUP).map_err(|error| NotJoined::Unfit(error.to_string()))?;
            columns.pass_on(out).map_err(NotJoined::Write)?;
        }
        if found != rows {
            return Err(NotJoined::Damaged(format!("it has {found} rows, and says that it has {rows}")));
        }
        let at = self.rows;
        self.rows += rows;
        Ok(Joined { at, length: rows, begin: 0 })
    }

    pub(super) fn end(&mut self, out: &mut dyn Write) -> Result<(), NotJoined> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.columns.end().map_err(|error| NotJoined::Unfit(error.to_string()))?;
        file.columns.pass_on(out).map_err(NotJoined::Write)
    }
}

/// What columns are compressed by, where that cannot be undone here.
fn missing(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::ZSTD(_) if cfg!(not(feature = "parquet-zstd")) => Some("zstd (the feature `parquet-zstd`)"),
        Compression::BROTLI(_) => Some("brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    }
}

/// Begins a whole with the columns of a file. They have to be written as the file has them.
fn begin(schema: Type, arrow: SchemaRef, compression: Option<Compression>) -> Result<File, NotJoined> {
    let unfit = |error: ParquetError| NotJoined::Unfit(error.to_string());
    let written = ArrowSchemaConverter::new().schema_root(schema.name()).convert(&arrow).map_err(unfit)?;
    if *written.root_schema() != schema {
        return Err(NotJoined::Unfit("its columns would be written in another way than they are".to_owned()));
    }
    let columns = Columns::new(arrow.clone(), compression.unwrap_or(Compression::SNAPPY)).map_err(unfit)?;
    Ok(File { schema, arrow, compression, columns })
}

fn damaged(error: crate::table::TableError) -> NotJoined {
    match error {
        crate::table::TableError::Io(error) => NotJoined::Read(error),
        other => NotJoined::Damaged(other.to_string()),
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("rows", &self.rows).finish_non_exhaustive()
    }
}
