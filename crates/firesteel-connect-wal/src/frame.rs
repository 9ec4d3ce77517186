//! The bytes of a segment. The layout is in `docs/formats.md`.

use twox_hash::XxHash3_64;

/// A segment's first bytes: what kind of file it is, of which format, and a checksum over both.
pub(crate) const FILE_HEADER: usize = 20;
const MAGIC: [u8; 8] = *b"FSTWALOG";
const VERSION: u32 = 1;

/// Every frame begins with these bytes and ends with those. None of them is zero: a sector that was not written shows.
const BEGIN: [u8; 4] = *b"FSwb";
const END: [u8; 4] = *b"bwSF";
pub(crate) const HEADER: usize = 52;
/// Bytes of a frame beside its payload.
pub(crate) const OVERHEAD: usize = HEADER + END.len();
const SECTOR: usize = 512;

fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

pub(crate) fn file_header() -> [u8; FILE_HEADER] {
    let mut bytes = [0; FILE_HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let sum = checksum(&bytes[..12]);
    bytes[12..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// What is wrong with the header of a file.
#[derive(Debug, PartialEq)]
pub(crate) enum Foreign {
    /// It is not one of ours, or damaged.
    Unknown,
    /// It is of a later format.
    Version(u32),
}

pub(crate) fn check_file_header(bytes: &[u8]) -> Result<(), Foreign> {
    let header = bytes.get(..FILE_HEADER).ok_or(Foreign::Unknown)?;
    if u64_at(header, 12) != checksum(&header[..12]) || header[..8] != MAGIC {
        return Err(Foreign::Unknown);
    }
    match u32_at(header, 8) {
        1..=VERSION => Ok(()),
        other => Err(Foreign::Version(other)),
    }
}

/// The name of the segment that begins with the record at `first`; names sort as records do.
pub(crate) fn name(first: u64) -> String {
    format!("{first:020}.wal")
}

pub(crate) fn parse_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The first bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FrameHeader {
    /// Records in it; none in a frame that only notes what is committed.
    pub(crate) count: u32,
    /// The position of its first record.
    pub(crate) first: u64,
    /// Records before this position are committed.
    pub(crate) committed: u64,
    stored: u64,
    sum: u64,
    /// How many of the payload's last bytes are a token, if any.
    token: Option<u32>,
}

impl FrameHeader {
    /// `None` if these are not the bytes of a header.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        if header[..4] != BEGIN || u64_at(header, 44) != checksum(&header[..44]) {
            return None;
        }
        let decoded = Self {
            count: u32_at(header, 4),
            first: u64_at(header, 8),
            committed: u64_at(header, 16),
            stored: u64_at(header, 24),
            sum: u64_at(header, 32),
            token: u32_at(header, 40).checked_sub(1),
        };
        (u64::from(decoded.token.unwrap_or(0)) <= decoded.stored).then_some(decoded)
    }

    /// The position after its last record; `None` if there is no such number.
    pub(crate) fn next(&self) -> Option<u64> {
        self.first.checked_add(u64::from(self.count))
    }

    /// The length of the whole frame; `None` beyond what memory can hold.
    pub(crate) fn length(&self) -> Option<usize> {
        usize::try_from(self.stored).ok()?.checked_add(OVERHEAD)
    }

    /// The payload, if these bytes, which begin with the header, are the whole frame and sound.
    pub(crate) fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let body = bytes.get(HEADER..self.length()?)?;
        let (payload, end) = body.split_at(body.len() - END.len());
        (end == END && checksum(payload) == self.sum).then_some(payload)
    }

    /// The bytes of the records, and the token, of a payload.
    pub(crate) fn parts<'a>(&self, payload: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
        match self.token {
            None => (payload, None),
            Some(length) => {
                let (records, token) = payload.split_at(payload.len().saturating_sub(length as usize));
                (records, Some(token))
            }
        }
    }
}

/// A buffer for a frame, with room for its header.
pub(crate) fn begin(frame: &mut Vec<u8>) {
    frame.clear();
    frame.resize(HEADER, 0);
}

/// Completes a frame that consists of room for its header and of records. Tokens are short.
pub(crate) fn seal(frame: &mut Vec<u8>, count: u32, first: u64, committed: u64, token: Option<&[u8]>) {
    frame.extend_from_slice(token.unwrap_or_default());
    let token = token.map_or(0, |token| token.len() as u32 + 1);
    let payload = &frame[HEADER..];
    let (stored, sum) = (payload.len() as u64, checksum(payload));
    let header = &mut frame[..HEADER];
    header[..4].copy_from_slice(&BEGIN);
    header[4..8].copy_from_slice(&count.to_le_bytes());
    for (at, field) in [first, committed, stored, sum].into_iter().enumerate() {
        header[8 + at * 8..][..8].copy_from_slice(&field.to_le_bytes());
    }
    header[40..44].copy_from_slice(&token.to_le_bytes());
    let sum = checksum(&header[..44]);
    header[44..].copy_from_slice(&sum.to_le_bytes());
    frame.extend_from_slice(&END);
}

/// The first sound frame in the bytes, from `from` on: where it begins, and its header.
pub(crate) fn find(bytes: &[u8], from: usize) -> Option<(usize, FrameHeader)> {
    (from..bytes.len()).filter(|at| bytes[*at..].starts_with(&BEGIN)).find_map(|at| {
        let header = FrameHeader::decode(&bytes[at..])?;
        header.payload(&bytes[at..]).map(|_| (at, header))
    })
}

/// Whether the last bytes of the last segment, which begin at `at` in the file and are no frame, can be what a crash
/// left of the last write: the file ends before the frame does, or a sector of it was never written. A sound frame
/// after it tells that it is not so, since every frame is synced before the next one is written.
pub(crate) fn is_torn(rest: &[u8], at: u64) -> bool {
    if find(rest, 1).is_some() {
        return false;
    }
    let length = FrameHeader::decode(rest).map(|header| header.length());
    let end = match length {
        _ if rest.len() < HEADER => return true,
        Some(None) => return true,
        Some(Some(length)) if length > rest.len() => return true,
        Some(Some(length)) => length,
        None => rest.len(),
    };
    // Something was written after it, so it was synced before.
    if rest[end..].iter().any(|byte| *byte != 0) {
        return false;
    }
    let mut from = 0;
    while from < end {
        let into_sector = (at % SECTOR as u64) as usize + from;
        let to = (from + SECTOR - into_sector % SECTOR).min(end);
        if rest[from..to].iter().all(|byte| *byte == 0) {
            return true;
        }
        from = to;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Vec<u8> {
        let mut frame = vec![];
        begin(&mut frame);
        frame.extend_from_slice(b"payload");
        seal(&mut frame, 3, 7, 5, Some(b"token"));
        frame
    }

    #[test]
    fn an_empty_token_is_told_from_none_and_one_longer_than_the_payload_is_no_frame() {
        let sealed = |records: &[u8], token: Option<&[u8]>| {
            let mut frame = vec![];
            begin(&mut frame);
            frame.extend_from_slice(records);
            seal(&mut frame, 1, 0, 0, token);
            frame
        };
        for (records, token) in [(&b"ab"[..], None), (b"ab", Some(&b""[..])), (b"", Some(b"cd")), (b"", None)] {
            let frame = sealed(records, token);
            let header = FrameHeader::decode(&frame).unwrap();
            assert_eq!(header.parts(header.payload(&frame).unwrap()), (records, token));
        }
        let mut frame = sealed(b"ab", Some(b"cd"));
        frame[40] = 6;
        let sum = checksum(&frame[..44]);
        frame[44..HEADER].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(FrameHeader::decode(&frame), None);
    }

    #[test]
    fn a_frame_is_read_as_it_was_written_and_a_changed_one_is_refused() {
        let whole = frame();
        let header = FrameHeader::decode(&whole).unwrap();
        assert_eq!((header.count, header.first, header.committed, header.next()), (3, 7, 5, Some(10)));
        assert_eq!((header.length(), header.payload(&whole)), (Some(whole.len()), Some(&b"payloadtoken"[..])));
        let sound = |bytes: &[u8]| FrameHeader::decode(bytes).and_then(|header| header.payload(bytes).map(|_| ()));
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(sound(&changed), None, "bit {bit} of byte {at}");
            }
            assert_eq!(sound(&whole[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn headers_of_other_files_are_refused() {
        let ours = file_header();
        assert_eq!(check_file_header(&ours), Ok(()));
        assert_eq!(check_file_header(&ours[..19]), Err(Foreign::Unknown));
        for at in 0..ours.len() {
            let mut changed = ours;
            changed[at] ^= 4;
            assert_eq!(check_file_header(&changed), Err(Foreign::Unknown), "byte {at}");
        }
        let mut later = ours;
        later[8] = 2;
        let sum = checksum(&later[..12]);
        later[12..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(check_file_header(&later), Err(Foreign::Version(2)));
    }

    #[test]
    fn names_are_told_apart_from_those_of_others() {
        assert_eq!(parse_name(&name(42)), Some(42));
        for foreign in ["42.wal", "0000000000000000000x.wal", "00000000000000000001.log", "LOCK"] {
            assert_eq!(parse_name(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_torn_write_is_told_from_damage() {
        let whole = frame();
        for length in 1..whole.len() {
            assert!(is_torn(&whole[..length], 20), "cut to {length}");
        }
        let mut flipped = whole.clone();
        flipped[HEADER + 2] ^= 1;
        assert!(!is_torn(&flipped, 20));
        assert!(!is_torn(&[flipped.clone(), whole.clone()].concat(), 20));
        // A sector in the middle was never written.
        let mut long = vec![];
        begin(&mut long);
        long.extend_from_slice(&[7; 2_000]);
        seal(&mut long, 1, 0, 0, None);
        long[512 - 20..1_024 - 20].fill(0);
        assert!(is_torn(&long, 20));
        assert!(!is_torn(&[long, whole].concat(), 20), "what follows was written after it");
    }
}
