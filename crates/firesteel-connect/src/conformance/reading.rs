//! What the suite for sources asks of a reader.

use std::fmt::Debug;

use super::Rule;
use super::source::open_range;
use crate::{PositionUnit, ReadRange, Source, SourceReader, Split};

const READS: Rule = Rule("S1", "every record can be read");
const LIMITS: Rule = Rule("S5", "limits are respected, and a read gets on nevertheless");
const POSITIONS: Rule = Rule("S6", "positions grow with the records and tell where to resume");
const BLOCKS: Rule = Rule("S7", "read_block and read_chosen do what next_record does");

/// What a range held.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Read<T> {
    pub(super) records: Vec<T>,
    /// `position()` before the first record, then after each, then after the final `None`.
    positions: Vec<u64>,
    /// `last_position()` after each record.
    lasts: Vec<u64>,
    at_end: bool,
}

impl<T> Read<T> {
    /// Where reading ended.
    pub(super) fn end(&self) -> u64 {
        self.positions.last().copied().unwrap_or_default()
    }

    /// A position to read the record of this index and all later ones from.
    pub(super) fn before(&self, index: usize) -> u64 {
        self.positions[index]
    }
}

/// Reads the range record by record.
pub(super) fn read<S: Source>(source: &S, range: &ReadRange) -> Read<S::Item> {
    read_by(READS, source, range)
}

/// As [`read`]; a failure breaks the rule.
pub(super) fn read_by<S: Source>(rule: Rule, source: &S, range: &ReadRange) -> Read<S::Item> {
    let mut reader = rule.ok(source.open(range), || format!("opening {range:?}"));
    let mut read = Read { records: vec![], positions: vec![reader.position()], lasts: vec![], at_end: false };
    while let Some(record) = rule.ok(reader.next_record(), || format!("reading {range:?}")) {
        read.records.push(record);
        read.positions.push(reader.position());
        read.lasts.push(reader.last_position());
    }
    read.positions.push(reader.position());
    read.at_end = reader.at_end();
    let more = rule.ok(reader.next_record(), || format!("reading {range:?} after its end"));
    POSITIONS.check(more.is_none(), || format!("a record came after the end of {range:?}"));
    read
}

/// The positions of a read of the whole split.
pub(super) fn positions<T: Debug>(split: &Split, all: &Read<T>) {
    POSITIONS.check(all.positions[0] == split.first, || {
        format!("a reader opened at {} stands at {} before it reads", split.first, all.positions[0])
    });
    POSITIONS.check(all.at_end, || format!("all of {} is read, but at_end is false", split.id));
    for (index, last) in all.lasts.iter().enumerate() {
        let (before, after) = (all.positions[index], all.positions[index + 1]);
        let counted = split.unit != PositionUnit::Records || (after == before + 1 && *last == before);
        POSITIONS.check(counted && before <= *last && *last < after, || {
            format!("record {index} of {} stands at {last}, between {before} and {after}", split.id)
        });
    }
    let reached = split.available.is_none_or(|available| all.end() >= available);
    POSITIONS.check(reached, || format!("reading all of {split:?} ends at {}", all.end()));
}

/// Bounded reads, each resuming where the one before it stopped.
pub(super) fn limits<S>(source: &S, split: &Split, all: &Read<S::Item>)
where
    S: Source,
    S::Item: PartialEq + Debug,
{
    let longest = all.records.len() as u64 + 1;
    for records in [1, 2, 3, longest] {
        bounded(source, split, all, |from| open_range(&split.id, from).max_records(records), records);
    }
    bounded(source, split, all, |from| open_range(&split.id, from).max_bytes(1), 1);
    let both = |from| open_range(&split.id, from).max_records(2).max_bytes(u64::MAX);
    bounded(source, split, all, both, 2);
    let none = read(source, &open_range(&split.id, split.first).max_records(0));
    LIMITS.check(none.records.is_empty(), || format!("a limit of no record gave {:?}", none.records));
}

fn bounded<S>(source: &S, split: &Split, all: &Read<S::Item>, range: impl Fn(u64) -> ReadRange, records: u64)
where
    S: Source,
    S::Item: PartialEq + Debug,
{
    let (mut from, mut found) = (split.first, vec![]);
    while found.len() < all.records.len() {
        let range = range(from);
        let part = read(source, &range);
        let due = records.min((all.records.len() - found.len()) as u64);
        LIMITS.check(part.records.len() as u64 == due, || {
            format!("{range:?} gave {} records instead of {due}", part.records.len())
        });
        found.extend(part.records);
        let left = found.len() < all.records.len();
        POSITIONS.check(!(left && part.at_end), || format!("{range:?} says at_end, but more is there"));
        from = part.positions.last().copied().unwrap_or(from);
    }
    LIMITS.check(found == all.records, || format!("the bounded reads of {} add up to {found:?}", split.id));
}

/// Blocks of several sizes, from the start and after some records, whole and chosen.
pub(super) fn blocks<S>(source: &S, split: &Split, all: &Read<S::Item>)
where
    S: Source,
    S::Item: PartialEq + Debug,
{
    let count = all.records.len();
    for most in [1, 2, 7, count + 1] {
        for skipped in [0, 1, count / 2, count] {
            if skipped <= count {
                in_blocks(source, split, all, most, skipped);
            }
        }
        chosen(source, split, all, most);
    }
}

/// `read_block` until it says that there are no more.
fn in_blocks<S>(source: &S, split: &Split, all: &Read<S::Item>, most: usize, skipped: usize)
where
    S: Source,
    S::Item: PartialEq + Debug,
{
    let mut reader = BLOCKS.ok(source.open(&open_range(&split.id, split.first)), || "opening".into());
    let mut records = vec![];
    for _ in 0..skipped {
        records.extend(BLOCKS.ok(reader.next_record(), || "reading one by one".into()));
    }
    loop {
        let before = records.len();
        let more = BLOCKS.ok(reader.read_block(most, &mut records), || format!("reading blocks of {most}"));
        let part = records.len() - before;
        BLOCKS.check(part <= most && (part == most || !more), || {
            format!("a block of {most} gave {part} records after {before} and said that more is there: {more}")
        });
        let (position, last) = (reader.position(), reader.last_position());
        BLOCKS.check(all.positions.get(records.len()).is_none_or(|due| !more || position == *due), || {
            format!("a block of {most} left position {position} after {} records", records.len())
        });
        BLOCKS.check(part == 0 || all.lasts.get(records.len() - 1).is_none_or(|due| last == *due), || {
            format!("a block of {most} left last_position {last} after {} records", records.len())
        });
        if !more {
            break;
        }
    }
    let (position, at_end) = (reader.position(), reader.at_end());
    BLOCKS.check(records == all.records && position == all.end() && at_end, || {
        format!("blocks of {most} after {skipped} records add up to {records:?}, up to {position} (at_end: {at_end})")
    });
}

/// `read_chosen` of every other record, where the reader knows how.
fn chosen<S>(source: &S, split: &Split, all: &Read<S::Item>, most: usize)
where
    S: Source,
    S::Item: PartialEq + Debug,
{
    let mut reader = BLOCKS.ok(source.open(&open_range(&split.id, split.first)), || "opening".into());
    let (mut records, mut seen) = (vec![], 0);
    loop {
        let before = seen;
        let mut choose = |found: &[S::Item], picked: &mut [u32]| {
            let mut count = 0;
            for at in 0..found.len() {
                if (seen + at).is_multiple_of(2) {
                    picked[count] = at as u32;
                    count += 1;
                }
            }
            seen += found.len();
            count
        };
        let more = reader.read_chosen(most, &mut choose, &mut records);
        let Some(more) = BLOCKS.ok(more, || format!("choosing among {most}")) else {
            BLOCKS.check(records.is_empty() && reader.position() == split.first, || {
                format!("a reader that cannot choose has read up to {}", reader.position())
            });
            return;
        };
        BLOCKS.check(seen - before <= most && (seen - before == most || !more), || {
            format!("it offered {} of {most} records after {before} and said that more is there: {more}", seen - before)
        });
        if !more {
            break;
        }
    }
    let due = all.records.iter().step_by(2);
    BLOCKS.check(seen == all.records.len() && records.iter().eq(due) && reader.position() == all.end(), || {
        format!("every other of {seen} records, chosen among {most}, is {records:?}, up to {}", reader.position())
    });
}
