//! Which compression a file has.

use std::path::Path;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// By gzip, in one member or in several.
    Gzip,
    /// By zstd, in one frame or in several.
    Zstd,
}

impl Compression {
    /// As many bytes at the beginning tell.
    pub const MAGIC: u64 = 64;

    /// By the first bytes (RFC 1952, RFC 8878); `None` while there are too few to tell.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
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
    #[must_use]
    pub fn foreign(head: &[u8]) -> Option<&'static str> {
        let is_bzip2 = head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY");
        let begins: [(&[u8], &str); 3] =
            [(b"\xfd7zXZ\x00", "xz"), (b"\x04\x22\x4d\x18", "lz4"), (b"PK\x03\x04", "zip")];
        let found = begins.iter().find(|(begin, _)| head.starts_with(begin)).map(|(_, name)| *name);
        if is_bzip2 { Some("bzip2") } else { found }
    }

    /// By the name, for files that are too short to tell by their bytes.
    #[must_use]
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz" | "gzip") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            _ => Self::Plain,
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
