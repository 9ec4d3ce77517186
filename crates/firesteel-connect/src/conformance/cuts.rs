//! Ranges cut at any position.

use std::fmt::Debug;

use super::Rule;
use super::reading::{Read, read};
use crate::{ReadRange, Source, Split};

const PARTITIONS: Rule = Rule("S4", "ranges cut at any position hold each record exactly once");
const ENDS: Rule = Rule("S6", "after a range the position is at its end at least");

/// This many cuts are tried at most; they are spread evenly when there are more positions.
const MOST: u64 = 400;

/// Cuts the split in two at each position, and at all of them together.
pub(super) fn cuts<S>(source: &S, split: &Split, all: &Read<S::Item>)
where
    S: Source,
    S::Item: PartialEq + Debug,
{
    let end = all.end();
    let places: Vec<u64> = if split.divisible {
        let step = (end - split.first).div_ceil(MOST).max(1);
        (split.first..=end).step_by(usize::try_from(step).unwrap_or(usize::MAX)).collect()
    } else {
        let step = all.records.len().div_ceil(MOST as usize).max(1);
        (0..=all.records.len()).step_by(step).map(|index| all.before(index)).collect()
    };
    for place in &places {
        together(source, split, all, &[split.first, *place, end]);
    }
    let mut every = places;
    every.insert(0, split.first);
    every.push(end);
    together(source, split, all, &every);
}

fn together<S>(source: &S, split: &Split, all: &Read<S::Item>, bounds: &[u64])
where
    S: Source,
    S::Item: PartialEq + Debug,
{
    let mut found = vec![];
    for bound in bounds.windows(2) {
        let range = ReadRange::exact(split.id.clone(), bound[0], bound[1]);
        let part = read(source, &range);
        ENDS.check(part.end() >= bound[1], || format!("{range:?} is read, but the position is {}", part.end()));
        found.extend(part.records);
    }
    PARTITIONS.check(found == all.records, || {
        let shown = if bounds.len() > 5 { format!("{} bounds", bounds.len()) } else { format!("{bounds:?}") };
        format!("{} cut at {shown} holds {found:?} instead of {:?}", split.id, all.records)
    });
}
