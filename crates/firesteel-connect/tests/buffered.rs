//! Receivers with a buffer: the suite, failures, restarts, bounds and the end.
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use firesteel_connect::{
    Buffered, Class, ConnectError, ReadRange, Receiver, Result, Source, SourceContext, SourceReader, SplitId, Store,
    Wake, conformance,
};
use firesteel_window::{Timestamp, millis, seconds};

/// A receiver made of a closure.
struct Call<F>(F);

impl<F> Receiver for Call<F>
where
    F: FnMut(&Store<u32>) -> Result<()> + Send + 'static,
{
    type Item = u32;

    fn describe(&self) -> String {
        "a test".into()
    }

    fn receive(&mut self, store: &Store<u32>) -> Result<()> {
        (self.0)(store)
    }
}

fn buffered<F>(call: F) -> Buffered<Call<F>>
where
    F: FnMut(&Store<u32>) -> Result<()> + Send + 'static,
{
    Buffered::new(Call(call)).pauses(millis(1), millis(4)).on_retry(|_, _| ())
}

fn unreachable() -> ConnectError {
    ConnectError::Unreachable { peer: "nobody".into(), source: "refused".into() }
}

const NOW: Timestamp = Timestamp::from_secs(0);

/// Starts the source and returns what tells of wake-ups.
fn start<S: Source>(source: &S) -> mpsc::Receiver<()> {
    let (woken, wakes) = mpsc::channel();
    source.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())))).unwrap();
    wakes
}

/// Waits until the source tells of its end or fails; returns the position after the last record.
fn until_finished<S: Source>(source: &S, wakes: &mpsc::Receiver<()>) -> Result<u64> {
    loop {
        let split = source.discover(NOW)?.splits.remove(0);
        if split.finished {
            return Ok(split.available.unwrap());
        }
        wakes.recv_timeout(Duration::from_secs(10)).expect("the source wakes when something happens");
    }
}

fn exact<S: Source>(source: &S, from: u64, to: u64) -> Result<Vec<S::Item>> {
    let mut records = vec![];
    source.open(&ReadRange::exact(SplitId::new("receiver"), from, to))?.for_each(|record| records.push(record))?;
    Ok(records)
}

#[test]
fn the_receiver_suite_holds_for_single_and_bulk_pushes() {
    let singly = || {
        Call(|store: &Store<u32>| {
            for n in 0..50 {
                if store.push(n).is_err() {
                    break;
                }
            }
            Ok(())
        })
    };
    conformance::receiver(singly, &(0..50).collect::<Vec<_>>());
    let in_bulk = || {
        Call(|store: &Store<u32>| {
            let _ = store.push_all((0..5_000).filter(|n| n % 2 == 0));
            Ok(())
        })
    };
    conformance::receiver(in_bulk, &(0..5_000).step_by(2).collect::<Vec<_>>());
    conformance::receiver_stops(|| {
        buffered(|store| {
            while !store.wait_stopped(seconds(60)) {}
            Ok(())
        })
    });
    // Also while it waits to try again.
    conformance::receiver_stops(|| buffered(|_| Err(unreachable())).pauses(seconds(60), seconds(60)));
}

#[test]
fn the_source_suite_holds() {
    let make = || {
        buffered(|store| {
            let _ = store.push_all(0..3_000);
            let _ = store.push(3_000);
            Ok(())
        })
    };
    conformance::source(make, &[(0..=3_000).collect()]);
}

#[test]
fn a_push_waits_while_the_buffer_is_full_and_continues_after_a_commit() {
    let pushed = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&pushed);
    let source = buffered(move |store| {
        for n in 0..10 {
            if store.push(n).is_err() {
                break;
            }
            count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    })
    .capacity(4);
    let wakes = start(&source);
    while source.discover(NOW).unwrap().splits[0].available != Some(4) {
        wakes.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    assert_eq!(exact(&source, 0, 4).unwrap(), [0, 1, 2, 3]);
    // Reading alone makes no room: the records may be needed again.
    assert!(pushed.load(Ordering::SeqCst) <= 4);
    assert_eq!(source.discover(NOW).unwrap().splits[0].available, Some(4));
    source.committed(&[(SplitId::new("receiver"), 3)]).unwrap();
    while source.discover(NOW).unwrap().splits[0].available != Some(7) {
        wakes.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    assert_eq!(exact(&source, 3, 7).unwrap(), [3, 4, 5, 6]);
    let error = exact(&source, 2, 5).unwrap_err();
    assert!(matches!(&error, ConnectError::Lost { position: 2, .. }), "{error}");
    source.committed(&[(SplitId::new("receiver"), 7)]).unwrap();
    assert_eq!(until_finished(&source, &wakes).unwrap(), 10);
}

#[test]
fn records_not_taken_stay_with_the_receiver_when_it_is_stopped() {
    let (report, left) = mpsc::channel();
    let source = buffered(move |store| {
        let mut records = 0..10;
        let stopped = store.push_all(&mut records);
        report.send((stopped.is_err(), records)).unwrap();
        Ok(())
    })
    .capacity(4);
    let wakes = start(&source);
    wakes.recv_timeout(Duration::from_secs(10)).unwrap();
    source.stop();
    assert_eq!(left.recv().unwrap(), (true, 4..10));
}

#[test]
fn retryable_errors_start_the_receiver_again_with_growing_pauses() {
    let pauses = Arc::new(Mutex::new(vec![]));
    let seen = Arc::clone(&pauses);
    let mut attempt = 0;
    let source = buffered(move |store| {
        attempt += 1;
        match attempt {
            1..=4 => Err(unreachable()),
            5 => {
                let _ = store.push(5);
                Err(unreachable())
            }
            _ => {
                let _ = store.push(6);
                Ok(())
            }
        }
    })
    .on_retry(move |error, pause| {
        assert_eq!(error.class(), Class::Retryable);
        seen.lock().unwrap().push(pause.as_millis());
    });
    let wakes = start(&source);
    assert_eq!(until_finished(&source, &wakes).unwrap(), 2);
    assert_eq!(exact(&source, 0, 2).unwrap(), [5, 6]);
    assert_eq!(*pauses.lock().unwrap(), [1, 2, 4, 4, 1], "growing to the longest, and short again after a record");
}

#[test]
fn a_fatal_error_reaches_the_engine_once_and_stays_known() {
    let source = buffered(|_| Err(ConnectError::Setting { connector: "Test", setting: "port", reason: "0".into() }));
    let wakes = start(&source);
    let first = until_finished(&source, &wakes).unwrap_err();
    assert!(matches!(first, ConnectError::Setting { .. }), "{first}");
    let second = source.discover(NOW).unwrap_err();
    assert!(second.to_string().contains("port of Test"), "{second}");
    assert_eq!(second.class(), Class::Fatal);
}

#[test]
fn what_was_stored_before_an_error_that_stops_it_is_read_before_it_is_told() {
    let source = buffered(move |store| {
        store.push_all(0..10).unwrap();
        Err(ConnectError::Setting { connector: "Test", setting: "port", reason: "0".into() })
    });
    let wakes = start(&source);
    for what in ["records", "an end"] {
        wakes.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("the source tells of {what}"));
    }
    let found = source.discover(NOW).unwrap();
    assert_eq!((found.splits[0].available, found.splits[0].finished), (Some(10), false));
    assert_eq!(exact(&source, 0, 10).unwrap().len(), 10);
    source.committed(&[(SplitId::new("receiver"), 10)]).unwrap();
    assert_eq!(source.discover(NOW).unwrap_err().class(), Class::Program);
}

#[test]
fn a_panic_of_the_receiver_is_a_fatal_error() {
    let source = buffered(|_| panic!("no such thing"));
    let wakes = start(&source);
    let error = until_finished(&source, &wakes).unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.to_string().contains("no such thing"), "{error}");
}

#[test]
fn an_iterator_that_panics_gives_its_places_back() {
    let mut attempt = 0;
    let source = buffered(move |store| {
        attempt += 1;
        if attempt == 1 {
            let records = (0..3).map(|n| if n == 2 { std::panic::resume_unwind(Box::new(())) } else { n });
            let torn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| store.push_all(records)));
            assert!(torn.is_err());
            return Err(unreachable());
        }
        let _ = store.push_all(0..3);
        Ok(())
    })
    .capacity(3);
    let wakes = start(&source);
    assert_eq!(until_finished(&source, &wakes).unwrap(), 3);
}

#[test]
fn settings_without_sense_are_refused_at_the_start() {
    let error = buffered(|_| Ok(())).capacity(0).start(&SourceContext::default()).unwrap_err();
    assert!(error.to_string().contains("capacity of Buffered"), "{error}");
    let long_first = buffered(|_| Ok(())).pauses(seconds(2), seconds(1));
    assert!(matches!(
        long_first.start(&SourceContext::default()),
        Err(ConnectError::Setting { setting: "pauses", .. })
    ));
}

#[test]
fn a_receiver_starts_once() {
    let source = buffered(|_| Ok(()));
    source.start(&SourceContext::default()).unwrap();
    let error = source.start(&SourceContext::default()).unwrap_err();
    assert!(error.to_string().contains("only once"), "{error}");
}
