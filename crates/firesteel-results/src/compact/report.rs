//! What came of a compaction.

use std::fmt;

/// What came of merging small files, or objects where they are in a store. Its `Display` is a text of a few lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactionReport {
    /// How many files were merged.
    pub merged: u64,
    /// How many files they have become.
    pub into: u64,
    /// How many bytes they had.
    pub bytes_before: u64,
    /// How many bytes they have now.
    pub bytes_after: u64,
    /// What was left as it was, reason by reason.
    pub left: Vec<LeftFiles>,
}

/// Files that were left as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftFiles {
    /// Why.
    pub why: WhyLeft,
    /// How many.
    pub files: u64,
    /// The path of the first of them below the folder of the results.
    pub first: String,
}

/// Why a file was left as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyLeft {
    /// It is large enough.
    Large,
    /// No small file of its folder, format and compression is beside it.
    Alone,
    /// Nothing here merges files of its format.
    Format,
    /// Those beside it have other columns, another schema, or pages that are compressed in another way.
    Columns,
    /// It cannot be merged as it is, for this reason.
    Unfit(String),
    /// Its name is none that a sink of ours gives.
    Foreign,
}

impl CompactionReport {
    pub(super) fn left(&mut self, why: WhyLeft, name: &str) {
        match self.left.iter_mut().find(|left| left.why == why) {
            Some(left) => left.files += 1,
            None => self.left.push(LeftFiles { why, files: 1, first: name.to_owned() }),
        }
    }
}

impl fmt::Display for CompactionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { merged, into, bytes_before, bytes_after, left } = self;
        write!(f, "{merged} files with {bytes_before} bytes have become {into} with {bytes_after} bytes")?;
        left.iter().try_for_each(|LeftFiles { why, files, first }| write!(f, "\n{files} left, as {first}: {why}"))
    }
}

impl fmt::Display for WhyLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Large => "large enough",
            Self::Alone => "nothing beside it to merge it with",
            Self::Format => "files of this format are not merged",
            Self::Columns => "those beside it have other columns, or are compressed in another way",
            Self::Unfit(reason) => reason,
            Self::Foreign => "not named by a sink",
        })
    }
}
