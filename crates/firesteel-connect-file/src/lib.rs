//! Text files: a source and a sink.
//!
//! [`TextFiles`] reads lines from a file, a folder or a glob: plain, gzip or zstd, complete or still growing.
//! [`Stdin`] receives lines of standard input and of pipes, which come once.
//! [`TextFileSink`] writes one file per epoch and partition, and publishes an epoch at once through a manifest.
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
//! It does not parse what is in the lines; [`TextFiles::decode`] takes a function that does.

mod manifest;
mod path;
mod pipe;
mod sink;
mod source;

pub use pipe::Stdin;
pub use sink::{Displayed, Format, Formatted, PendingFile, TextFileSink};
pub use source::{Bytes, Decode, OnMissing, OnUnreadable, Owned, Text, TextFileReader, TextFiles};
