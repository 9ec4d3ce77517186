//! Batches and tokens on a disk that crashes, fills up and forgets what a failed sync was to make durable.

use std::sync::mpsc;

use firesteel_connect::{Refused, Source, SourceContext, Store};
use firesteel_disk::Disk;
use firesteel_disk::crashing::{CrashingDisk, Loss};
use firesteel_window::{Duration, millis, seconds};

use super::acknowledged::SlowDisk;
use super::{Log, PATIENCE, bounds, commit, log_on, open, read};

/// How many records an offer of this number has: some have none.
fn records(offer: u64) -> u64 {
    [3, 1, 0, 40][offer as usize % 4]
}

/// How many records the offers before this one have.
fn before(offer: u64) -> u64 {
    (0..offer).map(records).sum()
}

fn token(offer: u64) -> Vec<u8> {
    // Of several sectors, so that it can be torn.
    [offer.to_string().into_bytes(), vec![b'.'; 700]].concat()
}

/// A log on this disk that has been started, its store, and what is told of each attempt that failed.
fn retrying(disk: &CrashingDisk) -> (Log, Store<u64>, mpsc::Receiver<()>) {
    let (told, retries) = mpsc::channel();
    let (log, stores) = log_on(disk.shared());
    let log = log.on_retry(move |_, _| _ = told.send(()));
    log.start(&SourceContext::default()).unwrap();
    let store = stores.recv_timeout(PATIENCE).unwrap();
    (log, store, retries)
}

fn offer(store: &Store<u64>, number: u64, within: Duration) -> Result<(), Refused<u64>> {
    let batch = (before(number)..before(number + 1)).collect();
    store.offer(batch, Some(&token(number)), within)
}

/// Offers and commits until a call fails; returns how many offers were acknowledged and how many made, and what was committed.
fn run(disk: &CrashingDisk, offers: u64) -> (u64, u64, u64) {
    let Ok((log, store)) = open(disk) else { return (0, 0, 0) };
    let mut committed = 0;
    for number in 0..offers {
        if offer(&store, number, seconds(60)).is_err() {
            return (number, number + 1, committed);
        }
        if number % 3 == 2 {
            committed = bounds(&log).1 - number % 4;
            commit(&log, committed);
            log.settled();
        }
    }
    (offers, offers, committed)
}

#[test]
fn at_each_crash_a_batch_is_there_whole_or_not_at_all_and_its_token_with_it() {
    let (mut at, mut kept) = (0, 0);
    loop {
        at += 1;
        let disk = CrashingDisk::default();
        disk.fail_at(at);
        let (acknowledged, made, committed) = run(&disk, 12);
        let losses = [Loss::All, Loss::Nothing].into_iter().chain((1..5).map(Loss::Some));
        let crashes = losses.map(|loss| (disk.after_crash(loss), format!("{loss:?}")));
        for (disk, how) in crashes.chain([(disk.after_exit(), "exit".to_owned())]) {
            let context = format!("call {at}, {how}: {acknowledged} acknowledged of {made}, {committed} committed");
            let (log, store) = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            let (first, end) = bounds(&log);
            assert!(first <= committed, "{context}: begins at {first}");
            assert_eq!(read(&log), (first..end).collect::<Vec<_>>(), "{context}");
            // The token tells which offers are there, and exactly their records are.
            let there = (0..=made).rev().find(|there| *there == 0 || store.token() == Some(token(there - 1)));
            let there = there.unwrap();
            assert_eq!((there > 0, end), (store.token().is_some(), before(there)), "{context}");
            assert!(there >= acknowledged, "{context}: {there}");
            kept += u64::from(there > acknowledged);
            // Records without a token and a commit do not take it away, although they may be all there is in a segment.
            let plain = disk.after_crash(Loss::Nothing);
            let (other, pushing) = open(&plain).unwrap_or_else(|error| panic!("{context}: {error}"));
            let kept = pushing.token();
            pushing.push(end).unwrap();
            commit(&other, end + 1);
            other.stop();
            assert_eq!(open(&plain.after_crash(Loss::All)).unwrap().1.token(), kept, "{context}");
            // It stays so over another crash, although everything is committed and whole segments go.
            commit(&log, end);
            log.settled();
            for number in there..there + 4 {
                offer(&store, number, seconds(60)).unwrap();
            }
            commit(&log, before(there + 4));
            log.settled();
            let (again, store) =
                open(&disk.after_crash(Loss::All)).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!((bounds(&again).1, store.token()), (before(there + 4), Some(token(there + 3))), "{context}");
        }
        if acknowledged == 12 && disk.calls() < at {
            assert!(at > 60 && kept > 0, "{at} calls, {kept}");
            return;
        }
    }
}

#[test]
fn a_token_outlives_the_segments_that_are_removed_and_pushes_without_one() {
    let disk = CrashingDisk::default();
    let (log, store) = open(&disk).unwrap();
    store.offer(vec![0], Some(b"old"), seconds(60)).unwrap();
    let first = disk.paths();
    for number in 1..200 {
        store.push(number).unwrap();
        commit(&log, number);
    }
    assert!(log.settled());
    log.stop();
    assert!(
        first.iter().filter(|path| path.extension().is_some()).all(|path| !disk.paths().contains(path)),
        "{first:?}"
    );
    let (_log, store) = open(&disk.after_crash(Loss::All)).unwrap();
    assert_eq!(store.token(), Some(b"old".to_vec()));
}

/// Repeating a sync would have the disk say that all is well, and a crash take what it had been told of.
#[test]
fn after_a_sync_that_failed_nothing_is_shown_that_a_crash_takes_away() {
    let (mut failed, mut shown) = (0, 0);
    for at in 1.. {
        let disk = CrashingDisk::default();
        disk.fail_once(at);
        let (acknowledged, made, _) = run(&disk, 8);
        if acknowledged == 8 && disk.calls() < at {
            break;
        }
        // The same machine, on which the files read as they were last written.
        let Ok((log, store)) = open(&disk) else { panic!("call {at}") };
        let (found, end, kept) = (read(&log), bounds(&log).1, store.token());
        assert!(end >= before(acknowledged), "call {at}");
        failed += u64::from(made > acknowledged);
        shown += u64::from(end > before(acknowledged));
        drop(log);
        let (log, store) = open(&disk.after_crash(Loss::All)).unwrap_or_else(|error| panic!("call {at}: {error}"));
        assert_eq!((read(&log), bounds(&log).1, store.token()), (found, end, kept), "call {at}");
    }
    assert!(failed > 20 && shown > 5, "{failed}, {shown}");
}

#[test]
fn a_disk_that_does_not_confirm_in_time_leaves_the_batch_unsure_and_it_is_handed_on_later() {
    let disk = SlowDisk::default();
    let (log, stores) = log_on(std::sync::Arc::new(disk.clone()));
    log.start(&SourceContext::default()).unwrap();
    let store = stores.recv_timeout(PATIENCE).unwrap();
    let held_up = disk.hold_up();
    let refused = store.offer(vec![1, 2], Some(b"two"), millis(1)).unwrap_err();
    assert_eq!(refused.code(), "FS-N014");
    assert!(matches!(store.offer(vec![], Some(b"none"), Duration::ZERO), Err(Refused::Unsure)));
    assert_eq!((bounds(&log), store.token()), ((0, 0), None), "neither is on disk");
    drop(held_up);
    store.push(3).unwrap();
    assert_eq!((read(&log), store.token()), (vec![1, 2, 3], Some(b"none".to_vec())));
}

#[test]
fn a_full_disk_takes_no_further_batches_and_gives_them_back() {
    let disk = CrashingDisk::default();
    let (log, store, retries) = retrying(&disk);
    disk.set_full(true);
    assert!(matches!(store.offer(vec![0], Some(b"0"), millis(1)), Err(Refused::Unsure)), "it was on its way");
    retries.recv_timeout(PATIENCE).unwrap();
    for _ in 0..3 {
        let refused = store.offer(vec![1, 2], Some(b"2"), millis(1)).unwrap_err();
        assert!(matches!(&refused, Refused::Full(back) if *back == [1, 2]), "{refused}");
    }
    assert_eq!(store.token(), None);
    disk.set_full(false);
    store.offer(vec![1, 2], Some(b"2"), seconds(60)).unwrap();
    assert_eq!((read(&log), store.token()), (vec![0, 1, 2], Some(b"2".to_vec())));
}

#[test]
fn a_segment_that_has_room_for_its_header_alone_is_filled_later() {
    for room in (0..3_000).step_by(13) {
        let disk = CrashingDisk::default();
        let (log, store, retries) = retrying(&disk);
        for number in 0..3 {
            offer(&store, number, seconds(60)).unwrap();
        }
        disk.leave_room(Some(room));
        std::thread::scope(|scope| {
            let offering = std::thread::Builder::new().spawn_scoped(scope, || {
                (3..6).for_each(|number| offer(&store, number, seconds(60)).unwrap());
            });
            // Until it needs more than there is, or is done.
            while !offering.as_ref().unwrap().is_finished() && retries.try_recv().is_err() {
                std::thread::yield_now();
            }
            disk.leave_room(None);
            offering.unwrap().join().unwrap();
        });
        assert_eq!(read(&log), (0..before(6)).collect::<Vec<_>>(), "{room} bytes of room");
        log.stop();
        let (log, store) = open(&disk.after_crash(Loss::All)).unwrap();
        assert_eq!(read(&log), (0..before(6)).collect::<Vec<_>>(), "{room} bytes of room");
        assert_eq!(store.token(), Some(token(5)), "{room} bytes of room");
    }
}

#[test]
fn a_failure_for_good_leaves_unsure_what_was_taken_and_gives_back_the_rest() {
    let disk = CrashingDisk::default();
    let (log, store) = open(&disk).unwrap();
    store.offer(vec![0], Some(b"0"), seconds(60)).unwrap();
    disk.fail_at(2);
    assert!(matches!(store.offer(vec![1], Some(b"1"), seconds(60)), Err(Refused::Unsure)), "its sync has failed");
    assert!(matches!(store.offer(vec![2], Some(b"2"), seconds(60)), Err(Refused::Stopped(back)) if back == [2]));
    assert_eq!((read(&log), store.token()), (vec![0], Some(b"0".to_vec())));
}

#[test]
fn damage_costs_the_token_of_the_damaged_frame_at_most() {
    let disk = CrashingDisk::default();
    let (log, store) = open(&disk).unwrap();
    for number in 0..3 {
        store.offer(vec![number], Some(&[number as u8]), seconds(60)).unwrap();
    }
    log.stop();
    let path = disk.paths().into_iter().find(|path| path.extension().is_some_and(|end| end == "wal")).unwrap();
    for at in 20..disk.read(&path).unwrap().len() {
        let disk = disk.copy();
        disk.damage(&path, |bytes| bytes[at] ^= 1);
        let (log, stores) = log_on(disk.shared());
        let log = log.skip_damage();
        log.start(&SourceContext::default()).unwrap();
        let store = stores.recv_timeout(PATIENCE).unwrap();
        let found = read(&log);
        let last = store.token().map(|token| u64::from(token[0]));
        assert_eq!(last, found.last().copied(), "byte {at}: {found:?}");
        // And it is kept from here on, although the records go.
        store.push(9).unwrap();
        commit(&log, bounds(&log).1);
        (0..20).for_each(|number| store.push(number).unwrap());
        commit(&log, bounds(&log).1);
        assert!(log.settled());
        log.stop();
        assert_eq!(open(&disk).unwrap().1.token().map(|token| u64::from(token[0])), last, "byte {at}");
    }
}
