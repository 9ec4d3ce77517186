//! Runs: records on disk, one behind the other, encoded with postcard and compressed with lz4.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{NamedTempFile, TempPath};

use crate::error::Error;
use crate::storage::Memory;

/// Writes one run.
pub(crate) struct RunWriter<T> {
    encoder: FrameEncoder<NamedTempFile>,
    records: u64,
    buffer: Vec<u8>,
    kind: PhantomData<fn(T)>,
}

impl<T: Serialize> RunWriter<T> {
    pub(crate) fn create(memory: &Memory) -> Result<Self, Error> {
        let folder = memory.folder();
        let file = tempfile::Builder::new()
            .prefix("firesteel-spill-")
            .tempfile_in(&folder)
            .map_err(|source| Error::File { action: "create a spill file in", path: folder, source })?;
        Ok(Self { encoder: FrameEncoder::new(file), records: 0, buffer: Vec::new(), kind: PhantomData })
    }

    pub(crate) fn push(&mut self, record: &T) -> Result<(), Error> {
        self.buffer.clear();
        let encoded = postcard::to_extend(record, std::mem::take(&mut self.buffer))
            .map_err(|error| self.failed(std::io::Error::other(error)))?;
        self.buffer = encoded;
        let length = u32::try_from(self.buffer.len())
            .map_err(|_| self.failed(std::io::Error::other("a record is larger than 4 GiB")))?;
        self.encoder
            .write_all(&length.to_le_bytes())
            .and_then(|()| self.encoder.write_all(&self.buffer))
            .map_err(|error| self.failed(error))?;
        self.records += 1;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Run<T>, Error> {
        let path = self.encoder.get_ref().path().to_owned();
        let file = self.encoder.finish().map_err(|error| Error::File {
            action: "write the spill file",
            path: path.clone(),
            source: std::io::Error::other(error),
        })?;
        let bytes = file.as_file().metadata().map(|data| data.len()).unwrap_or(0);
        Ok(Run { path: Arc::new(file.into_temp_path()), records: self.records, bytes, kind: PhantomData })
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::File { action: "write the spill file", path: self.encoder.get_ref().path().to_owned(), source }
    }
}

/// A finished run; its file goes when the last clone does.
pub(crate) struct Run<T> {
    path: Arc<TempPath>,
    records: u64,
    bytes: u64,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Run<T> {
    fn clone(&self) -> Self {
        Self { path: Arc::clone(&self.path), records: self.records, bytes: self.bytes, kind: PhantomData }
    }
}

impl<T: DeserializeOwned> Run<T> {
    pub(crate) fn len(&self) -> u64 {
        self.records
    }

    /// Size of the file, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the records back in order.
    pub(crate) fn read(&self) -> Result<RunReader<T>, Error> {
        let file = File::open(&**self.path).map_err(|error| self.failed(error))?;
        let decoder = FrameDecoder::new(BufReader::with_capacity(64 << 10, file));
        Ok(RunReader { run: self.clone(), decoder, left: self.records, buffer: Vec::new() })
    }

    fn failed(&self, source: std::io::Error) -> Error {
        Error::File { action: "read the spill file", path: self.path.to_path_buf(), source }
    }
}

/// Reads one run.
pub(crate) struct RunReader<T> {
    run: Run<T>,
    decoder: FrameDecoder<BufReader<File>>,
    left: u64,
    buffer: Vec<u8>,
}

impl<T: DeserializeOwned> Iterator for RunReader<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = (|| {
            let mut length = [0; 4];
            self.decoder.read_exact(&mut length)?;
            self.buffer.resize(u32::from_le_bytes(length) as usize, 0);
            self.decoder.read_exact(&mut self.buffer)?;
            postcard::from_bytes(&self.buffer).map_err(std::io::Error::other)
        })();
        Some(record.map_err(|error| self.run.failed(error)))
    }
}
