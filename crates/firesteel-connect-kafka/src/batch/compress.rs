//! The codecs of batches: gzip, snappy, lz4 and zstd, in all framings that producers write and brokers take.

use std::io::{Read, Write};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// By which codec a sink compresses its batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// By none.
    #[default]
    None,
    /// By lz4: quick, and half the bytes of JSON or fewer.
    Lz4,
    /// By gzip: smaller, and slow to write.
    Gzip,
    /// By snappy.
    Snappy,
}

impl Compression {
    /// Its number in a batch.
    pub(crate) fn codec(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
        }
    }

    /// Appends the compressed bytes.
    pub(crate) fn pack(self, plain: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::None => out.extend_from_slice(plain),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
                encoder.write_all(plain)?;
                encoder.finish()?;
            }
            Self::Snappy => pack_snappy(plain, out)?,
            Self::Lz4 => {
                let info = lz4_flex::frame::FrameInfo::new().block_mode(lz4_flex::frame::BlockMode::Independent);
                let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, out);
                encoder.write_all(plain)?;
                encoder.finish()?;
            }
        }
        Ok(())
    }
}

/// What Java's library for snappy writes before its blocks: its magic, and the numbers 1 and 1.
const SNAPPY_FRAME: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const SNAPPY_BLOCK: usize = 32 << 10;

fn pack_snappy(plain: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    out.extend_from_slice(&SNAPPY_FRAME);
    let mut encoder = snap::raw::Encoder::new();
    for block in plain.chunks(SNAPPY_BLOCK) {
        let packed = encoder.compress_vec(block)?;
        out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(())
}

/// Replaces what is in `out` by the plain bytes, of which there may be `most`.
///
/// # Errors
/// Why not, in words.
pub(crate) fn unpack(codec: u8, packed: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), String> {
    out.clear();
    match codec {
        1 => all(flate2::read::MultiGzDecoder::new(packed), out, most, "gzip"),
        2 => unpack_snappy(packed, out, most),
        3 => unpack_lz4(packed, out, most),
        4 => unpack_zstd(packed, out, most),
        other => Err(format!("it is compressed by a codec of number {other}, which this client does not know")),
    }
}

fn all(reader: impl Read, out: &mut Vec<u8>, most: usize, codec: &str) -> Result<(), String> {
    let room = most.saturating_sub(out.len()) as u64;
    let read = reader.take(room + 1).read_to_end(out);
    read.map_err(|error| format!("its {codec} cannot be unpacked: {error}"))?;
    if out.len() > most { Err(too_large(most)) } else { Ok(()) }
}

fn too_large(most: usize) -> String {
    format!("it unfolds to more than {most} bytes; `batch_unfolds_to` of the source allows more")
}

fn unpack_snappy(packed: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), String> {
    // The numbers after the magic are versions, which nobody compares.
    let Some(mut rest) = packed.get(SNAPPY_FRAME.len()..).filter(|_| packed.starts_with(&SNAPPY_FRAME[..8])) else {
        return snappy_block(packed, out, most);
    };
    while !rest.is_empty() {
        let cut = || "its snappy is cut off".to_owned();
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_be_bytes(*length) as usize;
        let block = after.get(..length).ok_or_else(cut)?;
        snappy_block(block, out, most)?;
        rest = &after[length..];
    }
    Ok(())
}

fn snappy_block(block: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), String> {
    let wrong = |error: snap::Error| format!("its snappy cannot be unpacked: {error}");
    let length = snap::raw::decompress_len(block).map_err(wrong)?;
    // A byte unfolds to 64 at most: what claims more is no snappy.
    if length / 64 > block.len() {
        return Err("its snappy claims a length that it cannot have".to_owned());
    }
    let from = out.len();
    if length > most.saturating_sub(from) {
        return Err(too_large(most));
    }
    out.resize(from + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut out[from..]).map_err(wrong)?;
    Ok(())
}

fn unpack_lz4(packed: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), String> {
    let mut rest = packed;
    loop {
        let mut decoder = lz4_flex::frame::FrameDecoder::new(rest);
        all(&mut decoder, out, most, "lz4")?;
        let after = decoder.into_inner();
        // A decoder that gets no further would never end.
        if after.is_empty() || after.len() == rest.len() {
            return Ok(());
        }
        rest = after;
    }
}

fn unpack_zstd(packed: &[u8], out: &mut Vec<u8>, most: usize) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("its zstd cannot be unpacked: {error}");
    let mut rest = packed;
    let mut frames = FrameDecoder::new();
    while !rest.is_empty() {
        match StreamingDecoder::new_with_decoder(&mut rest, &mut frames) {
            Ok(decoder) => all(decoder, out, most, "zstd")?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                rest = rest.get(length as usize..).ok_or_else(|| wrong(&"a frame to be skipped is cut off"))?;
            }
            Err(error) => return Err(wrong(&error)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 1 << 20;

    fn packed(compression: Compression, plain: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        compression.pack(plain, &mut out).unwrap();
        out
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..100_000)) {
            for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
                let mut out = b"before".to_vec();
                unpack(compression.codec(), &packed(compression, &plain), &mut out, MOST).unwrap();
                prop_assert!(out == plain, "{:?}", compression);
            }
        }

        #[test]
        fn rubbish_is_told_and_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..500), codec in 0u8..9) {
            let mut out = vec![];
            let _ = unpack(codec, &bytes, &mut out, MOST);
            prop_assert!(out.len() <= MOST + 1);
        }

        #[test]
        fn damage_is_told_and_nothing_panics(at: prop::sample::Index, byte: u8, codec in 0usize..3) {
            let compression = [Compression::Gzip, Compression::Snappy, Compression::Lz4][codec];
            let mut bytes = packed(compression, &b"clicks and ".repeat(50));
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = unpack(compression.codec(), &bytes, &mut vec![], MOST);
        }
    }

    #[test]
    fn members_and_frames_may_follow_one_another() {
        for compression in [Compression::Gzip, Compression::Lz4] {
            let bytes = [packed(compression, b"a"), packed(compression, b"bc")].concat();
            let mut out = vec![];
            unpack(compression.codec(), &bytes, &mut out, MOST).unwrap();
            assert_eq!(out, b"abc", "{compression:?}");
        }
        let raw = snap::raw::Encoder::new().compress_vec(b"plain snappy").unwrap();
        let mut out = vec![];
        unpack(2, &raw, &mut out, MOST).unwrap();
        assert_eq!(out, b"plain snappy");
        let frame = ruzstd::encoding::compress_to_vec(&b"zstd "[..], ruzstd::encoding::CompressionLevel::Fastest);
        let skipped = [&0x184d_2a50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"xyz"].concat();
        unpack(4, &[frame.clone(), skipped, frame].concat(), &mut out, MOST).unwrap();
        assert_eq!(out, b"zstd zstd ");
    }

    #[test]
    fn what_unfolds_to_too_much_is_named() {
        let zeros = vec![0; MOST + 1];
        for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
            let error = unpack(compression.codec(), &packed(compression, &zeros), &mut vec![], MOST).unwrap_err();
            assert!(error.contains("batch_unfolds_to"), "{compression:?}: {error}");
        }
    }
}
