//! Key groups on their way from one job to another, as files of the checkpoint that gives them away.
//!
//! A range that is released is in no snapshot any more, and in none yet of the job that will own it. So before a checkpoint
//! lets go of it, the range is [kept](Handovers::keep) beside it, in a file of its own, until somebody has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_disk::{Disk, OsDisk, write_whole};
use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::files::Header;
use crate::frame::{Frame, Shard};
use crate::key_group::KeyGroupRange;
use crate::schema::{StoreSchema, TableSchema, TypeTag};

const HEADER: Header = Header { magic: *b"FSTHANDO", version: 1 };
const EXTENSION: &str = "handover";

/// A range of key groups that a job has released: its state, and how far the job had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedRange {
    /// The key groups.
    pub range: KeyGroupRange,
    /// The term in which they were owned.
    pub term: u64,
    /// The next position in each split of each input, by name.
    pub positions: BTreeMap<String, BTreeMap<String, u64>>,
    /// How far event time had come, by the operator that follows it.
    pub watermarks: BTreeMap<String, Timestamp>,
    /// The state, operator by operator.
    pub states: Vec<ReleasedState>,
}

/// The state of one operator in a range that was released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedState {
    /// The operator's name.
    pub operator: String,
    /// The type of its keys.
    pub key: TypeTag,
    /// Its states.
    pub tables: Vec<TableSchema>,
    /// About how many keys there are.
    pub keys: u64,
    images: Vec<(Shard, Vec<u8>)>,
}

impl ReleasedState {
    /// The state of the operator with this schema: the images of its shards.
    #[must_use]
    pub fn of(schema: &StoreSchema, images: &[Frame], keys: u64) -> Self {
        let StoreSchema { operator, key, tables, .. } = schema.clone();
        let images = images.iter().map(|image| (image.shard(), image.bytes().to_vec())).collect();
        Self { operator, key, tables, keys, images }
    }

    /// Whether its bytes mean in an operator of this schema what they meant where they were released.
    #[must_use]
    pub fn fits(&self, schema: &StoreSchema) -> bool {
        (&self.operator, &self.key, &self.tables) == (&schema.operator, &schema.key, &schema.tables)
    }

    /// The images, as those of the operator with this schema: `None` if one cannot be read.
    #[must_use]
    pub fn images(&self, schema: &StoreSchema) -> Option<Vec<Frame>> {
        let own =
            |(shard, bytes): &(Shard, Vec<u8>)| Frame::from_bytes(Shard { store: schema.id, ..*shard }, bytes.clone());
        self.images.iter().map(own).collect()
    }
}

impl ReleasedRange {
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`StateError::Encode`](crate::StateError::Encode) when something in it has no form.
    pub fn encode(&self) -> Result<Vec<u8>> {
        HEADER.seal(self, || format!("key groups {} that are released", self.range))
    }

    /// What [`encode`](Self::encode) has written; `path` is where it was, for errors.
    ///
    /// # Errors
    /// [`StateError::Damaged`](crate::StateError::Damaged) and [`Version`](crate::StateError::Version).
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        HEADER.unseal(path, bytes, "it", ": the state of key groups that were released is in it")
    }
}

/// The ranges that a checkpoint has released and of which it does not know that somebody has them.
#[derive(Debug, Clone)]
pub struct Handovers {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

impl Handovers {
    /// Those in a folder, which is made when the first is kept.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self::on(OsDisk::shared(), folder)
    }

    /// The same on a disk of the caller's choice, such as one that crashes.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        Self { disk, folder: folder.to_owned() }
    }

    /// Where the range of this term is.
    fn name(range: KeyGroupRange, term: u64) -> String {
        format!("{term:020}-{:05}-{:05}.{EXTENSION}", range.start(), range.end())
    }

    /// Keeps a range: on return, it survives a crash.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, released: &ReleasedRange) -> Result<()> {
        let bytes = released.encode()?;
        self.disk.make_folder(&self.folder)?;
        Ok(write_whole(&*self.disk, &self.folder.join(Self::name(released.range, released.term)), &bytes)?)
    }

    /// All that are kept, those of earlier terms first.
    ///
    /// # Errors
    /// When one cannot be read, or is damaged.
    pub fn all(&self) -> Result<Vec<ReleasedRange>> {
        let names = self.disk.list(&self.folder)?;
        let paths = names.into_iter().map(|name| self.folder.join(name));
        let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
        paths.map(|path| ReleasedRange::decode(&path, &self.disk.read(&path)?)).collect()
    }

    /// Somebody has the range, or it was never given away. One that is not kept is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, range: KeyGroupRange, term: u64) -> Result<()> {
        Ok(self.disk.remove(&self.folder.join(Self::name(range, term)))?)
    }
}

#[cfg(test)]
mod tests {
    use firesteel_disk::crashing::{CrashingDisk, Loss};

    use super::*;
    use crate::{Declaration, FrameWriter, KeyGroup, StoreId, TableId};

    fn released(term: u64) -> ReleasedRange {
        let mut states = Declaration::<u64>::new("totals");
        states.value::<u64>("total");
        let mut image = FrameWriter::new();
        image.begin_table(TableId(0));
        image.put(b"ann", b"3");
        let image = image.finish(Shard { store: StoreId(0), group: KeyGroup(5) });
        ReleasedRange {
            range: KeyGroupRange::new(4, 6),
            term,
            positions: [("clicks".to_owned(), [("0".to_owned(), 17)].into())].into(),
            watermarks: [("by time".to_owned(), Timestamp::from_secs(3))].into(),
            states: vec![ReleasedState::of(&states.schema(), &[image], 1)],
        }
    }

    #[test]
    fn what_is_kept_is_there_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let handovers = Handovers::in_folder(&folder.path().join("handovers"));
        assert_eq!(handovers.all().unwrap(), []);
        for term in [10, 9] {
            handovers.keep(&released(term)).unwrap();
        }
        handovers.keep(&released(9)).unwrap();
        assert_eq!(handovers.all().unwrap(), [released(9), released(10)]);
        handovers.remove(KeyGroupRange::new(4, 6), 9).unwrap();
        handovers.remove(KeyGroupRange::new(4, 6), 9).unwrap();
        assert_eq!(handovers.all().unwrap(), [released(10)]);
    }

    #[test]
    fn what_was_said_to_be_kept_is_there_whenever_the_power_fails_and_whole() {
        let (folder, term) = (Path::new("/checkpoint/handovers"), |at: u64| released(at));
        let calls = {
            let disk = CrashingDisk::default();
            disk.fail_at(u64::MAX);
            let handovers = Handovers::on(disk.shared(), folder);
            for at in [1, 2] {
                handovers.keep(&term(at)).unwrap();
            }
            handovers.remove(term(1).range, 1).unwrap();
            disk.calls()
        };
        assert!(calls > 6, "{calls} calls");
        for at in 0..=calls {
            for loss in [Loss::All, Loss::Nothing, Loss::Some(1), Loss::Some(2), Loss::Some(3)] {
                let disk = CrashingDisk::default();
                let handovers = Handovers::on(disk.shared(), folder);
                disk.fail_at(at);
                let kept: Vec<u64> = [1, 2].into_iter().filter(|at| handovers.keep(&term(*at)).is_ok()).collect();
                let removed = kept == [1, 2] && handovers.remove(term(1).range, 1).is_ok();
                let left = Handovers::on(disk.after_crash(loss).shared(), folder).all().unwrap();
                // One of which nobody was told that it is kept, or that was removed, may be there or not; but what is there is whole.
                let is_left = |at: u64| left.contains(&term(at));
                assert!(
                    left.iter().all(|left| [1, 2].contains(&left.term) && *left == term(left.term)),
                    "{at}, {loss:?}"
                );
                assert!(kept.iter().all(|at| is_left(*at) || (removed && *at == 1)), "{at}, {loss:?}: {kept:?} kept");
            }
        }
    }

    #[test]
    fn no_byte_of_it_may_be_another() {
        let (bytes, path) = (released(1).encode().unwrap(), Path::new("handover"));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(ReleasedRange::decode(path, &damaged).is_err(), "byte {at}");
            assert!(ReleasedRange::decode(path, &bytes[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(ReleasedRange::decode(path, &bytes).unwrap(), released(1));
    }
}
