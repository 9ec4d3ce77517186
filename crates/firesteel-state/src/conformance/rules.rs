//! The rules, one by one, on small cases chosen for them.

use std::ops::ControlFlow;
use std::path::Path;
use std::thread;

use super::Rule;
use crate::backend::{KeyRange, StateBackend};
use crate::error::StateError;
use crate::frame::{Frame, FrameWriter, Shard, StoreId, TableId};
use crate::key_group::{KeyGroup, KeyGroupRange};
use crate::marker::{CommitName, Marker};

const EMPTY: Rule = Rule("B1", "a fresh backend holds nothing and names itself");
pub(super) const READS: Rule = Rule("B2", "read hands out exactly the keys that have a value, in ascending order");
pub(super) const ORDER: Rule = Rule("B3", "scan hands out all keys in the order of their bytes");
const PREFIXES: Rule = Rule("B4", "scan is limited to the keys that begin with the prefix");
const APART: Rule = Rule("B5", "tables and shards do not mix");
const REMOVALS: Rule = Rule("B6", "a removed key has no value; the later of two changes to a key holds");
pub(super) const MARKERS: Rule = Rule("B7", "the marker is the last epoch applied; shards lists every marker in order");
const AGAIN: Rule = Rule("B8", "changes of an epoch at or before the marker are left alone");
const CLEARS: Rule = Rule("B9", "clear removes the values and the marker of one shard only");
const BYTES: Rule = Rule("B10", "keys and values are any bytes of any length, none included");
const CALLER: Rule = Rule("B11", "an error of the receiver ends a scan and comes back");
const PARALLEL: Rule = Rule("B12", "reads and changes of other shards run beside each other");
const NUMBERS: Rule = Rule("B13", "memory use and metrics follow what happens");
pub(super) const SNAPSHOTS: Rule =
    Rule("B14", "a snapshot restores everything, and only what was held when it was taken");
const REFUSES: Rule = Rule("B15", "a missing or existing folder is refused, and nothing is lost by it");
pub(super) const SURVIVES: Rule = Rule("B16", "what was flushed is there after reopening, values and markers alike");

pub(super) const RANGES: Rule =
    Rule("B17", "range hands out the keys between its ends, in either order, until it is told to stop");

const NAMES: Rule = Rule("B18", "the marker names the commit, also in snapshots and after reopening");

const T: TableId = TableId(0);

pub(super) fn shard(store: u16, group: u16) -> Shard {
    Shard { store: StoreId(store), group: KeyGroup(group) }
}

type Changes<'a> = &'a [(&'a [u8], Option<&'a [u8]>)];

fn frame(shard: Shard, table: TableId, changes: Changes<'_>) -> Frame {
    let mut writer = FrameWriter::new();
    writer.begin_table(table);
    for (key, value) in changes {
        match value {
            Some(value) => writer.put(key, value),
            None => writer.remove(key),
        }
    }
    writer.finish(shard)
}

pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn scan(rule: Rule, backend: &dyn StateBackend, shard: Shard, table: TableId, prefix: &[u8]) -> Pairs {
    let mut found = vec![];
    let scanned = backend.scan(shard, table, prefix, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        Ok(())
    });
    rule.ok(scanned, || format!("scanning {shard}"));
    found
}

/// The first keys of a range, at most `limit`.
pub(super) fn range(
    rule: Rule,
    backend: &dyn StateBackend,
    shard: Shard,
    table: TableId,
    range: KeyRange<'_>,
    limit: usize,
) -> Pairs {
    let mut found = vec![];
    let ranged = backend.range(shard, table, range, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    });
    rule.ok(ranged, || format!("reading {range:?} of {shard}"));
    found
}

pub(super) fn read(
    rule: Rule,
    backend: &dyn StateBackend,
    shard: Shard,
    table: TableId,
    keys: &[&[u8]],
) -> Vec<(usize, Vec<u8>)> {
    let mut found = vec![];
    rule.ok(backend.read(shard, table, keys, &mut |at, value| found.push((at, value.to_vec()))), || {
        format!("reading {} keys of {shard}", keys.len())
    });
    found
}

fn apply(rule: Rule, backend: &dyn StateBackend, epoch: u64, frames: &[Frame]) {
    rule.ok(backend.apply(epoch, frames), || format!("applying epoch {epoch}"));
}

fn marker(rule: Rule, backend: &dyn StateBackend, shard: Shard) -> Option<u64> {
    rule.ok(backend.marker(shard), || format!("asking for the marker of {shard}"))
}

fn pairs(entries: &[(&[u8], &[u8])]) -> Pairs {
    entries.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

pub(super) fn empty(backend: &dyn StateBackend) {
    EMPTY.check(!backend.describe().is_empty(), || "the description is empty".into());
    let found = scan(EMPTY, backend, shard(0, 0), T, b"");
    EMPTY.check(found.is_empty(), || format!("a scan finds {found:?}"));
    let found = read(EMPTY, backend, shard(0, 0), T, &[b"", b"a"]);
    EMPTY.check(found.is_empty(), || format!("a read finds {found:?}"));
    EMPTY.check(marker(EMPTY, backend, shard(0, 0)).is_none(), || "there is a marker".into());
    let shards = EMPTY.ok(backend.shards(), || "listing shards".into());
    EMPTY.check(shards.is_empty(), || format!("there are shards: {shards:?}"));
    EMPTY.ok(backend.clear(shard(0, 0)), || "clearing what is not there".into());
    EMPTY.ok(backend.flush(), || "flushing nothing".into());
}

pub(super) fn reads(backend: &dyn StateBackend) {
    apply(READS, backend, 1, &[frame(shard(0, 3), T, &[(b"b", Some(b"2")), (b"d", Some(b"4")), (b"a", Some(b"1"))])]);
    let found = read(READS, backend, shard(0, 3), T, &[b"a", b"aa", b"b", b"c", b"d", b"e"]);
    let expected = [(0, b"1".to_vec()), (2, b"2".to_vec()), (4, b"4".to_vec())];
    READS.check(found == expected, || format!("expected {expected:?}, found {found:?}"));
    let found = read(READS, backend, shard(0, 3), T, &[]);
    READS.check(found.is_empty(), || format!("no key was asked for, but {found:?} found"));
    // A change is seen by the next read.
    apply(READS, backend, 2, &[frame(shard(0, 3), T, &[(b"b", Some(b"two"))])]);
    let found = read(READS, backend, shard(0, 3), T, &[b"b"]);
    READS.check(found == [(0, b"two".to_vec())], || format!("the new value of b is {found:?}"));
}

pub(super) fn order(backend: &dyn StateBackend) {
    let keys: [&[u8]; 6] = [b"b", b"\xFF", b"a", b"\x00", b"ab", b"\x80"];
    let changes: Vec<_> = keys.iter().map(|&key| (key, Some(key))).collect();
    apply(ORDER, backend, 1, &[frame(shard(0, 0), T, &changes)]);
    apply(ORDER, backend, 2, &[frame(shard(0, 0), T, &[(b"aa", Some(b"aa"))])]);
    let found = scan(ORDER, backend, shard(0, 0), T, b"");
    let mut expected: Pairs = keys.iter().chain([&&b"aa"[..]]).map(|key| (key.to_vec(), key.to_vec())).collect();
    expected.sort();
    ORDER.check(found == expected, || format!("expected {expected:?}, found {found:?}"));
}

pub(super) fn prefixes(backend: &dyn StateBackend) {
    let keys: [&[u8]; 7] = [b"a", b"aa", b"ab", b"b", b"\xFF", b"\xFF\x00", b"\xFF\xFF"];
    let changes: Vec<_> = keys.iter().map(|&key| (key, Some(&b"v"[..]))).collect();
    apply(PREFIXES, backend, 1, &[frame(shard(0, 0), T, &changes), frame(shard(0, 1), T, &changes)]);
    for prefix in [&b""[..], b"a", b"ab", b"abc", b"b", b"\xFF", b"\xFF\xFF", b"c", b"\x00"] {
        let found = scan(PREFIXES, backend, shard(0, 0), T, prefix);
        let expected: Vec<_> = keys.iter().filter(|key| key.starts_with(prefix)).map(|key| key.to_vec()).collect();
        let found: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
        PREFIXES.check(found == expected, || format!("prefix {prefix:?}: expected {expected:?}, found {found:?}"));
    }
}

pub(super) fn ranges(backend: &dyn StateBackend) {
    let keys: [&[u8]; 6] = [b"", b"a", b"a\0", b"ab", b"b", b"\xFF\xFF"];
    let changes: Vec<_> = keys.iter().map(|key| (*key, Some(*key))).collect();
    let beside: Changes<'_> = &[(b"a", Some(b"other"))];
    apply(RANGES, backend, 1, &[frame(shard(0, 0), T, &changes), frame(shard(0, 1), T, beside)]);
    apply(RANGES, backend, 2, &[frame(shard(0, 0), TableId(1), beside)]);
    let ends: [&[u8]; 8] = [b"", b"\0", b"a", b"a\0", b"a\0\0", b"b", b"c", b"\xFF\xFF\xFF"];
    for (from, to) in ends.iter().flat_map(|from| ends.iter().map(|to| (*from, Some(*to))).chain([(*from, None)])) {
        for (descends, limit) in [(false, 1), (false, 3), (false, 99), (true, 1), (true, 3), (true, 99)] {
            let wanted = KeyRange { from, to, descends };
            let mut expected: Vec<_> = keys.iter().filter(|key| wanted.contains(key)).map(|key| key.to_vec()).collect();
            if descends {
                expected.reverse();
            }
            expected.truncate(limit);
            let found = range(RANGES, backend, shard(0, 0), T, wanted, limit);
            let found: Vec<_> = found.into_iter().map(|(key, _)| key).collect();
            RANGES
                .check(found == expected, || format!("{limit} of {wanted:?}: expected {expected:?}, found {found:?}"));
        }
    }
    let whole = KeyRange { from: b"", to: None, descends: false };
    let nothing = range(RANGES, backend, shard(7, 7), T, whole, 99);
    RANGES.check(nothing.is_empty(), || format!("a shard that never was has {nothing:?}"));
    let error = || StateError::InvalidState { what: "the receiver".into(), reason: "it has had enough".into() };
    let stopped = backend.range(shard(0, 0), T, whole, &mut |_, _| Err(error()));
    RANGES.check(stopped.is_err(), || "an error of the receiver is lost".into());
}

pub(super) fn tables_and_shards(backend: &dyn StateBackend) {
    let places: Vec<(Shard, TableId)> = [(0, 0), (0, 1), (0, 256), (1, 0), (256, 0), (0, u16::MAX)]
        .into_iter()
        .flat_map(|(store, group)| [0, 1, 256, u16::MAX].map(|table| (shard(store, group), TableId(table))))
        .collect();
    for (at, (shard, table)) in places.iter().enumerate() {
        let value = [at as u8];
        // Each table gets an epoch of its own, so that no frame holds two.
        apply(APART, backend, at as u64 + 1, &[frame(*shard, *table, &[(b"k", Some(&value))])]);
    }
    for (at, (shard, table)) in places.iter().enumerate() {
        let found = scan(APART, backend, *shard, *table, b"");
        let expected = pairs(&[(b"k", &[at as u8])]);
        APART.check(found == expected, || format!("{shard}, {table:?}: expected {expected:?}, found {found:?}"));
    }
    let mut both = FrameWriter::new();
    both.begin_table(TableId(0));
    both.put(b"k", b"zero");
    both.begin_table(TableId(1));
    both.remove(b"k");
    apply(APART, backend, 1000, &[both.finish(shard(0, 0))]);
    let (zero, one) = (scan(APART, backend, shard(0, 0), T, b""), scan(APART, backend, shard(0, 0), TableId(1), b""));
    APART.check(zero == pairs(&[(b"k", b"zero")]) && one.is_empty(), || format!("tables 0 and 1: {zero:?}, {one:?}"));
}

pub(super) fn removals(backend: &dyn StateBackend) {
    apply(REMOVALS, backend, 1, &[frame(shard(0, 0), T, &[(b"a", Some(b"1")), (b"b", Some(b"2"))])]);
    apply(REMOVALS, backend, 2, &[frame(shard(0, 0), T, &[(b"a", None), (b"never", None)])]);
    let found = scan(REMOVALS, backend, shard(0, 0), T, b"");
    REMOVALS.check(found == pairs(&[(b"b", b"2")]), || format!("after removing a: {found:?}"));
    let found = read(REMOVALS, backend, shard(0, 0), T, &[b"a", b"b", b"never"]);
    REMOVALS.check(found == [(1, b"2".to_vec())], || format!("after removing a: {found:?}"));
    let twice: Changes<'_> = &[(b"a", Some(b"x")), (b"b", None), (b"a", None), (b"b", Some(b"y")), (b"b", Some(b"z"))];
    apply(REMOVALS, backend, 3, &[frame(shard(0, 0), T, twice)]);
    let found = scan(REMOVALS, backend, shard(0, 0), T, b"");
    REMOVALS.check(found == pairs(&[(b"b", b"z")]), || format!("after changing keys twice: {found:?}"));
}

pub(super) fn markers(backend: &dyn StateBackend) {
    apply(MARKERS, backend, 5, &[frame(shard(1, 1), T, &[(b"a", Some(b"1"))]), frame(shard(0, 300), T, &[])]);
    apply(MARKERS, backend, 9, &[frame(shard(1, 1), T, &[])]);
    for (shard, expected) in [(shard(1, 1), Some(9)), (shard(0, 300), Some(5)), (shard(0, 2), None)] {
        let found = marker(MARKERS, backend, shard);
        MARKERS.check(found == expected, || format!("{shard}: expected {expected:?}, found {found:?}"));
    }
    let shards = MARKERS.ok(backend.shards(), || "listing shards".into());
    MARKERS.check(shards == [(shard(0, 300), 5), (shard(1, 1), 9)], || format!("{shards:?}"));
    let found = scan(MARKERS, backend, shard(1, 1), T, b"");
    MARKERS.check(found == pairs(&[(b"a", b"1")]), || format!("an empty frame changed values to {found:?}"));
}

/// The end of an epoch, of a commit with a name.
fn named(epoch: u64) -> Marker {
    Marker { epoch, commit: CommitName { term: epoch * 10, id: epoch * 100 } }
}

fn names_of(backend: &dyn StateBackend, due: &[(Shard, Marker)]) {
    let found = NAMES.ok(backend.markers(), || "listing markers".into());
    NAMES.check(found == due, || format!("{found:?} instead of {due:?}"));
    for (shard, marker) in due {
        let found = NAMES.ok(backend.marker_of(*shard), || "asking for a marker".into());
        NAMES.check(found == Some(*marker), || format!("{shard}: {found:?} instead of {marker:?}"));
    }
}

pub(super) fn names<B: StateBackend>(make: &impl Fn() -> B, folder: &Path) {
    let backend = make();
    let some = [frame(shard(0, 0), T, &[(b"a", Some(b"1"))]), frame(shard(0, 1), T, &[])];
    NAMES.ok(backend.apply_at(named(5), &some), || "applying epoch 5".into());
    names_of(&backend, &[(shard(0, 0), named(5)), (shard(0, 1), named(5))]);
    NAMES.ok(backend.apply_at(named(6), &some[1..]), || "applying epoch 6".into());
    // An epoch that is there is left alone, whatever its name.
    let other = Marker { commit: CommitName { term: 1, id: 1 }, ..named(6) };
    NAMES.ok(backend.apply_at(other, &some[1..]), || "applying another epoch 6".into());
    let due = [(shard(0, 0), named(5)), (shard(0, 1), named(6))];
    names_of(&backend, &due);
    let place = folder.join("names");
    NAMES.ok(backend.snapshot(&place), || "taking a snapshot".into());
    let second = make();
    NAMES.ok(second.restore(&place), || "restoring".into());
    names_of(&second, &due);
}

pub(super) fn names_survive<B: StateBackend>(backend: B, reopen: &impl Fn(B) -> B) {
    let some = [frame(shard(0, 0), T, &[(b"a", Some(b"1"))]), frame(shard(0, 1), T, &[])];
    NAMES.ok(backend.apply_at(named(3), &some), || "applying epoch 3".into());
    NAMES.ok(backend.flush(), || "flushing".into());
    names_of(&reopen(backend), &[(shard(0, 0), named(3)), (shard(0, 1), named(3))]);
}

pub(super) fn atomic(backend: &dyn StateBackend) {
    apply(AGAIN, backend, 7, &[frame(shard(0, 0), T, &[(b"a", Some(b"seven"))])]);
    for old in [7, 6, 1] {
        let frames = [frame(shard(0, 0), T, &[(b"a", Some(b"old")), (b"b", Some(b"old"))]), frame(shard(0, 1), T, &[])];
        apply(AGAIN, backend, old, &frames);
        let found = scan(AGAIN, backend, shard(0, 0), T, b"");
        AGAIN.check(found == pairs(&[(b"a", b"seven")]), || format!("epoch {old} after marker 7 left {found:?}"));
        let found = marker(AGAIN, backend, shard(0, 0));
        AGAIN.check(found == Some(7), || format!("epoch {old} moved the marker from 7 to {found:?}"));
    }
    let found = marker(AGAIN, backend, shard(0, 1));
    AGAIN.check(found == Some(7), || format!("the other shard of the same calls has marker {found:?}, not 7"));
    let halves = [frame(shard(0, 2), T, &[(b"a", Some(b"1"))]), frame(shard(0, 2), TableId(1), &[(b"b", Some(b"2"))])];
    apply(AGAIN, backend, 8, &halves);
    let found = (scan(AGAIN, backend, shard(0, 2), T, b""), scan(AGAIN, backend, shard(0, 2), TableId(1), b""));
    let expected = (pairs(&[(b"a", b"1")]), pairs(&[(b"b", b"2")]));
    AGAIN.check(found == expected, || format!("two frames of one shard in one call left {found:?}"));
}

pub(super) fn clears(backend: &dyn StateBackend) {
    let fill = |shard| frame(shard, T, &[(b"a", Some(b"1")), (b"\xFF\xFF", Some(b"2"))]);
    let all = [shard(0, 6), shard(0, 7), shard(0, 8), shard(1, 7)];
    apply(CLEARS, backend, 1, &all.map(fill));
    CLEARS.ok(backend.clear(shard(0, 7)), || "clearing".into());
    for shard in all {
        let left = scan(CLEARS, backend, shard, T, b"").len();
        let expected = if shard == all[1] { 0 } else { 2 };
        CLEARS.check(left == expected, || format!("{shard} holds {left} keys instead of {expected}"));
        let found = marker(CLEARS, backend, shard);
        CLEARS.check(found.is_none() == (shard == all[1]), || format!("{shard} has marker {found:?}"));
    }
    apply(CLEARS, backend, 1, &[fill(shard(0, 7))]);
    let left = scan(CLEARS, backend, shard(0, 7), T, b"").len();
    CLEARS.check(left == 2, || format!("filled again with an old epoch, it holds {left} keys instead of 2"));
    // By range: of all stores, and nothing beside it.
    let of_range =
        |from, to| CLEARS.ok(backend.shards_in(KeyGroupRange::new(from, to)), || "asking for a range".into());
    let found = of_range(7, 9);
    CLEARS
        .check(found == [all[1], all[2], all[3]].map(|shard| (shard, 1)), || format!("groups 7 and 8 have {found:?}"));
    CLEARS.ok(backend.clear_in(KeyGroupRange::new(7, 8)), || "clearing a range".into());
    let found = of_range(0, 20);
    CLEARS.check(found == [all[0], all[2]].map(|shard| (shard, 1)), || format!("{found:?} are left"));
    for (shard, due) in all.into_iter().zip([2, 0, 2, 0]) {
        let left = scan(CLEARS, backend, shard, T, b"").len();
        CLEARS.check(left == due, || format!("{shard} holds {left} keys instead of {due}, after a range was cleared"));
    }
}

pub(super) fn odd_bytes(backend: &dyn StateBackend) {
    let long = vec![0xABu8; 5_000];
    let all: Vec<u8> = (0..=255).collect();
    let changes: Changes<'_> = &[(b"", Some(b"none")), (b"\0", Some(b"")), (b"\0\0", Some(&all)), (&long, Some(&long))];
    apply(BYTES, backend, 1, &[frame(shard(0, 0), T, changes)]);
    let keys: Vec<&[u8]> = changes.iter().map(|(key, _)| *key).collect();
    let found = read(BYTES, backend, shard(0, 0), T, &keys);
    for (at, (key, value)) in changes.iter().enumerate() {
        let got = found.iter().find(|(position, _)| *position == at).map(|(_, value)| value.as_slice());
        BYTES.check(got == *value, || format!("a key of {} bytes has {got:?}", key.len()));
    }
    let count = scan(BYTES, backend, shard(0, 0), T, b"").len();
    BYTES.check(count == 4, || format!("a scan finds {count} of 4 keys"));
}

pub(super) fn large(backend: &dyn StateBackend) {
    let value = vec![7u8; 3 << 20];
    apply(BYTES, backend, 1, &[frame(shard(0, 0), T, &[(b"big", Some(&value))])]);
    let found = read(BYTES, backend, shard(0, 0), T, &[b"big"]);
    BYTES.check(found.len() == 1 && found[0].1 == value, || "a value of 3 MiB is not what it was".into());
}

pub(super) fn errors_of_the_caller(backend: &dyn StateBackend) {
    let changes: Changes<'_> = &[(b"a", Some(b"1")), (b"b", Some(b"2")), (b"c", Some(b"3"))];
    apply(CALLER, backend, 1, &[frame(shard(0, 0), T, changes)]);
    let mut seen = 0;
    let result = backend.scan(shard(0, 0), T, b"", &mut |_, _| {
        seen += 1;
        if seen == 2 { Err(StateError::KeyGroups { reason: "enough".into() }) } else { Ok(()) }
    });
    CALLER.check(seen == 2, || format!("the scan got to key {seen}"));
    let same = matches!(&result, Err(StateError::KeyGroups { reason }) if reason == "enough");
    CALLER.check(same, || format!("the scan returned {result:?}"));
}

pub(super) fn parallel<B: StateBackend>(backend: &B) {
    thread::scope(|threads| {
        for group in 0..4u16 {
            let work = move || {
                for epoch in 1..=20u64 {
                    let key = epoch.to_be_bytes();
                    apply(PARALLEL, backend, epoch, &[frame(shard(0, group), T, &[(&key, Some(&key))])]);
                    let count = scan(PARALLEL, backend, shard(0, group), T, b"").len();
                    PARALLEL.check(count as u64 == epoch, || format!("group {group} holds {count} of {epoch} keys"));
                }
            };
            // A failure is raised again when the scope ends.
            let started = thread::Builder::new().name(format!("conformance-{group}")).spawn_scoped(threads, work);
            PARALLEL.ok(started.map(drop), || "starting a thread".into());
        }
    });
}

pub(super) fn numbers(backend: &dyn StateBackend) {
    let before = backend.memory_used();
    let value = vec![1u8; 1_000];
    for epoch in 1..=200u64 {
        apply(NUMBERS, backend, epoch, &[frame(shard(0, 0), T, &[(&epoch.to_be_bytes(), Some(&value))])]);
    }
    read(NUMBERS, backend, shard(0, 0), T, &[&1u64.to_be_bytes(), b"no"]);
    let after = backend.metrics();
    let told = after.changes_applied == 200 && after.keys_read == 2 && after.keys_found == 1;
    NUMBERS.check(told && after.bytes_applied >= 200_000 && after.bytes_read >= 1_000, || format!("{after:?}"));
    let used = backend.memory_used();
    NUMBERS.check(used >= before, || format!("memory use fell from {before} to {used}"));
}

pub(super) fn snapshots<B: StateBackend>(make: &impl Fn() -> B, folder: &Path) {
    let first = make();
    apply(SNAPSHOTS, &first, 3, &[frame(shard(0, 0), T, &[(b"a", Some(b"1")), (b"b", Some(b"2"))])]);
    apply(SNAPSHOTS, &first, 4, &[frame(shard(2, 9), TableId(5), &[(b"c", Some(b"3"))])]);
    let place = folder.join("rules");
    SNAPSHOTS.ok(first.snapshot(&place), || "taking a snapshot".into());
    apply(SNAPSHOTS, &first, 5, &[frame(shard(0, 0), T, &[(b"a", Some(b"later")), (b"d", Some(b"later"))])]);
    REFUSES.check(first.snapshot(&place).is_err(), || "a snapshot was written over another one".into());

    let second = make();
    apply(SNAPSHOTS, &second, 9, &[frame(shard(0, 0), T, &[(b"x", Some(b"y"))]), frame(shard(7, 7), T, &[])]);
    REFUSES.check(second.restore(&folder.join("nowhere")).is_err(), || "a missing folder was restored".into());
    let kept = scan(REFUSES, &second, shard(0, 0), T, b"");
    REFUSES.check(kept == pairs(&[(b"x", b"y")]), || format!("after a failed restore it holds {kept:?}"));
    SNAPSHOTS.ok(second.restore(&place), || "restoring".into());
    let found = scan(SNAPSHOTS, &second, shard(0, 0), T, b"");
    SNAPSHOTS.check(found == pairs(&[(b"a", b"1"), (b"b", b"2")]), || format!("restored {found:?}"));
    let found = scan(SNAPSHOTS, &second, shard(2, 9), TableId(5), b"");
    SNAPSHOTS.check(found == pairs(&[(b"c", b"3")]), || format!("restored {found:?}"));
    let shards = SNAPSHOTS.ok(second.shards(), || "listing shards".into());
    SNAPSHOTS.check(shards == [(shard(0, 0), 3), (shard(2, 9), 4)], || format!("restored markers {shards:?}"));
    // It continues from there, and the snapshot stays as it is.
    apply(SNAPSHOTS, &second, 4, &[frame(shard(0, 0), T, &[(b"a", None)])]);
    let third = make();
    SNAPSHOTS.ok(third.restore(&place), || "restoring once more".into());
    let found = scan(SNAPSHOTS, &third, shard(0, 0), T, b"");
    SNAPSHOTS.check(found == pairs(&[(b"a", b"1"), (b"b", b"2")]), || format!("restored {found:?} the second time"));
}

pub(super) fn survives<B: StateBackend>(backend: B, reopen: &impl Fn(B) -> B) {
    apply(SURVIVES, &backend, 1, &[frame(shard(0, 0), T, &[(b"a", Some(b"1")), (b"b", Some(b"2"))])]);
    apply(SURVIVES, &backend, 2, &[frame(shard(0, 0), T, &[(b"b", None)]), frame(shard(0, 1), T, &[])]);
    SURVIVES.ok(backend.flush(), || "flushing".into());
    let backend = reopen(backend);
    let found = scan(SURVIVES, &backend, shard(0, 0), T, b"");
    SURVIVES.check(found == pairs(&[(b"a", b"1")]), || format!("after reopening: {found:?}"));
    let shards = SURVIVES.ok(backend.shards(), || "listing shards".into());
    SURVIVES.check(shards == [(shard(0, 0), 2), (shard(0, 1), 2)], || format!("markers after reopening: {shards:?}"));
    apply(SURVIVES, &backend, 3, &[frame(shard(0, 0), T, &[(b"c", Some(b"3"))])]);
    let found = scan(SURVIVES, &backend, shard(0, 0), T, b"");
    SURVIVES.check(found == pairs(&[(b"a", b"1"), (b"c", b"3")]), || format!("after reopening: {found:?}"));
}
