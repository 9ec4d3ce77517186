//! Snapshots: images of key groups in a place of their own, so that the changelog need not be kept forever.
//!
//! A snapshot is a manifest and the files it names. Each holds [images](crate::GroupState::image) of key groups, with a
//! checksum for each. A later snapshot takes over by name what has not changed since: it is incremental by key group.
//! The manifest is written last, so that a snapshot is there as a whole or not at all.
//!
//! ```
//! use firesteel_state::changelog::{Changelog, ChangelogOptions, EpochRecord};
//! use firesteel_state::snapshot::{self, Snapshots};
//! use firesteel_state::{Catalog, Declaration, KeyGroups, KeyedStore, StateStore, Times};
//! use firesteel_window::Timestamp;
//! # let folder = std::env::temp_dir().join(format!("firesteel-snapshot-{}", std::process::id()));
//! # let times = Times::processing(Timestamp::EPOCH);
//!
//! let open = || {
//!     let mut states = Declaration::<u64>::new("totals");
//!     let total = states.value::<u64>("total");
//!     let catalog = Catalog::new(KeyGroups::default()).with(&[states.schema()], false).unwrap();
//!     (KeyedStore::in_memory(states, KeyGroups::default(), |key| *key).unwrap(), total, catalog)
//! };
//!
//! let (store, total, catalog) = open();
//! let mut log = Changelog::open(&folder.join("changelog"), ChangelogOptions::default())?;
//! let snapshots = Snapshots::in_folder(&folder.join("snapshots"))?;
//! for epoch in 1..=3 {
//!     store.begin(epoch);
//!     total.set(&mut store.lock(store.group_of(7)).key(7, &7, times), epoch * 100)?;
//!     log.prepare(&EpochRecord { epoch, frames: store.end_epoch(epoch)?, ..EpochRecord::default() })?;
//!     store.applied(epoch);
//!     if epoch == 2 {
//!         let mut writer = snapshots.begin(epoch, &catalog, None)?;
//!         for group in catalog.groups().all().iter() {
//!             let (through, image) = store.image(group)?;
//!             writer.add(through, &image)?;
//!         }
//!         writer.finish(vec![])?;
//!     }
//! }
//!
//! let (store, total, _) = open();
//! let recovery = snapshot::recover(&snapshots, &log, None)?;
//! recovery.restore_stores(&[&store])?;
//! assert_eq!(recovery.epoch(), 3);
//! assert_eq!(total.get(&mut store.lock(store.group_of(7)).key(7, &7, times))?, Some(&300));
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), firesteel_state::StateError>(())
//! ```
//!
//! The files are described in `docs/formats.md`. When to take a snapshot, and of which groups, is the engine's choice.

mod manifest;
mod name;
mod place;
mod recovery;
mod stood;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

pub use self::manifest::{ImageRef, Manifest};
pub use self::name::{RunId, SnapshotId};
pub use self::place::{FolderStore, SnapshotStore, part_of};
pub use self::recovery::{Recovery, reaches, recover};
pub use self::writer::SnapshotWriter;
use firesteel_faults::fail_point;

use crate::error::{Result, StateError};
use crate::frame::Frame;
use crate::parallel;
use crate::schema::Catalog;
use crate::wire::checksum;

/// The snapshots of a checkpoint.
#[derive(Clone)]
pub struct Snapshots {
    store: Arc<dyn SnapshotStore>,
    threads: usize,
    pub(crate) writer: RunId,
}

/// The snapshots whose manifests are among these files.
fn manifests(names: &[String]) -> impl Iterator<Item = SnapshotId> {
    names.iter().filter_map(|name| SnapshotId::of_manifest(name))
}

/// Adjacent images are read together up to this many bytes, so that small ones do not cost a
/// request each.
const TOGETHER: u64 = 4 << 20;

impl Snapshots {
    /// Snapshots in any place.
    #[must_use]
    pub fn new(store: Arc<dyn SnapshotStore>) -> Self {
        Self { store, threads: 1, writer: RunId::random() }
    }

    /// Snapshots in a local folder, which is made if need be.
    ///
    /// # Errors
    /// [`StateError::File`] when the folder cannot be made.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        Ok(Self::new(Arc::new(FolderStore::open(folder)?)))
    }

    /// Snapshots in a local folder, to be read: it is not made where it is not there, and then has none.
    #[must_use]
    pub fn look_in(folder: &Path) -> Self {
        Self::new(Arc::new(FolderStore::look_in(folder)))
    }

    /// The place, as its [`SnapshotStore`] names it.
    #[must_use]
    pub fn place(&self) -> String {
        self.store.describe()
    }

    /// Reads with this many threads at once where a whole snapshot is read; with one unless set. Each holds a few
    /// megabytes.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Writes as this run, and retains what is in its scope; as a run of its own unless set.
    #[must_use]
    pub fn written_by(self, writer: RunId) -> Self {
        Self { writer, ..self }
    }

    /// All snapshots, ascending.
    ///
    /// # Errors
    /// When the place cannot be listed.
    pub fn list(&self) -> Result<Vec<SnapshotId>> {
        let mut ids: Vec<_> = manifests(&self.store.list()?).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The manifest of a snapshot.
    ///
    /// # Errors
    /// [`StateError::Damaged`] or [`StateError::Version`] when it cannot be trusted; any error of the place.
    pub fn manifest(&self, id: SnapshotId) -> Result<Manifest> {
        let name = id.manifest();
        let manifest = Manifest::decode(&self.path(&name), &self.store.get(&name)?)?;
        if manifest.id != id {
            let reason = format!("it is the manifest of snapshot {}", manifest.id);
            return Err(StateError::damaged(&self.path(&name), 0, reason));
        }
        Ok(manifest)
    }

    /// Begins a snapshot of the state at the end of `epoch`, under the number after the largest that is there. With a `base`, images that are not added again are taken
    /// over from it.
    ///
    /// Key groups that get no image and have none in the base are taken to be empty at the end of `epoch`.
    ///
    /// # Errors
    /// When the place cannot be listed.
    pub fn begin(&self, epoch: u64, catalog: &Catalog, base: Option<&Manifest>) -> Result<SnapshotWriter> {
        // A number is not used again even if no manifest came of it: its files may still be there.
        fail_point!("snapshot.begin");
        let used = self.store.list()?.iter().filter_map(|name| SnapshotId::of_file(name)).max();
        let id = SnapshotId { number: used.map_or(1, |id| id.number + 1), writer: self.writer };
        Ok(self.begin_as(id, epoch, catalog, base))
    }

    /// [Begins](Self::begin) a snapshot under a name of the caller's choice, which nobody has used or will: of the epoch, say,
    /// and the run. Nothing is looked up.
    #[must_use]
    pub fn begin_as(&self, id: SnapshotId, epoch: u64, catalog: &Catalog, base: Option<&Manifest>) -> SnapshotWriter {
        SnapshotWriter::new(self.store.clone(), id, epoch, catalog.clone(), base)
    }

    /// Reads an image.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when it is not what was written; any error of the place.
    pub fn image(&self, image: &ImageRef) -> Result<Frame> {
        let bytes = self.store.get_part(&image.file, image.offset, image.length)?;
        self.frame(image, self.checked(image, &bytes, image.offset)?.to_vec())
    }

    /// The bytes of an image in a part of its file that begins at `from`, if they fit their checksum.
    fn checked<'b>(&self, image: &ImageRef, part: &'b [u8], from: u64) -> Result<&'b [u8]> {
        let damaged = |reason: &str| StateError::damaged(&self.path(&image.file), image.offset, reason);
        let range = usize::try_from(image.offset - from).ok().zip(usize::try_from(image.length).ok());
        let bytes = range.and_then(|(offset, length)| part.get(offset..)?.get(..length));
        let bytes = bytes.ok_or_else(|| damaged("the file ends before the image"))?;
        if checksum(bytes) != image.checksum {
            return Err(damaged("an image does not match its checksum"));
        }
        Ok(bytes)
    }

    fn frame(&self, image: &ImageRef, bytes: Vec<u8>) -> Result<Frame> {
        Frame::from_bytes(image.shard, bytes).ok_or_else(|| self.senseless(image))
    }

    fn senseless(&self, image: &ImageRef) -> StateError {
        StateError::damaged(&self.path(&image.file), image.offset, "an image is invalid")
    }

    fn image_in(&self, image: &ImageRef, file: &[u8]) -> Result<Frame> {
        self.frame(image, self.checked(image, file, 0)?.to_vec())
    }

    /// Hands all images of a snapshot to `each`, file by file.
    ///
    /// # Errors
    /// As [`image`](Self::image), and the first error of `each`.
    pub fn images(&self, manifest: &Manifest, mut each: impl FnMut(u64, Frame) -> Result<()>) -> Result<()> {
        runs(manifest).iter().try_for_each(|run| self.read_run(run, &mut each))
    }

    /// As [`images`](Self::images), on several threads, each of which takes the next ones.
    pub(crate) fn images_at_once(
        &self,
        manifest: &Manifest,
        each: impl Fn(u64, Frame) -> Result<()> + Sync,
    ) -> Result<()> {
        parallel::each(self.threads, &runs(manifest), |run| self.read_run(run, &each))
    }

    fn read_run(&self, run: &[&ImageRef], mut each: impl FnMut(u64, Frame) -> Result<()>) -> Result<()> {
        let Some((from, bytes)) = self.part_of(run)? else { return Ok(()) };
        if let [image] = run {
            // It need not be copied.
            self.checked(image, &bytes, from)?;
            return each(image.through, self.frame(image, bytes)?);
        }
        for image in run {
            each(image.through, self.frame(image, self.checked(image, &bytes, from)?.to_vec())?)?;
        }
        Ok(())
    }

    /// Where a run of images begins, and its bytes.
    fn part_of(&self, run: &[&ImageRef]) -> Result<Option<(u64, Vec<u8>)>> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(None) };
        let length = last.offset.saturating_add(last.length) - first.offset;
        Ok(Some((first.offset, self.store.get_part(&first.file, first.offset, length)?)))
    }

    /// Reads everything of a snapshot, to see whether it is sound.
    ///
    /// # Errors
    /// As [`image`](Self::image).
    pub fn verify(&self, manifest: &Manifest) -> Result<()> {
        parallel::each(self.threads, &runs(manifest), |run| {
            let Some((from, bytes)) = self.part_of(run)? else { return Ok(()) };
            run.iter().try_for_each(|image| {
                let image_bytes = self.checked(image, &bytes, from)?;
                Frame::count(image_bytes).map(drop).ok_or_else(|| self.senseless(image))
            })
        })
    }

    /// As [`images`](Self::images), but continues after what is damaged. Of a file that cannot be read, only the first
    /// image is reported.
    pub fn survey(&self, manifest: &Manifest, mut each: impl FnMut(&ImageRef, Result<Frame>)) {
        let files: BTreeSet<&str> = manifest.images.iter().map(|image| image.file.as_str()).collect();
        for file in files {
            let mut images = manifest.images.iter().filter(|image| image.file == file);
            match self.store.get(file) {
                Ok(bytes) => images.for_each(|image| each(image, self.image_in(image, &bytes))),
                Err(error) => {
                    if let Some(first) = images.next() {
                        each(first, Err(error));
                    }
                }
            }
        }
    }

    /// Keeps the newest `keep` snapshots of the scope (at least one) and [removes](Self::remove) the others, with the files of
    /// those that never became one. Returns the epoch up to which the changelog is superfluous for all that are kept.
    ///
    /// Snapshots with damaged images count as well, since which ones are is found out by reading all of them. Those
    /// with a damaged manifest do not count, and stay until they are older than all that are kept. Nothing is removed
    /// if the place, or a later release's format, keeps a manifest from being read. No snapshot may be under way in the scope.
    /// What is outside of the scope is left alone.
    ///
    /// # Errors
    /// Any error of the place; what was removed until then stays removed.
    pub fn retain(&self, keep: usize) -> Result<u64> {
        let names = self.store.list()?;
        let found: BTreeSet<SnapshotId> =
            names.iter().filter_map(|name| SnapshotId::of_file(name)).filter(|id| self.is_own(*id)).collect();
        let mut old: Vec<SnapshotId> = manifests(&names).filter(|id| self.is_own(*id)).collect();
        old.sort_unstable();
        let (mut kept, mut damaged) = (Vec::new(), BTreeSet::new());
        while kept.len() < keep.max(1)
            && let Some(id) = old.pop()
        {
            match self.manifest(id) {
                Ok(manifest) => kept.push(manifest),
                Err(StateError::Damaged { .. }) => _ = damaged.insert(id),
                Err(error) => return Err(error),
            }
        }
        if kept.is_empty() && !damaged.is_empty() {
            return Ok(0);
        }
        let superfluous = |id: &SnapshotId| !damaged.contains(id) && !kept.iter().any(|kept| kept.id == *id);
        self.remove_of(&names, &found.into_iter().filter(superfluous).collect::<Vec<_>>(), &kept)?;
        Ok(kept.iter().map(Manifest::replay_from).min().unwrap_or(0))
    }

    fn is_own(&self, id: SnapshotId) -> bool {
        id.writer.scope() == self.writer.scope()
    }

    /// Removes these snapshots, whole or not, and of their files those that no other snapshot names; what is not in the list
    /// stays. A file that another one names goes with the last that does.
    ///
    /// A reader of one of them finds its files missing, and has to begin again with a newer one: how long each stays is the
    /// caller's choice.
    ///
    /// # Errors
    /// Any error of the place; what was removed until then stays removed. Before anything is removed, what keeps the manifest
    /// of another snapshot from being read, but for damage.
    pub fn remove(&self, old: &[SnapshotId]) -> Result<()> {
        self.remove_of(&self.store.list()?, old, &[])
    }

    /// Removes snapshots of a place that has files of these names. Some manifests have been read before.
    fn remove_of(&self, names: &[String], old: &[SnapshotId], read: &[Manifest]) -> Result<()> {
        let is_old = |id: SnapshotId| old.contains(&id);
        let (mut files, mut needed) = (BTreeSet::new(), BTreeSet::new());
        for id in manifests(names) {
            let known = read.iter().find(|manifest| manifest.id == id);
            let manifest = match known.map_or_else(|| self.manifest(id), |manifest| Ok(manifest.clone())) {
                Ok(manifest) => manifest,
                Err(StateError::Damaged { .. }) => continue,
                // Nobody needs to know what it names.
                Err(_) if is_old(id) => continue,
                Err(error) => return Err(error),
            };
            let names = manifest.images.into_iter().map(|image| image.file);
            if is_old(id) { files.extend(names) } else { needed.extend(names) }
        }
        fail_point!("snapshot.retain");
        for id in old {
            self.store.delete(&id.manifest())?;
            fail_point!("snapshot.retain.manifest");
        }
        let left = names.iter().filter(|name| SnapshotId::of_file(name).is_some_and(is_old));
        files.extend(left.filter(|name| SnapshotId::of_manifest(name).is_none()).cloned());
        for name in files.difference(&needed) {
            self.store.delete(name)?;
            fail_point!("snapshot.retain.file");
        }
        Ok(())
    }

    /// Copies a snapshot to another place, where it stands alone: a savepoint. If its images are of different epochs,
    /// it needs the changelog as well.
    ///
    /// # Errors
    /// As [`images`](Self::images), and any error of the other place.
    pub fn copy_to(&self, manifest: &Manifest, other: &Self) -> Result<Manifest> {
        let mut writer = other.begin(manifest.epoch, &manifest.catalog, None)?;
        self.images(manifest, |through, image| writer.add(through, &image))?;
        writer.finish(manifest.extra.clone())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(&self.store.describe()).join(name)
    }
}

/// The images of a snapshot by file and in the order in which they stand there: those that are read together.
fn runs(manifest: &Manifest) -> Vec<Vec<&ImageRef>> {
    let mut images: Vec<&ImageRef> = manifest.images.iter().collect();
    images.sort_by_key(|image| (&image.file, image.offset, image.length));
    let mut runs: Vec<Vec<&ImageRef>> = Vec::new();
    for image in images {
        let fits = |run: &Vec<&ImageRef>| {
            let (first, last) = (run.first()?, run.last()?);
            let adjacent = first.file == image.file && last.offset.checked_add(last.length)? == image.offset;
            let length = image.offset.checked_add(image.length)?.checked_sub(first.offset)?;
            (adjacent && length <= TOGETHER).then_some(())
        };
        match runs.last_mut().filter(|run| fits(run).is_some()) {
            Some(run) => run.push(image),
            None => runs.push(vec![image]),
        }
    }
    runs
}

/// Decodes the body of a manifest, for fuzzing.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn decode_manifest(body: &[u8]) {
    if let Ok(manifest) = crate::codec::decode::<Manifest>(body) {
        assert!(manifest.replay_from() <= manifest.epoch);
    }
}

impl std::fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshots({})", self.store.describe())
    }
}
