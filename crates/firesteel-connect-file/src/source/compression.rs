//! Which compression a file has, and the bytes inside.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};
use std::path::Path;

use firesteel_formats::Format;

use super::gzip::GzipMembers;
use super::zstd::ZstdFrames;

/// Compressed bytes that are read at once.
const COMPRESSED_CHUNK: usize = 128 << 10;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    /// By the first bytes (RFC 1952, RFC 8878); `None` while there are too few to tell.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let gzip = [0x1f, 0x8b];
        let zstd = [0x28, 0xb5, 0x2f, 0xfd];
        // A zstd file may begin with a frame to be skipped; the low half of the first byte is free.
        let first = head.first()?;
        let skipped = [0x50 | (first & 0x0f), 0x2a, 0x4d, 0x18];
        if head.starts_with(&gzip) {
            Some(Self::Gzip)
        } else if head.starts_with(&zstd) || head.starts_with(&skipped) {
            Some(Self::Zstd)
        } else if [&gzip[..], &zstd, &skipped].iter().any(|magic| magic.starts_with(head)) {
            None
        } else {
            Some(Self::Plain)
        }
    }

    /// What has packed a file that begins like this, where nothing here unpacks it: its bytes would be taken for text.
    pub(crate) fn foreign(head: &[u8]) -> Option<&'static str> {
        let is_bzip2 = head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY");
        let begins: [(&[u8], &str); 3] =
            [(b"\xfd7zXZ\x00", "xz"), (b"\x04\x22\x4d\x18", "lz4"), (b"PK\x03\x04", "zip")];
        let found = begins.iter().find(|(begin, _)| head.starts_with(begin)).map(|(_, name)| *name);
        if is_bzip2 { Some("bzip2") } else { found }
    }

    /// By the name, for files that are too short to tell by their bytes.
    pub(crate) fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz" | "gzip") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// The text of a file, decompressed.
pub(crate) enum Input {
    Plain(Take<File>),
    Gzip(Box<GzipMembers<BufReader<File>>>),
    Zstd(Box<ZstdFrames<BufReader<File>>>),
    /// What a format has unpacked.
    Unpacked(Box<dyn Read + Send>),
}

impl Input {
    /// The bytes `[from, to)` of a plain file.
    pub(crate) fn plain(mut file: File, from: u64, to: u64) -> io::Result<Self> {
        if from > 0 {
            file.seek(SeekFrom::Start(from))?;
        }
        Ok(Self::Plain(file.take(to - from)))
    }

    /// All of a file, decompressed.
    pub(crate) fn compressed(file: File, compression: Compression) -> Self {
        if compression == Compression::Plain {
            return Self::Plain(file.take(u64::MAX));
        }
        let file = BufReader::with_capacity(COMPRESSED_CHUNK, file);
        match compression {
            Compression::Zstd => Self::Zstd(Box::new(ZstdFrames::new(file))),
            _ => Self::Gzip(Box::new(GzipMembers::new(file))),
        }
    }

    /// Whether it can be read from its beginning only.
    pub(crate) fn is_sequential(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// The same, of which a format unpacks the records, if it does.
    pub(crate) fn unpacked(self, format: &impl Format) -> Self {
        if !format.is_packed() {
            return self;
        }
        // A format that packs records unpacks them.
        format.unpack(Box::new(self)).map_or_else(|| Self::Unpacked(Box::new(std::io::empty())), Self::Unpacked)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Unpacked(unpacked) => unpacked.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Compression::{self, Gzip, Plain, Zstd};

    #[test]
    fn what_nothing_here_unpacks_is_recognized() {
        let cases: [(&[u8], Option<&str>); 6] = [
            (b"BZh91AY&SY\x12", Some("bzip2")),
            (b"BZh9 is a name", None),
            (b"\xfd7zXZ\x00\x00", Some("xz")),
            (b"\x04\x22\x4d\x18d", Some("lz4")),
            (b"PK\x03\x04", Some("zip")),
            (b"PK", None),
        ];
        for (head, expected) in cases {
            assert_eq!(Compression::foreign(head), expected, "{head:?}");
        }
    }

    #[test]
    fn the_first_bytes_tell_as_soon_as_they_can() {
        let cases: [(&[u8], Option<Compression>); 12] = [
            (b"", None),
            (b"\x1f", None),
            (b"\x1f\x8b", Some(Gzip)),
            (b"\x1fx", Some(Plain)),
            (b"(", None),
            (b"(x", Some(Plain)),
            (b"\x28\xb5\x2f", None),
            (b"\x28\xb5\x2f\xfd", Some(Zstd)),
            (b"W", None),
            (b"W\n", Some(Plain)),
            (b"\x57\x2a\x4d\x18", Some(Zstd)),
            (b"a", Some(Plain)),
        ];
        for (head, expected) in cases {
            assert_eq!(Compression::of(head), expected, "{head:?}");
        }
    }
}
