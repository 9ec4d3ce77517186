//! Text in other encodings than UTF-8.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::compression::TextEncoding;

/// Read at once.
const CHUNK: usize = 64 << 10;
/// Stands for what does not decode: no byte of UTF-8, so that the line which has it is refused like any other that is none.
const NO_TEXT: u8 = 0xff;

/// The text of a stream, as UTF-8.
pub(crate) struct Encoded<R> {
    stream: R,
    /// Nothing where each byte is the number of its character.
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    /// What has not been decoded, and what has and was not read.
    left: std::ops::Range<usize>,
    text: Vec<u8>,
    given: usize,
    is_over: bool,
}

impl<R: Read> Encoded<R> {
    pub(crate) fn new(stream: R, encoding: TextEncoding) -> Self {
        let decoder = match encoding {
            TextEncoding::Utf8 | TextEncoding::Latin1 => None,
            // A mark tells the order; without one, the low byte comes first, as Windows has it.
            TextEncoding::Utf16 => Some(UTF_16LE.new_decoder()),
            TextEncoding::Utf16Le => Some(UTF_16LE.new_decoder_with_bom_removal()),
            TextEncoding::Utf16Be => Some(UTF_16BE.new_decoder_with_bom_removal()),
            TextEncoding::Windows1252 => Some(WINDOWS_1252.new_decoder_without_bom_handling()),
        };
        Self { stream, decoder, raw: vec![0; CHUNK], left: 0..0, text: Vec::new(), given: 0, is_over: false }
    }

    /// Decodes what is there; of the last bytes, what is no whole character is none.
    fn decode(&mut self, is_last: bool) {
        self.text.clear();
        self.given = 0;
        let bytes = &self.raw[self.left.clone()];
        let Some(decoder) = &mut self.decoder else {
            self.text.resize(bytes.len() * 2, 0);
            let written = encoding_rs::mem::convert_latin1_to_utf8(bytes, &mut self.text);
            self.text.truncate(written);
            self.left = 0..0;
            return;
        };
        // Three bytes of UTF-8 for each two or one, and for what was begun before.
        let mut text = vec![0; bytes.len() * 3 + 16];
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut text, is_last);
        text.truncate(written);
        self.text = text;
        self.left.start += read;
        if matches!(result, DecoderResult::Malformed(..)) {
            self.text.push(NO_TEXT);
        }
        self.is_over |= is_last && result == DecoderResult::InputEmpty;
    }
}

impl<R: Read> Read for Encoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.given < self.text.len() {
                let count = buffer.len().min(self.text.len() - self.given);
                buffer[..count].copy_from_slice(&self.text[self.given..self.given + count]);
                self.given += count;
                return Ok(count);
            }
            if self.is_over || buffer.is_empty() {
                return Ok(0);
            }
            if self.left.is_empty() {
                let count = self.stream.read(&mut self.raw)?;
                self.left = 0..count;
                if count == 0 {
                    self.is_over |= self.decoder.is_none();
                    self.decode(true);
                    continue;
                }
            }
            self.decode(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], encoding: TextEncoding) -> Vec<u8> {
        let mut text = Vec::new();
        // One byte comes at a time.
        let mut encoded = Encoded::new(Slow(bytes), encoding);
        encoded.read_to_end(&mut text).unwrap();
        let mut whole = Vec::new();
        Encoded::new(bytes, encoding).read_to_end(&mut whole).unwrap();
        assert_eq!(text, whole);
        text
    }

    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let some = buffer.len().min(1);
            self.0.read(&mut buffer[..some])
        }
    }

    #[test]
    fn text_is_decoded_and_what_is_none_is_no_text() {
        let le: Vec<u8> = "\u{feff}a\u{e4}\u{20ac}\u{1f980}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = "\u{feff}a\u{e4}\u{20ac}\u{1f980}\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let expected = "a\u{e4}\u{20ac}\u{1f980}\n".as_bytes();
        assert_eq!(text(&le, TextEncoding::Utf16), expected);
        assert_eq!(text(&be, TextEncoding::Utf16), expected);
        assert_eq!(text(&le[2..], TextEncoding::Utf16), expected);
        assert_eq!(text(&le[2..], TextEncoding::Utf16Le), expected);
        assert_eq!(text(&be, TextEncoding::Utf16Be), expected);
        // Half a pair of surrogates, and half a unit at the end.
        assert_eq!(text(&[0x3e, 0xd8, b'\n', 0, b'x', 0, b'y'], TextEncoding::Utf16Le), b"\xff\nx\xff");
        assert_eq!(text(b"a\xe4\x80\n", TextEncoding::Windows1252), "a\u{e4}\u{20ac}\n".as_bytes());
        assert_eq!(text(b"a\xe4\x80\n", TextEncoding::Latin1), "a\u{e4}\u{80}\n".as_bytes());
        assert_eq!(text(b"", TextEncoding::Utf16), b"");
    }
}
