//! What is done once for a file: its footer, what of it is wanted, whether the type fits.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMask, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use serde::de::DeserializeOwned;

use super::{BYTES, ROWS, Rows, Unreadable};
use crate::mismatch::Mismatch;
use crate::parquet::check::check;
use crate::parquet::chunks::{Chunks, guarded};
use crate::parquet::filter;
use crate::parquet::project::{leaves, with_old_times};
use crate::parquet::{Settings, column::Column};
use crate::shape::Shape;
use crate::table::{ReadAt, TableError};

/// The bytes that the shortest file has: its mark twice, and the length of the footer.
const SHORTEST: u64 = 12;
/// What a file begins and ends with; the other is that of a footer that is encrypted.
const MARKS: [&[u8]; 2] = [b"PAR1", b"PARE"];

/// The footer. Whether there is one tells whether the file is whole.
fn footer(chunks: &Chunks, schema: Option<Arc<SchemaDescriptor>>) -> Result<ParquetMetaData, TableError> {
    let length = chunks.file.len();
    if length < SHORTEST {
        return Err(TableError::Unfinished(format!(
            "it has {length} bytes, and the shortest Parquet file has {SHORTEST}"
        )));
    }
    let end = chunks.file.read_at(length - 4, 4).map_err(TableError::Io)?;
    if !MARKS.contains(&&end[..]) {
        let begin = chunks.file.read_at(0, 4).map_err(TableError::Io)?;
        let what = if MARKS.contains(&&begin[..]) {
            "it begins as a Parquet file does, and does not end as one: it is cut off, or still being written"
        } else {
            "it is no Parquet file: it neither begins nor ends with PAR1"
        };
        return Err(TableError::Unfinished(what.to_owned()));
    }
    if end == MARKS[1] {
        return Err(TableError::Damaged("its footer is encrypted, which is not read".to_owned()));
    }
    guarded(|| {
        let mut options = parquet::file::metadata::ParquetMetaDataOptions::new();
        if let Some(schema) = schema {
            options.set_schema(schema);
        }
        ParquetMetaDataReader::new().with_metadata_options(Some(options)).parse_and_finish(chunks)
    })
}

/// Where each row group begins, and where the last one ends.
fn borders(file: &ParquetMetaData) -> Result<Vec<u64>, TableError> {
    let mut borders = vec![0];
    for group in file.row_groups() {
        let end = u64::try_from(group.num_rows()).ok().and_then(|rows| rows.checked_add(*borders.last()?));
        borders.push(end.ok_or_else(|| TableError::Damaged("the number of its rows is none".to_owned()))?);
    }
    let said = u64::try_from(file.file_metadata().num_rows()).ok();
    if said != borders.last().copied() {
        let counts = "its row groups have other rows in all than the file";
        return Err(TableError::Damaged(counts.to_owned()));
    }
    Ok(borders)
}

/// Whether the columns are compressed in ways that are undone here.
fn unpacks(file: &ParquetMetaData, leaves: &[usize]) -> Result<(), TableError> {
    let chunks = file.row_groups().iter().flat_map(|group| leaves.iter().map(|leaf| group.column(*leaf)));
    for chunk in chunks {
        let (packed, feature) = match chunk.compression() {
            Compression::UNCOMPRESSED
            | Compression::SNAPPY
            | Compression::GZIP(_)
            | Compression::LZ4
            | Compression::LZ4_RAW => continue,
            #[cfg(feature = "parquet-zstd")]
            Compression::ZSTD(_) => continue,
            #[cfg(not(feature = "parquet-zstd"))]
            Compression::ZSTD(_) => {
                ("zstd", ": build with the feature `parquet-zstd`, or write it with snappy, gzip or lz4")
            }
            Compression::BROTLI(_) => ("brotli", ", which is not read: write it with snappy, gzip or lz4"),
            _ => ("LZO", ", which is not read: write it with snappy, gzip or lz4"),
        };
        let column = chunk.column_path().string();
        return Err(TableError::Mismatch(Mismatch::new(format_args!(
            "has a column {column:?} compressed by {packed}{feature}"
        ))));
    }
    Ok(())
}

/// How many rows there are, by the footer.
pub(in crate::parquet) fn count_rows(file: Arc<dyn ReadAt>) -> Result<u64, TableError> {
    let chunks = Chunks::of(file);
    let borders = footer(&chunks, None).and_then(|file| borders(&file)).map_err(|error| chunks.honest(error))?;
    Ok(borders.last().copied().unwrap_or(0))
}

impl<T: DeserializeOwned> Rows<T> {
    pub(in crate::parquet) fn open(
        file: Arc<dyn ReadAt>,
        settings: &Settings,
        shape: &Shape,
    ) -> Result<Self, TableError> {
        let chunks = Chunks::of(file);
        Self::open_chunks(chunks.clone(), settings, shape).map_err(|error| chunks.honest(error))
    }

    fn open_chunks(chunks: Chunks, settings: &Settings, shape: &Shape) -> Result<Self, TableError> {
        let file = footer(&chunks, None)?;
        let borders = borders(&file)?;
        let metadata = described(file)?;
        let filtered = settings.filter.as_ref().map_or_else(Vec::new, filter::Condition::columns);
        let schema = Arc::clone(metadata.schema());
        let leaves = leaves(&schema, shape, &filtered);
        let parquet = metadata.metadata().file_metadata().schema_descr_ptr();
        let mask = ProjectionMask::leaves(&parquet, leaves.iter().copied());
        let projected = guarded(|| {
            let (metadata, mask) = (metadata.metadata(), mask.clone());
            parquet::arrow::parquet_to_arrow_schema_by_columns(metadata.file_metadata().schema_descr(), mask, None)
        })?;
        let projected = with_old_times(&projected, &parquet).map_or(projected, |schema| (*schema).clone());
        let mut rows = Self {
            mask,
            rows_at_once: 1,
            bytes_per_row: (chunks.file.len() / borders.last().copied().unwrap_or(0).max(1)).max(1),
            wanted: std::iter::once(0..borders.last().copied().unwrap_or(0)).collect(),
            borders,
            metadata,
            settings: settings.clone(),
            chunks,
            has_lists: leaves.iter().any(|leaf| parquet.column(*leaf).max_rep_level() > 0),
            unreadable: Unreadable::default(),
            is_raw: false,
            opened: None,
            batch: None,
            passed: 0,
            of: PhantomData,
        };
        unpacks(rows.metadata.metadata(), &leaves)?;
        check::<T>(projected.fields(), schema.fields(), rows.reading(), &settings.path)
            .map_err(TableError::Mismatch)?;
        rows.check_filter(&schema)?;
        rows.read_index(&leaves);
        rows.settle(&leaves);
        Ok(rows)
    }

    /// Whether the filter goes with the columns.
    fn check_filter(&self, schema: &arrow_schema::Schema) -> Result<(), TableError> {
        let Some(condition) = &self.settings.filter else { return Ok(()) };
        let mut columns = Vec::new();
        for name in condition.columns() {
            let Some(field) = schema.fields().iter().find(|field| field.name() == name) else { continue };
            let column = Column::made_up(field.data_type(), "").map_err(|unreadable| {
                TableError::Mismatch(Mismatch::new(format_args!("has {name:?}, {}", unreadable.0)))
            })?;
            columns.push((name.to_owned(), column));
        }
        let columns = Column { nulls: None, kind: crate::parquet::column::Kind::Struct(columns) };
        let keep = condition.keep(&columns, 1, self.settings.local_is_utc);
        keep.map(|_| ()).map_err(|reason| TableError::Mismatch(Mismatch::new(reason)))
    }

    /// Reads where the pages are, and between which values theirs are. A file without that, or with one that makes no sense, is
    /// read without it.
    fn read_index(&mut self, leaves: &[usize]) {
        if !self.settings.prunes && self.borders.len() > 2 {
            return;
        }
        let columns = if self.settings.filter.is_some() && self.settings.prunes {
            PageIndexPolicy::Optional
        } else {
            PageIndexPolicy::Skip
        };
        let file = ParquetMetaData::clone(self.metadata.metadata());
        let indexed = guarded(|| {
            let mut reader = ParquetMetaDataReader::new_with_metadata(file)
                .with_offset_index_policy(PageIndexPolicy::Optional)
                .with_column_index_policy(columns)
                .with_page_index_mask(ColumnChunkMask::columns(leaves.iter().copied()));
            reader.read_page_indexes(&self.chunks)?;
            reader.finish()
        });
        if let Ok(metadata) = indexed.and_then(described) {
            self.metadata = metadata;
        }
        // Without it the file is read, too.
        self.chunks.forget();
    }

    /// Finds out which rows may be wanted, and how many are decoded at once.
    fn settle(&mut self, leaves: &[usize]) {
        let (file, rows) = (self.metadata.metadata(), self.rows_in_all());
        let of_group = |group: &parquet::file::metadata::RowGroupMetaData| -> u64 {
            let size = |leaf: &usize| u64::try_from(group.column(*leaf).uncompressed_size()).unwrap_or(0);
            leaves.iter().map(size).fold(0, u64::saturating_add)
        };
        let bytes = file.row_groups().iter().map(of_group).fold(0, u64::saturating_add);
        let at_once = (BYTES / (bytes / rows.max(1)).max(1)).clamp(1, ROWS);
        self.rows_at_once = usize::try_from(at_once).unwrap_or(1);
        if let Some(condition) = self.settings.filter.as_ref().filter(|_| self.settings.prunes) {
            let (schema, local_is_utc) = (self.metadata.schema(), self.settings.local_is_utc);
            // What is noted of pages may make no sense: then all rows are looked at.
            if let Ok(wanted) = guarded(|| Ok(filter::wanted(condition, file, schema, local_is_utc))) {
                self.wanted = if self.has_lists { self.whole_groups(&wanted) } else { wanted };
            }
        }
    }
}

impl<T> Rows<T> {
    /// The row groups in which any of these rows are.
    fn whole_groups(&self, rows: &[Range<u64>]) -> Vec<Range<u64>> {
        let groups = self.borders.windows(2).map(|group| group[0]..group[1]);
        groups.filter(|group| rows.iter().any(|rows| rows.start < group.end && rows.end > group.start)).collect()
    }

    /// Reads texts as bytes from here on, so that one which is not UTF-8 costs its own row.
    pub(super) fn read_raw(&mut self) -> Result<(), TableError> {
        (self.opened, self.is_raw) = (None, true);
        let parquet = self.metadata.metadata().file_metadata().schema_descr_ptr();
        let raw = guarded(|| Ok(SchemaDescriptor::new(Arc::new(raw(parquet.root_schema())?))))?;
        // What is known of its pages is of no use here: all that is read after a text at fault is read slowly.
        self.metadata = described(footer(&self.chunks, Some(Arc::new(raw)))?)?;
        Ok(())
    }
}

/// The footer, with the types of its columns by what Parquet says of them, and not by what a program noted beside.
fn described(file: ParquetMetaData) -> Result<ArrowReaderMetadata, TableError> {
    let file = Arc::new(file);
    guarded(|| {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(&file), options.clone())?;
        match with_old_times(metadata.schema(), file.file_metadata().schema_descr()) {
            Some(schema) => ArrowReaderMetadata::try_new(file, options.with_schema(schema)),
            None => Ok(metadata),
        }
    })
}

/// The same columns, with bytes in place of texts.
fn raw(of: &Type) -> Result<Type, ParquetError> {
    let info = of.get_basic_info();
    match of {
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(|field| raw(field).map(TypePtr::new)).collect::<Result<Vec<_>, _>>()?;
            let mut group = Type::group_type_builder(info.name())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_converted_type(info.converted_type())
                .with_id(info.has_id().then(|| info.id()))
                .with_fields(fields);
            if info.has_repetition() {
                group = group.with_repetition(info.repetition());
            }
            group.build()
        }
        Type::PrimitiveType { physical_type: Physical::BYTE_ARRAY, .. }
            if matches!(info.converted_type(), ConvertedType::UTF8 | ConvertedType::JSON)
                || matches!(
                    info.logical_type_ref(),
                    Some(parquet::basic::LogicalType::String | parquet::basic::LogicalType::Json)
                ) =>
        {
            let repetition = if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED };
            let primitive = Type::primitive_type_builder(info.name(), Physical::BYTE_ARRAY);
            primitive.with_repetition(repetition).with_id(info.has_id().then(|| info.id())).build()
        }
        other => Ok(other.clone()),
    }
}
