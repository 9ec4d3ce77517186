//! What happens when user code fails.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::error::Error as _;

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_core::{Blame, OnPanic};
use firesteel_streaming::{Error, StreamingContext, Trigger};

fn poisoned(number: u32) -> u32 {
    assert!(number != 7_311, "no luck with {number}");
    number + 1
}

#[test]
fn a_panic_names_the_operator_the_partition_and_the_offset() {
    let job = StreamingContext::builder("poisoned").threads(2).build().unwrap();
    let results = Collector::new();
    job.read(MemorySource::new((0..10_000u32).collect::<Vec<_>>()))
        .map(poisoned)
        .named("increment")
        .write(results.clone());
    let error = job.run(Trigger::AvailableNow).unwrap_err();
    let Error::Batch { batch: 1, source: firesteel_core::Error::TaskFailed { blame, attempts: 4, .. }, .. } = &error
    else {
        panic!("{error:?}");
    };
    let Blame { operator, partition, position, cause, .. } = &**blame;
    assert_eq!(operator.as_ref().unwrap().name(), "increment");
    assert_eq!((*partition, *position, &**cause), (0, Some(7_311), "no luck with 7311"));
    let text = format!("{error:?}");
    assert!(text.contains("increment (map at ") && text.contains("offset 7311"), "{text}");
    assert!(results.records().is_empty(), "nothing of a failed batch is visible");
}

#[test]
fn with_dead_letters_the_job_continues_with_all_other_records() {
    let job = StreamingContext::builder("survivor").threads(2).on_panic(OnPanic::DeadLetter).build().unwrap();
    let (results, letters) = (Collector::new(), Collector::new());
    job.read(MemorySource::new((0..10_000u32).collect::<Vec<_>>()))
        .map(poisoned)
        .named("increment")
        .write(results.clone());
    job.rejected().write(letters.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!((summary.rows_in, summary.dead_letters), (10_000, 1));
    assert_eq!(results.records().len(), 9_999);
    let letters = letters.records();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].position, &*letters[0].error), (Some(7_311), "no luck with 7311"));
    assert!(letters[0].operator.starts_with("increment (map at "), "{}", letters[0].operator);
}

#[test]
fn malformed_records_are_counted_once_and_told_where_they_stand() {
    let job = StreamingContext::builder("parser").threads(2).build().unwrap();
    let (results, errors) = (Collector::new(), Collector::new());
    let malformed = job.side_output("malformed");
    let lines: Vec<String> = (0..100_000).map(|n| if n == 61_000 { "x".to_owned() } else { n.to_string() }).collect();
    job.read(MemorySource::new(lines)).try_map_to(&malformed, |line| line.parse::<u32>()).write(results.clone());
    malformed.stream().write(errors.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!((summary.malformed, summary.rows_in, results.records().len()), (1, 100_000, 99_999));
    let errors = errors.records();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].position, Some(61_000));
    assert!(errors[0].error.contains("invalid digit"), "{}", errors[0].error);
}

#[test]
fn a_job_that_would_do_nothing_is_refused() {
    let job = StreamingContext::builder("idle").threads(1).build().unwrap();
    drop(job.read(MemorySource::new(vec![1])).map(|n| n + 1));
    let error = job.run(Trigger::Once).unwrap_err();
    assert!(matches!(error, Error::NoOutput { .. }), "{error}");
    assert!(error.source().is_none());
}

#[test]
fn an_error_in_a_function_over_rdds_is_rethrown() {
    let job = StreamingContext::builder("outside").threads(1).build().unwrap();
    job.read(MemorySource::new(vec![1])).for_each_rdd(|_, _| Err::<(), _>("the warehouse is closed"));
    let running = job.start(Trigger::AsSoonAsPossible).unwrap();
    let error = running.await_termination().unwrap_err();
    assert!(error.to_string().contains("the warehouse is closed"), "{error}");
}
