//! How far a job has come, as it stands in the changelog and in snapshots.
//!
//! The record of an epoch holds what the epoch changed; a snapshot holds everything. Folding the records behind a
//! snapshot into it gives where the job stood at the end of the last one.

use std::collections::BTreeMap;

use firesteel_state::StateError;
use firesteel_window::PartitionWatermarks;
use serde::{Deserialize, Serialize};

/// The first byte of what is written: which release can read it.
const VERSION: u8 = 1;

/// How far a job has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// The epoch with which the checkpoint was begun: what sinks had before is none of its concern.
    pub(crate) begun: u64,
    /// The number of the last micro-batch.
    pub(crate) batch: u64,
    /// The largest number that a split has been given.
    pub(crate) split_numbers: u32,
    /// The inputs, by name.
    pub(crate) inputs: BTreeMap<String, InputCursor>,
    /// The watermarks, by the name of the operator that follows them.
    pub(crate) watermarks: BTreeMap<String, PartitionWatermarks<u32>>,
    /// How many keys each operator with state has.
    pub(crate) keys: BTreeMap<String, u64>,
    /// How the epoch's micro-batches were cut; empty in snapshots.
    pub(crate) plans: Vec<Plan>,
}

/// How far a job has come in one input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct InputCursor {
    /// The splits that have changed, by name.
    pub(crate) splits: BTreeMap<String, SplitCursor>,
    /// The splits that are there no more.
    pub(crate) gone: Vec<String>,
}

/// How far a job has come in one split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct SplitCursor {
    /// Its number among all splits of the job.
    pub(crate) number: u32,
    /// The next position to be read.
    pub(crate) next: u64,
    /// Whether it has ended, and the watermark knows.
    pub(crate) ended: bool,
}

/// What a repetition of a micro-batch needs to know besides its time and ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Partitions behind a shuffle.
    pub(crate) parallelism: u32,
    /// Whether it closed all windows.
    pub(crate) ending: bool,
    /// For each input by name: the splits with something left to read, and those that had ended.
    pub(crate) inputs: Vec<(String, Vec<u32>, Vec<u32>)>,
}

impl Cursor {
    /// Takes in what a later epoch changed.
    pub(crate) fn advance(&mut self, later: Self) {
        self.begun = later.begun;
        self.batch = later.batch;
        self.split_numbers = later.split_numbers;
        for (name, input) in later.inputs {
            let known = self.inputs.entry(name).or_default();
            for split in input.gone {
                known.splits.remove(&split);
            }
            known.splits.extend(input.splits);
        }
        self.watermarks = later.watermarks;
        self.keys = later.keys;
    }

    /// As bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, StateError> {
        postcard::to_extend(self, vec![VERSION])
            .map_err(|source| StateError::Encode { state: "the job's positions".to_owned(), source })
    }

    /// From the bytes that stand in the record or snapshot of `epoch`.
    pub(crate) fn decode(bytes: &[u8], epoch: u64) -> Result<Self, StateError> {
        let place = || format!("the job's positions in epoch {epoch}");
        match bytes.split_first() {
            Some((&VERSION, rest)) => {
                postcard::from_bytes(rest).map_err(|source| StateError::Decode { state: place(), source })
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

    fn split(number: u32, next: u64) -> SplitCursor {
        SplitCursor { number, next, ended: false }
    }

    #[test]
    fn later_epochs_move_what_they_name_and_leave_the_rest() {
        let input = |splits: &[(&str, SplitCursor)], gone: &[&str]| InputCursor {
            splits: splits.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect(),
            gone: gone.iter().map(|name| (*name).to_owned()).collect(),
        };
        let mut cursor = Cursor::default();
        let first = input(&[("a", split(1, 10)), ("b", split(2, 10))], &[]);
        cursor.advance(Cursor { batch: 1, inputs: [("in".to_owned(), first)].into(), ..Cursor::default() });
        let second = input(&[("a", split(1, 20)), ("c", split(3, 5))], &["b"]);
        cursor.advance(Cursor { batch: 2, inputs: [("in".to_owned(), second)].into(), ..Cursor::default() });
        let expected = input(&[("a", split(1, 20)), ("c", split(3, 5))], &[]);
        assert_eq!((cursor.batch, &cursor.inputs["in"]), (2, &expected));
        assert_eq!(Cursor::decode(&cursor.encode().unwrap(), 2).unwrap(), cursor);
    }

    #[test]
    fn what_a_later_release_wrote_is_refused() {
        let refused = Cursor::decode(&[99, 0], 7).unwrap_err();
        assert!(refused.to_string().contains("format 99"), "{refused}");
    }
}
