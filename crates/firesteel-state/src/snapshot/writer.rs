//! Writing a snapshot.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use firesteel_faults::{fail_point, in_order};

use super::manifest::{ImageRef, Manifest};
use super::name::SnapshotId;
use super::place::SnapshotStore;
use crate::error::{Result, StateError};
use crate::files::Header;
use crate::frame::{Frame, Shard};
use crate::schema::Catalog;
use crate::wire::checksum;

const MAGIC: [u8; 8] = *b"FSTIMAGE";
const VERSION: u32 = 1;
/// Files get about so large. As much is in memory until it is written.
const PART: usize = 4 << 20;

/// What is left to be stored in the end.
#[derive(Clone, Copy)]
enum Part {
    Images,
    /// Last: from then on the snapshot exists, and everything that it names has to be there.
    Manifest,
}

/// A snapshot that is being written. Without a [`finish`](Self::finish) it does not exist.
pub struct SnapshotWriter {
    store: Arc<dyn SnapshotStore>,
    manifest: Manifest,
    images: BTreeMap<Shard, ImageRef>,
    part: usize,
    buffer: Vec<u8>,
    /// The images in the buffer.
    open: Vec<Shard>,
}

impl SnapshotWriter {
    pub(super) fn new(
        store: Arc<dyn SnapshotStore>,
        id: SnapshotId,
        epoch: u64,
        catalog: Catalog,
        base: Option<&Manifest>,
    ) -> Self {
        let known = |image: &&ImageRef| catalog.stores().iter().any(|store| store.id == image.shard.store);
        let known = base.into_iter().flat_map(|base| &base.images).filter(known);
        let mut images = BTreeMap::new();
        images.extend(known.map(|image| (image.shard, image.clone())));
        let manifest = Manifest { id, epoch, catalog, extra: vec![], images: vec![] };
        Self { store, manifest, images, part: 0, buffer: Vec::new(), open: Vec::new() }
    }

    /// Which snapshot it is.
    #[must_use]
    pub fn id(&self) -> SnapshotId {
        self.manifest.id
    }

    /// Adds the image of a shard as it was at the end of epoch `through`, in place of the base's. An empty image tells
    /// that the shard is empty.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub fn add(&mut self, through: u64, image: &Frame) -> Result<()> {
        if self.buffer.is_empty() {
            self.buffer.extend_from_slice(&Header { magic: MAGIC, version: VERSION }.encode());
        }
        let reference = ImageRef {
            shard: image.shard(),
            through,
            file: self.manifest.id.part(self.part),
            offset: self.buffer.len() as u64,
            length: image.bytes().len() as u64,
            checksum: checksum(image.bytes()),
        };
        self.buffer.extend_from_slice(image.bytes());
        self.images.insert(image.shard(), reference);
        self.open.push(image.shard());
        if self.buffer.len() >= PART { self.flush() } else { Ok(()) }
    }

    /// Says that a shard has not changed from the base's image to the end of epoch `through`: less of the changelog is
    /// needed then.
    ///
    /// # Errors
    /// [`StateError::InvalidState`] if the base has no image of it.
    pub fn unchanged(&mut self, shard: Shard, through: u64) -> Result<()> {
        match self.images.get_mut(&shard) {
            Some(image) => {
                image.through = image.through.max(through);
                Ok(())
            }
            None => Err(StateError::InvalidState {
                what: format!("taking over {shard}"),
                reason: "the base has no image of it: add one".into(),
            }),
        }
    }

    /// Creates a file. One that is there already has this run in its name: it is this run's own, whose creation succeeded
    /// and was not told of, if it is the same, and somebody else's otherwise.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<()> {
        match self.store.put_new(name, bytes) {
            Err(StateError::Exists { .. }) if self.store.get(name)? == bytes => Ok(()),
            done => done,
        }
    }

    fn flush(&mut self) -> Result<()> {
        if !self.open.is_empty() {
            fail_point!("snapshot.images");
            self.create(&self.manifest.id.part(self.part), &self.buffer)?;
            fail_point!("snapshot.images.stored");
            self.part += 1;
            self.buffer.clear();
            self.open.clear();
        }
        Ok(())
    }

    /// Writes the manifest: from now on the snapshot exists.
    ///
    /// # Errors
    /// When it cannot be stored; then there is no snapshot.
    pub fn finish(mut self, extra: Vec<u8>) -> Result<Manifest> {
        self.manifest.extra = extra;
        self.manifest.images = self.images.values().cloned().collect();
        for part in in_order("snapshot.parts", [Part::Images, Part::Manifest]) {
            match part {
                Part::Images => self.flush()?,
                Part::Manifest => {
                    fail_point!("snapshot.manifest");
                    self.create(&self.manifest.id.manifest(), &self.manifest.encode()?)?;
                    fail_point!("snapshot.manifest.stored");
                }
            }
        }
        Ok(self.manifest)
    }
}

impl fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotWriter")
            .field("id", &self.manifest.id)
            .field("epoch", &self.manifest.epoch)
            .field("images", &self.images.len())
            .finish_non_exhaustive()
    }
}
