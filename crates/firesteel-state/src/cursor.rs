//! How far a job has come: what the engine keeps in the `extra` of records and manifests.
//!
//! The record of an epoch holds what the epoch changed; a snapshot holds everything. Folding the records after a
//! snapshot into it gives where the job stood at the end of the last one.
//!
//! ```
//! use firesteel_state::cursor::{Cursor, InputCursor, SplitCursor};
//!
//! let read_to = |next| {
//!     let split = SplitCursor::at(next);
//!     let input = InputCursor { splits: [("part-0".to_owned(), split)].into(), gone: vec![] };
//!     Cursor { inputs: [("clicks".to_owned(), input)].into(), ..Cursor::default() }
//! };
//! let mut cursor = Cursor::decode(&read_to(100).encode()?, 1)?;
//! cursor.advance(Cursor::decode(&read_to(250).encode()?, 2)?);
//! assert_eq!(cursor.inputs["clicks"].splits["part-0"].next, 250);
//! # Ok::<(), firesteel_state::StateError>(())
//! ```
//!
//! Nothing of the state layer depends on it: changelog and snapshots carry it as bytes.

use std::collections::BTreeMap;
use std::fmt;

use firesteel_window::{PartitionWatermarks, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::{Result, StateError};
use crate::key_group::{KeyGroupRange, KeyGroups};
use crate::key_space::KeySpace;
use crate::marker::CommitName;
use crate::ttl::Times;

/// What the names of [watermarks](Cursor::watermarks) begin with that bring those of several streams together. They belong to no
/// operator and are not compared: a program that brings others together begins with what these stand at.
pub const MERGED: &str = "merged: ";

/// The first byte of what is written: which release can read it.
const VERSION: u8 = 4;
/// The version before it was written up to when windows are gone.
const WITHOUT_GONE: u8 = 3;
/// The version before names of commits were written.
const WITHOUT_NAMES: u8 = 2;

/// How far a job has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// The checkpoint: sinks tell by it whose epochs they have.
    pub checkpoint: CheckpointId,
    /// The [fingerprint](crate::JobDescription::fingerprint) of the program whose epoch it is: nobody else runs it again.
    pub program: u64,
    /// The epoch at whose end the job stood there.
    pub epoch: u64,
    /// The epoch with which the checkpoint was begun: what sinks had before is none of its concern.
    pub begun: u64,
    /// The number of the last micro-batch.
    pub batch: u64,
    /// The inputs, by name.
    pub inputs: BTreeMap<String, InputCursor>,
    /// The watermarks, by the name of the operator that follows them; in each, how far event time has come in which split.
    /// Those whose name begins with [`MERGED`] bring others together.
    pub watermarks: BTreeMap<String, PartitionWatermarks<SplitName>>,
    /// How many keys each operator with state has.
    pub keys: BTreeMap<String, u64>,
    /// The marks that sinks had when the checkpoint began, and of each later epoch that had records for them: by the sink's
    /// name. A sink that has another one is not where the job left it.
    pub sinks: BTreeMap<String, SinkCursor>,
    /// How many records have been read, and how many of them did not get through.
    pub counted: Counted,
    /// What is left of the timers that were due in the last micro-batch, if anything is: the next one fires it.
    pub left: Option<TimersLeft>,
    /// The key groups that the job owns, where these are not all of them.
    pub owned: Option<OwnedRange>,
    /// How the epoch's micro-batches were cut; empty in snapshots.
    pub plans: Vec<Plan>,
    /// The splits that the plans name, by the numbers that they have there and nowhere else.
    pub planned: BTreeMap<u32, SplitName>,
    /// Up to when the windows are gone of an operator that keeps them after they have fired, by its name: what was kept for a
    /// shorter time does not come back where it is to be kept for a longer one.
    #[serde(skip)]
    pub gone: Vec<(String, Timestamp)>,
    /// Which commit of the epoch it is: a log and a backend that have it know of the same one.
    #[serde(skip)]
    pub commit: CommitName,
    /// Which commit of the epoch before it followed.
    #[serde(skip)]
    pub follows: CommitName,
}

/// Which checkpoint it is, among all there ever were.
///
/// It is made with the checkpoint and written beside every epoch, so that epochs of equal numbers are told apart. A copy
/// of the folder has the same one, since it takes the place of what it was copied from; a checkpoint that begins with a
/// savepoint ([`Checkpoint::start_from`] of the engine) has one of its own.
///
/// [`Checkpoint::start_from`]: https://docs.rs/firesteel
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckpointId(u128);

impl CheckpointId {
    /// The scope of its runs, where they write to a place for snapshots that others may use as well.
    #[must_use]
    pub const fn scope(self) -> u32 {
        (self.0 ^ self.0 >> 32 ^ self.0 >> 64 ^ self.0 >> 96) as u32
    }

    /// The id with these bits.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// How many records a job has read, and how many of them did not get through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Records read.
    pub read: u64,
    /// Records that were refused: undecodable, malformed, or dead letters.
    pub rejected: u64,
}

/// The mark of a sink: with which epoch its results end, and in which checkpoint that is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkCursor {
    /// The epoch.
    pub epoch: u64,
    /// The checkpoint.
    pub checkpoint: CheckpointId,
    /// Where the results are, as the sink says it.
    pub place: String,
}

/// The micro-batch whose due timers have not all fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimersLeft {
    /// Its processing time, which is that of the batches that fire the rest.
    pub time: Timestamp,
    /// Whether it closed all windows.
    pub ending: bool,
}

/// How far a job has come in one input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InputCursor {
    /// The splits that have changed, by name.
    pub splits: BTreeMap<String, SplitCursor>,
    /// The splits that are there no more.
    pub gone: Vec<String>,
}

/// The key groups that a job owns, and since which gain: see [`KeySpace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedRange {
    /// The range.
    pub groups: KeyGroupRange,
    /// The term in which it is owned.
    pub term: u64,
}

impl OwnedRange {
    /// Where keys are in a checkpoint of this number of key groups, of which the job owns these; all, if nothing says otherwise.
    ///
    /// # Errors
    /// [`StateError::KeyGroups`] when there are no such key groups.
    pub fn space(owned: Option<Self>, groups: KeyGroups) -> Result<KeySpace> {
        owned.map_or(Ok(KeySpace::whole(groups)), |owned| KeySpace::part_of(groups, owned.groups, owned.term))
    }
}

impl From<KeySpace> for OwnedRange {
    fn from(space: KeySpace) -> Self {
        Self { groups: space.owned(), term: space.term() }
    }
}

/// A split among all of a job, in whichever process it is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SplitName {
    /// The input's name.
    pub input: String,
    /// The split's name in it.
    pub split: String,
}

/// How far a job has come in one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitCursor {
    /// The next position to be read.
    pub next: u64,
    /// Whether it has ended, and the watermark knows.
    pub ended: bool,
    /// By what the source knows again what the position is in: bytes of its own. In the record of an epoch, nothing if it is
    /// what it was.
    pub note: Option<Vec<u8>>,
}

impl SplitCursor {
    /// At this position of a split that has not ended and of which the source has noted nothing.
    #[must_use]
    pub fn at(next: u64) -> Self {
        Self { next, ended: false, note: None }
    }
}

/// What a repetition of a micro-batch needs to know besides its time and ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Partitions after a shuffle.
    pub parallelism: u32,
    /// Whether it closed all windows.
    pub ending: bool,
    /// Whether it fired what the batch before it had left of the timers that were due.
    pub continues: bool,
    /// For each input by name: the splits with something left to read, and those that had ended, by their numbers in
    /// [`Cursor::planned`].
    pub inputs: Vec<(String, Vec<u32>, Vec<u32>)>,
}

impl Cursor {
    /// The times there, at this processing time: the watermark is that of the operator for which event time has come least
    /// far.
    #[must_use]
    pub fn times(&self, processing: Timestamp) -> Times {
        let watermark = self.watermarks.values().map(PartitionWatermarks::current).min().unwrap_or(Timestamp::MIN);
        Times::new(watermark, watermark, processing)
    }

    /// Takes in what a later epoch changed. An input that it does not name is not there any more.
    pub fn advance(&mut self, later: Self) {
        self.checkpoint = later.checkpoint;
        self.program = later.program;
        self.epoch = later.epoch;
        self.begun = later.begun;
        self.inputs.retain(|name, _| later.inputs.contains_key(name));
        self.batch = later.batch;
        for (name, input) in later.inputs {
            let known = self.inputs.entry(name).or_default();
            for split in input.gone {
                known.splits.remove(&split);
            }
            for (split, at) in input.splits {
                let note = known.splits.get_mut(&split).and_then(|known| known.note.take());
                known.splits.insert(split, SplitCursor { note: at.note.or(note), ..at });
            }
        }
        self.watermarks = later.watermarks;
        self.keys = later.keys;
        self.gone = later.gone;
        self.sinks.extend(later.sinks);
        self.counted = later.counted;
        self.left = later.left;
        self.owned = later.owned;
        (self.commit, self.follows) = (later.commit, later.follows);
    }

    /// As bytes: a byte for the version, and the postcard of the rest.
    ///
    /// # Errors
    /// [`StateError::Encode`], which does not happen: every field can be encoded.
    pub fn encode(&self) -> Result<Vec<u8>> {
        postcard::to_extend(self, vec![VERSION])
            .and_then(|bytes| postcard::to_extend(&(self.commit, self.follows), bytes))
            .and_then(|bytes| postcard::to_extend(&self.gone, bytes))
            .map_err(|source| StateError::Encode { state: "the job's positions".to_owned(), source })
    }

    /// From the bytes that stand in the record or snapshot of `epoch`. Nothing at all is where a job begins.
    ///
    /// # Errors
    /// [`StateError::Version`] when a later release wrote them, [`StateError::Decode`] when they make no sense.
    pub fn decode(bytes: &[u8], epoch: u64) -> Result<Self> {
        let place = || format!("the job's positions in epoch {epoch}");
        match bytes.split_first() {
            Some((&version @ (WITHOUT_NAMES | WITHOUT_GONE | VERSION), rest)) => {
                let decoded = postcard::take_from_bytes::<Self>(rest).and_then(|(cursor, rest)| {
                    let ((commit, follows), rest) = match version {
                        WITHOUT_NAMES => Default::default(),
                        _ => postcard::take_from_bytes(rest)?,
                    };
                    let gone = if version == VERSION { postcard::from_bytes(rest)? } else { Vec::new() };
                    Ok(Self { commit, follows, gone, ..cursor })
                });
                decoded.map_err(|source| StateError::Decode { state: place(), source })
            }
            Some((&found, _)) => {
                Err(StateError::Version { path: place().into(), found: found.into(), supported: VERSION.into() })
            }
            None => Ok(Self::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(next: u64) -> SplitCursor {
        SplitCursor::at(next)
    }

    #[test]
    fn a_note_stays_until_another_takes_its_place_or_the_split_is_gone() {
        let mut cursor = Cursor::default();
        let mut advance = |next: Option<(u64, Option<&[u8]>)>| {
            let splits = next.map(|(next, note)| {
                ("a".to_owned(), SplitCursor { note: note.map(<[u8]>::to_vec), ..SplitCursor::at(next) })
            });
            let gone = if splits.is_none() { vec!["a".to_owned()] } else { vec![] };
            let input = InputCursor { splits: splits.into_iter().collect(), gone };
            cursor.advance(Cursor { inputs: [("in".to_owned(), input)].into(), ..Cursor::default() });
            cursor.inputs["in"].splits.get("a").map(|at| (at.next, at.note.clone()))
        };
        assert_eq!(advance(Some((1, Some(b"one")))), Some((1, Some(b"one".to_vec()))));
        assert_eq!(advance(Some((2, None))), Some((2, Some(b"one".to_vec()))));
        assert_eq!(advance(Some((3, Some(b"two")))), Some((3, Some(b"two".to_vec()))));
        assert_eq!(advance(None), None);
        assert_eq!(advance(Some((0, None))), Some((0, None)), "another one under the same name");
    }

    #[test]
    fn later_epochs_move_what_they_name_and_leave_the_rest() {
        let input = |splits: &[(&str, SplitCursor)], gone: &[&str]| InputCursor {
            splits: splits.iter().map(|(name, at)| ((*name).to_owned(), at.clone())).collect(),
            gone: gone.iter().map(|name| (*name).to_owned()).collect(),
        };
        let mut cursor = Cursor::default();
        let first = input(&[("a", split(10)), ("b", split(10))], &[]);
        cursor.advance(Cursor { batch: 1, inputs: [("in".to_owned(), first)].into(), ..Cursor::default() });
        let second = input(&[("a", split(20)), ("c", split(5))], &["b"]);
        cursor.advance(Cursor { batch: 2, inputs: [("in".to_owned(), second)].into(), ..Cursor::default() });
        let expected = input(&[("a", split(20)), ("c", split(5))], &[]);
        assert_eq!((cursor.batch, &cursor.inputs["in"]), (2, &expected));
        assert_eq!(Cursor::decode(&cursor.encode().unwrap(), 2).unwrap(), cursor);
    }

    #[test]
    fn what_was_written_without_names_of_commits_is_read() {
        let commit = CommitName { term: 3, id: 17 };
        let named = Cursor { epoch: 7, commit, follows: CommitName { term: 2, id: 16 }, ..Cursor::default() };
        assert_eq!(Cursor::decode(&named.encode().unwrap(), 7).unwrap(), named);
        let before = postcard::to_extend(&named, vec![WITHOUT_NAMES]).unwrap();
        let unknown = CommitName::default();
        assert_eq!(Cursor::decode(&before, 7).unwrap(), Cursor { commit: unknown, follows: unknown, ..named });
    }

    #[test]
    fn what_was_written_before_windows_stayed_is_read() {
        let gone = vec![("visits".to_owned(), Timestamp::from_secs(7))];
        let cursor = Cursor { epoch: 7, commit: CommitName { term: 3, id: 17 }, gone, ..Cursor::default() };
        assert_eq!(Cursor::decode(&cursor.encode().unwrap(), 7).unwrap(), cursor);
        let before = postcard::to_extend(&cursor, vec![WITHOUT_GONE]).unwrap();
        let before = postcard::to_extend(&(cursor.commit, cursor.follows), before).unwrap();
        assert_eq!(Cursor::decode(&before, 7).unwrap(), Cursor { gone: vec![], ..cursor });
    }

    #[test]
    fn what_a_later_release_wrote_is_refused() {
        let refused = Cursor::decode(&[99, 0], 7).unwrap_err();
        assert!(refused.to_string().contains("format 99"), "{refused}");
    }
}
