//! A row, cut into its fields.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::dialect::Dialect;
use crate::text::{TextError, Texts};

/// The parser, and the fields of the row that it is at.
#[derive(Debug)]
pub(super) struct Row {
    core: Reader,
    /// The fields, one after the other, without quotes.
    bytes: Vec<u8>,
    filled: usize,
    /// Where each ends.
    ends: Vec<usize>,
    fields: usize,
    /// Whether fields are wanted, or only the end of the row.
    kept: bool,
}

/// How far the parser got.
pub(super) enum Progress {
    /// The row has ended, after this many bytes of the input.
    Row(usize),
    /// All of the input belongs to the row.
    More,
}

impl Row {
    pub(super) fn new(dialect: &Dialect) -> Self {
        let core = ReaderBuilder::new().delimiter(dialect.delimiter).quote(dialect.quote).build();
        let mut row = Self { core, bytes: vec![0; 256], filled: 0, ends: vec![0; 32], fields: 0, kept: true };
        row.begin_file();
        row
    }

    /// A file begins: the parser's own way with byte order marks, which depends on what is in the buffer, is over with
    /// the first byte.
    fn begin_file(&mut self) {
        self.core.read_record(b"\n", &mut self.bytes, &mut self.ends);
    }

    /// Forgets a row whose end was not found.
    pub(super) fn reset(&mut self) {
        self.core.reset();
        self.begin_file();
        self.clear();
    }

    /// The next row begins.
    #[inline]
    pub(super) fn clear(&mut self) {
        (self.filled, self.fields, self.kept) = (0, 0, true);
    }

    /// Fields are of no use any more.
    pub(super) fn drop_fields(&mut self) {
        (self.filled, self.kept) = (0, false);
    }

    /// How many fields have ended.
    pub(super) fn fields(&self) -> usize {
        self.fields
    }

    /// Reads on in the row.
    #[inline]
    pub(super) fn read(&mut self, input: &[u8]) -> Progress {
        let mut read = 0;
        while read < input.len() {
            let (result, taken, filled, fields) =
                self.core.read_record(&input[read..], &mut self.bytes[self.filled..], &mut self.ends[self.fields..]);
            read += taken;
            self.filled += filled;
            self.fields += fields;
            match result {
                ReadRecordResult::Record => return Progress::Row(read),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
                ReadRecordResult::OutputFull if self.kept => self.bytes.resize(self.bytes.len() * 2, 0),
                ReadRecordResult::OutputFull => self.filled = 0,
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
        Progress::More
    }

    /// The fields as texts. The names are for messages.
    pub(super) fn texts(&self, names: Option<&[String]>) -> Result<RowTexts<'_>, TextError> {
        let (bytes, ends) = (&self.bytes[..self.filled], &self.ends[..self.fields]);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(RowTexts { text, ends }),
            Err(error) => {
                let index = ends.partition_point(|end| *end <= error.valid_up_to());
                Err(not_utf8().in_field(index, names))
            }
        }
    }
}

#[cold]
fn not_utf8() -> TextError {
    serde::de::Error::custom("it is not UTF-8")
}

#[derive(Clone, Copy)]
pub(super) struct RowTexts<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'de> Texts<'de> for RowTexts<'de> {
    #[inline]
    fn len(self) -> usize {
        self.ends.len()
    }

    #[inline]
    fn text(self, index: usize) -> Result<Option<&'de str>, TextError> {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] };
        // Two fields may be halves of one letter.
        self.text.get(begin..self.ends[index]).map(Some).ok_or_else(not_utf8)
    }
}
