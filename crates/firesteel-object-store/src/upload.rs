//! An object that is being written.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectMeta, ObjectStoreExt, PutPayload};
use tokio::sync::Mutex;

use crate::bucket::{Bucket, Pending, Result};

/// The size of a part: stores want five MiB at least, and ten thousand parts at most.
const PART: usize = 8 << 20;
/// The number of parts of that size: some stores, as Cloudflare R2, take no others.
const EQUAL_PARTS: usize = 5_000;
/// After them a part grows with the object, so that ten thousand parts hold any object that a store takes.
const PARTS_OF_A_SIZE: usize = 500;
/// How many parts are under way before a writer waits.
const UNDER_WAY: usize = 4;
/// How many objects are completed at the same time.
const AT_ONCE: usize = 16;

type Multipart = Arc<Mutex<Box<dyn MultipartUpload>>>;

/// An object that is being written. It is not there before it is [completed](Uploaded::complete); what is dropped before never is.
///
/// What fits into eight MiB waits in memory; of more, parts of that size are stored while it is written, four at a time.
pub struct Upload {
    bucket: Bucket,
    key: Path,
    buffer: Vec<u8>,
    parts: Option<Parts>,
}

/// The parts of a large object.
struct Parts {
    bucket: Bucket,
    multipart: Multipart,
    under_way: VecDeque<Pending<()>>,
    count: usize,
    bytes: u64,
    /// What had the key when it began.
    before: Option<ObjectMeta>,
    is_completed: bool,
}

impl Upload {
    /// Begins an object of this key.
    ///
    /// # Errors
    /// When it is none.
    pub fn to(bucket: &Bucket, key: &str) -> Result<Self> {
        let key = Path::parse(key).map_err(object_store::Error::from)?;
        Ok(Self { bucket: bucket.clone(), key, buffer: Vec::new(), parts: None })
    }

    fn part_size(&self) -> usize {
        let parts = self.parts.as_ref().map_or(0, |parts| parts.count);
        PART << ((parts + PARTS_OF_A_SIZE).saturating_sub(EQUAL_PARTS) / PARTS_OF_A_SIZE).min(8)
    }

    /// Stores what is in the buffer as a part.
    fn store_part(&mut self) -> Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let key = self.key.clone();
                let before = self.bucket.head(key.as_ref())?;
                let multipart = self.bucket.call(|store| async move { store.put_multipart(&key).await })?;
                let (bucket, multipart) = (self.bucket.clone(), Arc::new(Mutex::new(multipart)));
                let (under_way, count, bytes, is_completed) = (VecDeque::new(), 0, 0, false);
                none.insert(Parts { bucket, multipart, under_way, count, bytes, before, is_completed })
            }
        };
        parts.store(PutPayload::from(std::mem::take(&mut self.buffer)))
    }

    /// How many bytes would wait in memory until it is completed, if it [finished](Self::finish) now.
    #[must_use]
    pub fn held(&self) -> usize {
        if self.parts.is_some() { 0 } else { self.buffer.len() }
    }

    /// As [`finish`](Self::finish), with nothing left in memory: that costs three calls of the store more.
    ///
    /// # Errors
    /// As those of [`finish`](Self::finish).
    pub fn finish_stored(mut self) -> Result<Uploaded> {
        if self.held() > 0 {
            self.store_part()?;
        }
        self.finish()
    }

    /// All of it is written.
    ///
    /// # Errors
    /// When a part cannot be stored.
    pub fn finish(mut self) -> Result<Uploaded> {
        if self.parts.is_some() && !self.buffer.is_empty() {
            self.store_part()?;
        }
        if let Some(parts) = &mut self.parts {
            parts.settle(0)?;
        }
        let Self { bucket, key, buffer, parts } = self;
        Ok(Uploaded {
            bucket,
            key,
            rest: Some(parts.map_or_else(|| Rest::Small(buffer.into()), Rest::Parts)),
            was_tried: false,
        })
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.part_size() - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == self.part_size() {
            self.store_part()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Parts {
    fn store(&mut self, part: PutPayload) -> Result<()> {
        let (multipart, bytes) = (Arc::clone(&self.multipart), part.content_length() as u64);
        // Parts are numbered when they are handed in, which is in their order: the thread has one runtime, and nobody else
        // holds the lock.
        let numbered = self.bucket.call(|_| async move { Ok(multipart.lock().await.put_part(part)) })?;
        self.under_way.push_back(self.bucket.begin(|_| numbered));
        self.count += 1;
        self.bytes += bytes;
        self.settle(UNDER_WAY)
    }

    /// Waits until no more than `most` parts are under way.
    fn settle(&mut self, most: usize) -> Result<()> {
        while self.under_way.len() > most {
            let Some(part) = self.under_way.pop_front() else { break };
            part.wait()?;
        }
        Ok(())
    }

    fn complete(&self, key: &Path) -> Pending<()> {
        let (multipart, key, bytes, before) =
            (Arc::clone(&self.multipart), key.clone(), self.bytes, self.before.clone());
        self.bucket.begin(move |store| async move {
            let Err(error) = multipart.lock().await.complete().await else { return Ok(()) };
            // An answer may be lost, of this call or of one before. What the client library has handed over it does not have again.
            match store.head(&key).await {
                Ok(found) if found.size == bytes && before.as_ref() != Some(&found) => Ok(()),
                _ => Err(error),
            }
        })
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if !self.is_completed {
            let multipart = Arc::clone(&self.multipart);
            // What stays behind of it is invisible; stores remove it by a rule of the bucket.
            drop(self.bucket.begin(|_| async move { multipart.lock().await.abort().await }));
        }
    }
}

enum Rest {
    Small(bytes::Bytes),
    Parts(Parts),
}

/// An object that is written, and is not there yet. Dropping it throws it away.
pub struct Uploaded {
    bucket: Bucket,
    key: Path,
    /// `None` when it is there.
    rest: Option<Rest>,
    /// Whether it may be there.
    was_tried: bool,
}

impl Uploaded {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.as_ref()
    }

    /// Makes it appear, in place of what has its key; does nothing once it has.
    ///
    /// # Errors
    /// When it is not certain that it is there; the call may be repeated.
    pub fn complete(&mut self) -> Result<()> {
        Self::complete_all([self])
    }

    /// As [`complete`](Self::complete), of several at the same time.
    ///
    /// # Errors
    /// The first; the others are there all the same, if they can be.
    pub fn complete_all<'a>(uploads: impl IntoIterator<Item = &'a mut Self>) -> Result<()> {
        let mut uploads = uploads.into_iter();
        let mut outcome = Ok(());
        loop {
            let mut some: Vec<&mut Self> = uploads.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return outcome;
            }
            let begun: Vec<_> = some.iter_mut().map(|upload| upload.begin()).collect();
            for (upload, begun) in some.into_iter().zip(begun) {
                match begun.map_or(Ok(()), Pending::wait) {
                    Ok(()) => upload.completed(),
                    Err(error) if outcome.is_ok() => outcome = Err(error),
                    Err(_) => {}
                }
            }
        }
    }

    fn begin(&mut self) -> Option<Pending<()>> {
        self.was_tried = true;
        Some(match self.rest.as_ref()? {
            Rest::Parts(parts) => parts.complete(&self.key),
            Rest::Small(bytes) => {
                let (key, payload) = (self.key.clone(), PutPayload::from(bytes.clone()));
                self.bucket.begin(|store| async move { store.put(&key, payload).await.map(|_| ()) })
            }
        })
    }

    fn completed(&mut self) {
        if let Some(Rest::Parts(parts)) = &mut self.rest {
            parts.is_completed = true;
        }
        self.rest = None;
    }

    /// Throws it away, also when it is there, or may be.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub fn remove(mut self) -> Result<()> {
        match self.rest.take() {
            Some(_) if !self.was_tried => Ok(()),
            _ => self.bucket.delete(self.key.as_ref()),
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({})", self.key)
    }
}

impl fmt::Debug for Uploaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uploaded({})", self.key)
    }
}
