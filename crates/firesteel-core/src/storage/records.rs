//! Records as bytes: encoded with postcard, each behind its length, compressed as one lz4 frame.

use std::io::{self, Read, Write};
use std::marker::PhantomData;

use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes records into one frame.
pub(crate) struct RecordWriter<T, W: Write> {
    encoder: FrameEncoder<W>,
    records: u64,
    buffer: Vec<u8>,
    kind: PhantomData<fn(T)>,
}

impl<T: Serialize, W: Write> RecordWriter<T, W> {
    pub(crate) fn new(to: W) -> Self {
        Self::with(FrameEncoder::new(to))
    }

    /// With a checksum of every block and of the whole, for files that are kept.
    pub(crate) fn checked(to: W) -> Self {
        let info = FrameInfo::new().block_checksums(true).content_checksum(true);
        Self::with(FrameEncoder::with_frame_info(info, to))
    }

    fn with(encoder: FrameEncoder<W>) -> Self {
        Self { encoder, records: 0, buffer: Vec::new(), kind: PhantomData }
    }

    pub(crate) fn push(&mut self, record: &T) -> io::Result<()> {
        self.buffer.clear();
        self.buffer = postcard::to_extend(record, std::mem::take(&mut self.buffer)).map_err(io::Error::other)?;
        let length = u32::try_from(self.buffer.len())
            .map_err(|_| io::Error::other("a record is larger than 4 GiB when encoded"))?;
        self.encoder.write_all(&length.to_le_bytes())?;
        self.encoder.write_all(&self.buffer)?;
        self.records += 1;
        Ok(())
    }

    /// Ends the frame. Returns what is written to, and the number of records.
    pub(crate) fn finish(self) -> io::Result<(W, u64)> {
        Ok((self.encoder.finish().map_err(io::Error::other)?, self.records))
    }
}

/// Reads the records of one frame.
pub(crate) struct RecordReader<T, R: Read> {
    decoder: FrameDecoder<R>,
    left: u64,
    buffer: Vec<u8>,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned, R: Read> RecordReader<T, R> {
    /// A reader of so many records.
    pub(crate) fn new(from: R, records: u64) -> Self {
        Self { decoder: FrameDecoder::new(from), left: records, buffer: Vec::new(), kind: PhantomData }
    }

    fn read(&mut self) -> io::Result<T> {
        let mut length = [0; 4];
        self.decoder.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        self.buffer.clear();
        // A damaged length must not make room for 4 GiB before the data turns out not to be there.
        let read = (&mut self.decoder).take(u64::from(length)).read_to_end(&mut self.buffer)?;
        if read < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        postcard::from_bytes(&self.buffer).map_err(io::Error::other)
    }

    /// Reads the end of the frame, and with it the checksum of the whole.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self.decoder.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::Error::other("there is more than was written")),
        }
    }
}

impl<T: DeserializeOwned, R: Read> Iterator for RecordReader<T, R> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let record = self.read();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}
