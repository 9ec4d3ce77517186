//! The bytes of an object that is a table.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use firesteel_formats::ReadAt;
use firesteel_object_store::{Bucket, Pin};
use parking_lot::Mutex;

/// What is fetched at once, where less is asked for.
const BLOCK: u64 = 1 << 20;
/// How many blocks are kept: those of the pages that columns are at.
const KEPT: usize = 32;

/// An object, read at any place, in one version of it.
pub(super) struct ObjectBytes {
    bucket: Bucket,
    object: Pin,
    /// The blocks that were used last, with their numbers, the oldest first.
    blocks: Mutex<Vec<(u64, Bytes)>>,
}

impl ObjectBytes {
    pub(super) fn of(bucket: &Bucket, object: &Pin) -> Arc<Self> {
        Arc::new(Self { bucket: bucket.clone(), object: object.clone(), blocks: Mutex::default() })
    }

    fn fetch(&self, from: u64, to: u64) -> io::Result<Bytes> {
        Ok(self.bucket.begin_part(&self.object, from, to).wait()?)
    }

    fn block(&self, number: u64) -> io::Result<Bytes> {
        let mut blocks = self.blocks.lock();
        let found = blocks.iter().position(|(known, _)| *known == number);
        let block = match found {
            Some(at) => blocks.remove(at).1,
            None => self.fetch(number * BLOCK, self.object.size.min((number + 1) * BLOCK))?,
        };
        if blocks.len() >= KEPT {
            blocks.remove(0);
        }
        blocks.push((number, block.clone()));
        Ok(block)
    }
}

impl ReadAt for ObjectBytes {
    fn len(&self) -> u64 {
        self.object.size
    }

    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes> {
        let to = from.checked_add(length as u64).filter(|to| *to <= self.object.size);
        let to = to.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (first, last) = (from / BLOCK, to.saturating_sub(1) / BLOCK);
        if length == 0 {
            return Ok(Bytes::new());
        }
        if last > first + 1 {
            return self.fetch(from, to);
        }
        let start = (from % BLOCK) as usize;
        let block = self.block(first)?;
        if last == first {
            return Ok(block.slice(start..start + length));
        }
        let mut bytes = block[start..].to_vec();
        bytes.extend_from_slice(&self.block(last)?[..length - bytes.len()]);
        Ok(bytes.into())
    }
}
