//! What a log of epochs must do.

use super::Rule;
use super::rules::shard;
use crate::changelog::{CommitLog, EpochLog, EpochRecord};
use crate::error::{Result, StateError};
use crate::frame::FrameWriter;

const NEW: Rule = Rule("L1", "a new log has no record and no mark, and begins with any epoch");
const READS: Rule = Rule("L2", "what was prepared is read back, from any epoch on");
const FOLLOWS: Rule = Rule("L3", "an epoch that does not follow the last one is refused, and changes nothing");
const MARKS: Rule = Rule("L4", "what was prepared can be marked, and nothing else; marks only rise");
const DROPS: Rule = Rule("L5", "the last record can be dropped while it is not marked, and be prepared again");
const TRUNCATES: Rule =
    Rule("L6", "truncating keeps the last durable record and all after it, and what is not committed");
const SURVIVES: Rule = Rule("L7", "records survive a crash, and marks that were synced or have a record after them");
const RANDOM: Rule = Rule("L8", "whatever is called in whatever order, it is what a list of records is");

/// A record with something of everything in it.
fn record(epoch: u64, salt: u64) -> EpochRecord {
    let frame = |group: u16| {
        let mut writer = FrameWriter::new();
        (0..epoch % 4 + 1).for_each(|key| writer.put(&key.to_le_bytes(), &vec![salt as u8; (epoch * 7 % 50) as usize]));
        writer.finish(shard(0, group))
    };
    EpochRecord {
        epoch,
        extra: (epoch + salt).to_le_bytes().to_vec(),
        frames: vec![frame(1), frame(3)],
        ..EpochRecord::default()
    }
}

fn prepare(rule: Rule, log: &mut dyn CommitLog, epoch: u64) {
    rule.ok(log.prepare(&record(epoch, 0)), || format!("preparing epoch {epoch}"));
}

fn mark(rule: Rule, log: &mut dyn CommitLog, epoch: u64) {
    rule.ok(log.mark(epoch), || format!("marking epoch {epoch}"));
}

fn refused(rule: Rule, done: Result<()>, doing: &str) {
    rule.check(matches!(done, Err(StateError::InvalidState { .. })), || format!("{doing} gave {done:?}"));
}

/// That the log holds these records, and up to which epoch it is marked.
fn holds(rule: Rule, log: &dyn EpochLog, due: &[EpochRecord], committed: u64, when: &str) {
    let ends = (due.first().map(|record| record.epoch), due.last().map(|record| record.epoch));
    let found = (log.first_epoch(), log.last_epoch());
    rule.check(found == ends, || format!("{when}, it has epochs {found:?} instead of {ends:?}"));
    rule.check(log.committed() == committed, || {
        format!("{when}, epoch {} is committed instead of {committed}", log.committed())
    });
    for from in [0].into_iter().chain(due.iter().map(|record| record.epoch)) {
        let due = &due[due.partition_point(|record| record.epoch < from)..];
        let found: Vec<_> =
            rule.ok(log.records_from(from).collect(), || format!("{when}, reading from epoch {from} on"));
        rule.check(found == due, || format!("{when}, reading from epoch {from} on gives {found:?}"));
        let heads: Vec<_> = rule.ok(log.heads_from(from).collect(), || format!("{when}, reading heads"));
        let same =
            |(head, record): (&EpochRecord, &EpochRecord)| (head.epoch, &head.extra) == (record.epoch, &record.extra);
        let fits = heads.len() == due.len() && heads.iter().zip(due).all(same);
        rule.check(fits, || format!("{when}, heads from epoch {from} on are {heads:?}"));
    }
    let after = log.last_epoch().map_or(1, |last| last + 1);
    rule.check(log.records_from(after).next().is_none(), || format!("{when}, there is something after the end"));
}

fn records(epochs: std::ops::RangeInclusive<u64>) -> Vec<EpochRecord> {
    epochs.map(|epoch| record(epoch, 0)).collect()
}

pub(super) fn life<L: CommitLog>(make: &impl Fn() -> L, crash: &impl Fn(L) -> L) {
    let mut log = make();
    holds(NEW, &log, &[], 0, "at first");
    refused(MARKS, log.mark(1), "marking what was not prepared");
    refused(DROPS, log.drop_last(), "dropping where there is nothing");
    NEW.ok(log.sync_mark(), || "syncing no mark".into());
    NEW.ok(log.truncate(10), || "truncating nothing".into());
    prepare(NEW, &mut log, 5);
    holds(READS, &log, &records(5..=5), 0, "with one record");
    for wrong in [5, 4, 7] {
        refused(FOLLOWS, log.prepare(&record(wrong, 0)), "preparing another epoch than the next");
        holds(FOLLOWS, &log, &records(5..=5), 0, "after a refusal");
    }
    refused(MARKS, log.mark(6), "marking the epoch after the last");
    mark(MARKS, &mut log, 5);
    prepare(READS, &mut log, 6);
    holds(MARKS, &log, &records(5..=6), 5, "with an epoch that is prepared and not marked");
    DROPS.ok(log.drop_last(), || "dropping the last record".into());
    holds(DROPS, &log, &records(5..=5), 5, "after dropping");
    refused(DROPS, log.drop_last(), "dropping a marked epoch");
    let again = record(6, 9);
    DROPS.ok(log.prepare(&again), || "preparing the epoch again".into());
    let both = [record(5, 0), again];
    holds(DROPS, &log, &both, 5, "after preparing the epoch again");
    let mut log = crash(log);
    holds(SURVIVES, &log, &both, 5, "after a crash");
    mark(SURVIVES, &mut log, 6);
    mark(MARKS, &mut log, 5);
    holds(MARKS, &log, &both, 6, "after an earlier epoch has been marked again");
    SURVIVES.ok(log.sync_mark(), || "syncing the mark".into());
    let mut log = crash(log);
    holds(SURVIVES, &log, &both, 6, "after another crash");
    refused(DROPS, log.drop_last(), "dropping an epoch whose mark was synced");
}

pub(super) fn truncates<L: CommitLog>(make: &impl Fn() -> L, crash: &impl Fn(L) -> L) {
    let mut log = make();
    (1..=20).for_each(|epoch| prepare(TRUNCATES, &mut log, epoch));
    mark(TRUNCATES, &mut log, 12);
    let mut before = 1;
    for durable in [0, 1, 4, 9, 9, 3, 12, 19, 99] {
        TRUNCATES.ok(log.truncate(durable), || format!("truncating to {durable}"));
        let first = log.first_epoch().unwrap_or(u64::MAX);
        TRUNCATES.check((before..=durable.clamp(before, 12)).contains(&first), || {
            format!("with {durable} durable and 12 committed, it begins with epoch {first}, after {before}")
        });
        before = first;
        holds(TRUNCATES, &log, &records(first..=20), 12, "after truncating");
    }
    let bytes = log.bytes();
    TRUNCATES.check(bytes > 0, || "it holds records of no bytes".into());
    let first = log.first_epoch().unwrap_or(u64::MAX);
    TRUNCATES.ok(log.sync_mark(), || "syncing the mark".into());
    let mut log = crash(log);
    holds(TRUNCATES, &log, &records(first..=20), 12, "after a crash");
    prepare(TRUNCATES, &mut log, 21);
    holds(TRUNCATES, &log, &records(first..=21), 12, "with one more");
}

/// Calls in a random order, beside a list.
pub(super) fn random<L: CommitLog>(make: &impl Fn() -> L, crash: &impl Fn(L) -> L, seed: u64) {
    let mut state = seed;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    let mut log = make();
    let (mut due, mut committed, mut marked): (Vec<EpochRecord>, u64, u64) = (vec![], 0, 0);
    for step in 0..100 {
        let last = due.last().map_or(0, |record| record.epoch);
        match below(12) {
            0..=3 => {
                let next = record(last + 1, below(256));
                RANDOM.ok(log.prepare(&next), || format!("step {step}: preparing"));
                due.push(next);
                marked = committed;
            }
            4..=6 if last > 0 => {
                mark(RANDOM, &mut log, last);
                committed = last;
            }
            7 => {
                RANDOM.ok(log.sync_mark(), || format!("step {step}: syncing"));
                marked = committed;
            }
            8 | 9 if last > committed => {
                // Where the dropped record carried the mark, it goes with it.
                RANDOM.ok(log.sync_mark(), || format!("step {step}: syncing"));
                RANDOM.ok(log.drop_last(), || format!("step {step}: dropping"));
                RANDOM.ok(log.sync_mark(), || format!("step {step}: syncing"));
                due.pop();
                marked = committed;
            }
            10 => {
                let durable = below(last + 2);
                RANDOM.ok(log.truncate(durable), || format!("step {step}: truncating"));
                let first = log.first_epoch().unwrap_or(u64::MAX);
                let kept = due.iter().position(|record| record.epoch == first).unwrap_or(0);
                RANDOM.check(kept == 0 || first <= durable.min(committed), || {
                    format!("step {step}: with {durable} durable and {committed} committed, it begins with {first}")
                });
                due.drain(..kept);
            }
            11 => {
                log = crash(log);
                committed = marked;
            }
            _ => {}
        }
        holds(RANDOM, &log, &due, committed, &format!("after step {step}"));
    }
}
