//! Lines out of a stream of bytes, in place.

use std::io::{self, Read};
use std::ops::Range;

use firesteel_connect::Payload;
use memchr::memchr;

use super::compression::Input;

/// A buffer that grows with long lines and hands lines out where they stand.
pub(crate) struct Lines<R = Input> {
    input: R,
    buffer: Vec<u8>,
    /// The unread bytes of the buffer.
    unread: Range<usize>,
    /// The position of the first unread byte.
    position: u64,
    /// Whether the input has nothing more to give.
    dry: bool,
    /// How the line began that was too long last.
    too_long: Vec<u8>,
}

/// What is found next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A line without its end, as a stretch of [`Lines::bytes`].
    Line(Range<usize>),
    /// A line of more bytes than allowed; it is passed over, but for its [beginning](Lines::too_long).
    TooLong,
    /// Nothing.
    End,
}

impl<R: Read> Lines<R> {
    /// Lines of an input whose first byte stands at `position`.
    pub(crate) fn new(input: R, position: u64, capacity: usize) -> Self {
        Self { input, buffer: vec![0; capacity.max(16)], unread: 0..0, position, dry: false, too_long: Vec::new() }
    }

    /// The position after what has been handed out or skipped.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn input(&self) -> &R {
        &self.input
    }

    /// The bytes of a line, until the next call that moves on.
    pub(crate) fn bytes(&self, line: Range<usize>) -> &[u8] {
        &self.buffer[line]
    }

    /// The beginning of the line that was [too long](Found::TooLong).
    pub(crate) fn too_long(&self) -> &[u8] {
        &self.too_long
    }

    /// Keeps the beginning of a line, of which this many bytes are in the buffer.
    fn keep_beginning(&mut self, bytes: usize) {
        let line = &self.buffer[self.unread.start..self.unread.start + bytes];
        self.too_long.clear();
        self.too_long.extend_from_slice(&line[..bytes.min(Payload::MOST)]);
    }

    /// The next line of `longest` bytes at most, and the position after it.
    #[inline]
    pub(crate) fn next(&mut self, longest: usize) -> io::Result<Found> {
        match memchr(b'\n', &self.buffer[self.unread.clone()]) {
            Some(length) if length <= longest => Ok(self.terminated(length)),
            _ => self.next_slowly(longest),
        }
    }

    /// Takes the line whose newline is this many bytes on.
    #[inline]
    fn terminated(&mut self, length: usize) -> Found {
        let start = self.unread.start;
        let mut end = start + length;
        self.take(length + 1);
        if end > start && self.buffer[end - 1] == b'\r' {
            end -= 1;
        }
        Found::Line(start..end)
    }

    /// The next line when the buffer does not hold the end of it, or too much of it.
    #[cold]
    fn next_slowly(&mut self, longest: usize) -> io::Result<Found> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr(b'\n', &self.buffer[self.unread.start + searched..self.unread.end]) {
                let length = searched + at;
                if length <= longest {
                    return Ok(self.terminated(length));
                }
                self.keep_beginning(length);
                self.take(length + 1);
                return Ok(Found::TooLong);
            }
            searched = self.unread.len();
            if searched > longest {
                self.keep_beginning(searched);
                self.skip_past_newline(u64::MAX)?;
                return Ok(Found::TooLong);
            }
            if !self.fill()? {
                let line = self.unread.clone();
                self.take(line.len());
                return Ok(if line.is_empty() { Found::End } else { Found::Line(line) });
            }
        }
    }

    /// Skips what is left of a line. Stops at `stop` when the newline does not come before.
    pub(crate) fn skip_past_newline(&mut self, stop: u64) -> io::Result<()> {
        while self.position < stop {
            match memchr(b'\n', &self.buffer[self.unread.clone()]) {
                Some(length) => {
                    self.take(length + 1);
                    return Ok(());
                }
                None => self.take(self.unread.len()),
            }
            if !self.fill()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Skips to `target`; tells the byte before it, or `None` when the input ends sooner or nothing was skipped.
    pub(crate) fn skip_to(&mut self, target: u64) -> io::Result<Option<u8>> {
        let mut before = None;
        while self.position < target {
            if self.unread.is_empty() && !self.fill()? {
                return Ok(None);
            }
            let step = self.unread.len().min(usize::try_from(target - self.position).unwrap_or(usize::MAX));
            before = Some(self.buffer[self.unread.start + step - 1]);
            self.take(step);
        }
        Ok(before)
    }

    /// Whether nothing at all is left.
    pub(crate) fn is_dry(&mut self) -> io::Result<bool> {
        Ok(self.unread.is_empty() && !self.fill()?)
    }

    #[inline]
    fn take(&mut self, bytes: usize) {
        self.unread.start += bytes;
        self.position += bytes as u64;
    }

    /// Reads more after the unread bytes; tells whether more came.
    fn fill(&mut self) -> io::Result<bool> {
        if self.dry {
            return Ok(false);
        }
        if self.unread.start > 0 {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) => {
                    self.dry = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.unread.end += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What is found in all of the text, with the position after each.
    fn all(text: &[u8], capacity: usize, longest: usize) -> Vec<(Option<Vec<u8>>, u64)> {
        let mut lines = Lines::new(text, 0, capacity);
        let mut found = vec![];
        loop {
            match lines.next(longest).unwrap() {
                Found::Line(line) => found.push((Some(lines.bytes(line).to_vec()), lines.position())),
                Found::TooLong => found.push((None, lines.position())),
                Found::End => return found,
            }
        }
    }

    fn naive(text: &[u8], longest: usize) -> Vec<(Option<Vec<u8>>, u64)> {
        let mut position = 0;
        let line = |line: &[u8]| {
            position += line.len() as u64;
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            let fits = body.len() <= longest;
            let body = if body.len() < line.len() { body.strip_suffix(b"\r").unwrap_or(body) } else { body };
            (fits.then(|| body.to_vec()), position)
        };
        text.split_inclusive(|byte| *byte == b'\n').map(line).collect()
    }

    #[test]
    fn ends_of_lines_are_cut_off_and_nothing_else() {
        let found = all(b"a\r\n\r\n\nb\r\rc\r", 16, 100);
        let lines: Vec<_> = found.iter().map(|(line, at)| (line.as_deref().unwrap(), *at)).collect();
        assert_eq!(lines, [(&b"a"[..], 3), (b"", 5), (b"", 6), (b"b\r\rc\r", 11)]);
    }

    #[test]
    fn the_buffer_does_not_grow_far_beyond_the_longest_line() {
        let text = [vec![b'x'; 1 << 20], vec![b'\n', b'y']].concat();
        let mut lines = Lines::new(&text[..], 0, 16);
        assert_eq!(lines.next(1_000).unwrap(), Found::TooLong);
        let Found::Line(line) = lines.next(1_000).unwrap() else { panic!("no line") };
        assert_eq!(lines.bytes(line), b"y");
        assert!(lines.buffer.len() <= 2_048, "{}", lines.buffer.len());
    }

    proptest! {
        #[test]
        fn any_text_at_any_size_of_buffer_splits_as_the_standard_library_splits_it(
            text in vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), Just(b'b')], 0..200),
            capacity in 16..64usize,
            longest in 1..60usize,
        ) {
            prop_assert_eq!(all(&text, capacity, longest), naive(&text, longest));
        }

        #[test]
        fn skipping_ends_after_a_newline_or_where_it_was_told(
            text in vec(prop_oneof![1 => Just(b'\n'), 9 => Just(b'a')], 1..200),
            stop in 0..250u64,
        ) {
            let mut lines = Lines::new(&text[..], 0, 16);
            lines.skip_past_newline(stop).unwrap();
            let newline = text.iter().position(|byte| *byte == b'\n').map_or(text.len() as u64, |at| at as u64 + 1);
            // Where the buffer ends decides how far past `stop` it gets, never how far past the newline.
            prop_assert!(lines.position() <= newline);
            prop_assert!(lines.position() == newline || lines.position() >= stop);
        }
    }
}
