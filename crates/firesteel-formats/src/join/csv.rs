//! CSV: rows after a header, which is there once.

use std::io::Write;

use super::{CHUNK, Joined, MARK, NotJoined, Opener, copy, fill};

/// The longest header.
const LONGEST: usize = 1 << 20;

/// Rows, one after the other.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The header of all files, once there is one; empty where they have none.
    header: Option<Vec<u8>>,
    written: u64,
    is_ended: bool,
    buffer: Vec<u8>,
}

/// Finds where rows end. A quote stands at both ends of a field and is doubled within one, so that line ends within fields are found without
/// knowing what separates fields.
///
/// Quotes have to stand where our writer sets them: around whole fields. Others are of a file with another quote, of which neither rows nor
/// a header can be told.
#[derive(Debug, Default)]
struct Ends {
    rows: u64,
    is_quoted: bool,
    is_within: bool,
    /// The byte before, where there is one.
    last: Option<u8>,
    /// What stands between fields, as far as quotes have told.
    delimiter: Option<u8>,
    has_odd_quotes: bool,
}

impl Ends {
    /// Takes in a byte; tells whether a row ends with it.
    fn ends(&mut self, byte: u8) -> bool {
        let last = self.last.replace(byte);
        if !self.is_quoted && byte == b'"' {
            self.check_beside_quote(last);
        } else if !self.is_quoted && last == Some(b'"') {
            self.check_beside_quote(Some(byte));
        }
        match byte {
            b'"' => (self.is_quoted, self.is_within) = (!self.is_quoted, true),
            b'\n' if !self.is_quoted => {
                self.rows += u64::from(std::mem::take(&mut self.is_within));
                return true;
            }
            b'\r' => {}
            _ => self.is_within = true,
        }
        false
    }

    /// Outside of a field, a line end or a delimiter stands beside a quote, or the other half of one that is doubled.
    fn check_beside_quote(&mut self, beside: Option<u8>) {
        if let Some(byte) = beside.filter(|byte| !matches!(byte, b'\n' | b'\r' | b'"')) {
            self.has_odd_quotes |= *self.delimiter.get_or_insert(byte) != byte;
        }
    }
}

impl Rows {
    pub(super) fn add(&mut self, file: Opener<'_>, records: u64, out: &mut dyn Write) -> Result<Joined, NotJoined> {
        let head = self.head(file, records)?;
        let mut text = file().map_err(NotJoined::Read)?;
        let mut begin = vec![0; head.length];
        if fill(&mut text, &mut begin)? < head.length {
            return Err(NotJoined::Damaged("it has become shorter while it was read".to_owned()));
        }
        let header = &begin[head.mark..];
        match &self.header {
            Some(known) if *known == header => {}
            Some(_) => return Err(NotJoined::Differs("it has another header".to_owned())),
            None => {
                out.write_all(&begin).map_err(NotJoined::Write)?;
                (self.header, self.written, self.is_ended) = (Some(header.to_vec()), head.length as u64, true);
            }
        }
        if !self.is_ended {
            out.write_all(b"\n").map_err(NotJoined::Write)?;
            self.written += 1;
        }
        let at = self.written;
        let (length, last) = copy(&mut text, &mut self.buffer, out)?;
        self.written += length;
        self.is_ended = last.is_none_or(|last| last == b'\n');
        Ok(Joined { at, length, begin: head.length as u64 })
    }

    /// How long the header is: whether there is one, the number of rows tells.
    fn head(&mut self, file: Opener<'_>, records: u64) -> Result<Head, NotJoined> {
        let mut text = file().map_err(NotJoined::Read)?;
        self.buffer.resize(CHUNK, 0);
        let (mut ends, mut first, mut position) = (Ends::default(), None, 0);
        let mut mark = 0;
        loop {
            let count = fill(&mut text, &mut self.buffer)?;
            if position == 0 && self.buffer[..count].starts_with(MARK) {
                mark = MARK.len();
            }
            let passed = if position == 0 { mark } else { 0 };
            for (place, byte) in self.buffer[..count].iter().enumerate().skip(passed) {
                if ends.ends(*byte) && first.is_none() {
                    first = Some(position + place + 1);
                }
            }
            position += count;
            if count < CHUNK {
                break;
            }
        }
        let rows = ends.rows + u64::from(ends.is_within);
        match (rows.checked_sub(records), first) {
            _ if ends.has_odd_quotes => {
                Err(NotJoined::Unfit("quotes in it stand within fields: it seems to have another quote".to_owned()))
            }
            _ if ends.is_quoted => {
                Err(NotJoined::Unfit("a quote in it is not closed, as far as can be told".to_owned()))
            }
            (Some(0), _) => Ok(Head { length: mark, mark }),
            (Some(1), Some(length)) if length <= LONGEST => Ok(Head { length, mark }),
            _ => {
                let reason = format!("it has {rows} rows and {records} records: what it begins with cannot be told");
                Err(NotJoined::Unfit(reason))
            }
        }
    }
}

/// What a file begins with.
struct Head {
    /// With the mark and the header.
    length: usize,
    mark: usize,
}
