//! Objects and snapshots in a server that speaks S3's protocol.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::Arc;

use firesteel::prelude::*;
use firesteel_connect::{Decoding, ReadRange, Sink, SinkContext, Source, SourceContext, SourceReader, conformance};
use firesteel_connect_object_store::{AfterReading, Bucket, Compaction, ObjectSink, Objects};
use firesteel_integration::S3;
use firesteel_object_store::{Pin, Stretch, Upload};
use firesteel_state::SnapshotStore;
use firesteel_state_object_store::ObjectSnapshots;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

const BUCKET: &str = "lake";

fn store(server: &S3) -> Arc<AmazonS3> {
    // One that is there already is this one, of another test.
    _ = rustls::crypto::ring::default_provider().install_default();
    let store = AmazonS3Builder::new()
        .with_endpoint(server.address())
        .with_allow_http(true)
        .with_bucket_name(BUCKET)
        .with_region("us-east-1")
        .with_access_key_id("test")
        .with_secret_access_key("test");
    Arc::new(store.build().unwrap())
}

fn started() -> (S3, Bucket) {
    let server = S3::start(&[BUCKET]).unwrap();
    let bucket = Bucket::paged(store(&server)).unwrap();
    (server, bucket)
}

fn put(bucket: &Bucket, key: &str, bytes: impl Into<Vec<u8>>) {
    let (key, payload) = (key.into(), PutPayload::from(bytes.into()));
    bucket.call(|store| async move { store.put(&key, payload).await }).unwrap();
}

fn all<S: Source>(source: &S) -> Vec<S::Item> {
    source.start(&SourceContext::default()).unwrap();
    let mut records = vec![];
    for split in source.discover(Timestamp::from_secs(0)).unwrap().splits {
        source.open(&ReadRange::starting_at(split.id, 0)).unwrap().for_each(|record| records.push(record)).unwrap();
    }
    records
}

fn text(line: &[u8]) -> Result<String, std::str::Utf8Error> {
    std::str::from_utf8(line).map(str::to_owned)
}

#[test]
fn the_suites_of_the_contract() {
    let (_server, bucket) = started();
    put(&bucket, "logs/a", "1\n22\n333\n");
    put(&bucket, "logs/b", "4444\n\n55555");
    let expected =
        [vec!["1", "22", "333"], vec!["4444", "", "55555"]].map(|lines| lines.into_iter().map(str::to_owned).collect());
    let make = || Objects::lines(&bucket, "logs", Decoding::new(text)).follow();
    conformance::source(make, &expected);
    conformance::source_resumes(make, &expected);

    let places = Cell::new(0);
    let place = || {
        places.set(places.get() + 1);
        format!("out/{}", places.get())
    };
    let visible = |prefix: &str| match bucket.list(prefix).unwrap().objects.len() {
        0 => vec![],
        _ => all(&Objects::json::<u32>(&bucket, prefix).follow()),
    };
    let open = |place: &String| ObjectSink::json::<u32>(&bucket, place);
    conformance::sinks_of_one_place(place, open, |place| visible(place), |n| n);
    conformance::sinks_of_one_place(place, |place| open(place).compact_to(10), |place| visible(place), |n| n);
}

#[test]
fn snapshots() {
    let (server, _) = started();
    let prefixes = Cell::new(0);
    let open = |prefix: &str| ObjectSnapshots::new(store(&server), prefix).unwrap();
    let make = || {
        prefixes.set(prefixes.get() + 1);
        open(&format!("snapshots/{}", prefixes.get()))
    };
    firesteel_state::conformance::snapshot_store(make, |old| {
        // Which place it is over is known by its description.
        let described = old.describe();
        drop(old);
        open(&described[described.find("snapshots/").unwrap()..])
    });
}

#[test]
fn large_objects_are_stored_in_parts_and_read_in_one_version() {
    let (_server, bucket) = started();
    let bytes: Vec<u8> = (0..40_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut upload = Upload::to(&bucket, "large").unwrap();
    upload.write_all(&bytes).unwrap();
    let mut uploaded = upload.finish().unwrap();
    assert!(bucket.head("large").unwrap().is_none(), "it is not there before it is complete");
    uploaded.complete().unwrap();
    let pin = Pin::of(&bucket.head("large").unwrap().unwrap());
    let mut reader = Stretch::of(&bucket, &pin, 0, pin.size);
    let mut first = vec![0; 1_000];
    reader.read_exact(&mut first).unwrap();
    let mut rest = vec![];
    reader.read_to_end(&mut rest).unwrap();
    assert!([first, rest].concat() == bytes);

    let mut reader = Stretch::of(&bucket, &pin, 0, pin.size);
    let mut first = vec![0; 1_000];
    reader.read_exact(&mut first).unwrap();
    put(&bucket, "large", vec![b'x'; bytes.len()]);
    let mut rest = vec![];
    let error = reader.read_to_end(&mut rest).unwrap_err();
    assert!(error.to_string().contains("large") && bytes.starts_with(&[first, rest].concat()), "{error}");
}

#[test]
fn keys_that_the_library_cannot_take_cost_themselves() {
    let (server, bucket) = started();
    for n in 0..1_500 {
        server.ask("PUT", &format!("/{BUCKET}/logs/{n:04}")).unwrap();
    }
    put(&bucket, "logs/0700", "here\n");
    put(&bucket, "logs/1400", "and here\n");
    for odd in ["logs//a", "logs/0700//b", "logs/folder/"] {
        server.ask("PUT", &format!("/{BUCKET}/{odd}")).unwrap();
    }
    let listed = bucket.list("logs").unwrap();
    assert_eq!(
        listed.odd.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        BTreeSet::from(["logs//a", "logs/0700//b"])
    );
    assert_eq!(all(&Objects::lines(&bucket, "logs", Decoding::new(text))), ["here", "and here"]);
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Visit {
    country: String,
    number: u64,
}

#[test]
fn a_job_copies_objects_exactly_once_however_often_it_is_started() {
    let (_server, bucket) = started();
    let folder = tempfile::tempdir().unwrap();
    let visits: Vec<Visit> = (0..3_000)
        .map(|number| Visit { country: ["DE", "FR", "a/b"][number as usize % 3].to_owned(), number })
        .collect();
    let line = |visit: &Visit| format!("{{\"country\":\"{}\",\"number\":{}}}\n", visit.country, visit.number);
    for (run, part) in visits.chunks(1_000).enumerate() {
        let text: String = part.iter().map(line).collect();
        put(&bucket, &format!("in/{run}.ndjson"), text);
        let checkpoint = Checkpoint::in_folder(folder.path().join("checkpoint"));
        let job = StreamingContext::builder("copy").checkpoint(checkpoint).build().unwrap();
        let read = job.read(Objects::json::<Visit>(&bucket, "in").follow()).named("visits");
        let out = ObjectSink::json::<Visit>(&bucket, "out").partitioned_by("country", |visit| visit.country.clone());
        read.write(out.full_at(10_000)).named("copy");
        job.run(Trigger::AvailableNow).unwrap();
        let mut found = all(&Objects::json::<Visit>(&bucket, "out"));
        found.sort_by_key(|visit| visit.number);
        assert_eq!(found, visits[..(run + 1) * 1_000]);
    }
}

#[test]
fn objects_are_merged_and_a_follower_reads_each_record_once() {
    let (_server, bucket) = started();
    let folder = tempfile::tempdir().unwrap();
    let follow = || {
        let checkpoint = Checkpoint::in_folder(folder.path().join("checkpoint"));
        let job = StreamingContext::builder("follow").checkpoint(checkpoint).build().unwrap();
        job.read(Objects::json::<u64>(&bucket, "out").follow())
            .named("numbers")
            .write(ObjectSink::json::<u64>(&bucket, "copy"));
        job.run(Trigger::AvailableNow).unwrap();
    };
    let mut numbers = 0..;
    for round in 0..4 {
        // The sink merges its own objects in some rounds, and the first of two processes is thought dead in one.
        let sink = || {
            let sink = ObjectSink::json::<u64>(&bucket, "out").gzip();
            let sink = if round % 2 == 0 { sink.compact_to(400) } else { sink };
            Sink::<u64>::start(&sink, &SinkContext::default()).unwrap();
            sink
        };
        let (old, new) = (sink(), sink());
        let mut epoch = Sink::<u64>::last_committed(&new).unwrap().map_or(0, |mark| mark.epoch.0);
        for _ in 0..12 {
            epoch += 1;
            let epoch = firesteel_connect::Epoch(epoch);
            let records: Vec<u64> = numbers.by_ref().take(5).collect();
            let task = firesteel_connect::WriteTask::new(epoch, 0);
            let mut written = vec![new.write(task, records.into_iter()).unwrap()];
            Sink::<u64>::commit(&new, epoch, &mut written).unwrap();
        }
        let late = firesteel_connect::Epoch(epoch + 1);
        let mut written = vec![old.write(firesteel_connect::WriteTask::new(late, 0), [0].into_iter()).unwrap()];
        let error = Sink::<u64>::commit(&old, late, &mut written).unwrap_err();
        assert_eq!(error.class(), firesteel_connect::Class::Fenced, "{error}");
        if round > 0 {
            follow();
        }
        Compaction::of(&bucket, "out", 1 << 20).run().unwrap();
        let due: Vec<u64> = (0..numbers.start).collect();
        assert_eq!(all(&Objects::json::<u64>(&bucket, "out")), due);
        follow();
        let mut copied = all(&Objects::json::<u64>(&bucket, "copy"));
        copied.sort_unstable();
        assert_eq!(copied, due, "round {round}");
    }
    let parts = bucket.list("out").unwrap().objects.into_iter().map(|object| object.location.to_string());
    assert_eq!(parts.filter(|key| key.contains("/part-")).count(), 1);
}

#[test]
fn what_was_read_is_archived_and_never_read_again() {
    let (_server, bucket) = started();
    let folder = tempfile::tempdir().unwrap();
    let large: String = (0..600_000).map(|number| format!("{number} and more\n")).collect();
    assert!(large.len() > 8 << 20);
    let mut due = 0;
    // The store tells times to the second, and objects of the same content are told apart by nothing else.
    let second = || {
        put(&bucket, "clock", "");
        bucket.head("clock").unwrap().unwrap().last_modified
    };
    for round in 1..=3 {
        let before = second();
        while second() == before {}
        put(&bucket, "in/small", format!("{round}\n"));
        put(&bucket, "in/sub/large", large.as_bytes());
        due += 600_001;
        for _ in 0..2 {
            let checkpoint = Checkpoint::in_folder(folder.path().join("checkpoint"));
            let job = StreamingContext::builder("archive").checkpoint(checkpoint).build().unwrap();
            let read = Objects::lines(&bucket, "in", Decoding::new(text)).follow();
            let read = read.after_reading(AfterReading::archive("in/done"));
            job.read(read)
                .named("lines")
                .map(|line| line.len() as u64)
                .named("lengths")
                .write(ObjectSink::json::<u64>(&bucket, "out"));
            job.run(Trigger::AvailableNow).unwrap();
        }
        assert_eq!(all(&Objects::json::<u64>(&bucket, "out")).len(), due, "round {round}");
        let keys: BTreeSet<String> =
            bucket.list("in").unwrap().objects.into_iter().map(|object| object.location.to_string()).collect();
        assert!(keys.iter().all(|key| key.starts_with("in/done/")) && keys.len() == 2 * round, "{keys:?}");
        let end = if round == 1 { String::new() } else { format!(".{round}") };
        assert_eq!(bucket.get(&format!("in/done/small{end}")).unwrap(), format!("{round}\n").as_bytes());
        assert!(bucket.get(&format!("in/done/sub/large{end}")).unwrap() == large.as_bytes());
    }
}

#[test]
fn a_process_that_was_thought_dead_ends_when_it_commits() {
    let (_server, bucket) = started();
    let start = |run: u128| {
        let sink = ObjectSink::json::<u32>(&bucket, "out");
        let context = SinkContext::default().with_run(firesteel_connect::RunId::from_bits(run));
        sink.start(&context).unwrap();
        sink
    };
    let old = start(1);
    let write = |sink: &_, epoch| {
        vec![
            Sink::<u32>::write(
                sink,
                firesteel_connect::WriteTask::new(firesteel_connect::Epoch(epoch), 0),
                [epoch as u32].into_iter(),
            )
            .unwrap(),
        ]
    };
    let mut late = write(&old, 1);
    let new = start(2);
    let error = Sink::<u32>::commit(&old, firesteel_connect::Epoch(1), &mut late).unwrap_err();
    assert_eq!(error.class(), firesteel_connect::Class::Fenced, "{error}");
    Sink::<u32>::commit(&new, firesteel_connect::Epoch(1), &mut write(&new, 1)).unwrap();
    assert_eq!(all(&Objects::json::<u32>(&bucket, "out")), [1]);
}
