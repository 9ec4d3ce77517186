//! The bytes of an object, a few ranges ahead.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};

use bytes::{Buf, Bytes};

use crate::bucket::{Bucket, Pending, Pin};

/// Asked for at once.
const PART: u64 = 8 << 20;
/// How many ranges are under way while one is read.
const AHEAD: usize = 2;
/// Asked for where nobody expects to need much.
const LITTLE: u64 = 64 << 10;

/// The bytes `[from, to)` of an object, all of one version: if another one takes its place meanwhile, that is an
/// error ([`is_missing`](crate::is_missing)) and never a mixture.
pub struct Stretch {
    bucket: Bucket,
    object: Pin,
    /// Where the next range begins that is not asked for yet.
    next: u64,
    to: u64,
    expected: u64,
    under_way: VecDeque<Pending<Bytes>>,
    part: Bytes,
}

impl Stretch {
    /// The bytes `[from, to)` of an object.
    #[must_use]
    pub fn of(bucket: &Bucket, object: &Pin, from: u64, to: u64) -> Self {
        let (bucket, object) = (bucket.clone(), object.clone());
        Self { bucket, object, next: from, to, expected: to, under_way: VecDeque::new(), part: Bytes::new() }
    }

    /// What comes after this position is needed in part only, if at all, and not fetched ahead.
    #[must_use]
    pub fn expecting(self, to: u64) -> Self {
        Self { expected: to, ..self }
    }

    /// Asks for what comes next.
    fn ask(&mut self) {
        while self.next < self.to && self.under_way.len() <= AHEAD {
            let end = match self.expected.min(self.to) {
                expected if self.next < expected => expected.min(self.next + PART),
                _ if self.under_way.is_empty() => self.to.min(self.next + LITTLE),
                _ => return,
            };
            self.under_way.push_back(self.bucket.begin_part(&self.object, self.next, end));
            self.next = end;
        }
    }
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            self.ask();
            let Some(part) = self.under_way.pop_front() else { return Ok(0) };
            self.part = part.wait()?;
        }
        let count = buffer.len().min(self.part.len());
        self.part.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl fmt::Debug for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stretch({}, {}..{})", self.object.key, self.next, self.to)
    }
}
