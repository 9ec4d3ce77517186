//! Records of several lines.

use std::fmt;
use std::sync::Arc;

use firesteel_connect::{Decode, Undecodable};
use memchr::memchr;
use regex::bytes::Regex;

use crate::by_path::{ByPath, LooksAtPath, OnBoth};
use crate::format::{BadFormat, Format, Found, Reading};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;

/// This much of a line is looked at to tell whether a record begins with it.
const LOOKED_AT: usize = 1 << 10;

/// Records of several lines, as logs with stack traces have them: a rule says with which line one begins. What a decoder gets is
/// all of the record's lines.
///
/// The last record of a file is there when the file has ended; of a file that is followed, when the next one begins. Blank lines
/// begin no record; those after a record's last line are none of it. A rule looks at the first 1,024 bytes of a line.
///
/// ```
/// use firesteel_connect::Decoding;
/// use firesteel_formats::{Format, Found, Multiline, Reading};
///
/// let count = Decoding::new(|record: &[u8]| Ok::<_, &str>(record.split(|byte| *byte == b'\n').count()));
/// let text = b"panic: no\n  at main\n  at run\nnext\n";
/// let mut reading = Multiline::indented(count).begin();
/// assert_eq!(reading.find(text, false), Found::Record { record: 0..28, after: 29 });
/// assert_eq!(reading.decode(&text[..28]), Ok(3));
/// ```
#[derive(Debug, Clone)]
pub struct Multiline<D> {
    rule: Rule,
    decode: D,
    by_path: Option<LooksAtPath<D>>,
    file: Option<Arc<FileOrigin>>,
}

#[derive(Clone)]
enum Rule {
    /// A line that matches begins a record.
    Starts(Result<Regex, Arc<str>>),
    /// A line that does not match begins a record.
    Continues(Result<Regex, Arc<str>>),
    /// A line that begins with a space or a tab continues one.
    Indented,
}

impl Rule {
    fn begins(&self, line: &[u8]) -> bool {
        match self {
            Self::Starts(rule) => rule.as_ref().is_ok_and(|rule| rule.is_match(line)),
            Self::Continues(rule) => !rule.as_ref().is_ok_and(|rule| rule.is_match(line)),
            Self::Indented => !line.starts_with(b" ") && !line.starts_with(b"\t"),
        }
    }
}

impl<D: Decode> Multiline<D> {
    /// A record begins with each line that the regular expression matches; `^` is the line's beginning. Lines before the first
    /// such one are a record, too.
    #[must_use]
    pub fn starting_with(pattern: &str, decode: D) -> Self {
        Self::by(Rule::Starts(compiled(pattern)), decode)
    }

    /// A record begins with each line that the regular expression does not match.
    #[must_use]
    pub fn continuing_with(pattern: &str, decode: D) -> Self {
        Self::by(Rule::Continues(compiled(pattern)), decode)
    }

    /// A record begins with each line that does not begin with a space or a tab.
    #[must_use]
    pub fn indented(decode: D) -> Self {
        Self::by(Rule::Indented, decode)
    }

    fn by(rule: Rule, decode: D) -> Self {
        Self { rule, decode, by_path: None, file: None }
    }
}

fn compiled(pattern: &str) -> Result<Regex, Arc<str>> {
    Regex::new(pattern).map_err(|error| error.to_string().into())
}

impl<D: Decode> Format for Multiline<D> {
    type Item = D::Item;
    type Reading = ReadingMultiline<D>;

    fn name(&self) -> &'static str {
        "text"
    }

    fn is_text(&self) -> bool {
        true
    }

    fn begin(&self) -> ReadingMultiline<D> {
        let (rule, decode, file) = (self.rule.clone(), self.decode.clone(), self.file.clone());
        ReadingMultiline { rule, decode, file, line: 0, seen: 0, end: 0, is_ours: true, is_begun: false }
    }

    fn looks_at_files(&self) -> bool {
        self.by_path.as_ref().is_some_and(|by_path| by_path.is_told(&self.decode))
    }

    fn of_file(&self, file: &Arc<FileOrigin>) -> Result<Self, Mismatch> {
        let mut records = self.clone();
        if let Some(by_path) = &self.by_path {
            (records.decode, records.file) = (by_path.of_path(&self.decode, file)?, Some(Arc::clone(file)));
        }
        Ok(records)
    }

    fn check(&self) -> Result<(), BadFormat> {
        match &self.rule {
            Rule::Starts(Err(error)) | Rule::Continues(Err(error)) => {
                Err(BadFormat { setting: "the rule for where a record begins", reason: error.to_string() })
            }
            _ => Ok(()),
        }
    }
}

impl<D: Decode + ByPath> ByPath for Multiline<D> {
    fn with_path_columns(self, both: OnBoth) -> Self {
        Self { decode: self.decode.with_path_columns(both), by_path: Some(LooksAtPath::new()), ..self }
    }

    fn takes_path_columns(&self) -> bool {
        self.decode.takes_path_columns()
    }

    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        Ok(Self { decode: self.decode.of_path(file)?, ..self.clone() })
    }
}

/// Reads records of several lines.
#[derive(Debug)]
pub struct ReadingMultiline<D> {
    rule: Rule,
    decode: D,
    /// The file that the decoder is for, where it looks at its path.
    file: Option<Arc<FileOrigin>>,
    /// Where the line begins that is being looked at.
    line: usize,
    /// Whether it belongs to the record.
    is_ours: bool,
    /// How far newlines have been looked for.
    seen: usize,
    /// Where the last line ends that belongs to the record and is not blank.
    end: usize,
    /// Whether the record has such a line.
    is_begun: bool,
}

impl<D> ReadingMultiline<D> {
    fn forget(&mut self) {
        (self.line, self.seen, self.end, self.is_ours, self.is_begun) = (0, 0, 0, true, false);
    }

    /// Takes the line that ends here into the record. Tells whether there is anything in the record.
    fn take_line(&mut self, bytes: &[u8], end: usize) -> bool {
        if !is_blank(&bytes[self.line..end]) {
            (self.end, self.is_begun) = (end, true);
        }
        self.is_begun
    }
}

impl<D: Decode> Reading for ReadingMultiline<D> {
    type Item = D::Item;

    fn find(&mut self, bytes: &[u8], ended: bool) -> Found {
        loop {
            let newline = memchr(b'\n', &bytes[self.seen..]).map(|at| self.seen + at);
            let line_end = newline.unwrap_or(bytes.len());
            if !self.is_ours {
                if newline.is_none() && !ended && line_end - self.line < LOOKED_AT {
                    self.seen = bytes.len();
                    return Found::More(self.end);
                }
                let line = without_return(&bytes[self.line..line_end]);
                let line = &line[..line.len().min(LOOKED_AT)];
                if !is_blank(line) && self.rule.begins(line) {
                    let (record, after) = (0..self.end, self.line);
                    self.forget();
                    return Found::Record { record, after };
                }
                self.is_ours = true;
            }
            match newline {
                Some(newline) => {
                    let end = self.line + without_return(&bytes[self.line..newline]).len();
                    if !self.take_line(bytes, end) {
                        self.forget();
                        return Found::Skip(newline + 1);
                    }
                    (self.line, self.seen, self.is_ours) = (newline + 1, newline + 1, false);
                }
                None if !ended => {
                    self.seen = bytes.len();
                    let has_more = !is_blank(&bytes[self.line..]);
                    return Found::More(if has_more { without_return(bytes).len() } else { self.end });
                }
                None => {
                    let is_record = self.take_line(bytes, bytes.len());
                    let (record, after) = (0..self.end, bytes.len());
                    self.forget();
                    return if is_record { Found::Record { record, after } } else { Found::Skip(after) };
                }
            }
        }
    }

    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        self.file.as_ref().is_none_or(|known| known.columns().eq(file.columns()))
    }

    fn pass(&mut self) -> usize {
        // A line of which it is not known yet whose it is has to stay.
        let passed = if self.is_ours { self.seen } else { self.line };
        self.line = self.line.saturating_sub(passed);
        (self.seen, self.end, self.is_begun) = (self.seen - passed, 0, true);
        passed
    }

    fn decode(&mut self, record: &[u8]) -> Result<D::Item, Undecodable> {
        self.decode.decode(record)
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starts(rule) => f.debug_tuple("Starts").field(rule).finish(),
            Self::Continues(rule) => f.debug_tuple("Continues").field(rule).finish(),
            Self::Indented => f.write_str("Indented"),
        }
    }
}
