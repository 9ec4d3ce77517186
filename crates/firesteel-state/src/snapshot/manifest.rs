//! The file that makes images a snapshot.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::name::SnapshotId;
use crate::error::Result;
use crate::files::Header;
use crate::frame::Shard;
use crate::schema::Catalog;

const HEADER: Header = Header { magic: *b"FSTMANIF", version: 1 };

/// What a snapshot consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Which snapshot it is.
    pub id: SnapshotId,
    /// The epoch it is a snapshot of.
    pub epoch: u64,
    /// What is stored, and under which numbers.
    pub catalog: Catalog,
    /// What the engine wants to find again, such as the inputs' positions.
    pub extra: Vec<u8>,
    /// Where the images are, in the order of their shards.
    pub images: Vec<ImageRef>,
}

/// Where the image of one shard is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// Whose image it is.
    pub shard: Shard,
    /// The last epoch at whose end the shard was like this. Later changes are in the changelog.
    pub through: u64,
    /// The file.
    pub file: String,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Its XXH3.
    pub checksum: u64,
}

impl Manifest {
    /// Changes of later epochs than this are needed from the changelog.
    #[must_use]
    pub fn replay_from(&self) -> u64 {
        self.images.iter().map(|image| image.through).chain([self.epoch]).min().unwrap_or(self.epoch)
    }

    /// The epoch up to which the shard's changes are part of the snapshot.
    #[must_use]
    pub fn through(&self, shard: Shard) -> u64 {
        let found = self.images.binary_search_by_key(&shard, |image| image.shard);
        found.map_or(self.epoch, |at| self.images[at].through)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        HEADER.seal(self, || format!("the manifest of snapshot {}", self.id))
    }

    pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        HEADER.unseal(path, bytes, "the manifest", "")
    }
}
