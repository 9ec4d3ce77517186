//! Record batches, as they come in the answer to a fetch: where they begin and end, what is in them, who reads them.

pub(crate) mod build;
pub(crate) mod compress;
pub(crate) mod record;

use std::collections::HashSet;

use crate::wire::Wire;

/// The bytes before the checksum's own field, and those before what it covers.
const CRC_AT: usize = 17;
const COVERED_FROM: usize = 21;
/// The bytes of a batch before its first record.
pub(crate) const HEADER: usize = 61;
/// Where a batch's length stands, and the bytes that it does not count.
const LENGTH_AT: usize = 8;
const BEFORE_LENGTH: usize = 12;

const IS_TRANSACTIONAL: i16 = 0x10;
const IS_CONTROL: i16 = 0x20;
const IS_LOG_APPEND_TIME: i16 = 0x08;

/// What is wrong with bytes that should be a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadBatch {
    /// The offset that it claims, if it comes that far.
    pub(crate) base: Option<i64>,
    pub(crate) reason: String,
}

/// A batch's header, and where it is in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Where it begins and ends.
    begin: usize,
    pub(crate) end: usize,
    pub(crate) base: i64,
    /// The offset of its last record, also where that is gone.
    pub(crate) last: i64,
    pub(crate) leader_epoch: i32,
    attributes: i16,
    pub(crate) base_time: i64,
    pub(crate) max_time: i64,
    pub(crate) producer: i64,
    pub(crate) count: u32,
}

impl Batch {
    /// The batch that begins at this byte; `None` where not all of it is there, as at the end of what a broker sends.
    pub(crate) fn read(bytes: &[u8], at: usize) -> Result<Option<Self>, BadBatch> {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.len() < BEFORE_LENGTH {
            return Ok(None);
        }
        let mut wire = Wire::new(rest);
        let base = wire.i64();
        let bad = |reason: String| Err(BadBatch { base, reason });
        let length = wire.i32().and_then(|length| usize::try_from(length).ok());
        let Some(size) = length.and_then(|length| length.checked_add(BEFORE_LENGTH)) else {
            return bad("its length is negative".into());
        };
        // The magic byte is at one place in all versions.
        if let Some(magic) = rest.get(16).filter(|magic| **magic != 2) {
            return bad(format!("it is of format {magic}; those of Kafka 0.11 and newer, of format 2, can be read"));
        }
        if size < HEADER {
            return bad(format!("it has {size} bytes, which is shorter than its header"));
        }
        if rest.len() < size {
            return Ok(None);
        }
        let header = Self::header(rest, at, size);
        let Some(batch) = header else { return bad("its header is cut off".into()) };
        if batch.base < 0 || batch.last < batch.base {
            return bad(format!("it claims the offsets {} to {}", batch.base, batch.last));
        }
        Ok(Some(batch))
    }

    fn header(rest: &[u8], begin: usize, size: usize) -> Option<Self> {
        let mut wire = Wire::new(rest);
        let base = wire.i64()?;
        wire.i32()?;
        let leader_epoch = wire.i32()?;
        wire.take(COVERED_FROM - 16)?;
        let attributes = wire.i16()?;
        let last = base.checked_add(i64::from(wire.i32()?))?;
        let (base_time, max_time, producer) = (wire.i64()?, wire.i64()?, wire.i64()?);
        wire.take(6)?;
        let count = u32::try_from(wire.i32()?).ok()?;
        let end = begin + size;
        Some(Self { begin, end, base, last, leader_epoch, attributes, base_time, max_time, producer, count })
    }

    /// Compares it with its checksum.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), BadBatch> {
        let bad = |reason: &str| Err(BadBatch { base: Some(self.base), reason: reason.to_owned() });
        let Some(covered) = bytes.get(self.begin + COVERED_FROM..self.end) else { return bad("it is cut off") };
        let stored = Wire::at(bytes, self.begin + CRC_AT).u32();
        if stored == Some(crc32c::crc32c(covered)) { Ok(()) } else { bad("its checksum is another one") }
    }

    /// Its records, as they are stored.
    pub(crate) fn body<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.begin + HEADER..self.end).unwrap_or_default()
    }

    /// By which codec its records are compressed; 0 is none.
    pub(crate) fn codec(&self) -> u8 {
        (self.attributes & 7) as u8
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & IS_TRANSACTIONAL != 0
    }

    /// Whether it is no data, but says how a transaction ended.
    pub(crate) fn is_control(&self) -> bool {
        self.attributes & IS_CONTROL != 0
    }

    /// The time that all of its records have, where the broker has set it.
    pub(crate) fn append_time(&self) -> Option<i64> {
        (self.attributes & IS_LOG_APPEND_TIME != 0).then_some(self.max_time)
    }
}

/// Which transactions of what was fetched were aborted.
#[derive(Debug, Default)]
pub(crate) struct Aborted {
    /// Producer and first offset, by the latter, the first of them last.
    coming: Vec<(i64, i64)>,
    open: HashSet<i64>,
}

impl Aborted {
    /// Producers and first offsets.
    pub(crate) fn new(mut transactions: Vec<(i64, i64)>) -> Self {
        transactions.sort_by_key(|(_, first)| std::cmp::Reverse(*first));
        Self { coming: transactions, open: HashSet::new() }
    }

    /// Whether the next batch holds data that count.
    pub(crate) fn counts(&mut self, batch: &Batch, body: &[u8]) -> bool {
        if !batch.is_transactional() {
            return !batch.is_control();
        }
        while let Some((producer, _)) = self.coming.pop_if(|(_, first)| *first <= batch.last) {
            self.open.insert(producer);
        }
        if batch.is_control() {
            if is_abort(body) {
                self.open.remove(&batch.producer);
            }
            return false;
        }
        !self.open.contains(&batch.producer)
    }
}

/// Whether the record of a control batch says that a transaction was aborted: the second number of its key is 0 then.
fn is_abort(body: &[u8]) -> bool {
    let key = || {
        let mut wire = Wire::new(body);
        wire.signed()?;
        wire.i8()?;
        wire.signed()?;
        wire.signed()?;
        let mut key = Wire::new(wire.nullable()??);
        key.i16()?;
        key.i16()
    };
    key() == Some(0)
}

/// The length of the batch, where it is to be patched.
pub(crate) fn patch_length(batch: &mut [u8]) {
    let length = (batch.len() - BEFORE_LENGTH) as i32;
    batch[LENGTH_AT..BEFORE_LENGTH].copy_from_slice(&length.to_be_bytes());
}

/// Writes who produces a batch, and its checksum anew.
pub(crate) fn stamp(batch: &mut [u8], producer: i64, epoch: i16, sequence: i32, is_transactional: bool) {
    let attributes = i16::from_be_bytes([batch[21], batch[22]]);
    let attributes = if is_transactional { attributes | IS_TRANSACTIONAL } else { attributes & !IS_TRANSACTIONAL };
    batch[21..23].copy_from_slice(&attributes.to_be_bytes());
    batch[43..51].copy_from_slice(&producer.to_be_bytes());
    batch[51..53].copy_from_slice(&epoch.to_be_bytes());
    batch[53..57].copy_from_slice(&sequence.to_be_bytes());
    let crc = crc32c::crc32c(&batch[COVERED_FROM..]);
    batch[CRC_AT..COVERED_FROM].copy_from_slice(&crc.to_be_bytes());
}
