//! Records inside of a batch, read where they lie.

use std::sync::Arc;

use super::{BadBatch, Batch};
use crate::wire::Wire;

/// A record as it stands in a buffer of the connector's: everything is borrowed, and nothing is copied before somebody asks.
#[derive(Clone, Copy)]
pub struct RawRecord<'a> {
    pub(crate) topic: &'a Arc<str>,
    pub(crate) partition: i32,
    pub(crate) offset: u64,
    pub(crate) millis: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    headers: &'a [u8],
    headers_count: u32,
}

impl<'a> RawRecord<'a> {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The number of its partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Its offset in the partition.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The time that it bears, in milliseconds since 1970: the producer's, or the broker's where the topic says so. It may be
    /// negative; a record without a time has -1, as the protocol has it.
    #[must_use]
    pub fn millis(&self) -> i64 {
        self.millis
    }

    /// The key; none and an empty one are two things.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The value. A record without one is a tombstone: a compacted topic forgets the key.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// The headers, in their order; one name may come several times.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let mut wire = Wire::new(self.headers);
        // They were looked at when the record was found.
        (0..self.headers_count).map_while(move |_| header(&mut wire))
    }

    /// How many bytes it carries.
    pub(crate) fn size(&self) -> u64 {
        (self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + self.headers.len()) as u64
    }
}

impl std::fmt::Debug for RawRecord<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawRecord({}/{}, offset {})", self.topic, self.partition, self.offset)
    }
}

/// A header; `None` where it is cut off, or its name is no text.
fn header<'a>(wire: &mut Wire<'a>) -> Option<(&'a str, Option<&'a [u8]>)> {
    let length = usize::try_from(wire.signed()?).ok()?;
    let name = std::str::from_utf8(wire.take(length)?).ok()?;
    Some((name, wire.nullable()?))
}

/// The next record of a batch, whose records are these bytes. `at` is moved past it.
#[inline]
pub(crate) fn next<'a>(
    bytes: &'a [u8],
    at: &mut usize,
    batch: &Batch,
    topic: &'a Arc<str>,
    partition: i32,
) -> Result<RawRecord<'a>, BadBatch> {
    let bad = |reason: &str| BadBatch { base: Some(batch.base), reason: reason.to_owned() };
    let mut wire = Wire::at(bytes, *at);
    let length = wire.signed().and_then(|length| usize::try_from(length).ok());
    let found = length.and_then(|length| wire.take(length));
    let found = found.ok_or_else(|| bad("a record is longer than what is there"))?;
    *at = wire.position();
    let record = fields(found, batch, topic, partition);
    record.ok_or_else(|| bad("a record does not keep to its own length, or a header's name is not UTF-8"))
}

#[inline]
fn fields<'a>(bytes: &'a [u8], batch: &Batch, topic: &'a Arc<str>, partition: i32) -> Option<RawRecord<'a>> {
    let mut wire = Wire::new(bytes);
    wire.i8()?;
    let millis = batch.base_time.checked_add(wire.signed()?)?;
    let offset = batch.base.checked_add(wire.signed()?)?;
    let (key, value) = (wire.nullable()?, wire.nullable()?);
    let headers_count = u32::try_from(wire.signed()?).ok()?;
    let headers = bytes.get(wire.position()..)?;
    if headers_count > 0 {
        for _ in 0..headers_count {
            header(&mut wire)?;
        }
    }
    let is_inside = (batch.base..=batch.last).contains(&offset);
    let offset = u64::try_from(offset).ok().filter(|_| is_inside)?;
    let millis = batch.append_time().unwrap_or(millis);
    Some(RawRecord { topic, partition, offset, millis, key, value, headers, headers_count })
}
