//! The bytes inside of what is compressed.

use std::fmt;
use std::io::{self, BufReader, Read};

use firesteel_formats::Format;

use crate::compression::Compression;
use crate::gzip::GzipMembers;
use crate::zstd::ZstdFrames;

/// Compressed bytes that are read at once.
const COMPRESSED_CHUNK: usize = 128 << 10;

/// The bytes of a stream, decompressed.
pub struct Unpacked<R> {
    by: By<R>,
}

enum By<R> {
    Nothing(R),
    Gzip(Box<GzipMembers<BufReader<R>>>),
    Zstd(Box<ZstdFrames<BufReader<R>>>),
    /// A format.
    Format(Box<dyn Read + Send>),
}

impl<R: Read> Unpacked<R> {
    /// The bytes of a stream that is compressed like this, from its beginning.
    #[must_use]
    pub fn of(stream: R, compression: Compression) -> Self {
        let buffered = |stream| BufReader::with_capacity(COMPRESSED_CHUNK, stream);
        let by = match compression {
            Compression::Plain => By::Nothing(stream),
            Compression::Gzip => By::Gzip(Box::new(GzipMembers::new(buffered(stream)))),
            Compression::Zstd => By::Zstd(Box::new(ZstdFrames::new(buffered(stream)))),
        };
        Self { by }
    }

    /// Whether it can be read from its beginning only.
    #[must_use]
    pub fn is_sequential(&self) -> bool {
        !matches!(self.by, By::Nothing(_))
    }
}

impl<R: Read + Send + 'static> Unpacked<R> {
    /// The same, of which a format unpacks the records, if it is [one that does](Format::is_packed).
    #[must_use]
    pub fn unpacked_by(self, format: &impl Format) -> Self {
        if !format.is_packed() {
            return self;
        }
        let unpacked = format.unpack(Box::new(self)).unwrap_or_else(|| Box::new(io::empty()));
        Self { by: By::Format(unpacked) }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.by {
            By::Nothing(stream) => stream.read(buffer),
            By::Gzip(decoder) => decoder.read(buffer),
            By::Zstd(decoder) => decoder.read(buffer),
            By::Format(unpacked) => unpacked.read(buffer),
        }
    }
}

impl<R> fmt::Debug for Unpacked<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unpacked")
    }
}
