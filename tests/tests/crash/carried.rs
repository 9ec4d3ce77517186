//! The records once more, as formats carry them: read in one, and written in it.

use std::path::{Path, PathBuf};

use firesteel_connect::{Sink, Source};
use firesteel_connect_file::{FileSink, Files};
use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_streaming::{BatchLimits, StreamingContext, Trigger};
use serde::{Deserialize, Serialize};

use crate::input;
use crate::program::{Run, parse};

/// A record in a format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    place: String,
    key: String,
    number: u64,
    time: i64,
}

/// What carries the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Carrier {
    Json,
    JsonGzip,
    Csv,
    CsvGzip,
    #[cfg(feature = "avro")]
    Avro,
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Carrier {
    pub(crate) const ALL: &[Self] = &[
        Self::Json,
        Self::JsonGzip,
        Self::Csv,
        Self::CsvGzip,
        #[cfg(feature = "avro")]
        Self::Avro,
        #[cfg(feature = "parquet")]
        Self::Parquet,
    ];
}

/// Where the records are, in the format.
fn carried(folder: &Path) -> PathBuf {
    folder.join("carried")
}

/// Where they are written to again.
pub(crate) const ROWS: &str = "rows";

/// Writes the input again, in a format: a file for each of the first, and some.
pub(crate) fn write(run: &Run) {
    let Some(carrier) = run.carrier else { return };
    let lines = input::lines(&run.folder);
    let rows: Vec<Row> = lines.iter().map(|line| row(line)).collect();
    let job = StreamingContext::builder("carried").threads(1).limits(BatchLimits::default().records(40));
    let job = job.build().expect("a job can be built");
    let (folder, source) = (carried(&run.folder), MemorySource::new(rows));
    match carrier {
        Carrier::Json => write_with(&job, source, FileSink::json(folder)),
        Carrier::JsonGzip => write_with(&job, source, FileSink::json(folder).gzip()),
        Carrier::Csv => write_with(&job, source, FileSink::csv(folder)),
        Carrier::CsvGzip => write_with(&job, source, FileSink::csv(folder).gzip()),
        #[cfg(feature = "avro")]
        Carrier::Avro => write_with(&job, source, FileSink::avro(folder)),
        #[cfg(feature = "parquet")]
        Carrier::Parquet => write_with(&job, source, FileSink::parquet(folder)),
    }
    job.run(Trigger::AvailableNow).expect("the input can be written");
}

fn write_with(job: &StreamingContext, source: MemorySource<Row>, sink: impl Sink<Row>) {
    job.read(source).write(sink);
}

/// Has the job carry the records from one folder to the other.
pub(crate) fn add(run: &Run, job: &StreamingContext) {
    let (from, to) = (carried(&run.folder), run.folder.join(ROWS));
    match run.carrier {
        None => {}
        Some(Carrier::Json) => carry(job, Files::json(from), FileSink::json(to)),
        Some(Carrier::JsonGzip) => carry(job, Files::json(from), FileSink::json(to).gzip()),
        Some(Carrier::Csv) => carry(job, Files::csv(from), FileSink::csv(to)),
        Some(Carrier::CsvGzip) => carry(job, Files::csv(from), FileSink::csv(to).gzip()),
        #[cfg(feature = "avro")]
        Some(Carrier::Avro) => carry(job, Files::avro(from), FileSink::avro(to)),
        #[cfg(feature = "parquet")]
        Some(Carrier::Parquet) => carry(job, Files::parquet(from), FileSink::parquet(to)),
    }
}

fn carry(job: &StreamingContext, source: impl Source<Item = Row>, sink: impl Sink<Row>) {
    job.read(source).named("carried").write(sink).named("carrying");
}

/// The lines of what was written in the format, where there is one: as whoever follows the results reads them.
pub(crate) fn lines(run: &Run) -> Option<Vec<String>> {
    let (carrier, folder) = (run.carrier?, run.folder.join(ROWS));
    let read = match carrier {
        Carrier::Json | Carrier::JsonGzip => read(Files::json(folder)),
        Carrier::Csv | Carrier::CsvGzip => read(Files::csv(folder)),
        #[cfg(feature = "avro")]
        Carrier::Avro => read(Files::avro(folder)),
        #[cfg(feature = "parquet")]
        Carrier::Parquet => read(Files::parquet(folder)),
    };
    let mut lines: Vec<String> =
        read.into_iter().map(|Row { place, key, number, time }| format!("{place} {key} {number} {time}")).collect();
    lines.sort_unstable();
    Some(lines)
}

fn read(source: impl Source<Item = Row>) -> Vec<Row> {
    let job = StreamingContext::builder("rows").threads(1).build().expect("a job can be built");
    let rows = Collector::new();
    job.read(source).write(rows.clone());
    job.run(Trigger::AvailableNow).expect("the results can be read");
    rows.records()
}

fn row(line: &str) -> Row {
    let (place, key, number, time) = parse(line);
    Row { place, key, number, time }
}
