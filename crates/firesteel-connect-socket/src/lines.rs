//! Lines out of pieces of a byte stream.

use std::borrow::Cow;

use firesteel_connect::{Decode, Decoded, InvalidUtf8, Payload, Undecodable, Undecoded};
use memchr::memchr;

/// The line itself as a `String`.
#[derive(Debug, Clone, Copy, Default)]
pub struct LineText {
    pub(crate) invalid_utf8: InvalidUtf8,
}

impl Decode for LineText {
    type Item = String;

    fn decode(&self, line: &[u8]) -> Result<String, Undecodable> {
        self.invalid_utf8.text(line).map(Cow::into_owned).map_err(|index| {
            let reason =
                format_args!("byte {index} of the line is not UTF-8; have such bytes replaced, or correct the sender");
            Undecodable::new(reason).at(index)
        })
    }
}

/// Collects pieces of lines until they are whole.
#[derive(Debug)]
pub(crate) struct Splitter<D> {
    longest: usize,
    decode: D,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// Bytes in whole lines so far.
    position: u64,
}

/// Why nothing can be made of what comes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// The bytes before the line.
    pub(crate) position: u64,
    pub(crate) reason: String,
    /// What there is of it.
    pub(crate) payload: Payload,
}

impl<D: Decode> Splitter<D> {
    pub(crate) fn new(longest: usize, decode: D) -> Self {
        Self { longest, decode, partial: Vec::new(), position: 0 }
    }

    /// Takes a piece and appends the lines that are whole now. Stops at a line that is too long.
    pub(crate) fn feed(&mut self, mut piece: &[u8], lines: &mut Vec<Decoded<D::Item>>) -> Result<(), BadLine> {
        while let Some(at) = memchr(b'\n', piece) {
            let (head, rest) = piece.split_at(at + 1);
            self.check_length(&head[..at])?;
            if self.partial.is_empty() {
                lines.push(self.line(&head[..at]));
            } else {
                self.partial.extend_from_slice(&head[..at]);
                let partial = std::mem::take(&mut self.partial);
                lines.push(self.line(&partial));
                // The buffer is reused for the next line that comes in pieces.
                self.position += partial.len() as u64 - at as u64;
                self.partial = partial;
                self.partial.clear();
            }
            self.position += head.len() as u64;
            piece = rest;
        }
        self.check_length(piece)?;
        self.partial.extend_from_slice(piece);
        Ok(())
    }

    /// The last line, where the stream ends without a newline.
    pub(crate) fn finish(&mut self) -> Option<Decoded<D::Item>> {
        let partial = std::mem::take(&mut self.partial);
        (!partial.is_empty()).then(|| self.record(&partial))
    }

    /// Bytes of the line whose end has not come.
    pub(crate) fn unfinished(&self) -> usize {
        self.partial.len()
    }

    /// A whole line without its newline, perhaps with a carriage return.
    fn line(&self, line: &[u8]) -> Decoded<D::Item> {
        self.record(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn record(&self, line: &[u8]) -> Decoded<D::Item> {
        self.decode.decode(line).map_err(|error| Undecoded::new(error.reason(), Payload::of(line)))
    }

    /// Makes sure that a line with this piece is not too long.
    fn check_length(&self, piece: &[u8]) -> Result<(), BadLine> {
        let length = self.partial.len() + piece.len();
        if length <= self.longest {
            return Ok(());
        }
        let reason = format!("a line of more than {} bytes; allow longer lines, or correct the sender", self.longest);
        let begin = [&self.partial[..], piece].concat();
        Err(BadLine { position: self.position, reason, payload: Payload::beginning(&begin, length as u64) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

    use proptest::prelude::*;

    use super::*;

    /// The lines, with the bytes of those that are not UTF-8, and what ended them.
    fn split(pieces: &[&[u8]], longest: usize) -> (Vec<Result<String, Vec<u8>>>, Result<(), BadLine>) {
        let mut splitter = Splitter::new(longest, LineText::default());
        let mut lines = vec![];
        let fed = pieces.iter().try_for_each(|piece| splitter.feed(piece, &mut lines));
        if fed.is_ok() {
            lines.extend(splitter.finish());
        }
        let bytes = |undecoded: Undecoded| undecoded.payload().bytes().to_vec();
        (lines.into_iter().map(|line| line.map_err(bytes)).collect(), fed)
    }

    fn good(line: &str) -> Result<String, Vec<u8>> {
        Ok(line.to_owned())
    }

    #[test]
    fn a_line_that_is_not_utf8_stands_among_the_others_and_one_that_is_too_long_ends_them() {
        let (lines, ended) = split(&[b"one\r\ntw", b"o\ncaf\xe9\r\nfour\n\xff"], 100);
        assert_eq!(lines, [good("one"), good("two"), Err(b"caf\xe9".to_vec()), good("four"), Err(b"\xff".to_vec())]);
        assert_eq!(ended, Ok(()));
        let (lines, bad) = split(&[b"one\n", b"tw", b"oo", b"ooo"], 5);
        assert_eq!(lines, [good("one")]);
        assert!(matches!(bad, Err(BadLine { position: 4, reason, .. }) if reason.contains("more than 5 bytes")));
        assert_eq!(split(&[b"12345\n123456\n"], 5).0, [good("12345")]);
    }

    #[test]
    fn a_line_that_the_decoder_refuses_stands_among_the_records_with_its_bytes() {
        let numbers = firesteel_connect::Decoding::new(|line: &[u8]| String::from_utf8_lossy(line).parse::<u8>());
        let (mut splitter, mut records) = (Splitter::new(100, numbers), vec![]);
        for piece in [&b"1\r\n2"[..], b"56\n3", b"\n4"] {
            splitter.feed(piece, &mut records).unwrap();
        }
        records.extend(splitter.finish());
        let refused = Undecoded::new("number too large to fit in target type", Payload::of(b"256"));
        assert_eq!(records, [Ok(1), Err(refused), Ok(3), Ok(4)]);
    }

    proptest! {
        #[test]
        fn however_the_stream_is_cut_the_lines_are_the_same(
            text in "[ab\r\n]{0,60}",
            cuts in proptest::collection::vec(0..60usize, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(split(&pieces, 1_000), (text.lines().map(good).collect(), Ok(())));
        }
    }
}
