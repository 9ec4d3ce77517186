//! The objects of a task: uploaded, then listed or thrown away.

use std::cell::Cell;
use std::io;

use firesteel_connect::{ConnectError, Result};
use firesteel_object_store::{Bucket, StoreError, Upload, Uploaded};
use firesteel_results::{Entry, PartName, PartStore, Size};

use crate::error::{failed, io_failed};
use crate::source::results::joined;

/// Objects under a prefix.
pub(super) struct Uploads<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) prefix: &'a str,
    /// How many bytes of whole objects wait in memory.
    pub(super) held: Cell<usize>,
}

/// How many bytes of a task's whole objects wait in memory: more cost fewer calls of the store.
const MOST_HELD: usize = 64 << 20;

impl PartStore for Uploads<'_> {
    type Part = Upload;
    type Whole = WrittenObject;

    fn create(&self, name: &PartName) -> Result<Upload> {
        let key = joined(self.prefix, &name.published());
        Upload::to(self.bucket, &key).map_err(failed(self.bucket, || format!("storing {key}")))
    }

    fn finish(&self, part: Upload, name: PartName, size: Size) -> Result<WrittenObject> {
        let name = name.published();
        let held = self.held.get() + part.held();
        let finished = if held > MOST_HELD {
            part.finish_stored()
        } else {
            self.held.set(held);
            part.finish()
        };
        let uploaded = finished.map_err(failed(self.bucket, || format!("storing {name}")))?;
        Ok(WrittenObject { uploaded, entry: Entry::new(name, size.bytes, size.records) })
    }

    fn failed(&self, name: &PartName, error: io::Error) -> ConnectError {
        io_failed(self.bucket, || format!("storing {}", name.published()), error)
    }
}

/// An object that is whole.
#[derive(Debug)]
pub(crate) struct WrittenObject {
    uploaded: Uploaded,
    entry: Entry,
}

impl WrittenObject {
    pub(super) fn uploaded(&mut self) -> &mut Uploaded {
        &mut self.uploaded
    }

    /// Throws it away, also when it is complete.
    pub(super) fn remove(self) -> std::result::Result<(), StoreError> {
        self.uploaded.remove()
    }
}

/// What a task leaves for the commit: objects that no manifest lists yet, or nothing. Those that are not complete are thrown away
/// when it is dropped.
#[derive(Debug)]
pub struct PendingObjects {
    written: Vec<WrittenObject>,
}

impl PendingObjects {
    pub(super) fn new(written: Vec<WrittenObject>) -> Self {
        Self { written }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    pub(super) fn uploads(&mut self) -> impl Iterator<Item = &mut Uploaded> {
        self.written.iter_mut().map(WrittenObject::uploaded)
    }

    /// How many bytes its objects have.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> {
        self.written.iter().map(|object| object.entry.bytes)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.written.iter().map(|object| object.entry.clone())
    }

    /// Throws the objects away, also those that are complete. All are, whatever becomes of the first.
    pub(super) fn remove(self) -> std::result::Result<(), StoreError> {
        let removed: Vec<_> = self.written.into_iter().map(WrittenObject::remove).collect();
        removed.into_iter().collect()
    }
}
