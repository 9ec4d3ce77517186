//! A store that is away while an object is read.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;
#[path = "compacted/store.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod store;

use std::sync::Arc;

use common::{Checkpoint, discover, gzip, job, put, read};
use firesteel_connect::{Class, Decoding, Source, SourceContext};
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::{Bucket, Objects, OnUnreadable};
use store::Faulty;

#[test]
fn an_object_that_cannot_be_read_for_a_moment_is_not_taken_for_damaged_and_nothing_of_it_is_passed_over() {
    // Larger than what is read at once, also when it is compressed.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}", state)
    };
    let text: String = (0..40_000).map(|_| (0..4).map(|_| noise()).collect::<String>() + "\n").collect();
    let text = text.as_bytes();
    for (key, bytes) in [("logs/a.log", text.to_vec()), ("logs/a.log.gz", gzip(text))] {
        let inner = Arc::new(InMemory::new());
        put(&Bucket::new(Arc::clone(&inner) as Arc<_>).unwrap(), key, bytes);
        let calls = |fails: Option<u64>| {
            let (store, bucket) = Faulty::over(&inner);
            let decode = |line: &[u8]| String::from_utf8(line.to_vec()).map_err(|error| error.to_string());
            let source = Objects::lines(&bucket, "logs", Decoding::new(decode)).follow();
            source.start(&SourceContext::default()).unwrap();
            let split = discover(&source, 0).unwrap().splits.remove(0).id;
            let before = store.calls();
            if let Some(at) = fails {
                store.fail_once(before + at, false);
            }
            let found = read(&source, &split, 0);
            if fails.is_some() {
                assert_eq!(found.map(|(lines, _)| lines.len()).unwrap_err().class(), Class::Retryable, "{key}");
                assert_eq!(
                    read(&source, &split, 0).unwrap().0.len(),
                    40_000,
                    "{key}: a repeated attempt reads all of it"
                );
            }
            store.calls() - before
        };
        let all = calls(None);
        assert!(all >= 2, "{key}: {all}");
        (1..=all).for_each(|at| _ = calls(Some(at)));
    }
}

#[test]
fn an_object_that_is_forbidden_for_a_while_is_left_for_later_and_the_others_are_read() {
    for (packed, key) in [(false, "logs/a"), (true, "logs/a.gz")] {
        let inner = Arc::new(InMemory::new());
        let (store, bucket) = Faulty::over(&inner);
        let lines = |from: u32, to: u32| (from..to).map(|n| format!("{n}\n")).collect::<String>().into_bytes();
        let (a, b) = (lines(0, 100), lines(100, 200));
        put(&bucket, key, if packed { gzip(&a) } else { a });
        put(&bucket, "logs/b", b);
        let source = || Objects::json::<u32>(&bucket, "logs").follow();
        let mut reader = job(source(), Checkpoint::default());
        reader.batch(10);
        store.forbid(Some(key));
        let (kept, mut read) = reader.stop();
        let mut reader = job(source(), kept);
        (0..20).for_each(|_| _ = reader.batch(20));
        assert_eq!(reader.read.len(), 90, "{key}: all of the other one");
        let found = reader.source.discover(firesteel_window::Timestamp::from_secs(reader.now)).unwrap();
        assert!(!found.complete);
        // By policy it is fatal, and where nobody comes back.
        for strict in [source().on_unreadable(OnUnreadable::Fail), Objects::json::<u32>(&bucket, "logs")] {
            strict.start(&SourceContext::default()).unwrap();
            discover(&strict, 0).unwrap();
            let error = common::read(&strict, &firesteel_connect::SplitId::new(key), 0).unwrap_err();
            assert!(error.class() == Class::Fatal && error.to_string().contains("Access Denied"), "{error}");
        }
        store.forbid(None);
        (0..30).for_each(|_| _ = reader.batch(20));
        read.append(&mut reader.stop().1);
        read.sort_unstable();
        assert_eq!(read, (0..200).collect::<Vec<_>>(), "{key}");
    }
}
