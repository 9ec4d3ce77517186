//! The suite, and the log on the machine's own disk: restarts, bounds, locks, wrong types and other people's folders.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use firesteel_connect::{
    Class, ConnectError, PositionUnit, ReadRange, Receiver, Replay, Result, Source, SourceContext, SourceReader, Split,
    SplitId, Store, Wake, conformance,
};
use firesteel_connect_socket::SocketText;
use firesteel_connect_wal::WriteAheadLog;
use firesteel_window::{Timestamp, millis, seconds};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn the_store_suite_holds() {
    let folder = tempfile::tempdir().unwrap();
    let made = AtomicU64::new(0);
    let place = || folder.path().join(made.fetch_add(1, Ordering::SeqCst).to_string());
    for segment in [300, 1 << 20] {
        conformance::store(|courier| WriteAheadLog::new(place(), courier).segment_bytes(segment).capacity(1_500));
        let again = place();
        conformance::store_restarts(|courier| WriteAheadLog::new(&again, courier).segment_bytes(segment));
    }
}

/// A receiver made of a closure.
struct Call<T, F>(F, std::marker::PhantomData<fn() -> T>);

fn call<T, F>(call: F) -> Call<T, F>
where
    F: FnMut(&Store<T>) -> Result<()> + Send + 'static,
{
    Call(call, std::marker::PhantomData)
}

impl<T, F> Receiver for Call<T, F>
where
    T: Send + 'static,
    F: FnMut(&Store<T>) -> Result<()> + Send + 'static,
{
    type Item = T;

    fn describe(&self) -> String {
        "a test".into()
    }

    fn receive(&mut self, store: &Store<T>) -> Result<()> {
        (self.0)(store)
    }
}

/// Receives the records and ends.
fn sending<T: Clone + Send + 'static>(records: Vec<T>) -> impl Receiver<Item = T> {
    call(move |store: &Store<T>| {
        let _ = store.push_all(records.iter().cloned());
        Ok(())
    })
}

/// Starts the log and returns what tells of wake-ups.
fn start<S: Source>(log: &S) -> mpsc::Receiver<()> {
    let (woken, wakes) = mpsc::channel();
    log.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())))).unwrap();
    wakes
}

fn look<S: Source>(log: &S) -> Split {
    log.discover(Timestamp::EPOCH).unwrap().splits.remove(0)
}

/// Waits until the receiver has ended.
fn until_finished<S: Source>(log: &S, wakes: &mpsc::Receiver<()>) -> Split {
    loop {
        let split = look(log);
        if split.finished {
            return split;
        }
        wakes.recv_timeout(PATIENCE).expect("the log wakes when something happens");
    }
}

fn read<S: Source>(log: &S, from: u64, to: u64) -> Result<Vec<S::Item>> {
    let mut records = vec![];
    log.open(&ReadRange::exact(SplitId::new("log"), from, to))?.for_each(|record| records.push(record))?;
    Ok(records)
}

fn commit<S: Source>(log: &S, position: u64) {
    log.committed(&[(SplitId::new("log"), position)]).unwrap();
}

/// Puts records into the log in a folder, without committing any.
fn fill<T: Clone + Serialize + DeserializeOwned + Send + 'static>(folder: &Path, records: Vec<T>) {
    let in_parts = call(move |store: &Store<T>| {
        let _ = records.chunks(50).try_for_each(|part| store.push_all(part.iter().cloned()));
        Ok(())
    });
    let log = WriteAheadLog::new(folder, in_parts).segment_bytes(500);
    let wakes = start(&log);
    until_finished(&log, &wakes);
    log.stop();
}

#[test]
fn the_source_suite_holds_for_a_new_log_and_for_one_that_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let number = AtomicU64::new(0);
    let fresh = || folder.path().join(number.fetch_add(1, Ordering::SeqCst).to_string());
    let records: Vec<(u32, String)> = (0..700).map(|n| (n, "x".repeat(n as usize % 50))).collect();
    let new = || WriteAheadLog::new(fresh(), sending(records.clone())).segment_bytes(3_000).group_bytes(100);
    conformance::source(new, std::slice::from_ref(&records));
    let left = || {
        let folder = fresh();
        fill(&folder, records.clone());
        WriteAheadLog::new(folder, sending(vec![]))
    };
    conformance::source(left, std::slice::from_ref(&records));
}

#[test]
fn the_end_of_the_job_does_not_wait_for_a_receiver_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (report, stopped) = mpsc::channel();
    let waiting = call(move |store: &Store<u32>| {
        store.push(1).unwrap();
        report.send(store.wait_stopped(seconds(60))).unwrap();
        Ok(())
    });
    let log = WriteAheadLog::new(folder.path(), waiting);
    let wakes = start(&log);
    wakes.recv_timeout(PATIENCE).unwrap();
    log.stop();
    assert!(stopped.try_recv().unwrap(), "it was told, and its thread waited for");
    assert!(log.discover(Timestamp::EPOCH).is_err() && log.describe().starts_with("a test, logged in "));
}

#[test]
fn a_restart_replays_what_was_not_committed_and_numbers_continue() {
    let folder = tempfile::tempdir().unwrap();
    let server = |text: &'static str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serve = move || listener.accept().unwrap().0.write_all(text.as_bytes()).unwrap();
        std::thread::Builder::new().spawn(serve).unwrap();
        SocketText::connect(address).end_on_close()
    };
    let mut seen = vec![];
    for (text, committed) in [("one\ntwo\nthree\n", 1), ("four\n", 1), ("five\nsix\n", 6), ("seven", 7)] {
        let log = WriteAheadLog::new(folder.path().join("wal"), server(text)).segment_bytes(60);
        assert_eq!(log.replay(), Replay::Always);
        let wakes = start(&log);
        let split = until_finished(&log, &wakes);
        assert_eq!(split.unit, PositionUnit::Records);
        let end = split.available.unwrap();
        seen.push(read(&log, split.first, end).unwrap().join(" "));
        commit(&log, committed);
        log.stop();
    }
    assert_eq!(seen, ["one two three", "two three four", "two three four five six", "seven"]);
}

#[test]
fn files_of_committed_records_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), (0..2_000u32).collect());
    let files = || std::fs::read_dir(folder.path()).unwrap().count();
    let before = files();
    let log = WriteAheadLog::new(folder.path(), sending::<u32>(vec![]));
    let _wakes = start(&log);
    commit(&log, 1_500);
    log.stop();
    let left = files();
    assert!(before > 6 && left < before / 2, "{before} files, then {left}");
    let log = WriteAheadLog::new(folder.path(), sending::<u32>(vec![]));
    let _wakes = start(&log);
    assert_eq!(read(&log, 1_500, 2_000).unwrap(), (1_500..2_000).collect::<Vec<_>>());
    let error = read(&log, 1_499, 1_501).unwrap_err();
    assert!(matches!(&error, ConnectError::Lost { position: 1_499, .. }), "{error}");
    commit(&log, 2_000);
    log.stop();
    assert_eq!(files(), 2, "the last segment and the lock");
}

#[test]
fn a_log_that_is_full_makes_the_receiver_wait_for_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let log = WriteAheadLog::new(folder.path(), sending((0..5_000u64).collect())).capacity(2_000).group_bytes(1);
    let wakes = start(&log);
    let (mut read_to, mut most) = (0, 0);
    loop {
        let split = look(&log);
        let end = split.available.unwrap();
        most = most.max(end - read_to);
        if split.finished && end == read_to {
            break;
        }
        if end == read_to {
            wakes.recv_timeout(PATIENCE).expect("there is room, so something comes");
            continue;
        }
        assert_eq!(read(&log, read_to, end).unwrap(), (read_to..end).collect::<Vec<_>>());
        commit(&log, end);
        read_to = end;
    }
    assert_eq!(read_to, 5_000);
    assert!(most < 3_000, "a hand-over or two beyond the limit, and not {most} records");
}

#[test]
fn two_logs_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) =
        (WriteAheadLog::new(folder.path(), sending(vec![1])), WriteAheadLog::new(folder.path(), sending(vec![2])));
    let _wakes = start(&first);
    let error = second.start(&SourceContext::default()).unwrap_err();
    assert!(matches!(&error, ConnectError::Setting { setting: "folder", .. }), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
    first.stop();
    let _wakes = start(&second);
}

#[test]
fn a_folder_that_cannot_be_used_and_settings_without_sense_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    for place in [file.clone(), file.join("below")] {
        let error = WriteAheadLog::new(place, sending(vec![1])).start(&SourceContext::default()).unwrap_err();
        assert!(matches!(&error, ConnectError::File { .. }) && error.class() == Class::Fatal, "{error}");
        assert!(error.to_string().contains("file"), "{error}");
    }
    let log = || WriteAheadLog::new(folder.path().join("wal"), sending(vec![1]));
    for log in [log().capacity(0), log().group_bytes(0), log().pauses(seconds(0), seconds(1))] {
        assert!(matches!(
            log.start(&SourceContext::default()),
            Err(ConnectError::Setting { connector: "WriteAheadLog", .. })
        ));
    }
    assert!(!folder.path().join("wal").exists());
    // Files of others in the folder are no concern of the log.
    std::fs::create_dir(folder.path().join("wal")).unwrap();
    std::fs::write(folder.path().join("wal/notes.txt"), "not ours").unwrap();
    let log = log();
    let wakes = start(&log);
    assert_eq!(until_finished(&log, &wakes).available, Some(1));
}

#[test]
fn records_of_another_type_are_an_error_that_names_both() {
    #[derive(Debug, Clone, Serialize, Deserialize)]
    struct Click {
        user: String,
        page: u64,
    }
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), vec![Click { user: "ann".into(), page: 700 }]);
    let log = WriteAheadLog::new(folder.path(), sending::<(u64, u64)>(vec![]));
    let _wakes = start(&log);
    let error = read(&log, 0, 1).unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.to_string().contains("decoding record 0") && error.to_string().contains("(u64, u64)"), "{error}");
}

#[test]
fn a_record_that_cannot_be_encoded_ends_the_job_and_is_not_acknowledged() {
    #[derive(Clone, Deserialize)]
    struct Odd;
    impl Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (report, pushed) = mpsc::channel();
    let receiver = call(move |store: &Store<Odd>| {
        report.send(store.push(Odd).is_err()).unwrap();
        Ok(())
    });
    let log = WriteAheadLog::new(folder.path(), receiver);
    let _wakes = start(&log);
    assert!(pushed.recv_timeout(PATIENCE).unwrap());
    let error = log.discover(Timestamp::EPOCH).unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.to_string().contains("Odd") && error.to_string().contains("Serialize"), "{error}");
}

#[test]
fn a_receiver_that_fails_is_started_again_or_ends_the_job_after_what_it_stored() {
    let folder = tempfile::tempdir().unwrap();
    let mut attempt = 0;
    let receiver = call(move |store: &Store<u32>| {
        attempt += 1;
        store.push(attempt).unwrap();
        match attempt {
            1 | 2 => Err(ConnectError::Unreachable { peer: "nobody".into(), source: "refused".into() }),
            _ => Err(ConnectError::Setting { connector: "Test", setting: "port", reason: "0".into() }),
        }
    });
    let (told, retries) = mpsc::channel();
    let log = WriteAheadLog::new(folder.path(), receiver)
        .pauses(millis(1), millis(1))
        .on_retry(move |error, _| _ = told.send(error.to_string()));
    let wakes = start(&log);
    while look(&log).available != Some(3) {
        wakes.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(read(&log, 0, 3).unwrap(), [1, 2, 3]);
    assert_eq!(retries.try_iter().count(), 2);
    commit(&log, 3);
    let error = loop {
        match log.discover(Timestamp::EPOCH) {
            Err(error) => break error,
            Ok(_) => wakes.recv_timeout(PATIENCE).unwrap(),
        }
    };
    assert!(matches!(&error, ConnectError::Setting { setting: "port", .. }), "{error}");
}

#[test]
fn an_iterator_that_panics_leaves_the_log_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&seen);
    let receiver = call(move |store: &Store<u32>| {
        let records = (0..3).map(|n| if n == 2 { std::panic::resume_unwind(Box::new(())) } else { n });
        let torn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| store.push_all(records)));
        count.store(u64::from(torn.is_err()), Ordering::SeqCst);
        let _ = store.push_all(0..3);
        Ok(())
    });
    let log = WriteAheadLog::new(folder.path(), receiver).group_bytes(1);
    let wakes = start(&log);
    assert_eq!(until_finished(&log, &wakes).available, Some(3));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert_eq!(read(&log, 0, 3).unwrap(), [0, 1, 2]);
}

#[test]
fn records_larger_than_a_group_and_a_segment_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let records: Vec<String> = (0..20).map(|n| "x".repeat(n * 10_000)).collect();
    let log = WriteAheadLog::new(folder.path(), sending(records.clone())).segment_bytes(1).group_bytes(1);
    let wakes = start(&log);
    assert_eq!(until_finished(&log, &wakes).available, Some(20));
    assert_eq!(read(&log, 0, 20).unwrap(), records);
    assert_eq!(read(&log, 13, 15).unwrap(), records[13..15]);
}
