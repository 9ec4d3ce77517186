//! What a sink of files is told before it starts.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};

use firesteel_disk::OsDisk;
#[cfg(feature = "avro")]
use firesteel_formats::Avro;
#[cfg(feature = "csv")]
use firesteel_formats::Csv;
#[cfg(feature = "parquet")]
use firesteel_formats::Parquet;
use firesteel_formats::{Json, WriteFormat, WriteLines};
use firesteel_results::{ByColumn, Compacting, Layout};
use parking_lot::Mutex;
use serde::Serialize;
#[cfg(any(feature = "avro", feature = "parquet"))]
use serde::de::DeserializeOwned;

use super::{Displayed, FileSink, Formatted, TextFileSink};

/// This many manifests are merged unless a test says otherwise.
const MERGE_AT: usize = 100;

impl FileSink<WriteLines<Displayed>> {
    /// Writes lines of text into the folder, which is made if it does not exist; the records' `Display` makes the lines.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            disk: OsDisk::shared(),
            folder: folder.into(),
            format: WriteLines::of(Displayed),
            layout: Layout::default(),
            marks_success: false,
            started: Mutex::new(None),
            scope: Mutex::default(),
            written: AtomicU64::new(0),
            torn: AtomicBool::new(false),
            merge_at: MERGE_AT,
            compacting: Compacting::default(),
        }
    }

    /// Writes JSON into the folder, one value a line: see [`Json`] for what is written, and what is refused. The names of files
    /// end with `.ndjson`.
    ///
    /// ```
    /// use firesteel_connect_file::FileSink;
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct Total {
    ///     user: String,
    ///     clicks: u64,
    /// }
    ///
    /// let totals = FileSink::json::<Total>("out/totals").gzip();
    /// ```
    pub fn json<T: Serialize + 'static>(folder: impl Into<PathBuf>) -> FileSink<WriteLines<Json<T>>> {
        FileSink::new(folder).in_format(Json::new().write_lines())
    }

    /// Writes CSV into the folder, with a header in each file: see [`Csv`] for what is written, and what is refused. The names of
    /// files end with `.csv`. [`in_format`](FileSink::in_format) takes another dialect.
    #[cfg(feature = "csv")]
    pub fn csv<T: Serialize + 'static>(folder: impl Into<PathBuf>) -> FileSink<Csv<T>> {
        FileSink::new(folder).in_format(Csv::new())
    }

    /// Writes Avro object container files into the folder, by a schema that follows from the type: see [`Avro`] for what is written, and what
    /// is refused. The names of files end with `.avro`. [`in_format`](FileSink::in_format) takes other settings, and a schema that is given.
    ///
    /// ```
    /// use firesteel_connect_file::FileSink;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Total {
    ///     user: String,
    ///     clicks: u64,
    /// }
    ///
    /// let totals = FileSink::avro::<Total>("out/totals");
    /// ```
    #[cfg(feature = "avro")]
    pub fn avro<T: Serialize + DeserializeOwned + 'static>(folder: impl Into<PathBuf>) -> FileSink<Avro<T>> {
        FileSink::new(folder).in_format(Avro::new())
    }

    /// Writes Parquet into the folder: see [`Parquet`] for what is written, and what is refused. The names of files end with
    /// `.parquet`.
    ///
    /// ```
    /// use firesteel_connect_file::FileSink;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Total {
    ///     user: String,
    ///     clicks: u64,
    /// }
    ///
    /// let totals = FileSink::parquet::<Total>("out/totals");
    /// ```
    #[cfg(feature = "parquet")]
    pub fn parquet<T: Serialize + DeserializeOwned + 'static>(folder: impl Into<PathBuf>) -> FileSink<Parquet<T>> {
        FileSink::new(folder).in_format(Parquet::new())
    }
}

impl<F, P> FileSink<F, P> {
    /// The same folder in another format.
    #[must_use]
    pub fn in_format<G>(self, format: G) -> FileSink<G, P> {
        let Self {
            disk,
            folder,
            format: _,
            layout,
            marks_success,
            started,
            scope,
            written,
            torn,
            merge_at,
            compacting,
        } = self;
        FileSink { disk, folder, format, layout, marks_success, started, scope, written, torn, merge_at, compacting }
    }

    /// Writes the records of each value of a column to a folder of its own, as Hive does and Spark, DuckDB and others read it:
    /// `day=2026-11-28/part-0000000007-00000.csv`. Called again, it makes folders in those folders.
    ///
    /// The value is what `Display` makes of it. What has a meaning in a path is written as `%` and two digits, and an empty text as
    /// `__HIVE_DEFAULT_PARTITION__`; so no value leads out of the folder. A value whose folder would have a name of more than 255
    /// bytes makes its record one that cannot be written. The records themselves are written whole.
    ///
    /// A task has a hundred files open [at most](Self::open_at_most), and numbers them: `day=2026-11-29/part-0000000007-00000_0001.csv`
    /// is its second one. So none takes the place of another where a file system takes `de` and `DE` for one folder.
    ///
    /// ```
    /// use firesteel_connect_file::FileSink;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Sale {
    ///     country: String,
    ///     pieces: u64,
    /// }
    ///
    /// let sales = FileSink::json::<Sale>("out/sales").partitioned_by("country", |sale| sale.country.clone());
    /// ```
    #[must_use]
    pub fn partitioned_by<T, V, G>(self, column: impl Into<String>, value: G) -> FileSink<F, ByColumn<P, G>>
    where
        F: WriteFormat<T>,
        G: Fn(&T) -> V + Send + Sync + 'static,
        V: Display,
    {
        let Self { disk, folder, format, layout, marks_success, started, scope, written, torn, merge_at, compacting } =
            self;
        let layout = layout.by_column(column, value);
        FileSink { disk, folder, format, layout, marks_success, started, scope, written, torn, merge_at, compacting }
    }

    /// Compresses the files, whose names end with `.gz` then.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.layout.gzip = true;
        self
    }

    /// Begins another file when one has this many bytes, as they are stored: `part-0000000007-00000_0001.txt`. A file has some bytes more,
    /// since a record is never torn, and compressors and formats of columns hold records for a while. A file ends with its epoch
    /// at the latest: longer epochs make larger files.
    #[must_use]
    pub fn full_at(mut self, bytes: u64) -> Self {
        self.layout.full_at = Some(bytes);
        self
    }

    /// How many files a task has open at a time; a hundred unless set, each with a buffer of 128 KiB. A record of yet another folder
    /// ends the file that was written to least recently, and a later record of that folder begins another file.
    #[must_use]
    pub fn open_at_most(mut self, files: usize) -> Self {
        self.layout.most_open = files;
        self
    }

    /// Merges small files into larger ones of up to this many bytes, as they are stored: whenever a hundred small ones have come, or as many
    /// bytes, the commit of an epoch merges about as many bytes as this, after the epoch is visible and before the commit returns. A
    /// merged file is merged again only with others that have as many bytes, so that none is written often. If it
    /// fails, that is told, nothing is lost, and it is retried later. [`Compaction`](crate::Compaction) says what readers see
    /// meanwhile, and does the same to results at rest.
    ///
    /// ```
    /// use firesteel_connect_file::TextFileSink;
    ///
    /// let words = TextFileSink::new("out/words").gzip().compact_to(128 << 20);
    /// ```
    #[must_use]
    pub fn compact_to(mut self, bytes: u64) -> Self {
        self.compacting.wanted = Some(bytes);
        self
    }

    /// Puts an empty file `_SUCCESS` into the folder, for readers that list the folder and know nothing of manifests. While it is
    /// there, the files in the folder are those of whole epochs. It is taken away before the files of an epoch get their names, and put
    /// back when all have them; also while small files [are merged](Self::compact_to).
    #[must_use]
    pub fn success_marker(mut self) -> Self {
        self.marks_success = true;
        self
    }
}

impl<E, P> TextFileSink<E, P> {
    /// Makes the lines with a function, which appends to an empty buffer; the newline is added. A record whose text
    /// has newlines in it becomes several lines.
    #[must_use]
    pub fn format<T, G>(self, format: G) -> TextFileSink<Formatted<G>, P>
    where
        G: Fn(&T, &mut String) + Send + Sync + 'static,
    {
        self.in_format(WriteLines::of(Formatted::new(format)))
    }
}
