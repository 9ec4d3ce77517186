//! Lines out of pieces of a byte stream.

use firesteel_connect::{InvalidUtf8, Payload};
use memchr::memchr;

/// Collects pieces of lines until they are whole.
#[derive(Debug)]
pub(crate) struct Splitter {
    longest: usize,
    invalid_utf8: InvalidUtf8,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// Bytes in whole lines so far.
    position: u64,
}

/// Why a line is unusable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// The bytes before the line.
    pub(crate) position: u64,
    pub(crate) reason: String,
    /// What there is of it.
    pub(crate) payload: Payload,
}

impl Splitter {
    pub(crate) fn new(longest: usize, invalid_utf8: InvalidUtf8) -> Self {
        Self { longest, invalid_utf8, partial: Vec::new(), position: 0 }
    }

    /// Takes a piece and appends the lines that are whole now. Stops at a line that is unusable.
    pub(crate) fn feed(&mut self, mut piece: &[u8], lines: &mut Vec<String>) -> Result<(), BadLine> {
        while let Some(at) = memchr(b'\n', piece) {
            let (head, rest) = piece.split_at(at + 1);
            self.check_length(&head[..at])?;
            if self.partial.is_empty() {
                lines.push(self.line(&head[..at])?);
            } else {
                self.partial.extend_from_slice(&head[..at]);
                let partial = std::mem::take(&mut self.partial);
                lines.push(self.line(&partial)?);
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
    pub(crate) fn finish(&mut self) -> Result<Option<String>, BadLine> {
        let partial = std::mem::take(&mut self.partial);
        if partial.is_empty() { Ok(None) } else { self.text(&partial).map(Some) }
    }

    /// Bytes of the line whose end has not come.
    pub(crate) fn unfinished(&self) -> usize {
        self.partial.len()
    }

    /// A whole line without its newline, perhaps with a carriage return.
    fn line(&self, line: &[u8]) -> Result<String, BadLine> {
        self.text(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn text(&self, line: &[u8]) -> Result<String, BadLine> {
        self.invalid_utf8.text(line).map(std::borrow::Cow::into_owned).map_err(|index| BadLine {
            position: self.position,
            reason: format!("byte {index} of the line is not UTF-8; have such bytes replaced, or correct the sender"),
            payload: Payload::of(line),
        })
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
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]], longest: usize) -> (Vec<String>, Result<Option<String>, BadLine>) {
        let mut splitter = Splitter::new(longest, InvalidUtf8::Fail);
        let mut lines = vec![];
        for piece in pieces {
            if let Err(bad) = splitter.feed(piece, &mut lines) {
                return (lines, Err(bad));
            }
        }
        (lines, splitter.finish())
    }

    #[test]
    fn a_bad_line_comes_after_the_good_ones_and_knows_its_place() {
        let (lines, bad) = split(&[b"one\r\ntw", b"o\ncaf\xe9\nfour\n"], 100);
        assert_eq!(lines, ["one", "two"]);
        assert!(matches!(bad, Err(BadLine { position: 9, reason, .. }) if reason.contains("byte 3")));
        let (lines, bad) = split(&[b"one\n", b"tw", b"oo", b"ooo"], 5);
        assert_eq!(lines, ["one"]);
        assert!(matches!(bad, Err(BadLine { position: 4, reason, .. }) if reason.contains("more than 5 bytes")));
        assert_eq!(split(&[b"12345\n123456\n"], 5).0, ["12345"]);
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
            let (mut lines, last) = split(&pieces, 1_000);
            lines.extend(last.unwrap());
            prop_assert_eq!(lines, text.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }
}
