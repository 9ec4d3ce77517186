//! Places between the fields of a key, and which stretches between two of them are known.

use std::cmp::Ordering;
use std::ops::{Bound, RangeBounds};

/// A place between two fields that follow each other, or at one of the ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cut<F> {
    /// Before all fields.
    Start,
    /// Before a field, whether there is one or not.
    Before(F),
    /// After a field, whether there is one or not.
    After(F),
    /// After all fields.
    End,
}

impl<F> Cut<F> {
    /// Which field it is at, and on which side; nothing at the ends.
    fn place(&self) -> Option<(&F, bool)> {
        match self {
            Self::Before(field) => Some((field, false)),
            Self::After(field) => Some((field, true)),
            Self::Start | Self::End => None,
        }
    }
}

impl<F: Ord> Ord for Cut<F> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Start, Self::Start) | (Self::End, Self::End) => Ordering::Equal,
            (Self::Start, _) | (_, Self::End) => Ordering::Less,
            (Self::End, _) | (_, Self::Start) => Ordering::Greater,
            _ => self.place().cmp(&other.place()),
        }
    }
}

impl<F: Ord> PartialOrd for Cut<F> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The fields between two cuts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span<F> {
    pub(crate) from: Cut<F>,
    pub(crate) to: Cut<F>,
}

impl<F: Ord + Clone> Span<F> {
    pub(crate) fn of(range: &impl RangeBounds<F>) -> Self {
        let from = match range.start_bound() {
            Bound::Included(field) => Cut::Before(field.clone()),
            Bound::Excluded(field) => Cut::After(field.clone()),
            Bound::Unbounded => Cut::Start,
        };
        let to = match range.end_bound() {
            Bound::Included(field) => Cut::After(field.clone()),
            Bound::Excluded(field) => Cut::Before(field.clone()),
            Bound::Unbounded => Cut::End,
        };
        Self { from, to }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.from >= self.to
    }

    /// As sorted maps take it. It must not be empty.
    pub(crate) fn bounds(&self) -> (Bound<&F>, Bound<&F>) {
        let from = match &self.from {
            Cut::Before(field) => Bound::Included(field),
            Cut::After(field) => Bound::Excluded(field),
            Cut::Start | Cut::End => Bound::Unbounded,
        };
        let to = match &self.to {
            Cut::Before(field) => Bound::Excluded(field),
            Cut::After(field) => Bound::Included(field),
            Cut::Start | Cut::End => Bound::Unbounded,
        };
        (from, to)
    }
}

/// The stretches of which everything that exists is in memory, or is known to be gone.
#[derive(Debug, Clone)]
pub(crate) struct Coverage<F> {
    /// In their order, and apart from each other.
    spans: Vec<Span<F>>,
}

/// To forget a stretch costs a read, and no more.
const MOST: usize = 16;

impl<F: Ord + Clone> Coverage<F> {
    pub(crate) const fn new() -> Self {
        Self { spans: Vec::new() }
    }

    /// The first gap in `span`, or the last; nothing if all of it is known.
    pub(crate) fn gap(&self, span: &Span<F>, last: bool) -> Option<Span<F>> {
        let mut gap = span.clone();
        if last {
            for known in self.spans.iter().rev().filter(|known| known.from < span.to) {
                if known.to < gap.to {
                    gap.from = gap.from.max(known.to.clone());
                    break;
                }
                gap.to = known.from.clone();
            }
        } else {
            for known in self.spans.iter().filter(|known| known.to > span.from) {
                if known.from > gap.from {
                    gap.to = gap.to.min(known.from.clone());
                    break;
                }
                gap.from = known.to.clone();
            }
        }
        (!gap.is_empty()).then_some(gap)
    }

    /// Takes note that a stretch is known.
    pub(crate) fn add(&mut self, mut span: Span<F>) {
        if span.is_empty() {
            return;
        }
        // What touches it becomes a part of it.
        let first = self.spans.partition_point(|known| known.to < span.from);
        let after = self.spans.partition_point(|known| known.from <= span.to);
        if first < after {
            span.from = span.from.min(self.spans[first].from.clone());
            span.to = span.to.max(self.spans[after - 1].to.clone());
        }
        self.spans.splice(first..after, [span]);
        if self.spans.len() > MOST {
            // Both ends are what is read most.
            self.spans.remove(MOST / 2);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn cut() -> impl Strategy<Value = Cut<u8>> {
        prop_oneof![
            1 => Just(Cut::Start),
            1 => Just(Cut::End),
            6 => (0..12u8).prop_map(Cut::Before),
            6 => (0..12u8).prop_map(Cut::After),
        ]
    }

    /// The places of a cut and of a field on one line.
    fn at(cut: &Cut<u8>) -> i32 {
        match cut {
            Cut::Start => -10,
            Cut::Before(field) => i32::from(*field) * 2,
            Cut::After(field) => i32::from(*field) * 2 + 1,
            Cut::End => 100,
        }
    }

    proptest! {
        #[test]
        fn gaps_are_what_no_stretch_covers(
            stretches in vec((cut(), cut()), 0..6), from in cut(), to in cut(), last: bool,
        ) {
            let mut known = Coverage::new();
            stretches.iter().for_each(|(from, to)| known.add(Span { from: from.clone(), to: to.clone() }));
            prop_assert!(known.spans.windows(2).all(|two| two[0].to < two[1].from));
            let span = Span { from, to };
            let covered = |step: i32| stretches.iter().any(|(from, to)| at(from) <= step && step < at(to));
            let missing: Vec<i32> = (at(&span.from)..at(&span.to)).filter(|step| !covered(*step)).collect();
            match known.gap(&span, last) {
                None => prop_assert!(missing.is_empty(), "{missing:?}"),
                Some(gap) => {
                    let (from, to) = (at(&gap.from), at(&gap.to));
                    prop_assert!((from..to).all(|step| missing.contains(&step)));
                    let end = if last { missing.last().map(|step| step + 1) } else { missing.first().copied() };
                    prop_assert_eq!(Some(if last { to } else { from }), end);
                    let beyond = if last { from - 1 } else { to };
                    prop_assert!(!missing.contains(&beyond), "the gap is whole");
                }
            }
        }
    }

    #[test]
    fn bounds_are_those_of_ranges() {
        assert_eq!(Span::of(&(3..5)).bounds(), (Bound::Included(&3), Bound::Excluded(&5)));
        assert_eq!(Span::of(&(..=5)).bounds(), (Bound::Unbounded, Bound::Included(&5)));
        assert!(
            Span::of(&(5..5)).is_empty()
                && Span { from: Cut::Before(5), to: Cut::Before(3) }.is_empty()
                && !Span::<u8>::of(&(..)).is_empty()
        );
        assert!(Span::of(&(Bound::Excluded(5), Bound::Included(5))).is_empty());
    }
}
