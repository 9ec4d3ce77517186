//! The log on a disk that crashes, fills up and forgets what was not synced.

mod acknowledged;
mod damage;
mod offers;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use firesteel_connect::{Class, ReadRange, Receiver, Result, Source, SourceContext, SourceReader, SplitId, Store};
use firesteel_disk::Disk;
use firesteel_disk::crashing::{CrashingDisk, Loss};
use firesteel_window::{Timestamp, millis, seconds};

use crate::WriteAheadLog;

const FOLDER: &str = "wal";
const PATIENCE: Duration = Duration::from_secs(10);

/// A receiver that hands its store to the test, and waits until it is told to stop.
struct Remote(Option<mpsc::Sender<Store<u64>>>);

impl Receiver for Remote {
    type Item = u64;

    fn describe(&self) -> String {
        "a test".into()
    }

    fn receive(&mut self, store: &Store<u64>) -> Result<()> {
        if let Some(sender) = self.0.take() {
            sender.send(store.clone()).unwrap();
            while !store.wait_stopped(PATIENCE.into()) {}
        }
        Ok(())
    }
}

type Log = WriteAheadLog<Remote>;

fn split() -> SplitId {
    SplitId::new("log")
}

/// A log that is not started yet, and where its store will come.
fn log_on(disk: Arc<dyn Disk>) -> (Log, mpsc::Receiver<Store<u64>>) {
    let (sender, stores) = mpsc::channel();
    let log =
        WriteAheadLog::new(FOLDER, Remote(Some(sender))).segment_bytes(200).pauses(millis(1), millis(1)).on_disk(disk);
    (log, stores)
}

fn open(disk: &CrashingDisk) -> Result<(Log, Store<u64>)> {
    let (log, stores) = log_on(disk.shared());
    log.start(&SourceContext::default())?;
    let store = stores.recv_timeout(PATIENCE).unwrap();
    Ok((log, store))
}

fn bounds(log: &Log) -> (u64, u64) {
    let split = log.discover(Timestamp::EPOCH).unwrap().splits.remove(0);
    (split.first, split.available.unwrap())
}

fn read(log: &Log) -> Vec<u64> {
    let (first, end) = bounds(log);
    let mut records = vec![];
    log.open(&ReadRange::exact(split(), first, end)).unwrap().for_each(|record| records.push(record)).unwrap();
    records
}

fn commit(log: &Log, position: u64) {
    log.committed(&[(split(), position)]).unwrap();
}

/// How far a run got. Record `n` is the number `n`.
#[derive(Debug, Default)]
struct Progress {
    acknowledged: u64,
    pushed: u64,
    /// Commits that were asked for, and of which the log said that the disk knows them.
    committed: u64,
    marked: u64,
}

/// Pushes and commits until a call fails; tells whether none did.
fn run(disk: &CrashingDisk, progress: &mut Progress, steps: u64) -> bool {
    let Ok((log, store)) = open(disk) else { return false };
    for step in 0..steps {
        let from = progress.pushed.max(progress.acknowledged);
        let count = if step % 5 == 3 { 30 } else { 1 };
        progress.pushed = from + count;
        let pushed = if count == 1 { store.push(from) } else { store.push_all(from..from + count) };
        if pushed.is_err() {
            return false;
        }
        progress.acknowledged = progress.pushed;
        assert_eq!(bounds(&log).1, progress.acknowledged);
        if step % 3 == 2 {
            progress.committed = progress.acknowledged - step % 4;
            commit(&log, progress.committed);
            if !log.settled() {
                return false;
            }
            progress.marked = progress.committed;
        }
    }
    true
}

#[test]
fn a_crash_at_any_call_keeps_what_was_acknowledged_and_not_committed() {
    let mut at = 0;
    loop {
        at += 1;
        let disk = CrashingDisk::default();
        disk.fail_at(at);
        let mut progress = Progress::default();
        let finished = run(&disk, &mut progress, 16);
        let losses = [Loss::All, Loss::Nothing].into_iter().chain((1..6).map(Loss::Some));
        let crashes = losses.map(|loss| (disk.after_crash(loss), format!("{loss:?}")));
        for (disk, how) in crashes.chain([(disk.after_exit(), "exit".to_owned())]) {
            let context = format!("call {at}, {how}, {progress:?}");
            let (log, store) = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            let (first, end) = bounds(&log);
            assert!((progress.marked..=progress.committed).contains(&first), "{context}: begins at {first}");
            assert!((progress.acknowledged..=progress.pushed).contains(&end), "{context}: ends at {end}");
            assert_eq!(read(&log), (first..end).collect::<Vec<_>>(), "{context}");
            // What is shown stays, also if the power fails now.
            let (again, _) = open(&disk.after_crash(Loss::All)).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!((bounds(&again), read(&again)), ((first, end), read(&log)), "{context}");
            // It resumes from here, and once more.
            store.push_all(end..end + 5).unwrap();
            commit(&log, end + 2);
            log.stop();
            let (log, _) = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(read(&log), [end + 2, end + 3, end + 4], "{context}");
        }
        if finished {
            assert!(at > 60, "{at} calls");
            return;
        }
    }
}

#[test]
fn a_call_that_fails_for_good_ends_the_job_and_loses_nothing() {
    let mut failures = 0;
    for at in 1.. {
        let disk = CrashingDisk::default();
        disk.fail_once(at);
        let mut progress = Progress::default();
        let finished = run(&disk, &mut progress, 16);
        if finished && disk.calls() < at {
            break;
        }
        // A file that cannot be removed is no reason to stop.
        failures += u64::from(!finished);
        let (log, _) = open(&disk).unwrap();
        let (first, end) = bounds(&log);
        assert!(
            first <= progress.committed && end >= progress.acknowledged,
            "call {at}: {first} to {end}, {progress:?}"
        );
        assert_eq!(read(&log), (first..end).collect::<Vec<_>>(), "call {at}");
    }
    assert!(failures > 30, "{failures}");
}

#[test]
fn a_failure_is_told_once_what_is_there_is_committed() {
    let disk = CrashingDisk::default();
    let (log, store) = open(&disk).unwrap();
    store.push_all(0..3).unwrap();
    disk.fail_at(1);
    assert!(store.push(3).is_err());
    assert!(store.is_stopped());
    assert_eq!(read(&log), [0, 1, 2], "what is safe is still read");
    commit(&log, 3);
    let error = log.discover(Timestamp::EPOCH).unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    assert!(log.discover(Timestamp::EPOCH).unwrap_err().to_string().contains("failed before"));
}

#[test]
fn a_full_disk_makes_the_receiver_wait_and_reading_continues() {
    let disk = CrashingDisk::default();
    let (told, retries) = mpsc::channel();
    let (log, stores) = log_on(disk.shared());
    let log = log.on_retry(move |error, _| _ = told.send((error.class(), error.to_string())));
    log.start(&SourceContext::default()).unwrap();
    let store = stores.recv_timeout(PATIENCE).unwrap();
    for record in 0..20 {
        store.push(record).unwrap();
    }
    let segments = disk.paths().len();
    disk.set_full(true);
    std::thread::scope(|scope| {
        let pushing = std::thread::Builder::new().spawn_scoped(scope, || store.push_all(20..40)).unwrap();
        let (class, text) = retries.recv_timeout(PATIENCE).unwrap();
        assert_eq!(class, Class::Retryable);
        assert!(text.starts_with("FS-N001: cannot write wal/"), "{text}");
        assert_eq!(read(&log), (0..20).collect::<Vec<_>>());
        // Committing makes room although nothing can be written: whole files go.
        commit(&log, 19);
        while disk.paths().len() >= segments {
            retries.recv_timeout(PATIENCE).unwrap();
        }
        assert_eq!(read(&log), [19]);
        disk.set_full(false);
        pushing.join().unwrap().unwrap();
    });
    assert_eq!(read(&log), (19..40).collect::<Vec<_>>());
    log.stop();
    assert_eq!(read(&open(&disk.after_crash(Loss::All)).unwrap().0), (19..40).collect::<Vec<_>>());
}

#[test]
fn what_a_failed_write_has_left_is_cut_off_before_the_next_one() {
    let disk = CrashingDisk::default();
    let (told, retries) = mpsc::channel();
    let (log, stores) = log_on(disk.shared());
    let log = log.segment_bytes(1 << 20).on_retry(move |_, _| _ = told.send(()));
    log.start(&SourceContext::default()).unwrap();
    let store = stores.recv_timeout(PATIENCE).unwrap();
    store.push(0).unwrap();
    disk.set_full(true);
    std::thread::scope(|scope| {
        let pushing = std::thread::Builder::new().spawn_scoped(scope, || store.push_all(1..4)).unwrap();
        (0..3).for_each(|_| retries.recv_timeout(PATIENCE).unwrap());
        disk.set_full(false);
        pushing.join().unwrap().unwrap();
    });
    store.push(4).unwrap();
    assert_eq!(read(&log), [0, 1, 2, 3, 4]);
    assert_eq!(read(&open(&disk.after_crash(Loss::All)).unwrap().0), [0, 1, 2, 3, 4]);
}

#[test]
fn a_stop_does_not_wait_for_room() {
    let disk = CrashingDisk::default();
    let (told, retries) = mpsc::channel();
    let (log, stores) = log_on(disk.shared());
    let log = log.pauses(seconds(60), seconds(60)).on_retry(move |_, _| _ = told.send(()));
    log.start(&SourceContext::default()).unwrap();
    let store = stores.recv_timeout(PATIENCE).unwrap();
    disk.set_full(true);
    std::thread::scope(|scope| {
        let pushing = std::thread::Builder::new().spawn_scoped(scope, || store.push(0)).unwrap();
        retries.recv_timeout(PATIENCE).unwrap();
        log.stop();
        assert!(pushing.join().unwrap().is_err(), "it is not on disk");
    });
    disk.set_full(false);
    assert_eq!(bounds(&open(&disk).unwrap().0), (0, 0));
}
