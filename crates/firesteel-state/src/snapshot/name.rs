//! What snapshots and their files are called: names that no other writer gives.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use serde::{Deserialize, Serialize};

/// A run of a job, among all that may write to a place for snapshots.
///
/// The upper half is the **scope**: the same for all runs that take turns, of which one lives at a time and may remove
/// what the earlier ones have left. The lower half is the run's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

impl RunId {
    /// A new run in the scope of whoever has the place to himself.
    #[must_use]
    pub fn random() -> Self {
        Self::in_scope(0)
    }

    /// A new run in this scope, from the random keys that the operating system gives to hash maps.
    #[must_use]
    pub fn in_scope(scope: u32) -> Self {
        Self(u64::from(scope) << 32 | u64::from(RandomState::new().hash_one(scope) as u32))
    }

    /// What it has in common with the runs that it takes turns with.
    #[must_use]
    pub const fn scope(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Which snapshot it is: its number in the order in which they are taken, and the run that takes it.
///
/// Two runs may give the same number, and their files have different names all the same: they have the run in them. It
/// compares with numbers and prints as one, since in a place of its own a job has each only once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SnapshotId {
    /// Later ones have larger ones.
    pub number: u64,
    /// Who writes it.
    pub writer: RunId,
}

impl PartialEq<u64> for SnapshotId {
    fn eq(&self, number: &u64) -> bool {
        self.number == *number
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.number, self.writer.0)
    }
}

/// The characters of a number and a run, with the hyphen between them.
const STEM: usize = 20 + 1 + 16;

impl SnapshotId {
    fn stem(self) -> String {
        format!("{:020}-{:016x}", self.number, self.writer.0)
    }

    /// The name of its manifest.
    #[must_use]
    pub fn manifest(self) -> String {
        self.stem() + ".manifest"
    }

    /// The name of one of its files with images.
    #[must_use]
    pub fn part(self, part: usize) -> String {
        format!("{}-{part:06}.images", self.stem())
    }

    /// The snapshot that this is the manifest of.
    pub(super) fn of_manifest(name: &str) -> Option<Self> {
        let (id, rest) = Self::split(name)?;
        (rest == ".manifest").then_some(id)
    }

    /// The snapshot that this is a file of: its manifest, a file with images, or one of these that was not finished.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        let (id, rest) = Self::split(name)?;
        let rest = match rest.strip_prefix('-') {
            Some(part) if part.get(..6)?.bytes().all(|byte| byte.is_ascii_digit()) => {
                part.get(6..)?.strip_prefix(".images")?
            }
            _ => rest.strip_prefix(".manifest")?,
        };
        (rest.is_empty() || rest.ends_with(".tmp")).then_some(id)
    }

    fn split(name: &str) -> Option<(Self, &str)> {
        let (stem, rest) = name.split_at_checked(STEM)?;
        let (number, writer) = stem.split_once('-')?;
        let id = Self { number: number.parse().ok()?, writer: RunId(u64::from_str_radix(writer, 16).ok()?) };
        (id.stem() == stem).then_some((id, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_whose_they_are() {
        let id = SnapshotId { number: 12, writer: RunId(0xAB) };
        assert_eq!(id.manifest(), "00000000000000000012-00000000000000ab.manifest");
        assert_eq!(id.part(3), "00000000000000000012-00000000000000ab-000003.images");
        assert_eq!(SnapshotId::of_manifest(&id.manifest()), Some(id));
        for name in [id.manifest(), id.part(3), id.part(3) + ".tmp", id.manifest() + ".17.tmp"] {
            assert_eq!(SnapshotId::of_file(&name), Some(id), "{name}");
        }
        let foreign = ["a.manifest", "12-ab.manifest", "00000000000000000012-00000000000000ab-x.images", ""];
        for name in foreign.into_iter().chain(["00000000000000000012-00000000000000AB.manifest"]) {
            assert_eq!((SnapshotId::of_manifest(name), SnapshotId::of_file(name)), (None, None), "{name}");
        }
        assert_eq!(SnapshotId::of_manifest(&id.part(0)), None);
    }

    #[test]
    fn runs_of_a_scope_are_told_apart() {
        let (one, other) = (RunId::in_scope(7), RunId::in_scope(7));
        assert!(one != other && one.scope() == 7 && other.scope() == 7);
    }
}
