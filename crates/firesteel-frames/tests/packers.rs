//! What bzip2, xz and lz4 pack is unpacked, stream after stream; what is cut or damaged is told.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::{ErrorKind, Read, Write};

use firesteel_frames::{Compression, Unpacked};

fn bzip2(text: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn xz(text: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn lz4(text: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn read(bytes: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let compression = Compression::of(bytes).unwrap();
    let mut text = Vec::new();
    let mut unpacked = Unpacked::of(bytes, compression);
    let error = unpacked.read_to_end(&mut text).err().map(|error| error.kind());
    // Asked again after an error, it does not panic.
    if error.is_some() {
        _ = unpacked.read(&mut [0; 10]);
    }
    (text, error)
}

#[test]
fn streams_follow_each_other_and_empty_ones_are_empty() {
    for (name, pack) in [("bzip2", bzip2 as fn(&[u8]) -> Vec<u8>), ("xz", xz), ("lz4", lz4)] {
        let whole = [pack(b"one\n"), pack(b""), pack(b"two\n")].concat();
        assert_eq!(Compression::of(&whole).map(Compression::name), Some(name));
        assert_eq!(read(&whole), (b"one\ntwo\n".to_vec(), None), "{name}");
        assert_eq!(read(&pack(b"")), (vec![], None), "{name}");
        let long = "0123456789\n".repeat(200_000);
        assert_eq!(read(&pack(long.as_bytes())), (long.clone().into_bytes(), None), "{name}");
        let padded = [&whole[..], &[0; 512]].concat();
        assert_eq!(read(&padded), (b"one\ntwo\n".to_vec(), None), "{name}");
        let (text, error) = read(&[&whole[..], b"and more"].concat());
        assert_eq!((&text[..], error.is_some()), (&b"one\ntwo\n"[..], true), "{name}");
    }
    let skipped = [&lz4(b"one\n")[..], b"\x51\x2a\x4d\x18\x03\0\0\0abc", &lz4(b"two\n")].concat();
    assert_eq!(read(&skipped), (b"one\ntwo\n".to_vec(), None));
}

#[test]
fn what_is_cut_ends_in_the_middle_and_what_is_damaged_is_found() {
    for (name, pack) in [("bzip2", bzip2 as fn(&[u8]) -> Vec<u8>), ("xz", xz), ("lz4", lz4)] {
        let text: String = (0..2_000).map(|n| format!("{n}\n")).collect();
        let whole = pack(text.as_bytes());
        for cut in (10..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let (found, error) = read(&whole[..cut]);
            assert_eq!(error, Some(ErrorKind::UnexpectedEof), "{name} cut at {cut} of {}", whole.len());
            assert!(text.as_bytes().starts_with(&found), "{name} cut at {cut}");
        }
        let mut unfound = 0;
        for at in (10..whole.len()).step_by(11) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            let (found, error) = read(&damaged);
            unfound += usize::from(error.is_none() && found != text.as_bytes());
        }
        assert_eq!(unfound, 0, "{name}");
    }
}

/// A file that cannot be read any more from a place on, as one on a disk or in a store that is away.
struct Failing<'a> {
    bytes: &'a [u8],
    from: usize,
}

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.from.min(self.bytes.len());
        if left == 0 {
            // Who continues to read finds other bytes than those that come next.
            self.from = usize::MAX;
            return Err(std::io::Error::other("the store is away"));
        }
        let count = buffer.len().min(left).min(10);
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        (self.bytes, self.from) = (&self.bytes[count..], self.from - count);
        Ok(count)
    }
}

#[test]
fn what_cannot_be_read_is_not_taken_for_damaged() {
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |text: &[u8]| ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest);
    let text: String = (0..2_000).map(|n| format!("{n}\n")).collect();
    let text = text.as_bytes();
    for whole in [gzip(text), zstd(text), bzip2(text), xz(text), lz4(text)] {
        let compression = Compression::of(&whole).unwrap();
        for from in [0, 5, 20, whole.len() / 2, whole.len() - 1] {
            let mut found = Vec::new();
            let error = Unpacked::of(Failing { bytes: &whole, from }, compression).read_to_end(&mut found).unwrap_err();
            let name = compression.name();
            assert_eq!(
                (error.kind(), &*error.to_string()),
                (ErrorKind::Other, "the store is away"),
                "{name} at {from}"
            );
            assert!(text.starts_with(&found), "{name} at {from}");
        }
    }
}
