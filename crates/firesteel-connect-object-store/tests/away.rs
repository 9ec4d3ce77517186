//! A store that is away while an object is read.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;
#[path = "compacted/store.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod store;

use std::sync::Arc;

use common::{discover, gzip, put, read};
use firesteel_connect::{Class, Decoding, Source, SourceContext};
use firesteel_connect_object_store::object_store::memory::InMemory;
use firesteel_connect_object_store::{Bucket, Objects};
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
