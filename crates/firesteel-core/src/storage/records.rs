//! Records as bytes: encoded with postcard, each after its length, compressed as one lz4 frame.
//!
//! Only encoding and decoding know the record type; the rest is compiled once, not once per program.

use std::io::{self, Read, Write};

use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes records into one frame.
pub(crate) struct RecordWriter<'w> {
    encoder: FrameEncoder<&'w mut dyn Write>,
    records: u64,
    buffer: Vec<u8>,
}

impl<'w> RecordWriter<'w> {
    pub(crate) fn new(to: &'w mut dyn Write) -> Self {
        Self { encoder: FrameEncoder::new(to), records: 0, buffer: Vec::new() }
    }

    /// With a checksum of every block and of the whole, for files that are kept.
    pub(crate) fn checked(to: &'w mut dyn Write) -> Self {
        let info = FrameInfo::new().block_checksums(true).content_checksum(true);
        Self { encoder: FrameEncoder::with_frame_info(info, to), records: 0, buffer: Vec::new() }
    }

    pub(crate) fn push<T: Serialize>(&mut self, record: &T) -> io::Result<()> {
        self.buffer.clear();
        self.buffer = postcard::to_extend(record, std::mem::take(&mut self.buffer)).map_err(io::Error::other)?;
        self.write_buffer()
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.buffer.len())
            .map_err(|_| io::Error::other("a record is larger than 4 GiB when encoded"))?;
        self.encoder.write_all(&length.to_le_bytes())?;
        self.encoder.write_all(&self.buffer)?;
        self.records += 1;
        Ok(())
    }

    /// Ends the frame. Returns the number of records.
    pub(crate) fn finish(self) -> io::Result<u64> {
        self.encoder.finish().map_err(io::Error::other)?;
        Ok(self.records)
    }
}

/// Reads the records of one frame.
pub(crate) struct RecordReader {
    decoder: FrameDecoder<Box<dyn Read + Send>>,
    left: u64,
    buffer: Vec<u8>,
}

impl RecordReader {
    /// A reader of this many records.
    pub(crate) fn new(from: impl Read + Send + 'static, records: u64) -> Self {
        Self { decoder: FrameDecoder::new(Box::new(from)), left: records, buffer: Vec::new() }
    }

    /// The next record; `None` after the last and after an error.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Option<io::Result<T>> {
        self.left = self.left.checked_sub(1)?;
        let record = self.read_buffer().and_then(|()| postcard::from_bytes(&self.buffer).map_err(io::Error::other));
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }

    fn read_buffer(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.decoder.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        self.buffer.clear();
        // A damaged length must not make room for 4 GiB before the data turns out not to be there.
        let read = (&mut self.decoder).take(u64::from(length)).read_to_end(&mut self.buffer)?;
        if read < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Reads the end of the frame, and with it the checksum of the whole.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self.decoder.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(io::Error::other("there is more than was written")),
        }
    }
}
