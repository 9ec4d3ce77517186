//! Runs: records that went to disk, one behind the other, and are read back in that order.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, BufReader, Seek as _, SeekFrom};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{NamedTempFile, TempPath};

use crate::error::Error;
use crate::storage::Memory;
use crate::storage::records::{RecordReader, RecordWriter};

/// A temporary file that takes runs one behind the other: one file for all buckets of a spill.
pub(crate) struct RunFile<T> {
    file: NamedTempFile,
    runs: Vec<Extent>,
    kind: PhantomData<fn(T)>,
}

/// Where a run is in its file.
#[derive(Clone, Copy)]
struct Extent {
    offset: u64,
    bytes: u64,
    records: u64,
}

impl<T: Serialize> RunFile<T> {
    pub(crate) fn create(memory: &Memory) -> Result<Self, Error> {
        let folder = memory.folder();
        let file = tempfile::Builder::new()
            .prefix("firesteel-spill-")
            .tempfile_in(&folder)
            .map_err(|source| Error::File { action: "create a spill file in", path: folder, source })?;
        Ok(Self { file, runs: Vec::new(), kind: PhantomData })
    }

    /// Appends a run; `write` pushes its records.
    pub(crate) fn write(
        &mut self,
        write: impl FnOnce(&mut dyn FnMut(&T) -> io::Result<()>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let offset = self.runs.last().map_or(0, |last| last.offset + last.bytes);
        let written = (|| {
            let mut writer = RecordWriter::new(&mut self.file);
            write(&mut |record| writer.push(record))?;
            let (file, records) = writer.finish()?;
            Ok(Extent { offset, bytes: file.stream_position()? - offset, records })
        })();
        self.runs.push(written.map_err(|source| self.failed(source))?);
        Ok(())
    }

    /// Ends the file: its runs, in the order in which they were written.
    pub(crate) fn finish(self) -> impl Iterator<Item = Run<T>> {
        let path = Arc::new(self.file.into_temp_path());
        self.runs.into_iter().map(move |extent| Run { path: Arc::clone(&path), extent, kind: PhantomData })
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::File { action: "write the spill file", path: self.file.path().to_owned(), source }
    }
}

/// A finished run; the file goes when the last of its runs does.
pub(crate) struct Run<T> {
    path: Arc<TempPath>,
    extent: Extent,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Run<T> {
    fn clone(&self) -> Self {
        Self { path: Arc::clone(&self.path), extent: self.extent, kind: PhantomData }
    }
}

impl<T> Run<T> {
    pub(crate) fn len(&self) -> u64 {
        self.extent.records
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.extent.bytes
    }
}

impl<T: DeserializeOwned> Run<T> {
    /// Writes one run into a file of its own.
    pub(crate) fn write(memory: &Memory, records: impl Iterator<Item: Borrow<T>>) -> Result<Self, Error>
    where
        T: Serialize,
    {
        let mut records = records;
        let mut file = RunFile::create(memory)?;
        file.write(|push| records.try_for_each(|record| push(record.borrow())))?;
        Ok(file.finish().next().expect("the one run that was written"))
    }

    /// Reads the records back in order.
    pub(crate) fn read(&self) -> Result<RunReader<T>, Error> {
        let opened = File::open(&**self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.extent.offset))?;
            Ok(file)
        });
        let file = opened.map_err(|source| unreadable(self.path.to_path_buf(), source))?;
        let records = RecordReader::new(BufReader::with_capacity(64 << 10, file), self.extent.records);
        Ok(RunReader { path: Arc::clone(&self.path), records })
    }
}

/// Reads one run.
pub(crate) struct RunReader<T> {
    path: Arc<TempPath>,
    records: RecordReader<T, BufReader<File>>,
}

impl<T: DeserializeOwned> Iterator for RunReader<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        Some(record.map_err(|source| unreadable(self.path.to_path_buf(), source)))
    }
}

fn unreadable(path: PathBuf, source: io::Error) -> Error {
    Error::File { action: "read the spill file", path, source }
}
