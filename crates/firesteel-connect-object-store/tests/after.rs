//! Objects that were read, and are deleted or archived.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;
#[path = "compacted/store.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod store;

use std::sync::Arc;

use common::{Checkpoint, Follower, gzip, job, put};
use firesteel_connect::{Decoding, Epoch, Sink, SinkContext, Source, SourceContext, WriteTask};
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::{AfterReading, Bucket, ObjectSink, Objects};
use firesteel_formats::Lines;
use store::Faulty;

type Text = Objects<Lines<Decoding<fn(&[u8]) -> Result<String, String>>>>;

fn lines(bucket: &Bucket, path: &str) -> Text {
    let decode: fn(&[u8]) -> Result<String, String> =
        |line| String::from_utf8(line.to_vec()).map_err(|error| error.to_string());
    Objects::lines(bucket, path, Decoding::new(decode))
}

fn memory() -> (Arc<InMemory>, Bucket) {
    let store = Arc::new(InMemory::new());
    let bucket = Bucket::new(Arc::clone(&store) as Arc<_>).unwrap();
    (store, bucket)
}

fn keys(bucket: &Bucket, prefix: &str) -> Vec<String> {
    bucket.list(prefix).unwrap().objects.into_iter().map(|object| object.location.to_string()).collect()
}

fn text(bucket: &Bucket, key: &str) -> Vec<u8> {
    bucket.get(key).unwrap().to_vec()
}

/// Runs a job until there is nothing to read, and what it has to do afterwards is done.
fn drain(follower: &mut Follower<Text>) {
    follower.all();
    follower.batch(1);
}

#[test]
fn what_was_read_is_archived_under_its_key_and_not_read_again() {
    for (end, pack) in [("log", <[u8]>::to_vec as fn(&[u8]) -> Vec<u8>), ("log.gz", gzip)] {
        for (pattern, archive) in [("in", "done"), ("in", "in/done"), ("in/**/*", "in/done"), ("", "done")] {
            for is_stopped in [false, true] {
                let (_, bucket) = memory();
                let source = || lines(&bucket, pattern).follow().after_reading(AfterReading::archive(archive));
                let case = format!("{end}, {pattern}, {archive}, stopped: {is_stopped}");
                let mut follower = job(source(), Checkpoint::default());
                let (mut read, mut expected) = (vec![], vec![]);
                for round in 1..=3 {
                    put(&bucket, &format!("in/a.{end}"), pack(format!("{round}a\n").as_bytes()));
                    put(&bucket, &format!("in/sub/b.{end}"), pack(format!("{round}b\n").as_bytes()));
                    drain(&mut follower);
                    if is_stopped {
                        let (kept, mut more) = follower.stop();
                        read.append(&mut more);
                        follower = job(source(), kept);
                        drain(&mut follower);
                    }
                    let number = if round == 1 { String::new() } else { format!(".{round}") };
                    let within = if pattern.is_empty() { "in/" } else { "" };
                    for name in ["a", "sub/b"] {
                        let key = format!("{archive}/{within}{name}.{end}{number}");
                        let packed = pack(format!("{round}{}\n", &name[name.len() - 1..]).as_bytes());
                        assert_eq!(text(&bucket, &key), packed, "{case}");
                        expected.push(key);
                    }
                    expected.sort();
                    assert_eq!(keys(&bucket, ""), expected, "{case}");
                    assert_eq!(read.len() + follower.read.len(), 2 * round, "{case}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_committed_or_not_whole_stays() {
    let (_, bucket) = memory();
    put(&bucket, "in/a", "1\n2\n3\n4\n5\n");
    let whole = gzip("x\n".repeat(50_000).as_bytes());
    put(&bucket, "in/cut.gz", &whole[..whole.len() / 2]);
    put(&bucket, "in/empty", "");
    let source = lines(&bucket, "in").follow().after_reading(AfterReading::delete());
    let mut follower = job(source, Checkpoint::default());
    follower.batch(2);
    // Read and not committed.
    follower.due().iter().filter(|range| range.split.as_str() == "in/a").for_each(|range| follower.take(range));
    follower.now += 600;
    follower.due();
    assert!(keys(&bucket, "in").contains(&"in/a".to_owned()));
    drain(&mut follower);
    assert_eq!(keys(&bucket, "in"), ["in/cut.gz", "in/empty"]);
    assert!(follower.read.contains(&"5".to_owned()));
}

#[test]
fn an_end_at_any_call_leaves_nothing_undone_reads_nothing_twice_and_copies_nothing_twice() {
    let large = "0123456789\n".repeat(800_000);
    assert!(large.len() > 8 << 20);
    let fill = |bucket: &Bucket| {
        put(bucket, "in/a", "a\n");
        put(bucket, "in/b", large.as_bytes());
        // What is in the archive is of others.
        put(bucket, "done/a", "other\n");
        put(bucket, "done/b", "z".repeat(large.len()));
    };
    for after in [AfterReading::delete(), AfterReading::archive("done")] {
        let source = |bucket: &Bucket| lines(bucket, "in").follow().after_reading(after.clone());
        let run = |bucket: &Bucket, kept: Checkpoint| {
            let mut follower = job(source(bucket), kept);
            drain(&mut follower);
            follower.stop()
        };
        let calls = {
            let (store, bucket) = Faulty::over(&Arc::default());
            fill(&bucket);
            let mut follower = job(source(&bucket), Checkpoint::default());
            follower.batch(u64::MAX);
            store.calls()
        };
        let is_archive = after != AfterReading::delete();
        let mut ended = 0;
        for at in 1..=calls {
            for has_effect in [false, true] {
                let when = format!("{after:?}, call {at} of {calls}, {has_effect}");
                let (store, ending) = Faulty::over(&Arc::default());
                fill(&ending);
                let bucket = Bucket::new(Arc::clone(&store.inner) as Arc<_>).unwrap();
                // It ends when all is read and committed, or later.
                let mut follower = job(source(&ending), Checkpoint::default());
                for range in follower.due() {
                    follower.take(&range);
                }
                if store.calls() >= at {
                    continue;
                }
                ended += 1;
                store.end_at(at, has_effect);
                follower.commit();
                let (kept, read) = follower.stop();
                assert_eq!(read.len(), 800_001, "{when}");
                let (kept, more) = run(&bucket, kept);
                let (_, again) = run(&bucket, kept);
                assert_eq!((more.len(), again.len()), (0, 0), "{when}");
                let due: &[&str] =
                    if is_archive { &["done/a", "done/a.2", "done/b", "done/b.2"] } else { &["done/a", "done/b"] };
                assert_eq!(keys(&bucket, ""), due, "{when}");
                assert_eq!(
                    (text(&bucket, "done/a"), text(&bucket, "done/b")[0]),
                    (b"other\n".to_vec(), b'z'),
                    "{when}"
                );
                if is_archive {
                    assert_eq!(text(&bucket, "done/a.2"), b"a\n", "{when}");
                    assert!(text(&bucket, "done/b.2") == large.as_bytes(), "{when}");
                }
            }
        }
        assert!(ended >= 8, "{after:?}: {ended}");
    }
}

#[test]
fn an_object_that_is_replaced_meanwhile_is_read_and_not_deleted_for_the_one_before() {
    let large = "0123456789\n".repeat(800_000);
    for (after, first) in [
        (AfterReading::delete(), "1\n"),
        (AfterReading::archive("done"), "1\n"),
        (AfterReading::archive("done"), large.as_str()),
    ] {
        let mut replaced = 0;
        for at in 1..100 {
            let (store, bucket) = Faulty::over(&Arc::default());
            put(&bucket, "in/a", first);
            let other = Bucket::new(Arc::clone(&store.inner) as Arc<_>).unwrap();
            let source = lines(&bucket, "in").follow().after_reading(after.clone());
            let mut follower = job(source, Checkpoint::default());
            for range in follower.due() {
                follower.take(&range);
            }
            let begin = store.calls();
            let writer = other.clone();
            store.before(begin + at, move || put(&writer, "in/a", "2\n"));
            follower.commit();
            let calls = store.calls() - begin;
            if calls < at {
                break;
            }
            // The last call deletes, and no store of this library can do that on a condition.
            if at == calls && keys(&other, "in").is_empty() {
                continue;
            }
            replaced += 1;
            drain(&mut follower);
            let when = format!("{after:?}, call {at} of {calls}");
            assert_eq!(follower.read.last().unwrap(), "2", "{when}");
            assert_eq!(follower.read.len(), first.lines().count() + 1, "{when}");
            assert!(keys(&other, "in").is_empty(), "{when}");
            for key in keys(&other, "done") {
                let found = text(&other, &key);
                assert!(found == first.as_bytes() || found == b"2\n", "{when}: {key} is whole and of one version");
            }
            if after != AfterReading::delete() {
                assert!(keys(&other, "done").iter().any(|key| text(&other, key) == b"2\n"), "{when}");
            }
        }
        assert!(replaced >= 1, "{after:?}");
    }
}

#[test]
fn nothing_is_deleted_of_which_a_start_does_not_know_that_it_was_read_to_its_end() {
    for is_told in [false, true] {
        let (_, bucket) = memory();
        put(&bucket, "in/a", "1\n2\n");
        let source = || lines(&bucket, "in").follow().after_reading(AfterReading::delete());
        let mut follower = job(source(), Checkpoint::default());
        // All of it, and not that it is all.
        follower.batch(2);
        assert_eq!(keys(&bucket, "in"), ["in/a"]);
        for range in follower.due() {
            follower.take(&range);
        }
        follower.due();
        // Nothing has got further, and another commit tells what has changed.
        if is_told {
            follower.kept.notes.extend(follower.source.notes(&[]).unwrap());
        }
        follower.source.committed(&[]).unwrap();
        assert_eq!(keys(&bucket, "in").is_empty(), is_told);
        let (kept, read) = follower.stop();
        let mut follower = job(source(), kept);
        drain(&mut follower);
        assert_eq!((read.len(), follower.read.len(), keys(&bucket, "in").len()), (2, 0, 0));
    }
}

/// As of a file that is delivered each day, and is the same on most of them.
#[test]
fn an_object_with_the_same_content_that_is_stored_later_is_another_one() {
    for is_stopped in [false, true] {
        let (store, bucket) = Faulty::over(&Arc::default());
        store.tag_contents();
        let source = || lines(&bucket, "in").follow().after_reading(AfterReading::archive("done"));
        let mut follower = job(source(), Checkpoint::default());
        let mut read = vec![];
        for day in 1..=3 {
            put(&bucket, "in/a", "same\n");
            follower.batch(u64::MAX);
            assert_eq!((keys(&bucket, "in").len(), keys(&bucket, "done").len()), (0, day), "{is_stopped}");
            if is_stopped {
                // The checkpoint knows the object that is gone.
                let (kept, mut more) = follower.stop();
                read.append(&mut more);
                follower = job(source(), kept);
            } else if day == 2 {
                // Delivered again before anybody has looked.
                put(&bucket, "in/b", "x\n");
                follower.batch(u64::MAX);
                put(&bucket, "in/b", "x\n");
                follower.batch(u64::MAX);
                assert_eq!(follower.read.iter().filter(|line| *line == "x").count(), 2);
                ["done/b", "done/b.2"].iter().for_each(|key| bucket.delete(key).unwrap());
            }
        }
        let found = [read, follower.stop().1].concat();
        assert_eq!(found.iter().filter(|line| *line == "same").count(), 3, "{is_stopped}");
    }
}

#[test]
fn what_fails_is_told_retried_and_fatal_only_if_that_is_wanted() {
    for is_needed in [false, true] {
        let (store, bucket) = Faulty::over(&Arc::default());
        put(&bucket, "in/a", "1\n");
        let after = AfterReading::archive("done");
        let after = if is_needed { after.or_fail() } else { after };
        let mut follower = job(lines(&bucket, "in").follow().after_reading(after), Checkpoint::default());
        for range in follower.due() {
            follower.take(&range);
        }
        store.fail_once(store.calls() + 2, false);
        let moved: Vec<_> = follower.kept.positions.clone().into_iter().collect();
        follower.kept.notes.extend(follower.source.notes(&moved).unwrap());
        let committed = follower.source.committed(&moved);
        assert_eq!(committed.is_err(), is_needed, "{committed:?}");
        assert_eq!(keys(&bucket, ""), ["in/a"]);
        drain(&mut follower);
        assert_eq!((keys(&bucket, ""), follower.read.len()), (vec!["done/a".to_owned()], 1));
    }
}

#[test]
fn an_archive_that_is_read_and_results_of_a_sink_are_refused() {
    let (_, bucket) = memory();
    put(&bucket, "in/sub/a", "1\n");
    let start = |read: &str, archive: &str| {
        let source = lines(&bucket, read).follow().after_reading(AfterReading::archive(archive));
        source.start(&SourceContext::default())
    };
    for (read, archive) in [("in", "in"), ("in/sub", "in"), ("in/sub/*.log", "in"), ("in", ""), ("", "")] {
        let error = start(read, archive).unwrap_err();
        assert!(error.to_string().contains("within the archive"), "{read}, {archive}: {error}");
    }
    assert!(start("in", "a//b").unwrap_err().to_string().contains("no prefix of keys"));
    let sink = ObjectSink::json::<u32>(&bucket, "lake/out");
    sink.start(&SinkContext::default()).unwrap();
    let mut pending = vec![sink.write(WriteTask::new(Epoch(1), 0), [7].into_iter()).unwrap()];
    sink.commit(Epoch(1), &mut pending).unwrap();
    let error = start("lake/out", "done").unwrap_err();
    assert!(error.to_string().contains("a manifest lists the objects of results"), "{error}");
    // Among others they stay.
    put(&bucket, "lake/x.txt", "1\n");
    let source = lines(&bucket, "lake").follow().after_reading(AfterReading::delete());
    let mut follower = job(source, Checkpoint::default());
    drain(&mut follower);
    let left = keys(&bucket, "lake");
    assert_eq!((follower.read.len(), left.iter().filter(|key| key.contains("/part-")).count()), (2, 1), "{left:?}");
    assert!(!left.contains(&"lake/x.txt".to_owned()));
}
