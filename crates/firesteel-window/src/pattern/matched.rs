//! The records of a match, or of what is one in part.

use std::collections::VecDeque;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pattern::steps::Step;
use crate::time::Timestamp;

/// Records that one step has taken one after the other, among all that are kept: the number of the first, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    pub(crate) step: u16,
    pub(crate) first: u64,
    pub(crate) len: u32,
}

impl Stretch {
    /// The number after its last one.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.len)
    }
}

/// The records that partial matches of a key have taken, by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept<T> {
    /// The number of the first.
    pub(crate) first: u64,
    pub(crate) records: VecDeque<(Timestamp, T)>,
}

impl<T> Kept<T> {
    pub(crate) fn get(&self, number: u64) -> &(Timestamp, T) {
        &self.records[(number - self.first) as usize]
    }
}

/// A record of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken<'a, T> {
    /// The step that has taken it.
    pub step: &'a str,
    /// When it happened.
    pub at: Timestamp,
    /// The record.
    pub record: &'a T,
}

/// The records of a match, in their order: all of them, or those so far. There is at least one.
pub struct Matched<'a, T> {
    pub(crate) steps: &'a [Step<T>],
    pub(crate) kept: &'a Kept<T>,
    pub(crate) taken: &'a [Stretch],
    pub(crate) end: Timestamp,
}

impl<'a, T> Matched<'a, T> {
    /// The records, with the steps that have taken them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Taken<'a, T>> + use<'a, T> {
        let (steps, kept) = (self.steps, self.kept);
        self.taken.iter().flat_map(move |stretch| {
            let step = steps[usize::from(stretch.step)].name.as_str();
            (stretch.first..stretch.end()).map(move |number| {
                let (at, record) = kept.get(number);
                Taken { step, at: *at, record }
            })
        })
    }

    /// The records alone.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &'a T> + use<'a, T> {
        self.iter().map(|taken| taken.record)
    }

    /// The records that this step has taken so far: none if it was left out.
    ///
    /// # Panics
    /// If the pattern has no step of this name.
    pub fn of(&self, step: &str) -> impl DoubleEndedIterator<Item = &'a T> + use<'a, T> {
        let place = self.steps.iter().position(|known| known.name == step);
        let place = place.unwrap_or_else(|| no_step(step, self.steps));
        let kept = self.kept;
        let stretches = self.taken.iter().filter(move |stretch| usize::from(stretch.step) == place);
        stretches.flat_map(move |stretch| (stretch.first..stretch.end()).map(move |number| &kept.get(number).1))
    }

    /// The first record.
    #[must_use]
    pub fn first(&self) -> &'a T {
        &self.kept.get(self.taken[0].first).1
    }

    /// The last record.
    #[must_use]
    pub fn last(&self) -> &'a T {
        &self.kept.get(self.last_number()).1
    }

    /// How many records there are: at least one.
    #[allow(clippy::len_without_is_empty, reason = "there is always a record")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken.iter().map(|stretch| stretch.len as usize).sum()
    }

    /// When the first record happened.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        self.kept.get(self.taken[0].first).0
    }

    /// When the last record happened.
    #[must_use]
    pub fn last_at(&self) -> Timestamp {
        self.kept.get(self.last_number()).0
    }

    /// When it was known: with its last record; of a match that ends with an absence, and of what has timed out, at the last instant at
    /// which a record could have changed that.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        self.end
    }

    pub(crate) fn last_number(&self) -> u64 {
        self.taken[self.taken.len() - 1].end() - 1
    }
}

/// Ends the program: it asks for a step that its pattern does not have.
#[cold]
fn no_step<T>(step: &str, steps: &[Step<T>]) -> ! {
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    panic!("the pattern has no step `{step}`, but {}", names.join(", "))
}

impl<T> Clone for Matched<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Matched<'_, T> {}

impl<T: fmt::Debug> fmt::Debug for Matched<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matched").field("records", &self.iter().collect::<Vec<_>>()).field("end", &self.end).finish()
    }
}
