//! The bytes inside of what is compressed.

use std::fmt;
use std::io::{self, BufReader, Read};

use firesteel_formats::Format;
use flate2::bufread::GzDecoder;

use crate::compression::{Compression, TextEncoding};
use crate::members::Members;
use crate::source_errors::{SourceError, Watched};
use crate::zstd::ZstdFrames;

/// Compressed bytes that are read at once.
const COMPRESSED_CHUNK: usize = 128 << 10;

/// The bytes of a stream, decompressed.
///
/// An error of the stream itself comes out as it is, and never as one of what is in it.
pub struct Unpacked<R: Read> {
    by: By<R>,
    error: SourceError,
}

/// The stream as a decompressor reads it.
type Buffered<R> = BufReader<Watched<R>>;

enum By<R: Read> {
    Nothing(R),
    Gzip(Box<Members<GzDecoder<Buffered<R>>>>),
    Zstd(Box<ZstdFrames<Buffered<R>>>),
    #[cfg(feature = "bzip2")]
    Bzip2(Box<Members<bzip2::bufread::BzDecoder<Buffered<R>>>>),
    #[cfg(feature = "xz")]
    Xz(Box<crate::xz::XzStreams<Buffered<R>>>),
    #[cfg(feature = "lz4")]
    Lz4(Box<Members<crate::lz4::Lz4Frame<Buffered<R>>>>),
    #[cfg(feature = "encodings")]
    Encoded(Box<crate::encoded::Encoded<Unpacked<R>>>),
    /// What this is built without.
    #[allow(dead_code, reason = "nothing is missing where all features are on")]
    Missing(&'static str),
    /// A format.
    Format(Box<dyn Read + Send>),
}

impl<R: Read> Unpacked<R> {
    /// The bytes of a stream that is compressed like this, from its beginning.
    #[must_use]
    pub fn of(stream: R, compression: Compression) -> Self {
        let error = SourceError::default();
        let buffered = |stream| BufReader::with_capacity(COMPRESSED_CHUNK, error.of(stream));
        let by = match compression {
            Compression::Plain => By::Nothing(stream),
            Compression::Gzip => By::Gzip(Box::new(Members::new(buffered(stream)))),
            Compression::Zstd => By::Zstd(Box::new(ZstdFrames::new(buffered(stream)))),
            #[cfg(feature = "bzip2")]
            Compression::Bzip2 => By::Bzip2(Box::new(Members::new(buffered(stream)))),
            #[cfg(feature = "xz")]
            Compression::Xz => By::Xz(Box::new(crate::xz::XzStreams::new(buffered(stream)))),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => By::Lz4(Box::new(Members::new(buffered(stream)))),
            #[cfg(not(all(feature = "bzip2", feature = "xz", feature = "lz4")))]
            missing => By::Missing(missing.name()),
        };
        Self { by, error }
    }

    fn by(by: By<R>) -> Self {
        Self { by, error: SourceError::default() }
    }

    /// The text in it, as UTF-8, where it is encoded like this. Each part of it that is no text becomes a byte that is no UTF-8.
    #[must_use]
    pub fn encoded(self, encoding: TextEncoding) -> Self {
        #[cfg(feature = "encodings")]
        return match encoding {
            TextEncoding::Utf8 => self,
            _ => Self::by(By::Encoded(Box::new(crate::encoded::Encoded::new(self, encoding)))),
        };
        #[cfg(not(feature = "encodings"))]
        if encoding == TextEncoding::Utf8 { self } else { Self::by(By::Missing("encodings")) }
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
        let error = SourceError::default();
        let unpacked = format.unpack(Box::new(error.of(self))).unwrap_or_else(|| Box::new(io::empty()));
        Self { by: By::Format(unpacked), error }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.by {
            By::Nothing(stream) => return stream.read(buffer),
            By::Gzip(decoder) => decoder.read(buffer),
            By::Zstd(decoder) => decoder.read(buffer),
            #[cfg(feature = "bzip2")]
            By::Bzip2(decoder) => decoder.read(buffer),
            #[cfg(feature = "xz")]
            By::Xz(decoder) => decoder.read(buffer),
            #[cfg(feature = "lz4")]
            By::Lz4(decoder) => decoder.read(buffer),
            #[cfg(feature = "encodings")]
            By::Encoded(decoder) => decoder.read(buffer),
            By::Missing(feature) => {
                let text = format!("this program is built without the feature `{feature}`");
                Err(io::Error::new(io::ErrorKind::Unsupported, text))
            }
            By::Format(unpacked) => unpacked.read(buffer),
        };
        read.map_err(|error| self.error.instead_of(error))
    }
}

impl<R: Read> fmt::Debug for Unpacked<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unpacked")
    }
}
