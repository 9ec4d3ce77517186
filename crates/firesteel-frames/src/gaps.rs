//! What of files could not be read and was passed over.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use firesteel_connect::SplitId;

/// A stretch of a split that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The split.
    pub split: SplitId,
    /// The first position of it, in the split's own unit.
    pub from: u64,
    /// The position after it.
    pub to: u64,
    /// Why.
    pub reason: Box<str>,
    /// Whether it is the first of its split.
    pub is_first: bool,
}

/// Stretches that tasks could not read, until somebody tells of them: each once, also where tasks are repeated.
#[derive(Default)]
pub struct Gaps(Mutex<Stretches>);

#[derive(Default)]
struct Stretches {
    /// All of them, in order, put together where they touch.
    of_splits: HashMap<SplitId, Vec<(u64, u64)>>,
    untold: Vec<Gap>,
}

impl Gaps {
    /// Takes note of a stretch.
    pub fn note(&self, split: &SplitId, from: u64, to: u64, reason: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Stretches { of_splits, untold } = &mut *known;
        let is_first = !of_splits.contains_key(split);
        let stretches = of_splits.entry(split.clone()).or_default();
        let (first, last) =
            (stretches.partition_point(|(_, end)| *end < from), stretches.partition_point(|(start, _)| *start <= to));
        let mut at = from;
        for (start, end) in stretches[first..last].iter().copied().chain([(to, to)]) {
            let news = at..start;
            at = at.max(end);
            if news.is_empty() {
                continue;
            }
            match untold.iter_mut().find(|gap| gap.split == *split && gap.to == news.start) {
                Some(before) => before.to = news.end,
                None => {
                    let (split, reason) = (split.clone(), reason.into());
                    untold.push(Gap { split, from: news.start, to: news.end, reason, is_first });
                }
            }
        }
        let start = stretches[first..last].first().map_or(from, |(start, _)| from.min(*start));
        let end = stretches[first..last].last().map_or(to, |(_, end)| to.max(*end));
        stretches.splice(first..last, [(start, end)]);
    }

    /// Whether anything of a split was passed over.
    pub fn has(&self, split: &SplitId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).of_splits.contains_key(split)
    }

    /// Those of which nobody has told.
    pub fn take_untold(&self) -> Vec<Gap> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).untold)
    }
}

impl fmt::Debug for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gaps").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_is_told_once_however_often_it_is_met() {
        let (gaps, split) = (Gaps::default(), SplitId::new("a"));
        let told = || gaps.take_untold().into_iter().map(|gap| (gap.from, gap.to, gap.is_first)).collect::<Vec<_>>();
        gaps.note(&split, 10, 20, "why");
        gaps.note(&split, 20, 30, "why");
        assert_eq!(told(), [(10, 30, true)]);
        gaps.note(&split, 10, 30, "why");
        gaps.note(&split, 15, 25, "why");
        assert_eq!(told(), []);
        gaps.note(&split, 0, 40, "why");
        assert_eq!(told(), [(0, 10, false), (30, 40, false)]);
        gaps.note(&split, 5, 50, "why");
        assert_eq!(told(), [(40, 50, false)]);
        gaps.note(&SplitId::new("b"), 0, 1, "why");
        assert_eq!(told(), [(0, 1, true)]);
    }
}
