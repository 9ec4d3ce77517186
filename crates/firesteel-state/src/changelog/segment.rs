//! The bytes of a segment. The layout is in `docs/formats.md`.

use std::path::Path;

use firesteel_disk::Reading;

use super::inspect::RecordReport;
use super::record::EpochRecord;
use crate::error::{Result, StateError};
use crate::files::Header;
use crate::wire::{Bytes, Checksum, checksum};

const MAGIC: [u8; 8] = *b"FSTCHLOG";
/// The newest version; in the first one, a record was compressed with its head.
const VERSION: u32 = 2;

/// Every record begins with these bytes and ends with those. None of them is zero: a sector that was not written
/// shows.
const BEGIN: [u8; 4] = *b"FSrc";
const END: [u8; 4] = *b"crSF";
const RECORD_HEADER: usize = 56;
const SECTOR: usize = 512;

const COMPRESSED: u8 = 1;
const MARK: u8 = 2;
/// Of a compressed record: its head stands before the compressed bytes, and can be read without them.
const APART: u8 = 4;

/// As much of a record is compressed to see whether it pays.
const SAMPLE: usize = 64 << 10;
/// A record's epoch and where it begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Located {
    pub(super) epoch: u64,
    pub(super) at: u64,
}

pub(super) fn header() -> [u8; Header::LENGTH] {
    Header { magic: MAGIC, version: VERSION }.encode()
}

/// The name of the segment that begins with `epoch`; names sort as epochs do.
pub(super) fn name(epoch: u64) -> String {
    format!("{epoch:020}.log")
}

pub(super) fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// The first bytes of a record.
struct RecordHeader {
    flags: u8,
    epoch: u64,
    committed: u64,
    stored: u64,
    unpacked: u64,
    sum: u64,
}

impl RecordHeader {
    fn encode(&self) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        bytes[..4].copy_from_slice(&BEGIN);
        bytes[4] = self.flags;
        for (at, field) in [self.epoch, self.committed, self.stored, self.unpacked, self.sum].into_iter().enumerate() {
            bytes[8 + at * 8..][..8].copy_from_slice(&field.to_le_bytes());
        }
        let sum = checksum(&bytes[..48]);
        bytes[48..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None` if these are not the bytes of a header.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..RECORD_HEADER)?;
        let mut rest = Bytes::new(header);
        let (begin, flags, zeros) = (rest.take(4)?, rest.u8()?, rest.take(3)?);
        let header_of = Self {
            flags,
            epoch: rest.u64()?,
            committed: rest.u64()?,
            stored: rest.u64()?,
            unpacked: rest.u64()?,
            sum: rest.u64()?,
        };
        let sound = begin == BEGIN && zeros == [0; 3] && rest.u64()? == checksum(&header[..48]);
        sound.then_some(header_of)
    }

    /// The length of the whole record; `None` beyond what memory can hold.
    fn length(&self) -> Option<usize> {
        usize::try_from(self.stored).ok()?.checked_add(RECORD_HEADER + END.len())
    }
}

/// The record of an epoch, about to be written.
///
/// All that an epoch has changed is in memory already: what is written of it is not put together there once more,
/// unless it is compressed.
pub(super) struct Record<'a> {
    header: [u8; RECORD_HEADER],
    payload: Payload<'a>,
    stored: u64,
}

enum Payload<'a> {
    Packed { head: Vec<u8>, frames: Vec<u8> },
    Pieces { head: Vec<u8>, record: &'a EpochRecord },
}

impl Payload<'_> {
    fn each(&self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self {
            Self::Packed { head, frames } => {
                each(head)?;
                each(frames)
            }
            Self::Pieces { head, record } => {
                each(head)?;
                record.frames(each)
            }
        }
    }
}

impl<'a> Record<'a> {
    /// Bytes that are written in one call, about.
    const CHUNK: usize = 256 << 10;

    pub(super) fn of(record: &'a EpochRecord, committed: u64, compress: bool) -> Result<Self> {
        let head = record.encode_head();
        let head = head.map_err(|source| StateError::Encode {
            state: format!("the boundaries of epoch {}", record.epoch),
            source,
        })?;
        let frames = record.frames_length();
        let unpacked = head.len() + frames;
        let packed = (compress && pays(&sample(record, frames)?)).then(|| pack(record, frames)).transpose()?;
        let (flags, payload) = match packed.filter(|packed| packed.len() < frames) {
            Some(frames) => (COMPRESSED | APART, Payload::Packed { head, frames }),
            None => (0, Payload::Pieces { head, record }),
        };
        let (mut sum, mut stored) = (Checksum::default(), 0);
        payload.each(|piece| {
            sum.add(piece);
            stored += piece.len() as u64;
            Ok(())
        })?;
        let sum = sum.finish();
        let header = RecordHeader { flags, epoch: record.epoch, committed, stored, unpacked: unpacked as u64, sum };
        Ok(Self { header: header.encode(), payload, stored })
    }

    /// How many bytes it is.
    pub(super) fn length(&self) -> u64 {
        self.stored + (RECORD_HEADER + END.len()) as u64
    }

    /// Hands all of it to `out`, in chunks that are put together in `buffer`.
    pub(super) fn write(&self, buffer: &mut Vec<u8>, out: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        buffer.clear();
        buffer.extend_from_slice(&self.header);
        self.payload.each(|piece| {
            if buffer.len() + piece.len() > Self::CHUNK {
                out(buffer)?;
                buffer.clear();
            }
            if piece.len() > Self::CHUNK {
                return out(piece);
            }
            buffer.extend_from_slice(piece);
            Ok(())
        })?;
        buffer.extend_from_slice(&END);
        out(buffer)
    }
}

/// Appends a record that only says what is committed.
pub(super) fn encode_mark(epoch: u64, committed: u64, out: &mut Vec<u8>) {
    let header = RecordHeader { flags: MARK, epoch, committed, stored: 0, unpacked: 0, sum: checksum(&[]) };
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(&END);
}

/// The middle of the frames of a record, which are this many bytes.
fn sample(record: &EpochRecord, length: usize) -> Result<Vec<u8>> {
    let from = length.saturating_sub(SAMPLE) / 2;
    let to = length.min(from + SAMPLE);
    let (mut at, mut sample) = (0, Vec::with_capacity(to - from));
    record.frames(|piece| {
        let within = |position: usize| position.clamp(at, at + piece.len()) - at;
        sample.extend_from_slice(&piece[within(from)..within(to)]);
        at += piece.len();
        Ok::<_, StateError>(())
    })?;
    Ok(sample)
}

/// The frames of a record, which are this many bytes, compressed.
fn pack(record: &EpochRecord, length: usize) -> Result<Vec<u8>> {
    let mut whole = Vec::with_capacity(length);
    record.frames(|piece| {
        whole.extend_from_slice(piece);
        Ok::<_, StateError>(())
    })?;
    Ok(lz4_flex::block::compress(&whole))
}

/// Whether a sample shrinks by a fifth: random integers do not, text does.
fn pays(sample: &[u8]) -> bool {
    sample.len() >= 256 && lz4_flex::block::compress(sample).len() * 5 < sample.len() * 4
}

/// Reads the record that begins at `at`.
pub(super) fn decode(path: &Path, bytes: &[u8], at: u64) -> Result<EpochRecord> {
    let damaged = |reason: &str| StateError::damaged(path, at, reason);
    let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
    let Some(Complete { header, payload, .. }) = from.and_then(Complete::of) else {
        return Err(damaged("the record has changed since the changelog was opened"));
    };
    decode_payload(path, at, header.flags, header.epoch, header.unpacked, payload)
}

/// Reads what the record that begins at `at` says of its epoch, without what changed in it: a small part of the record,
/// unless that is compressed with it, as earlier releases did. Its checksum was looked at when the changelog was opened.
pub(super) fn decode_head(path: &Path, file: &mut dyn Reading, at: u64) -> Result<EpochRecord> {
    let mut part = |from: u64, length: usize| -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = file.read_at(from, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    };
    let changed = || StateError::damaged(path, at, "the record has changed since the changelog was opened");
    let header = RecordHeader::decode(&part(at, RECORD_HEADER)?).ok_or_else(changed)?;
    let length = header.length().ok_or_else(changed)?;
    if header.flags & (COMPRESSED | APART) == COMPRESSED {
        let record = decode(path, &part(at, length)?, 0)?;
        return Ok(EpochRecord { frames: vec![], ..record });
    }
    let payload = at + RECORD_HEADER as u64;
    let of_head = part(payload, 8)?.try_into().map(u64::from_le_bytes).ok();
    let of_head = of_head.filter(|length| length.checked_add(8).is_some_and(|end| end <= header.stored));
    let of_head = of_head.and_then(|length| usize::try_from(length).ok()).ok_or_else(changed)?;
    EpochRecord::decode_head(header.epoch, &part(payload + 8, of_head)?).ok_or_else(changed)
}

/// Reads the payload of a record, whose checksum fits.
pub(super) fn decode_payload(
    path: &Path,
    at: u64,
    flags: u8,
    epoch: u64,
    size: u64,
    payload: &[u8],
) -> Result<EpochRecord> {
    let damaged = |reason: &str| StateError::damaged(path, at, reason);
    let invalid = || damaged("its contents are invalid");
    let unpack = |packed: &[u8], size: Option<u64>| {
        // lz4 makes 255 bytes out of one at most: a larger claim is false, and memory is not to be wasted on it.
        let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| size / 256 <= packed.len());
        let size = size.ok_or_else(|| damaged("it claims to be impossibly large"))?;
        let unpacked = lz4_flex::block::decompress(packed, size);
        unpacked.map_err(|error| damaged(&format!("it cannot be unpacked: {error}")))
    };
    if flags & COMPRESSED == 0 {
        return EpochRecord::decode(epoch, payload).ok_or_else(invalid);
    }
    if flags & APART == 0 {
        return EpochRecord::decode(epoch, &unpack(payload, Some(size))?).ok_or_else(invalid);
    }
    let mut bytes = Bytes::new(payload);
    let head = bytes.u64().and_then(|length| bytes.take(usize::try_from(length).ok()?)).ok_or_else(invalid)?;
    let packed = bytes.take(bytes.remaining()).unwrap_or_default();
    let frames = unpack(packed, size.checked_sub(head.len() as u64 + 8))?;
    EpochRecord::decode_parts(epoch, head, Bytes::new(&frames)).ok_or_else(invalid)
}

/// A record with nothing wrong.
struct Complete<'a> {
    header: RecordHeader,
    payload: &'a [u8],
    length: usize,
}

impl<'a> Complete<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let header = RecordHeader::decode(bytes)?;
        let length = header.length()?;
        let body = bytes.get(RECORD_HEADER..length)?;
        let (payload, end) = body.split_at(body.len() - END.len());
        (end == END && checksum(payload) == header.sum).then_some(Self { header, payload, length })
    }

    fn report(&self, at: usize) -> RecordReport {
        let RecordHeader { flags, epoch, committed, unpacked, .. } = self.header;
        let is_mark = flags & MARK != 0;
        RecordReport { epoch, is_mark, committed, offset: at as u64, bytes: self.length as u64, unpacked }
    }
}

/// Whether not even the header was written to its end.
pub(super) fn is_not_begun(bytes: &[u8]) -> bool {
    bytes.len() < Header::LENGTH || bytes.iter().all(|byte| *byte == 0)
}

/// What a segment holds.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) records: Vec<Located>,
    /// The latest mark; 0 if there is none.
    pub(super) committed: u64,
    /// After the last record.
    pub(super) end: u64,
    /// Where a torn write begins.
    pub(super) torn: Option<u64>,
}

impl Content {
    /// Looks through a segment; `None` if it was not even begun. Only the last segment may end with a torn write.
    pub(super) fn of(path: &Path, bytes: &[u8], last: bool) -> Result<Option<Self>> {
        if last && is_not_begun(bytes) {
            return Ok(None);
        }
        Header::check(path, bytes, MAGIC, VERSION)?;
        let mut content = Self { records: vec![], committed: 0, end: 0, torn: None };
        let mut at = Header::LENGTH;
        while at < bytes.len() {
            let Some(record) = Complete::of(&bytes[at..]) else {
                content.torn = Some(at as u64);
                if !last || !is_torn(bytes, at) {
                    let reason = if last {
                        "a record does not match its checksum, and no write was torn there"
                    } else {
                        "a record does not match its checksum, and other files follow"
                    };
                    return Err(StateError::damaged(path, at as u64, reason));
                }
                break;
            };
            let header = record.header;
            if header.flags & MARK == 0 {
                let expected = content.records.last().map_or(header.epoch, |before: &Located| before.epoch + 1);
                if header.epoch != expected {
                    let place = path.display().to_string();
                    return Err(StateError::Gap { place, expected, found: format!("epoch {}", header.epoch) });
                }
                content.records.push(Located { epoch: header.epoch, at: at as u64 });
            }
            content.committed = content.committed.max(header.committed);
            at += record.length;
        }
        content.end = at as u64;
        Ok(Some(content))
    }
}

/// What a segment holds, sound or not.
pub(super) struct Survey {
    pub(super) records: Vec<RecordReport>,
    /// Where a torn write begins.
    pub(super) torn: Option<u64>,
    pub(super) faults: Vec<StateError>,
}

/// Looks through a segment as [`Content::of`] does, and continues after what is damaged.
pub(super) fn survey(path: &Path, bytes: &[u8], last: bool) -> Survey {
    let mut survey = Survey { records: vec![], torn: None, faults: vec![] };
    if let Err(error) = Header::check(path, bytes, MAGIC, VERSION) {
        let other_format = matches!(error, StateError::Version { .. });
        survey.faults.push(error);
        if other_format {
            return survey;
        }
    }
    let mut at = Header::LENGTH;
    while at < bytes.len() {
        if let Some(record) = Complete::of(&bytes[at..]) {
            survey.records.push(record.report(at));
            at += record.length;
            continue;
        }
        if last && is_torn(bytes, at) {
            survey.torn = Some(at as u64);
            break;
        }
        let sound = |from: &usize| bytes[*from..].starts_with(&BEGIN) && Complete::of(&bytes[*from..]).is_some();
        let next = (at + 1..bytes.len()).find(sound);
        let reason = match next {
            Some(next) => format!("a record does not match its checksum; the next sound one is at byte {next}"),
            None => "a record does not match its checksum, and none that does follows".to_owned(),
        };
        survey.faults.push(StateError::damaged(path, at as u64, reason));
        at = next.unwrap_or(bytes.len());
    }
    survey
}

/// Whether the bytes from `at` on, which are no record, can be what a crash left of the last write: the file ends
/// before the record does, or a sector of it was never written. A sound record after it tells that it is not so.
fn is_torn(bytes: &[u8], at: usize) -> bool {
    let rest = &bytes[at..];
    let follows = |from: usize| rest[from..].starts_with(&BEGIN) && Complete::of(&rest[from..]).is_some();
    if (1..rest.len()).any(follows) {
        return false;
    }
    let header = RecordHeader::decode(rest);
    if rest.len() < RECORD_HEADER
        || header.as_ref().is_some_and(|header| header.length().is_none_or(|l| l > rest.len()))
    {
        return true;
    }
    let end = header.and_then(|header| header.length()).unwrap_or(rest.len());
    // Something was written after it, so it was synced before.
    if rest[end..].iter().any(|byte| *byte != 0) {
        return false;
    }
    let mut from = 0;
    while from < end {
        let to = (from + SECTOR - (at + from) % SECTOR).min(end);
        if rest[from..to].iter().all(|byte| *byte == 0) {
            return true;
        }
        from = to;
    }
    false
}
