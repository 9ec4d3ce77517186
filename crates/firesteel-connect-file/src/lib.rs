//! Files: a source and a sink.
//!
//! [`Files`] reads the records of a file, a folder or a glob: plain or packed, complete or still growing; lines of text, JSON,
//! or any other [`Format`](firesteel_formats::Format). [`FileSink`] writes one file per epoch and partition, and publishes an
//! epoch at once through a manifest. [`TextFiles`] and [`TextFileSink`] are those of lines of text. [`Stdin`] receives lines of
//! standard input and of pipes, which come once. [`Compaction`] makes large files of the many small ones that a sink has left.
//!
//! ```
//! use firesteel_connect::{ReadRange, Source, SourceContext, SourceReader};
//! use firesteel_connect_file::TextFiles;
//! use firesteel_window::Timestamp;
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("access.log");
//! std::fs::write(&path, "one\ntwo\n")?;
//! let files = TextFiles::new(&path);
//! files.start(&SourceContext::default())?;
//! let split = files.discover(Timestamp::from_secs(0))?.splits.remove(0);
//! let mut reader = files.open(&ReadRange::exact(split.id, 0, split.available.unwrap()))?;
//! assert_eq!(reader.next_record()?.as_deref(), Some("one"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It knows no format: those are in `firesteel-formats`.

mod compact;
mod manifest;
mod path;
mod pipe;
mod sink;
mod source;
mod success;
mod temporary;

pub use compact::Compaction;
pub use firesteel_results::{ByColumn, CompactionReport, LeftFiles, Partitions, Unpartitioned, WhyLeft};
pub use pipe::Stdin;
pub use sink::{Displayed, FileSink, Formatted, PendingFiles, TextFileSink};
pub use source::{
    AfterReading, Bytes, DecodeText, FileOrder, FileReader, Files, OnMissing, OnUnreadable, Owned, Text, TextEncoding,
    TextFiles,
};
