//! The ranges of a batch, and where reading them ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use firesteel_connect::ReadRange;
use firesteel_core::Accumulator;
use firesteel_window::Aggregator;
use parking_lot::Mutex;

use crate::input::undecodable::Undecoded;

/// One range of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) range: ReadRange,
    pub(crate) origin: Arc<str>,
    pub(crate) number: u32,
    pub(crate) hint: Option<u64>,
    /// Whether what is in it is fixed already: a batch before a restart has read it.
    pub(crate) is_again: bool,
}

impl Planned {
    /// Whether it is known without reading what is in the range.
    pub(crate) fn is_exact(&self) -> bool {
        self.range.to.is_some() && self.range.max_records.is_none() && self.range.max_bytes.is_none()
    }
}

/// The ranges of a batch, and where reading them ended.
#[derive(Clone, Default)]
pub(crate) struct Ranges {
    pub(crate) planned: Arc<[Planned]>,
    pub(crate) ends: Accumulator<(usize, End), Ends>,
    /// Those of which the source passes over what could not be read.
    passed: Arc<Mutex<BTreeSet<usize>>>,
}

impl Ranges {
    pub(crate) fn new(planned: Vec<Planned>) -> Self {
        Self { planned: planned.into(), ends: Accumulator::new(Ends), passed: Arc::default() }
    }

    /// The ranges whose end only reading can tell, and which have not been read as far as they go.
    pub(crate) fn unfinished(&self) -> Vec<usize> {
        if self.planned.iter().all(Planned::is_exact) {
            return Vec::new();
        }
        let unfinished = |index: &usize| {
            let is_whole = self.ends.read(|ends| Ends::find(ends, *index).is_some_and(|end| end.whole));
            !self.planned[*index].is_exact() && !is_whole
        };
        (0..self.planned.len()).filter(unfinished).collect()
    }

    /// Where a range ends that was read as far as it goes, and whether that is before its end.
    pub(super) fn end_of(&self, range: usize) -> Option<(u64, bool)> {
        self.ends.read(|ends| Ends::find(ends, range).filter(|end| end.whole).map(|end| (end.position, end.is_short)))
    }

    /// The ranges that could not be read to their ends, and up to where they were, while something that comes after them in their splits was:
    /// they cannot be left for later.
    pub(crate) fn torn(&self) -> Vec<(usize, u64)> {
        self.ends.read(|ends| {
            let mut torn = Vec::new();
            let mut short: Vec<(usize, u64)> = Vec::new();
            for (range, planned) in self.planned.iter().enumerate() {
                let Some(end) = Ends::find(ends, range) else { continue };
                let is_after = |(short, _): &(usize, u64)| self.planned[*short].range.split == planned.range.split;
                short.retain(is_after);
                if end.seen() > 0 || end.position > planned.range.from {
                    torn.append(&mut short);
                }
                if end.is_short && !self.is_passed(range) {
                    short.push((range, end.position));
                }
            }
            torn
        })
    }

    /// Takes note that a source passes over what could not be read of a range.
    pub(crate) fn pass(&self, range: usize) {
        self.passed.lock().insert(range);
    }

    /// Whether it does.
    pub(crate) fn is_passed(&self, range: usize) -> bool {
        self.passed.lock().contains(&range)
    }

    /// Whether a later range of the batch is of the same split.
    pub(super) fn is_followed(&self, range: usize) -> bool {
        let split = |range: usize| self.planned.get(range).map(|planned| &planned.range.split);
        split(range).is_some() && split(range) == split(range + 1)
    }

    /// What could not be decoded, range by range.
    pub(crate) fn undecoded(&self) -> Vec<Arc<dyn Undecoded>> {
        self.ends.read(|ends| ends.iter().filter_map(|(_, end)| end.undecodable.clone()).collect())
    }

    /// Notes where reading a range ended.
    pub(super) fn note(&self, range: usize, end: End) {
        self.ends.add((range, end));
    }
}

impl End {
    /// Nothing of a range could be read.
    pub(super) fn short(position: u64) -> Self {
        Self { position, records: 0, at_end: false, whole: true, is_short: true, undecodable: None }
    }

    /// Records that were met, those that could not be decoded included.
    pub(crate) fn seen(&self) -> u64 {
        self.records + self.undecodable.as_ref().map_or(0, |undecoded| undecoded.get().count)
    }
}

/// Where reading a range ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) position: u64,
    pub(crate) records: u64,
    pub(crate) at_end: bool,
    /// Whether the range was read as far as it goes.
    pub(crate) whole: bool,
    /// Whether what comes next in it cannot be read for now.
    pub(crate) is_short: bool,
    /// What could not be decoded, if anything.
    pub(crate) undecodable: Option<Arc<dyn Undecoded>>,
}

/// The ends of a batch's ranges, in the order of their numbers. The first successful read of a range decides where it ends.
#[derive(Debug, Default)]
pub(crate) struct Ends;

impl Ends {
    pub(crate) fn find(ends: &[(usize, End)], range: usize) -> Option<&End> {
        ends.binary_search_by_key(&range, |(range, _)| *range).ok().map(|at| &ends[at].1)
    }
}

impl Aggregator<(usize, End)> for Ends {
    type Acc = Vec<(usize, End)>;
    type Out = Vec<(usize, End)>;

    fn create(&self) -> Self::Acc {
        Vec::new()
    }
    fn add(&self, ends: &mut Self::Acc, (range, end): (usize, End)) {
        match ends.binary_search_by_key(&range, |(range, _)| *range) {
            Ok(at) if ends[at].1.whole || !end.whole => {}
            Ok(at) => ends[at].1 = end,
            Err(at) => ends.insert(at, (range, end)),
        }
    }
    fn merge(&self, ends: &mut Self::Acc, other: Self::Acc) {
        other.into_iter().for_each(|end| self.add(ends, end));
    }
    fn finish(&self, ends: &Self::Acc) -> Self::Out {
        ends.clone()
    }
}
