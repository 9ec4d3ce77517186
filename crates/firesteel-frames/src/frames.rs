//! Records out of a stream of bytes, in place.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use firesteel_connect::Payload;
use firesteel_formats::{FileOrigin, Found, Head, Mismatch, Reading, Standing};
use memchr::{memchr, memchr_iter};

/// A buffer that grows with long records and hands them out where they stand.
pub struct Frames<P, R> {
    input: R,
    /// What finds the records.
    reading: P,
    buffer: Vec<u8>,
    /// The unread bytes of the buffer.
    unread: Range<usize>,
    /// The position of the first unread byte.
    position: u64,
    /// Whether the input has nothing more to give.
    dry: bool,
    /// Whether the input is complete: what it ends with is a record then, also without what should follow it.
    complete: bool,
    /// How the record began that was too long last.
    too_long: Vec<u8>,
    /// How many lines and records are before the unread bytes, as far as that is known. They are counted for who wants to know.
    lines: Option<u64>,
    records: Option<u64>,
    /// Where the last record stands, for the same.
    standing: Standing,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A record, as a stretch of [`Frames::bytes`].
    Record(Range<usize>),
    /// Bytes that are no record were passed over.
    Skipped,
    /// A record of more bytes than allowed; it is passed over, but for its [beginning](Frames::too_long).
    TooLong,
    /// Bytes of which no record can be made, and why.
    Broken(Range<usize>, String),
    /// Nothing.
    End,
}

impl<P: Reading, R: Read> Frames<P, R> {
    /// Records of an input whose first byte stands at `position`.
    pub fn new(input: R, reading: P, position: u64, capacity: usize) -> Self {
        let buffer = vec![0; capacity.max(16)];
        let (unread, dry, complete, too_long) = (0..0, false, true, Vec::new());
        // Of what comes before, nobody has counted anything.
        let none_before = (position == 0).then_some(0);
        let (lines, records, standing) = (none_before, none_before, Standing::default());
        Self { input, reading, buffer, unread, position, dry, complete, too_long, lines, records, standing }
    }

    /// The input may still grow: what it ends with is no record until it is known to have ended.
    pub fn growing(self, growing: bool) -> Self {
        Self { complete: !growing, ..self }
    }

    /// The position after what has been handed out or skipped.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What it reads from.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// What finds the records.
    pub fn reading(&self) -> &P {
        &self.reading
    }

    /// What finds the records, to read another stretch of the same file with.
    pub fn into_reading(self) -> P {
        self.reading
    }

    /// Tells what finds the records what is known of the file now. Tells whether it may be used further.
    pub fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        self.reading.moved(file)
    }

    /// Does not count lines and records any further: what begins here has to have the same numbers, whoever reads it.
    pub fn forget_numbers(&mut self) {
        (self.lines, self.records) = (None, None);
    }

    /// The line on which the last record begins, if that is known.
    pub fn line(&self) -> Option<u64> {
        self.standing.line
    }

    /// The position of the first byte of a record, which need not be the first one that belongs to it. Holds until the next
    /// call that moves on.
    pub fn begins_at(&self, record: &Range<usize>) -> u64 {
        self.position - (self.unread.start - record.start) as u64
    }

    /// The bytes of a record, until the next call that moves on.
    pub fn bytes(&self, record: Range<usize>) -> &[u8] {
        &self.buffer[record]
    }

    /// The record of these bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline]
    pub fn decode(&mut self, record: Range<usize>) -> Result<P::Item, firesteel_connect::Undecodable> {
        if P::WANTS_PLACES {
            self.reading.stands(self.standing);
        }
        self.reading.decode(&self.buffer[record])
    }

    /// Whether the file should end where it does.
    ///
    /// # Errors
    /// Why it should not: it is cut off.
    pub fn check_end(&mut self) -> Result<(), String> {
        if self.complete { self.reading.end() } else { Ok(()) }
    }

    /// The beginning of the record that was [too long](Next::TooLong).
    pub fn too_long(&self) -> &[u8] {
        &self.too_long
    }

    /// Reads what the file begins with, where the format has such a thing. `None` when it is not all there yet.
    ///
    /// # Errors
    /// Those of the input; within, what the file is that the program does not expect.
    pub fn head(&mut self, longest: usize) -> io::Result<Option<Result<(), Mismatch>>> {
        loop {
            match self.reading.head(&self.buffer[self.unread.clone()], self.dry && self.complete) {
                Ok(Head::Length(bytes)) => {
                    self.take(bytes);
                    return Ok(Some(Ok(())));
                }
                Ok(Head::More) if self.unread.len() > longest => {
                    let reason = format!("begins with more than {longest} bytes that belong to no record");
                    return Ok(Some(Err(Mismatch::new(reason))));
                }
                Ok(Head::More) if self.fill()? || self.complete => {}
                Ok(Head::More) => return Ok(None),
                Err(mismatch) => return Ok(Some(Err(mismatch))),
            }
        }
    }

    /// The next record of `longest` bytes at most.
    ///
    /// # Errors
    /// Those of the input.
    #[inline]
    pub fn next(&mut self, longest: usize) -> io::Result<Next> {
        match self.reading.find_quickly(&self.buffer[self.unread.clone()]) {
            Some((end, after)) if end <= longest => Ok(self.record(0..end, after)),
            _ => self.next_in_buffer(longest),
        }
    }

    fn next_in_buffer(&mut self, longest: usize) -> io::Result<Next> {
        match self.reading.find(&self.buffer[self.unread.clone()], false) {
            Found::Record { record, after } if record.len() <= longest => Ok(self.record(record, after)),
            found => self.next_slowly(found, longest),
        }
    }

    #[inline]
    fn record(&mut self, record: Range<usize>, after: usize) -> Next {
        let start = self.unread.start;
        if P::WANTS_PLACES {
            self.stands(record.start);
            self.records = self.records.map(|records| records + 1);
        }
        self.take(after);
        Next::Record(start + record.start..start + record.end)
    }

    /// Takes note of where the next record stands, which begins after this many bytes.
    fn stands(&mut self, begin: usize) {
        let before = &self.buffer[self.unread.start..self.unread.start + begin];
        let line = self.lines.map(|lines| lines + newlines(before) + 1);
        self.standing = Standing { position: self.position, line, record: self.records };
    }

    /// What comes next when the buffer does not hold the end of the record, or too much of it.
    #[cold]
    fn next_slowly(&mut self, mut found: Found, longest: usize) -> io::Result<Next> {
        if P::WANTS_PLACES {
            self.stands(0);
        }
        loop {
            match found {
                Found::Record { record, after } => {
                    if record.len() <= longest {
                        return Ok(self.record(record, after));
                    }
                    self.keep_beginning(record.end);
                    self.take(after);
                    self.records = None;
                    return Ok(Next::TooLong);
                }
                Found::Skip(bytes) => {
                    self.take(bytes);
                    return Ok(Next::Skipped);
                }
                Found::Broken { after, reason } => {
                    let start = self.unread.start;
                    self.take(after);
                    // Nobody knows how many they were.
                    self.records = None;
                    return Ok(Next::Broken(start..start + after, reason));
                }
                Found::More(least) if least > longest => {
                    self.keep_beginning(self.unread.len());
                    let at = self.position;
                    if self.pass()? {
                        self.records = None;
                        return Ok(Next::TooLong);
                    }
                    // It stays unread until its end has come.
                    self.position = at;
                    return Ok(Next::End);
                }
                Found::More(_) => {
                    if !self.fill()? && (self.unread.is_empty() || !self.complete) {
                        return Ok(Next::End);
                    }
                }
            }
            found = self.reading.find(&self.buffer[self.unread.clone()], self.dry && self.complete);
        }
    }

    /// Passes over a record that is too long to be held. Tells whether its end was found.
    fn pass(&mut self) -> io::Result<bool> {
        loop {
            let seen = self.reading.pass();
            self.take(seen);
            let more = self.fill()?;
            if !more && !self.complete {
                return Ok(false);
            }
            match self.reading.find(&self.buffer[self.unread.clone()], !more) {
                Found::Record { after, .. } | Found::Broken { after, .. } | Found::Skip(after) => {
                    self.take(after);
                    return Ok(true);
                }
                Found::More(_) if !more => return Ok(true),
                Found::More(_) => {}
            }
        }
    }

    /// Keeps the beginning of a record, of which this many bytes are in the buffer.
    fn keep_beginning(&mut self, bytes: usize) {
        let record = &self.buffer[self.unread.start..self.unread.start + bytes];
        self.too_long.clear();
        self.too_long.extend_from_slice(&record[..bytes.min(Payload::MOST)]);
    }

    /// Skips what is left of a line. Stops at `stop` when the newline does not come before.
    ///
    /// # Errors
    /// Those of the input.
    pub fn skip_past_newline(&mut self, stop: u64) -> io::Result<()> {
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
    ///
    /// # Errors
    /// Those of the input.
    pub fn skip_to(&mut self, target: u64) -> io::Result<Option<u8>> {
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
    ///
    /// # Errors
    /// Those of the input.
    pub fn is_dry(&mut self) -> io::Result<bool> {
        Ok(self.unread.is_empty() && !self.fill()?)
    }

    #[inline]
    fn take(&mut self, bytes: usize) {
        if P::WANTS_PLACES
            && let Some(lines) = &mut self.lines
        {
            *lines += newlines(&self.buffer[self.unread.start..self.unread.start + bytes]);
        }
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

fn newlines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use firesteel_connect::Decoding;
    use firesteel_formats::{Format, Lines};

    use super::*;

    fn lines<R: Read>(input: R, capacity: usize) -> Frames<impl Reading<Item = ()>, R> {
        let reading = Lines::of(Decoding::new(|_: &[u8]| Ok::<_, String>(()))).begin();
        Frames::new(input, reading, 0, capacity)
    }

    /// What is found in all of the text, with the position after each.
    fn all(text: &[u8], capacity: usize, longest: usize) -> Vec<(Option<Vec<u8>>, u64)> {
        let mut lines = lines(text, capacity);
        let mut found = vec![];
        loop {
            match lines.next(longest).unwrap() {
                Next::Record(line) => found.push((Some(lines.bytes(line).to_vec()), lines.position())),
                Next::TooLong => found.push((None, lines.position())),
                Next::End => return found,
                other => panic!("{other:?}"),
            }
        }
    }

    fn naive(text: &[u8], longest: usize) -> Vec<(Option<Vec<u8>>, u64)> {
        let mut position = 0;
        let line = |line: &[u8]| {
            position += line.len() as u64;
            let body = line.strip_suffix(b"\n").unwrap_or(line);
            let body = if body.len() < line.len() { body.strip_suffix(b"\r").unwrap_or(body) } else { body };
            let fits = body.len() <= longest;
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
        let mut lines = lines(&text[..], 16);
        assert_eq!(lines.next(1_000).unwrap(), Next::TooLong);
        let Next::Record(line) = lines.next(1_000).unwrap() else { panic!("no line") };
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
            let mut lines = lines(&text[..], 16);
            lines.skip_past_newline(stop).unwrap();
            let newline = text.iter().position(|byte| *byte == b'\n').map_or(text.len() as u64, |at| at as u64 + 1);
            // Where the buffer ends decides how far past `stop` it gets, never how far past the newline.
            prop_assert!(lines.position() <= newline);
            prop_assert!(lines.position() == newline || lines.position() >= stop);
        }
    }
}
