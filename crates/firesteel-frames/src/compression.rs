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
    /// By bzip2, in one stream or in several; unpacked with the feature `bzip2`.
    Bzip2,
    /// By xz, in one stream or in several; unpacked with the feature `xz`.
    Xz,
    /// By lz4, in one frame or in several; unpacked with the feature `lz4`.
    Lz4,
}

/// How text is encoded. All but UTF-8 are decoded with the feature `encodings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextEncoding {
    /// As it is.
    Utf8,
    /// UTF-16, in the order of bytes that its mark says; the low byte first where it has none.
    Utf16,
    /// UTF-16, the low byte first.
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
    /// Latin-1 (ISO 8859-1): each byte is the number of its character.
    Latin1,
    /// Windows-1252, which has other characters than Latin-1 from 0x80 to 0x9f.
    Windows1252,
}

/// What bzip2 files have after their first four bytes: a block, or, of empty ones, the end.
const BZIP2: [&[u8]; 2] = [b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"];
const XZ: &[u8] = b"\xfd7zXZ\x00";
const LZ4: &[u8] = b"\x04\x22\x4d\x18";

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
        } else if let Some(other) = [Self::Bzip2, Self::Xz, Self::Lz4].into_iter().find(|other| other.begins(head)) {
            Some(other)
        } else if [&gzip[..], &zstd, &skipped].iter().any(|magic| magic.starts_with(head)) || may_become(head) {
            None
        } else {
            Some(Self::Plain)
        }
    }

    /// Whether a file begins as those of this packer do.
    fn begins(self, head: &[u8]) -> bool {
        match self {
            Self::Bzip2 => is_bzip2(head),
            Self::Xz => head.starts_with(XZ),
            Self::Lz4 => head.starts_with(LZ4),
            _ => false,
        }
    }

    /// What it is called, as the feature which it needs is, if any.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
        }
    }

    /// Whether this program is built with what unpacks it.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Plain | Self::Gzip | Self::Zstd => true,
            Self::Bzip2 => cfg!(feature = "bzip2"),
            Self::Xz => cfg!(feature = "xz"),
            Self::Lz4 => cfg!(feature = "lz4"),
        }
    }

    /// What is said of a file that begins like this where nothing here unpacks it, and its bytes would be taken for text.
    #[must_use]
    pub fn refused(head: &[u8]) -> Option<String> {
        let packer = Self::foreign(head)?;
        let advice = if packer == "zip" {
            "unpack it, or use gzip or zstd".to_owned()
        } else {
            format!("build the program with the feature `{packer}`, unpack the file, or use gzip or zstd")
        };
        Some(format!("it is packed by {packer}, which is not unpacked here: {advice}"))
    }

    /// What has packed a file that begins like this, where nothing here unpacks it.
    fn foreign(head: &[u8]) -> Option<&'static str> {
        let other = [Self::Bzip2, Self::Xz, Self::Lz4].into_iter().find(|other| other.begins(head));
        let other = other.filter(|other| !other.is_built_in()).map(Self::name);
        other.or_else(|| head.starts_with(b"PK\x03\x04").then_some("zip"))
    }

    /// By the name, for files that are too short to tell by their bytes.
    #[must_use]
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz" | "gzip") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstd,
            Some("bz2") => Self::Bzip2,
            Some("xz") => Self::Xz,
            Some("lz4") => Self::Lz4,
            _ => Self::Plain,
        }
    }
}

fn is_bzip2(head: &[u8]) -> bool {
    head.starts_with(b"BZh")
        && head.get(3).is_some_and(u8::is_ascii_digit)
        && BZIP2.contains(&head.get(4..10).unwrap_or(&[]))
}

/// Whether more bytes may tell that a packer which is built in has made it.
fn may_become(head: &[u8]) -> bool {
    let mut bzip2 = *b"BZh9......";
    bzip2[3] = head.get(3).copied().filter(u8::is_ascii_digit).unwrap_or(b'9');
    let may_be_bzip2 = |end: &&[u8]| {
        let mut whole = bzip2;
        whole[4..].copy_from_slice(end);
        whole.starts_with(head)
    };
    (Compression::Bzip2.is_built_in() && BZIP2.iter().any(may_be_bzip2))
        || (Compression::Xz.is_built_in() && XZ.starts_with(head))
        || (Compression::Lz4.is_built_in() && LZ4.starts_with(head))
}

#[cfg(test)]
mod tests {
    use super::Compression::{self, Bzip2, Gzip, Lz4, Plain, Xz, Zstd};

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
            let is_built_in =
                [Bzip2, Xz, Lz4].iter().any(|other| Some(other.name()) == expected && other.is_built_in());
            assert_eq!(Compression::foreign(head), expected.filter(|_| !is_built_in), "{head:?}");
        }
        assert_eq!(Compression::of(b"BZh91AY&SY"), Some(Bzip2));
        assert_eq!(Compression::of(b"BZh9\x17\x72\x45\x38\x50\x90"), Some(Bzip2));
        assert_eq!(Compression::of(b"BZh9 is a name"), Some(Plain));
        assert_eq!(Compression::of(b"BZ"), (!Bzip2.is_built_in()).then_some(Plain));
        assert_eq!((Compression::of(b"\xfd7zXZ\x00"), Compression::of(b"\x04\x22\x4d\x18")), (Some(Xz), Some(Lz4)));
        assert_eq!(Compression::of(b"\xfd7z"), (!Xz.is_built_in()).then_some(Plain));
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
