//! Several that write to one place: the parts of a job side by side, a process that was thought dead, and another job.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::collections::BTreeSet;

use common::{all, bucket};
use firesteel_connect::{CheckpointId, ConnectError, Epoch, RunId, Scope, Sink, SinkContext, WriteTask};
use firesteel_connect_object_store::{Bucket, Compaction, ObjectSink, Objects, PendingObjects};
use firesteel_formats::{Json, WriteLines};

type Record = (char, u64);
type Numbers = ObjectSink<WriteLines<Json<Record>>>;

fn sink(bucket: &Bucket, merges: bool) -> Numbers {
    let sink = ObjectSink::json::<Record>(bucket, "out");
    if merges { sink.compact_to(64) } else { sink }
}

fn context(part: char, checkpoint: u128, run: u128) -> SinkContext {
    let scope = Scope::of_part(&part.to_string()).unwrap();
    let context = SinkContext::default().with_checkpoint(CheckpointId::from_bits(checkpoint));
    context.with_scope(scope).with_run(RunId::from_bits(run))
}

fn started(bucket: &Bucket, merges: bool, part: char, run: u128) -> Numbers {
    let sink = sink(bucket, merges);
    Sink::<Record>::start(&sink, &context(part, 3, run)).unwrap();
    sink
}

/// The records of an epoch of a part, stored and not committed.
fn staged(sink: &Numbers, part: char, epoch: u64) -> Vec<PendingObjects> {
    let write = |partition| {
        let records = [(part, 10 * epoch + partition as u64)];
        Sink::<Record>::write(sink, WriteTask::new(Epoch(epoch), partition), records.into_iter()).unwrap()
    };
    Sink::<Record>::stage(sink, Epoch(epoch), vec![write(0), write(1)]).unwrap()
}

fn commit(sink: &Numbers, epoch: u64, mut pending: Vec<PendingObjects>) -> Result<(), ConnectError> {
    Sink::<Record>::commit(sink, Epoch(epoch), &mut pending)
}

fn due(parts: &[(char, u64)]) -> Vec<Record> {
    let of_part = |(part, epochs): &(char, u64)| {
        let part = *part;
        (1..=*epochs).flat_map(move |epoch| [(part, 10 * epoch), (part, 10 * epoch + 1)]).collect::<Vec<_>>()
    };
    parts.iter().flat_map(of_part).collect()
}

fn found(bucket: &Bucket) -> Vec<Record> {
    let mut found = all(&Objects::json::<Record>(bucket, "out").follow());
    found.sort_unstable();
    found
}

fn keys(bucket: &Bucket) -> BTreeSet<String> {
    bucket.list("out").unwrap().objects.into_iter().map(|object| object.location.to_string()).collect()
}

#[test]
fn a_start_cleans_its_own_scope_only_whatever_the_other_one_is_at() {
    for merges in [false, true] {
        let bucket = bucket();
        let mut a = started(&bucket, merges, 'a', 1);
        let mut b = started(&bucket, merges, 'b', 1);
        for epoch in 1..=8_u64 {
            let (of_a, of_b) = (staged(&a, 'a', epoch), staged(&b, 'b', epoch));
            let before = keys(&bucket);
            if epoch % 2 == 0 {
                // The one ends, and what it has stored stays; the other is between two calls.
                std::mem::forget(of_b);
                b = started(&bucket, merges, 'b', u128::from(epoch));
                assert!(
                    before.is_subset(&keys(&bucket)) || merges,
                    "{merges}, {epoch}: nothing of the other one is gone"
                );
                commit(&a, epoch, of_a).unwrap();
                let of_b = staged(&b, 'b', epoch);
                commit(&b, epoch, of_b).unwrap();
            } else {
                commit(&b, epoch, of_b).unwrap();
                std::mem::forget(of_a);
                a = started(&bucket, merges, 'a', u128::from(epoch));
                assert_eq!(found(&bucket), due(&[('a', epoch - 1), ('b', epoch)]), "{merges}, {epoch}");
                let of_a = staged(&a, 'a', epoch);
                commit(&a, epoch, of_a).unwrap();
            }
            assert_eq!(found(&bucket), due(&[('a', epoch), ('b', epoch)]), "{merges}, {epoch}");
            for sink in [&a, &b] {
                assert_eq!(Sink::<Record>::last_committed(sink).unwrap().unwrap().epoch, Epoch(epoch));
            }
        }
        // What was left behind is removed, each by who had left it.
        let left = keys(&bucket).into_iter().filter(|key| key.contains("part-")).count();
        assert!(left <= 8 * 2 * 2, "{merges}: {left} objects");
        Compaction::of(&bucket, "out", 1 << 20).run().unwrap();
        assert_eq!(found(&bucket), due(&[('a', 8), ('b', 8)]), "{merges}");
    }
}

#[test]
fn a_process_that_was_thought_dead_is_shut_out_and_harms_nobody() {
    for merges in [false, true] {
        let bucket = bucket();
        let (first, other) = (started(&bucket, merges, 'a', 1), started(&bucket, merges, 'b', 1));
        commit(&first, 1, staged(&first, 'a', 1)).unwrap();
        commit(&other, 1, staged(&other, 'b', 1)).unwrap();
        let (of_first, of_other) = (staged(&first, 'a', 2), staged(&other, 'b', 2));
        let second = started(&bucket, merges, 'a', 2);
        commit(&second, 2, staged(&second, 'a', 2)).unwrap();
        let error = commit(&first, 2, of_first).unwrap_err();
        assert!(matches!(&error, ConnectError::Fenced { .. }), "{merges}: {error}");
        // Whatever it tries later.
        let late = staged(&first, 'a', 3);
        assert!(matches!(commit(&first, 3, late).unwrap_err(), ConnectError::Fenced { .. }), "{merges}");
        commit(&other, 2, of_other).unwrap();
        assert_eq!(found(&bucket), due(&[('a', 2), ('b', 2)]), "{merges}");
        Sink::<Record>::stop(&first).unwrap();
        commit(&second, 3, staged(&second, 'a', 3)).unwrap();
        commit(&other, 3, staged(&other, 'b', 3)).unwrap();
        assert_eq!(found(&bucket), due(&[('a', 3), ('b', 3)]), "{merges}");
        // The next start removes what the first one has left of epochs that are committed.
        let third = started(&bucket, merges, 'a', 3);
        commit(&third, 4, staged(&third, 'a', 4)).unwrap();
        assert_eq!(found(&bucket), due(&[('a', 4), ('b', 3)]), "{merges}");
    }
}

#[test]
fn another_job_in_the_same_place_is_told_and_loses_nothing_of_the_first() {
    let bucket = bucket();
    let first = started(&bucket, false, 'a', 1);
    for epoch in 1..=3 {
        commit(&first, epoch, staged(&first, 'a', epoch)).unwrap();
    }
    let other = sink(&bucket, false);
    Sink::<Record>::start(&other, &context('a', 4, 2)).unwrap();
    let mark = Sink::<Record>::last_committed(&other).unwrap().unwrap();
    assert_eq!(
        (mark.epoch, mark.checkpoint),
        (Epoch(3), CheckpointId::from_bits(3)),
        "it is told whose results these are"
    );
    let error = commit(&other, 2, staged(&other, 'z', 2)).unwrap_err().to_string();
    assert!(error.contains("of another checkpoint") && error.contains("write elsewhere"), "{error}");
    assert_eq!(found(&bucket), due(&[('a', 3)]));
    // The first one is shut out, and says so.
    let error = commit(&first, 4, staged(&first, 'a', 4)).unwrap_err();
    assert!(matches!(&error, ConnectError::Fenced { .. }), "{error}");
    assert_eq!(found(&bucket), due(&[('a', 3)]));
    // Another part of another job is beside it.
    let beside = sink(&bucket, false);
    Sink::<Record>::start(&beside, &context('b', 4, 3)).unwrap();
    commit(&beside, 1, staged(&beside, 'b', 1)).unwrap();
    assert_eq!(found(&bucket), due(&[('a', 3), ('b', 1)]));
}
