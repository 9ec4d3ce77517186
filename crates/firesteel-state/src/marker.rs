//! With which commit the values of a shard in a backend end.

use serde::{Deserialize, Serialize};

use crate::wire::Bytes;

/// Which commit of an epoch it was, among all that there may have been of that number, and in which term.
///
/// A log that was put back from a copy, or a range of key groups that was another job's meanwhile, may have an epoch of a number that a
/// backend knows, and of other contents. So an epoch's record has a name that no other has, and a marker says the name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitName {
    /// The [term](crate::KeySpace::term) in which the epoch was computed.
    pub term: u64,
    /// Equal for no two records; 0 where it is not known.
    pub id: u64,
}

impl CommitName {
    /// Whether it names a commit.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.id != 0
    }
}

/// With which commit the values of a shard end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The epoch.
    pub epoch: u64,
    /// Which commit of it.
    pub commit: CommitName,
}

impl Marker {
    /// The bytes of a marker, as backends store it.
    #[must_use]
    pub fn encode(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.commit.term.to_le_bytes());
        bytes[16..].copy_from_slice(&self.commit.id.to_le_bytes());
        bytes
    }

    /// What [`encode`](Self::encode) has written; of an epoch alone, as earlier releases wrote it, the commit is not known.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Bytes::new(bytes);
        let epoch = rest.u64()?;
        let commit = match rest.is_empty() {
            true => CommitName::default(),
            false => CommitName { term: rest.u64()?, id: rest.u64()? },
        };
        rest.is_empty().then_some(Self { epoch, commit })
    }
}

impl From<u64> for Marker {
    /// The end of an epoch, of a commit that is not known.
    fn from(epoch: u64) -> Self {
        Self { epoch, commit: CommitName::default() }
    }
}
