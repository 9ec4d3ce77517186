//! Batches to be produced: built in tasks, and stamped with their producer when they are sent.

use super::compress::Compression;
use super::{HEADER, patch_length};
use crate::wire::{put_signed, put_unsigned, signed_len};

/// A batch for one partition, whole but for who produces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Built {
    pub(crate) partition: i32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: i32,
}

/// A record, as it goes into a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// Names and values, encoded, and how many there are.
    pub(crate) headers: &'a [u8],
    pub(crate) headers_count: u32,
    pub(crate) millis: i64,
}

/// Builds one batch after another.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    plain: Vec<u8>,
    records: i32,
    base_time: i64,
    max_time: i64,
}

impl Builder {
    /// How many bytes the batch has, before it is compressed.
    pub(crate) fn len(&self) -> usize {
        HEADER + self.plain.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Appends a record.
    pub(crate) fn push(&mut self, record: &Parts<'_>) {
        if self.records == 0 {
            (self.base_time, self.max_time) = (record.millis, record.millis);
        }
        self.max_time = self.max_time.max(record.millis);
        let time = record.millis.wrapping_sub(self.base_time);
        let offset = i64::from(self.records);
        let bytes = |bytes: Option<&[u8]>| bytes.map_or(1, |bytes| signed_len(bytes.len() as i64) + bytes.len());
        let headers_count = i64::from(record.headers_count);
        let length = 1
            + signed_len(time)
            + signed_len(offset)
            + bytes(record.key)
            + bytes(record.value)
            + signed_len(headers_count)
            + record.headers.len();
        let out = &mut self.plain;
        put_signed(out, length as i64);
        out.push(0);
        put_signed(out, time);
        put_signed(out, offset);
        put_nullable(out, record.key);
        put_nullable(out, record.value);
        put_signed(out, headers_count);
        out.extend_from_slice(record.headers);
        self.records += 1;
    }

    /// Ends the batch, and begins the next one.
    ///
    /// # Errors
    /// When it cannot be compressed.
    pub(crate) fn seal(&mut self, partition: i32, compression: Compression) -> std::io::Result<Built> {
        let mut bytes = Vec::with_capacity(HEADER + self.plain.len());
        // Offset 0, which the broker replaces, the length, and no leader epoch.
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        bytes.push(2);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&i16::from(compression.codec()).to_be_bytes());
        bytes.extend_from_slice(&(self.records - 1).to_be_bytes());
        bytes.extend_from_slice(&self.base_time.to_be_bytes());
        bytes.extend_from_slice(&self.max_time.to_be_bytes());
        // Who produces it is stamped on when it is sent.
        bytes.extend_from_slice(&[0xff; 14]);
        bytes.extend_from_slice(&self.records.to_be_bytes());
        compression.pack(&self.plain, &mut bytes)?;
        patch_length(&mut bytes);
        let records = std::mem::take(&mut self.records);
        self.plain.clear();
        Ok(Built { partition, bytes, records })
    }
}

/// Appends a header's name and value.
pub(crate) fn put_header(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    put_nullable(out, Some(name.as_bytes()));
    put_nullable(out, value);
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_signed(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        // -1, zig-zag.
        None => put_unsigned(out, 1),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::{Batch, compress, record, stamp};
    use super::*;

    type Sent = (Option<Vec<u8>>, Option<Vec<u8>>, i64, Vec<(String, Option<Vec<u8>>)>);

    fn sent() -> impl Strategy<Value = Sent> {
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
        let headers = proptest::collection::vec((".{0,5}", bytes()), 0..3);
        (bytes(), bytes(), -1_000_000_000_000_i64..4_000_000_000_000, headers)
    }

    fn built(sent: &[Sent], compression: Compression) -> Vec<u8> {
        let mut builder = Builder::default();
        for (key, value, millis, headers) in sent {
            let mut encoded = vec![];
            headers.iter().for_each(|(name, value)| put_header(&mut encoded, name, value.as_deref()));
            let headers_count = headers.len() as u32;
            let (key, value) = (key.as_deref(), value.as_deref());
            builder.push(&Parts { key, value, headers: &encoded, headers_count, millis: *millis });
        }
        let mut built = builder.seal(3, compression).unwrap();
        assert_eq!((built.partition, built.records), (3, sent.len() as i32));
        stamp(&mut built.bytes, 7, 1, 40, true);
        built.bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<(u64, Sent)>, String> {
        let Some(batch) = Batch::read(bytes, 0).map_err(|bad| bad.reason)? else { return Ok(vec![]) };
        batch.check(bytes).map_err(|bad| bad.reason)?;
        let mut plain = batch.body(bytes).to_vec();
        if batch.codec() != 0 {
            let packed = plain.clone();
            compress::unpack(batch.codec(), &packed, &mut plain, 1 << 20)?;
        }
        let (topic, mut at, mut found): (Arc<str>, usize, Vec<(u64, Sent)>) = ("t".into(), 0, vec![]);
        for _ in 0..batch.count {
            let record = record::next(&plain, &mut at, &batch, &topic, 0).map_err(|bad| bad.reason)?;
            let headers = record.headers().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)));
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            found.push((
                record.offset(),
                (owned(record.key()), owned(record.value()), record.millis(), headers.collect()),
            ));
        }
        Ok(found)
    }

    proptest! {
        #[test]
        fn records_come_back_byte_for_byte(sent in proptest::collection::vec(sent(), 1..20), codec in 0usize..4) {
            let compression = [Compression::None, Compression::Lz4, Compression::Gzip, Compression::Snappy][codec];
            let found = read(&built(&sent, compression)).unwrap();
            prop_assert_eq!(found, (0..).zip(sent).collect::<Vec<_>>());
        }

        #[test]
        fn damage_is_told_and_nothing_panics(sent in proptest::collection::vec(sent(), 1..5), at: prop::sample::Index, byte: u8) {
            let mut bytes = built(&sent, Compression::None);
            let at = at.index(bytes.len());
            let was = std::mem::replace(&mut bytes[at], byte);
            let found = read(&bytes);
            // The checksum covers all but the offset, the length, the leader's epoch and the version.
            prop_assert!(was == byte || at < 17 || found.is_err());
        }

        #[test]
        fn rubbish_is_told_and_nothing_panics(mut bytes in proptest::collection::vec(any::<u8>(), 61..400), honest: bool) {
            // With a checksum that is right, so that the records are looked at.
            bytes[16] = 2;
            let length = (bytes.len() - 12) as i32;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[0..4].copy_from_slice(&[0; 4]);
            bytes[57..61].copy_from_slice(&3_i32.to_be_bytes());
            if honest {
                bytes[23..27].copy_from_slice(&2_i32.to_be_bytes());
                let crc = crc32c::crc32c(&bytes[21..]);
                bytes[17..21].copy_from_slice(&crc.to_be_bytes());
            }
            let _ = read(&bytes);
            let _ = Batch::read(&bytes[..60], 0);
        }
    }

    #[test]
    fn old_formats_and_cut_batches_are_told_apart() {
        let mut bytes = built(&[(None, Some(b"x".to_vec()), 5, vec![])], Compression::None);
        assert_eq!(Batch::read(&bytes[..bytes.len() - 1], 0), Ok(None), "the rest comes with the next fetch");
        bytes[16] = 1;
        assert!(Batch::read(&bytes, 0).unwrap_err().reason.contains("format 1"));
    }
}
