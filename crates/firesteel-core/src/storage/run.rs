//! Runs: records that went to disk, one after the other, and are read back in that order.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{NamedTempFile, TempPath};

use crate::error::Error;
use crate::storage::SpillMemory;
use crate::storage::records::{RecordReader, RecordWriter};

/// A temporary file that takes runs one after the other: one file for all buckets of a spill.
pub(crate) struct RunFile {
    file: NamedTempFile,
    runs: Vec<Extent>,
}

/// Where a run is in its file.
#[derive(Clone, Copy)]
struct Extent {
    offset: u64,
    bytes: u64,
    records: u64,
}

impl RunFile {
    pub(crate) fn create(memory: &SpillMemory) -> Result<Self, Error> {
        let folder = memory.folder();
        let file = tempfile::Builder::new()
            .prefix("firesteel-spill-")
            .tempfile_in(&folder)
            .map_err(|source| Error::File { action: "create a spill file in", path: folder, source })?;
        Ok(Self { file, runs: Vec::new() })
    }

    /// Appends a run of these records.
    pub(crate) fn write<T: Serialize>(
        &mut self,
        records: &mut dyn Iterator<Item = impl Borrow<T>>,
    ) -> Result<(), Error> {
        let mut writer = RecordWriter::new(&mut self.file);
        let mut records = records;
        let written = (&mut records).try_for_each(|record| writer.push(record.borrow())).and_then(|()| writer.finish());
        self.end_run(written)
    }

    fn end_run(&mut self, written: io::Result<u64>) -> Result<(), Error> {
        let offset = self.runs.last().map_or(0, |last| last.offset + last.bytes);
        let extent = written.and_then(|records| {
            let end = self.file.stream_position()?;
            Ok(Extent { offset, bytes: end - offset, records })
        });
        let path = self.file.path();
        self.runs.push(extent.map_err(|source| failed("write the spill file", path, source))?);
        Ok(())
    }

    /// Ends the file: its runs, in the order in which they were written.
    pub(crate) fn finish(self) -> Vec<Run> {
        let path = Arc::new(self.file.into_temp_path());
        self.runs.into_iter().map(|extent| Run { path: Arc::clone(&path), extent }).collect()
    }
}

/// A finished run; the file goes when the last of its runs does.
#[derive(Clone)]
pub(crate) struct Run {
    path: Arc<TempPath>,
    extent: Extent,
}

impl Run {
    /// Writes one run into a file of its own.
    pub(crate) fn write<T: Serialize>(
        memory: &SpillMemory,
        records: &mut dyn Iterator<Item = impl Borrow<T>>,
    ) -> Result<Self, Error> {
        let mut file = RunFile::create(memory)?;
        file.write::<T>(records)?;
        Ok(file.finish().pop().expect("the one run that was written"))
    }

    /// The number of records.
    pub(crate) fn len(&self) -> u64 {
        self.extent.records
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.extent.bytes
    }

    /// Reads the records back in order, as the type they were written with.
    pub(crate) fn read(&self) -> Result<RunReader, Error> {
        let opened = File::open(&**self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.extent.offset))?;
            Ok(file)
        });
        let file = opened.map_err(|source| unreadable(&self.path, source))?;
        let records = RecordReader::new(BufReader::with_capacity(64 << 10, file), self.extent.records);
        Ok(RunReader { path: Arc::clone(&self.path), records })
    }
}

/// Reads one run.
pub(crate) struct RunReader {
    path: Arc<TempPath>,
    records: RecordReader,
}

impl RunReader {
    /// The next record, if there is one.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Option<Result<T, Error>> {
        let record = self.records.next()?;
        Some(record.map_err(|source| unreadable(&self.path, source)))
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File { action, path: PathBuf::from(path), source }
}

#[cold]
fn unreadable(path: &Path, source: io::Error) -> Error {
    failed("read the spill file", path, source)
}
