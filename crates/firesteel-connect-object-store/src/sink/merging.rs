//! Small objects of results that become large ones.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use firesteel_connect::{ConnectError, Result};
use firesteel_frames::{Compression, Unpacked};
use firesteel_object_store::object_store::ObjectMeta;
use firesteel_object_store::{Bucket, Pending, Pin, Stretch, Upload, Uploaded};
use firesteel_results::{
    CompactionReport, Covered, Entry, Limits, Manifest, MergingStore, PRINTED, PartName, PartStore, Seen, Size, Switch,
    compact, hash,
};

use super::part::{Uploads, WrittenObject};
use super::place::Claimed;
use crate::error::{failed, io_failed};
use crate::source::results::{joined, tag_of};

/// How much of an object is read at once, which is all of most.
const FIRST: u64 = 8 << 20;
/// How many objects are asked for ahead.
const AHEAD: usize = 8;

/// Results that this process has claimed.
pub(crate) struct Mergeable<'a> {
    bucket: &'a Bucket,
    prefix: &'a str,
    claimed: &'a Claimed,
    /// Counts what was written: no attempt has the keys of another one.
    written: &'a AtomicU64,
    uploads: Uploads<'a>,
    ahead: RefCell<Ahead>,
}

/// Objects that were asked for, and those that will be.
#[derive(Default)]
struct Ahead {
    asked: VecDeque<(String, Pending<(ObjectMeta, Bytes)>)>,
    expected: VecDeque<(String, u64)>,
}

impl<'a> Mergeable<'a> {
    pub(crate) fn of(bucket: &'a Bucket, prefix: &'a str, claimed: &'a Claimed, written: &'a AtomicU64) -> Self {
        let uploads = Uploads { bucket, prefix, held: Cell::default() };
        Self { bucket, prefix, claimed, written, uploads, ahead: RefCell::default() }
    }

    /// Merges objects to ones of up to `wanted` bytes, within limits.
    pub(crate) fn compact(&self, wanted: u64, limits: &Limits, report: &mut CompactionReport) -> Result<()> {
        compact(self, wanted, limits, report)
    }

    /// The first bytes of an object, in its version.
    fn first(&self, entry: &Entry) -> Pending<(ObjectMeta, Bytes)> {
        let mut ahead = self.ahead.borrow_mut();
        let Ahead { asked, expected } = &mut *ahead;
        while asked.len() < AHEAD
            && let Some((key, bytes)) = expected.pop_front()
        {
            let first = self.bucket.begin_first(&key, bytes.min(FIRST));
            asked.push_back((key, first));
        }
        let key = joined(self.prefix, &entry.name);
        match asked.pop_front() {
            Some((of, first)) if of == key => first,
            _ => self.bucket.begin_first(&key, entry.bytes.min(FIRST)),
        }
    }
}

impl PartStore for Mergeable<'_> {
    type Part = Upload;
    type Whole = WrittenObject;

    fn create(&self, name: &PartName) -> Result<Upload> {
        self.uploads.create(name)
    }

    fn finish(&self, part: Upload, name: PartName, size: Size) -> Result<WrittenObject> {
        self.uploads.finish(part, name, size)
    }

    fn failed(&self, name: &PartName, error: io::Error) -> ConnectError {
        self.uploads.failed(name, error)
    }
}

impl MergingStore for Mergeable<'_> {
    fn current(&self) -> Result<Vec<Covered>> {
        self.claimed.current_settled()
    }

    fn manifest(&self, covered: Covered) -> Result<Manifest> {
        self.claimed.read(covered)
    }

    fn name(&self, name: PartName) -> PartName {
        name.of_run(self.claimed.run(), self.written.fetch_add(1, Ordering::Relaxed))
    }

    fn expect(&self, entries: &[&Entry]) {
        let expected = entries.iter().map(|entry| (joined(self.prefix, &entry.name), entry.bytes)).collect();
        self.ahead.replace(Ahead { asked: VecDeque::new(), expected });
    }

    fn look(&self, entry: &Entry) -> Result<Seen> {
        let key = joined(self.prefix, &entry.name);
        let lost = |reason: String| ConnectError::Lost { place: key.clone(), position: 0, reason };
        let (object, first) = match self.first(entry).wait() {
            Err(error) if error.is_missing() => {
                return Err(lost("its manifest lists it, and it is gone; restore it".to_owned()));
            }
            first => first.map_err(failed(self.bucket, || format!("reading {key}")))?,
        };
        if object.size != entry.bytes {
            let reason = format!("its manifest says {} bytes, the object has {}; restore it", entry.bytes, object.size);
            return Err(lost(reason));
        }
        let (pin, got) = (Pin::of(&object), first.len() as u64);
        let printed = pin.size.min(PRINTED);
        let tail = if got == pin.size {
            first.slice((got - printed) as usize..)
        } else {
            let part = self.bucket.begin_part(&pin, pin.size - printed, pin.size);
            part.wait().map_err(failed(self.bucket, || format!("reading {key}")))?
        };
        let print = [hash(&first[..printed as usize]), hash(&tail)];
        let is_gzip = PartName::is_gzip(&entry.name);
        let packed = if is_gzip { Compression::Gzip } else { Compression::Plain };
        let (bucket, tag) = (self.bucket.clone(), Some(tag_of(&pin)));
        let open = Box::new(move || -> io::Result<Box<dyn Read + Send>> {
            let rest = Stretch::of(&bucket, &pin, got, pin.size);
            Ok(Box::new(Unpacked::of(Cursor::new(first.clone()).chain(rest), packed)))
        });
        Ok(Seen { print, tag, open })
    }

    fn unread(&self, entry: &Entry, error: io::Error) -> ConnectError {
        io_failed(self.bucket, || format!("reading {}", entry.name), error)
    }

    fn damaged(&self, entry: &Entry, reason: String) -> ConnectError {
        ConnectError::Damaged { path: joined(self.prefix, &entry.name).into(), position: 0, reason }
    }

    fn switch(&self, switch: Switch<WrittenObject>) -> Result<()> {
        let old = switch.old_names().map(str::to_owned).collect();
        let mut objects: Vec<WrittenObject> = switch.written.into_iter().map(|written| written.whole).collect();
        let completed = Uploaded::complete_all(objects.iter_mut().map(WrittenObject::uploaded));
        if completed.is_err() {
            // No step names them yet. What cannot be removed is, when the sink starts next.
            objects.into_iter().for_each(|object| _ = object.remove());
        }
        completed.map_err(failed(self.bucket, || "storing merged objects".to_owned()))?;
        self.claimed.replace(switch.covered, &switch.manifest, old)
    }
}
