//! The suite for sources.

use std::fmt::Debug;
use std::sync::mpsc;

use firesteel_window::Timestamp;

use super::reading::{Read, read, read_by};
use super::{PATIENCE, Rule, cuts, reading};
use crate::{PositionUnit, ReadRange, Replay, Source, SourceReader, Split, SplitId, Wake};

const COMPLETE: Rule = Rule("S1", "reading all splits from their first position yields every record in order");
const STABLE: Rule = Rule("S2", "discovery names each split once, in the same order from call to call");
const REPEATS: Rule = Rule("S3", "the same range holds the same records, however often it is read");
const UNKNOWN: Rule = Rule("S8", "a position or split that does not exist is an error, never silence or a panic");
const PARALLEL: Rule = Rule("S9", "ranges can be read from several threads at once");
const FORGETS: Rule = Rule("S10", "what is after a committed position stays readable");
const STOPS: Rule = Rule("S11", "a source names itself and stops");

/// Checks a source against the contract of [`Source`] and [`SourceReader`].
///
/// `make` yields a fresh source over the same data each time; `expected` holds the records of each split, in the
/// order of the splits. The source is to have its data when it starts, or to get it by itself within ten seconds.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn source<S>(make: impl Fn() -> S, expected: &[Vec<S::Item>])
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    source_at(make, Timestamp::from_millis(0), expected);
}

/// As [`source()`], for a source whose data depends on the processing time: `now` is handed to every discovery.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn source_at<S>(make: impl Fn() -> S, now: Timestamp, expected: &[Vec<S::Item>])
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    let (source, splits) = ready(&make, now, expected);
    stable(&source, now, &splits);
    for (split, expected) in splits.iter().zip(expected) {
        let all = read_by(REPEATS, &source, &open_range(&split.id, split.first));
        reading::positions(split, &all);
        reading::limits(&source, split, &all);
        reading::blocks(&source, split, &all);
        cuts::cuts(&source, split, &all);
        unknown(&source, split, &all);
        repeats(&source, split, &all, expected);
    }
    parallel(&source, &splits, expected);
    if source.replay() == Replay::Always {
        let (again, _) = ready(&make, now, expected);
        again.stop();
    }
    committed(&source, now, &splits);
    STOPS.check(!source.describe().is_empty(), || "the description is empty".into());
    source.stop();
}

/// A range without an end or a limit.
pub(super) fn open_range(split: &SplitId, from: u64) -> ReadRange {
    ReadRange { split: split.clone(), from, to: None, max_records: None, max_bytes: None }
}

/// A started source that holds all the expected records, and its splits.
fn ready<S>(make: &impl Fn() -> S, now: Timestamp, expected: &[Vec<S::Item>]) -> (S, Vec<Split>)
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    let source = make();
    let (woken, wakes) = mpsc::channel();
    // After the suite nobody listens any more, and nobody needs to.
    let started = source.start(Wake::new(move || _ = woken.send(())));
    COMPLETE.ok(started, || "starting".into());
    loop {
        let discovery = COMPLETE.ok(source.discover(now), || "discovering".into());
        let found: Vec<Vec<S::Item>> =
            discovery.splits.iter().map(|split| read(&source, &open_range(&split.id, split.first)).records).collect();
        if found == expected {
            return (source, discovery.splits);
        }
        let count = |records: &[Vec<S::Item>]| records.iter().map(Vec::len).sum::<usize>();
        if count(&found) >= count(expected) || wakes.recv_timeout(PATIENCE).is_err() {
            COMPLETE.broken(format!("expected {expected:?}, found {found:?} and nothing more came"));
        }
    }
}

fn stable<S: Source>(source: &S, now: Timestamp, splits: &[Split]) {
    let again = STABLE.ok(source.discover(now), || "discovering again".into());
    let names = |splits: &[Split]| splits.iter().map(|split| split.id.clone()).collect::<Vec<_>>();
    let (first, second) = (names(splits), names(&again.splits));
    STABLE.check(first == second, || format!("first {first:?}, then {second:?}"));
    let mut unique = first.clone();
    unique.sort();
    unique.dedup();
    STABLE.check(unique.len() == first.len(), || format!("a name occurs twice in {first:?}"));
}

fn repeats<S>(source: &S, split: &Split, all: &Read<S::Item>, expected: &[S::Item])
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    let range = ReadRange::exact(split.id.clone(), split.first, all.end());
    for time in 1..=2 {
        let again = read_by(REPEATS, source, &range);
        REPEATS.check(again.records == expected, || {
            format!("reading {range:?} for the {time}. time gave {:?} instead of {expected:?}", again.records)
        });
    }
    if let Some(available) = split.available {
        let known = split.unit != PositionUnit::Records || available - split.first == expected.len() as u64;
        REPEATS.check(known, || format!("{split:?} does not agree with its {} records", expected.len()));
    }
}

fn unknown<S>(source: &S, split: &Split, all: &Read<S::Item>)
where
    S: Source,
    S::Item: Debug,
{
    let mut ranges = vec![
        open_range(&split.id, all.end() + 1_000),
        ReadRange::exact(split.id.clone(), all.end() + 1_000, all.end() + 1_010),
        open_range(&SplitId::new("\u{1}no such split"), split.first),
    ];
    if split.first > 0 {
        ranges.push(open_range(&split.id, split.first - 1));
    }
    for range in ranges {
        let outcome = source.open(&range).and_then(|mut reader| reader.next_record());
        UNKNOWN.check(outcome.is_err(), || format!("reading {range:?} gave {outcome:?}"));
    }
}

/// All splits, each read twice, on as many threads.
fn parallel<S>(source: &S, splits: &[Split], expected: &[Vec<S::Item>])
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    std::thread::scope(|scope| {
        let tasks: Vec<_> = splits
            .iter()
            .zip(expected)
            .chain(splits.iter().zip(expected))
            .map(|(split, expected)| {
                let range = open_range(&split.id, split.first);
                let task = std::thread::Builder::new().spawn_scoped(scope, move || read(source, &range).records);
                (split, expected, PARALLEL.ok(task, || "starting a thread".into()))
            })
            .collect();
        for (split, expected, task) in tasks {
            match task.join() {
                Ok(records) => PARALLEL
                    .check(records == *expected, || format!("{}: {records:?} instead of {expected:?}", split.id)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
}

/// Commits the first half of each split; the second half must remain, before and after the next discovery.
fn committed<S>(source: &S, now: Timestamp, splits: &[Split])
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    for split in splits {
        let all = read(source, &open_range(&split.id, split.first));
        let half = all.records.len() / 2;
        let position = all.before(half);
        let noted = source.committed(&[(split.id.clone(), position)]);
        FORGETS.ok(noted, || format!("committing {} up to {position}", split.id));
        for _ in 0..2 {
            let rest = read_by(FORGETS, source, &ReadRange::exact(split.id.clone(), position, all.end()));
            FORGETS.check(rest.records == all.records[half..], || {
                format!("{} committed up to {position} now holds {:?}", split.id, rest.records)
            });
            FORGETS.ok(source.discover(now), || "discovering after the commit".into());
        }
    }
}
