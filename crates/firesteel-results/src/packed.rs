//! The bytes of a part, compressed if need be, and how many they are.

use std::io::{self, BufWriter, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Bytes that are written at once.
const BUFFER: usize = 128 << 10;

/// A part that is compressed if need be.
pub(crate) enum Packed<O: Write> {
    Plain(BufWriter<Counted<O>>),
    Gzip(Box<GzEncoder<BufWriter<Counted<O>>>>),
}

impl<O: Write> Packed<O> {
    pub(crate) fn new(part: O, gzip: bool) -> Self {
        let part = BufWriter::with_capacity(BUFFER, Counted { part, bytes: 0 });
        if gzip { Self::Gzip(Box::new(GzEncoder::new(part, Compression::default()))) } else { Self::Plain(part) }
    }

    /// How many bytes it has so far; those that the compressor holds are not known yet.
    pub(crate) fn bytes(&self) -> u64 {
        let part = match self {
            Self::Plain(part) => part,
            Self::Gzip(encoder) => encoder.get_ref(),
        };
        part.get_ref().bytes + part.buffer().len() as u64
    }

    /// The part, and how many bytes it has.
    pub(crate) fn finish(self) -> io::Result<(O, u64)> {
        let buffered = match self {
            Self::Plain(part) => part,
            Self::Gzip(encoder) => encoder.finish()?,
        };
        let Counted { part, bytes } = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((part, bytes))
    }
}

impl<O: Write> Write for Packed<O> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(part) => part.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(part) => part.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A part that counts what goes into it.
pub(crate) struct Counted<O> {
    part: O,
    bytes: u64,
}

impl<O: Write> Write for Counted<O> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.part.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.part.flush()
    }
}
