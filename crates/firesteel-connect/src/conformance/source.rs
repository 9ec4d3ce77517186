//! The suite for sources.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::mpsc;

use firesteel_window::Timestamp;

use super::reading::{Read, read, read_by};
use super::{PATIENCE, Rule, cuts, reading};
use crate::{
    Discovery, PositionUnit, ReadRange, Replay, Resumed, Source, SourceContext, SourceReader, Split, SplitId,
    SplitNote, Wake,
};

const COMPLETE: Rule = Rule("S1", "reading all splits from their first position yields every record in order");
const STABLE: Rule = Rule("S2", "discovery names each split once, in the same order from call to call");
const REPEATS: Rule = Rule("S3", "the same range holds the same records, however often it is read");
const UNKNOWN: Rule = Rule("S8", "a position or split that does not exist is an error, never silence or a panic");
const PARALLEL: Rule = Rule("S9", "ranges can be read from several threads at once");
const FORGETS: Rule = Rule("S10", "what is after a committed position stays readable");
const BACK: Rule = Rule("S14", "a reader that is handed back reads what a new one would");
const NOTED: Rule = Rule("S15", "a source that is started where a job stood, with what it has noted, has the rest");
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
        handed_back(&source, split, &all);
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

/// Checks that a source which is started where a job stood, with what it has noted of its splits, has what comes after that.
/// `make` yields a source over the same place each time, which has its data when it starts.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn source_resumes<S>(make: impl Fn() -> S, expected: &[Vec<S::Item>])
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    let now = Timestamp::from_millis(0);
    let (source, splits) = ready(&make, now, expected);
    noted(&make, &source, now, &splits);
    source.stop();
}

/// A range without an end or a limit.
pub(super) fn open_range(split: &SplitId, from: u64) -> ReadRange {
    ReadRange::starting_at(split.clone(), from)
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
    let started = source.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(()))));
    COMPLETE.ok(started, || "starting".into());
    let mut splits = vec![];
    loop {
        merge(&mut splits, COMPLETE.ok(source.discover(now), || "discovering".into()));
        let found: Vec<Vec<S::Item>> =
            splits.iter().map(|split| read(&source, &open_range(&split.id, split.first)).records).collect();
        if found == expected {
            return (source, splits);
        }
        let count = |records: &[Vec<S::Item>]| records.iter().map(Vec::len).sum::<usize>();
        if count(&found) >= count(expected) || wakes.recv_timeout(PATIENCE).is_err() {
            COMPLETE.broken(format!("expected {expected:?}, found {found:?} and nothing more came"));
        }
    }
}

/// Takes in what a source has found: all splits, or differences.
fn merge(known: &mut Vec<Split>, found: Discovery) {
    if found.is_all {
        known.clear();
    }
    known.retain(|split| !found.gone.contains(&split.id));
    for split in found.splits {
        match known.iter_mut().find(|known| known.id == split.id) {
            Some(known) if !found.is_all => *known = split,
            _ => known.push(split),
        }
    }
}

fn stable<S: Source>(source: &S, now: Timestamp, splits: &[Split]) {
    let again = STABLE.ok(source.discover(now), || "discovering again".into());
    let names = |splits: &[Split]| splits.iter().map(|split| split.id.clone()).collect::<Vec<_>>();
    let mut known = splits.to_vec();
    merge(&mut known, again);
    let (first, second) = (names(splits), names(&known));
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

/// The split read in two ranges, the second by the reader of the first; cut by a limit, and where the first says that it ends.
fn handed_back<S>(source: &S, split: &Split, all: &Read<S::Item>)
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    let count = all.records.len();
    for first in [0, 1, count / 2, count] {
        for most in [None, Some(2)] {
            let range = open_range(&split.id, split.first).max_records(first as u64);
            let mut reader = BACK.ok(source.open(&range), || format!("opening {range:?}"));
            let mut records = vec![];
            while let Some(record) = BACK.ok(reader.next_record(), || format!("reading {range:?}")) {
                records.push(record);
            }
            let rest = open_range(&split.id, reader.position()).max_records(most);
            let mut reader = BACK.ok(source.reopen(reader, &rest), || format!("handing back for {rest:?}"));
            while let Some(record) = BACK.ok(reader.next_record(), || format!("reading {rest:?}")) {
                records.push(record);
            }
            let due = &all.records[..count.min(most.map_or(count, |most| first + most as usize))];
            BACK.check(records == *due, || {
                format!("{records:?} were read instead of {due:?}, the first {first} before {rest:?}")
            });
        }
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

/// The second half of each split, read by a source that is started where the first one has noted that the job stood.
fn noted<S>(make: &impl Fn() -> S, source: &S, now: Timestamp, splits: &[Split])
where
    S: Source,
    S::Item: Clone + PartialEq + Debug,
{
    let read: Vec<_> = splits.iter().map(|split| read(source, &open_range(&split.id, split.first))).collect();
    let half = |all: &Read<S::Item>| all.before(all.records.len() / 2);
    let at: Vec<_> = splits.iter().zip(&read).map(|(split, all)| (split.id.clone(), half(all))).collect();
    let mut notes: HashMap<SplitId, SplitNote> = HashMap::new();
    for _ in 0..2 {
        notes.extend(NOTED.ok(source.notes(&at), || format!("noting that the job stands at {at:?}")));
    }
    let resumed = at.iter().map(|(split, at)| Resumed::at(split.clone(), *at).noted(notes.get(split).cloned()));
    let again = make();
    let started = again.start(&SourceContext::default().resumed_at(resumed));
    NOTED.ok(started, || format!("starting at {at:?}"));
    NOTED.ok(again.discover(now), || format!("discovering after a start at {at:?}"));
    for (all, (split, at)) in read.iter().zip(&at) {
        let rest = read_by(NOTED, &again, &ReadRange::exact(split.clone(), *at, all.end()));
        NOTED.check(rest.records == all.records[all.records.len() / 2..], || {
            format!("{split}, started at {at}, holds {:?}", rest.records)
        });
    }
    again.stop();
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
