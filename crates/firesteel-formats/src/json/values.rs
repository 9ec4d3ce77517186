//! JSON values that are not one a line.

use std::fmt;
use std::sync::Arc;

use firesteel_connect::{Decode, Undecodable};
use memchr::memchr2;
use serde::de::DeserializeOwned;

use super::Json;
use crate::by_path::{ByPath, OnBoth};
use crate::format::{Format, Found, Head, Reading};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;

/// Files of JSON values that follow one another, or are the elements of one array; over several lines or not.
///
/// Where a value ends is told by its brackets. A value that is not closed takes what follows it, up to the end of the file or to
/// the longest record that is allowed, and is refused with that: where values can be damaged, one a line is the better
/// format. Files are read by one task at a time.
///
/// ```
/// use firesteel_formats::{Format, Found, Json, Reading};
///
/// let mut reading = Json::<Vec<u8>>::new().values().begin();
/// assert_eq!(reading.find(b"[\n  1\n]\n[2]", false), Found::Record { record: 0..7, after: 7 });
/// assert_eq!(reading.decode(b"[\n  1\n]"), Ok(vec![1]));
/// ```
pub struct JsonValues<T> {
    json: Json<T>,
    in_array: bool,
}

impl<T> Json<T> {
    /// Files of values that follow one another, pretty-printed or not, with or without spaces between.
    #[must_use]
    pub fn values(self) -> JsonValues<T> {
        JsonValues { json: self, in_array: false }
    }

    /// Files of one array each, whose elements are the records.
    #[must_use]
    pub fn array(self) -> JsonValues<T> {
        JsonValues { json: self, in_array: true }
    }
}

impl<T: DeserializeOwned + Send + 'static> Format for JsonValues<T> {
    type Item = T;
    type Reading = ReadingValues<T>;

    fn name(&self) -> &'static str {
        "JSON"
    }

    fn is_text(&self) -> bool {
        true
    }

    fn begin(&self) -> ReadingValues<T> {
        ReadingValues {
            json: self.json.clone(),
            in_array: self.in_array,
            state: State::Before,
            seen: 0,
            begin: 0,
            is_closed: true,
        }
    }

    fn has_head(&self) -> bool {
        self.in_array
    }

    fn looks_at_files(&self) -> bool {
        self.takes_path_columns()
    }

    fn of_file(&self, file: &Arc<FileOrigin>) -> Result<Self, Mismatch> {
        self.of_path(file)
    }
}

impl<T: DeserializeOwned + Send + 'static> ByPath for JsonValues<T> {
    fn with_path_columns(self, both: OnBoth) -> Self {
        Self { json: self.json.with_path_columns(both), ..self }
    }

    fn takes_path_columns(&self) -> bool {
        self.json.path.is_asked()
    }

    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        Ok(Self { json: self.json.of_path(file)?, in_array: self.in_array })
    }
}

/// Reads JSON values.
#[derive(Debug)]
pub struct ReadingValues<T> {
    json: Json<T>,
    in_array: bool,
    state: State,
    /// How many bytes have been looked at.
    seen: usize,
    /// Where the value begins.
    begin: usize,
    /// Whether the array is closed, where there is one.
    is_closed: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// What stands before the value; whether a comma was there.
    Before,
    AfterComma,
    /// Within this many brackets.
    Within(usize),
    /// In a text, within this many brackets.
    Text(usize),
    /// After a `\` in a text.
    Escaped(usize),
    /// A number, `true`, `false` or `null`.
    Word,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<T> ReadingValues<T> {
    /// The value has ended.
    fn value(&mut self, end: usize) -> Found {
        let begin = self.begin;
        self.forget();
        Found::Record { record: begin..end, after: end }
    }

    fn broken(&mut self, after: usize, reason: &str) -> Found {
        self.forget();
        Found::Broken { after, reason: format!("JSON: {reason}") }
    }

    fn forget(&mut self) {
        (self.state, self.seen, self.begin) = (State::Before, 0, 0);
    }

    /// Looks at the next byte. `None` while the value continues.
    fn step(&mut self, byte: u8) -> Option<Found> {
        let at = self.seen;
        self.seen += 1;
        match self.state {
            State::Text(depth) => match byte {
                b'\\' => self.state = State::Escaped(depth),
                b'"' if depth == 0 => return Some(self.value(at + 1)),
                b'"' => self.state = State::Within(depth),
                _ => {}
            },
            State::Escaped(depth) => self.state = State::Text(depth),
            State::Within(depth) => match byte {
                b'"' => self.state = State::Text(depth),
                b'{' | b'[' => self.state = State::Within(depth + 1),
                b'}' | b']' if depth == 1 => return Some(self.value(at + 1)),
                b'}' | b']' => self.state = State::Within(depth - 1),
                _ => {}
            },
            State::Word if byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}' | b'{' | b'[' | b'"') => {
                return Some(self.value(at));
            }
            State::Word => {}
            State::Before | State::AfterComma => return self.begins(byte, at),
        }
        None
    }

    fn begins(&mut self, byte: u8, at: usize) -> Option<Found> {
        self.begin = at;
        match byte {
            _ if byte.is_ascii_whitespace() => {}
            // What is blank is passed over by itself, so that all else begins where it begins.
            _ if at > 0 && matches!(self.state, State::Before) => {
                self.forget();
                return Some(Found::Skip(at));
            }
            b',' if self.in_array && matches!(self.state, State::Before) => self.state = State::AfterComma,
            b']' if self.in_array && !self.is_closed && matches!(self.state, State::Before) => {
                self.is_closed = true;
                self.forget();
                return Some(Found::Skip(at + 1));
            }
            b',' | b']' | b'}' => {
                let reason = format!("`{}` stands where a value should", char::from(byte));
                return Some(self.broken(at + 1, &reason));
            }
            _ if self.in_array && self.is_closed => {
                return Some(self.broken(at + 1, "something follows the end of the array"));
            }
            b'{' | b'[' => self.state = State::Within(1),
            b'"' => self.state = State::Text(0),
            _ => self.state = State::Word,
        }
        None
    }

    /// Passes over what cannot end the value.
    fn run(&mut self, bytes: &[u8]) {
        if let State::Text(_) = self.state {
            self.seen += memchr2(b'"', b'\\', &bytes[self.seen..]).unwrap_or(bytes.len() - self.seen);
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Reading for ReadingValues<T> {
    type Item = T;

    fn head(&mut self, bytes: &[u8], ended: bool) -> Result<Head, Mismatch> {
        let marked = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        match bytes[marked..].iter().position(|byte| !byte.is_ascii_whitespace()) {
            _ if bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(bytes) && !ended => Ok(Head::More),
            Some(at) if bytes[marked + at] == b'[' => {
                self.is_closed = false;
                Ok(Head::Length(marked + at + 1))
            }
            Some(_) => Err(Mismatch::new("is no JSON array: it does not begin with `[`")),
            None if ended => Ok(Head::Length(bytes.len())),
            None => Ok(Head::More),
        }
    }

    fn find(&mut self, bytes: &[u8], ended: bool) -> Found {
        if self.seen == 0 && matches!(self.state, State::Before) && bytes.first() == Some(&BYTE_ORDER_MARK[0]) {
            if bytes.starts_with(BYTE_ORDER_MARK) {
                return Found::Skip(BYTE_ORDER_MARK.len());
            }
            if BYTE_ORDER_MARK.starts_with(bytes) && !ended {
                return Found::More(0);
            }
        }
        while self.seen < bytes.len() {
            self.run(bytes);
            if let Some(found) = bytes.get(self.seen).and_then(|byte| self.step(*byte)) {
                return found;
            }
        }
        match self.state {
            State::Before if self.seen > 0 => {
                let blank = self.seen;
                self.forget();
                Found::Skip(blank)
            }
            _ if !ended => Found::More(self.seen.saturating_sub(self.begin)),
            State::AfterComma => self.broken(bytes.len(), "a comma stands where the array should end"),
            _ => self.value(bytes.len()),
        }
    }

    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        self.json.path.is_same(file)
    }

    fn pass(&mut self) -> usize {
        self.begin = 0;
        std::mem::take(&mut self.seen)
    }

    fn decode(&mut self, record: &[u8]) -> Result<T, Undecodable> {
        self.json.decode(record)
    }

    fn end(&mut self) -> Result<(), String> {
        if self.is_closed {
            return Ok(());
        }
        Err("the array is not closed: there is no `]` at its end; was it complete when it was put here?".to_owned())
    }
}

impl<T> Clone for JsonValues<T> {
    fn clone(&self) -> Self {
        Self { json: self.json.clone(), in_array: self.in_array }
    }
}

impl<T> fmt::Debug for JsonValues<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonValues").field("json", &self.json).field("in_array", &self.in_array).finish()
    }
}
