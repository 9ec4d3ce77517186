//! When a push returns, and how many of them share a sync.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{Scope, ScopedJoinHandle};

use firesteel_connect::{
    ConnectError, Pool, ReadRange, Receiver, Result, Source, SourceContext, SourceReader, Stopped, Store,
};
use firesteel_disk::crashing::{CrashingDisk, Loss};
use firesteel_disk::{Disk, Growing, Lock, Reading};

use super::{FOLDER, Log, PATIENCE, bounds, log_on, read, split};
use crate::WriteAheadLog;

/// A receiver that answers each line with its number, once the line is stored.
struct Acknowledging(TcpStream);

impl Receiver for Acknowledging {
    type Item = String;

    fn describe(&self) -> String {
        "lines with acknowledgments".into()
    }

    fn receive(&mut self, store: &Store<String>) -> Result<()> {
        let broken = |source: std::io::Error| ConnectError::Unreachable { peer: "peer".into(), source: source.into() };
        let mut answers = self.0.try_clone().map_err(broken)?;
        for line in BufReader::new(&self.0).lines() {
            if store.push(line.map_err(broken)?).is_err() {
                break;
            }
            answers.write_all(b"+").map_err(broken)?;
        }
        Ok(())
    }
}

#[test]
fn a_peer_is_told_of_a_record_only_when_it_survives_a_crash() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let receiver = Acknowledging(listener.accept().unwrap().0);
    let disk = CrashingDisk::default();
    let log = WriteAheadLog::new(FOLDER, receiver).segment_bytes(300).on_disk(disk.shared());
    log.start(&SourceContext::default()).unwrap();
    let mut expected = vec![];
    for number in 0..20 {
        expected.push(format!("line {number}"));
        peer.write_all(format!("line {number}\n").as_bytes()).unwrap();
        let mut answer = [0];
        std::io::Read::read_exact(&mut peer, &mut answer).unwrap();
        // The power fails now.
        let left = disk.after_crash(Loss::All);
        let again = WriteAheadLog::new(FOLDER, Nothing).on_disk(left.shared());
        again.start(&SourceContext::default()).unwrap();
        let mut found = vec![];
        let range = ReadRange::starting_at(split(), 0);
        again.open(&range).unwrap().for_each(|line| found.push(line)).unwrap();
        assert_eq!(found, expected);
    }
    drop(peer);
}

/// A receiver of nothing.
struct Nothing;

impl Receiver for Nothing {
    type Item = String;

    fn describe(&self) -> String {
        "nothing".into()
    }

    fn receive(&mut self, _store: &Store<String>) -> Result<()> {
        Ok(())
    }
}

/// A disk whose syncs are counted, and wait while they are held up.
#[derive(Debug, Clone, Default)]
pub(super) struct SlowDisk {
    disk: CrashingDisk,
    gate: Arc<Mutex<()>>,
    syncs: Arc<(Mutex<u64>, Condvar)>,
}

impl SlowDisk {
    /// Until this is dropped, syncs wait.
    pub(super) fn hold_up(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap()
    }

    fn syncs(&self) -> u64 {
        *self.syncs.0.lock().unwrap()
    }

    /// Waits for the sync of this number.
    fn until_syncs(&self, count: u64) {
        let (syncs, entered) = &*self.syncs;
        let waited = entered.wait_timeout_while(syncs.lock().unwrap(), PATIENCE, |syncs| *syncs < count).unwrap();
        assert!(!waited.1.timed_out(), "nothing was synced");
    }
}

#[derive(Debug)]
struct SlowFile(Box<dyn Growing>, SlowDisk);

impl Growing for SlowFile {
    fn append(&mut self, bytes: &[u8]) -> firesteel_disk::Result<()> {
        self.0.append(bytes)
    }

    fn sync(&mut self) -> firesteel_disk::Result<()> {
        *self.1.syncs.0.lock().unwrap() += 1;
        self.1.syncs.1.notify_all();
        drop(self.1.gate.lock().unwrap());
        self.0.sync()
    }

    fn rewrite(&mut self, from: u64) -> firesteel_disk::Result<()> {
        self.0.rewrite(from)
    }

    fn cut(&mut self, length: u64) -> firesteel_disk::Result<()> {
        self.0.cut(length)
    }
}

impl Disk for SlowDisk {
    fn create(&self, path: &Path) -> firesteel_disk::Result<Box<dyn Growing>> {
        Ok(Box::new(SlowFile(self.disk.create(path)?, self.clone())))
    }

    fn open(&self, path: &Path) -> firesteel_disk::Result<Box<dyn Growing>> {
        Ok(Box::new(SlowFile(self.disk.open(path)?, self.clone())))
    }

    fn open_to_read(&self, path: &Path) -> firesteel_disk::Result<Box<dyn Reading>> {
        self.disk.open_to_read(path)
    }

    fn exists(&self, path: &Path) -> firesteel_disk::Result<bool> {
        self.disk.exists(path)
    }

    fn read(&self, path: &Path) -> firesteel_disk::Result<Vec<u8>> {
        self.disk.read(path)
    }

    fn list(&self, folder: &Path) -> firesteel_disk::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn folders(&self, folder: &Path) -> firesteel_disk::Result<Vec<String>> {
        self.disk.folders(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> firesteel_disk::Result<()> {
        self.disk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> firesteel_disk::Result<bool> {
        self.disk.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> firesteel_disk::Result<()> {
        self.disk.remove(path)
    }

    fn make_folder(&self, path: &Path) -> firesteel_disk::Result<()> {
        self.disk.make_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> firesteel_disk::Result<()> {
        self.disk.sync_folder(path)
    }

    fn lock(&self, path: &Path) -> firesteel_disk::Result<Option<Lock>> {
        self.disk.lock(path)
    }
}

/// Pushes a record on a thread of its own.
fn pushed<'scope>(
    scope: &'scope Scope<'scope, '_>,
    store: &Store<u64>,
    record: u64,
) -> ScopedJoinHandle<'scope, std::result::Result<(), Stopped>> {
    let store = store.clone();
    std::thread::Builder::new().spawn_scoped(scope, move || store.push(record)).unwrap()
}

#[test]
fn records_of_many_threads_are_made_durable_by_one_sync() {
    let disk = SlowDisk::default();
    let (log, stores) = log_on(Arc::new(disk.clone()));
    let log = log.segment_bytes(1 << 20);
    log.start(&SourceContext::default()).unwrap();
    let store = stores.recv_timeout(PATIENCE).unwrap();
    store.push(0).unwrap();
    let before = disk.syncs();
    let held_up = disk.hold_up();
    std::thread::scope(|scope| {
        let push = |record| pushed(scope, &store, record);
        let first = push(1);
        log.until_taken(2);
        disk.until_syncs(before + 1);
        let others: Vec<_> = (2..10).map(push).collect();
        log.until_taken(10);
        assert_eq!(bounds(&log), (0, 1), "nothing is shown that is not on disk");
        drop(held_up);
        first.join().unwrap().unwrap();
        others.into_iter().for_each(|other| other.join().unwrap().unwrap());
    });
    assert_eq!(disk.syncs(), before + 2, "one for the first, one for all others");
    let mut found = read(&log);
    found.sort_unstable();
    assert_eq!(found, (0..10).collect::<Vec<_>>());
}

/// A log on this disk that has started, within so much memory as its own, and where its receiver puts records.
fn started_within(bytes: u64, disk: &SlowDisk) -> (Log, Store<u64>, Pool) {
    let (log, stores) = log_on(Arc::new(disk.clone()));
    let pool = Pool::new(bytes);
    log.buffer_within(&pool);
    log.start(&SourceContext::default()).unwrap();
    (log, stores.recv_timeout(PATIENCE).unwrap(), pool)
}

/// Waits until hand-overs have waited this often.
fn until_waits(log: &Log, times: u64) {
    while log.shared().unwrap().waited() < times {
        std::thread::yield_now();
    }
}

#[test]
fn what_waits_for_the_disk_stays_within_the_memory_for_buffers() {
    let disk = SlowDisk::default();
    let (log, store, pool) = started_within(100, &disk);
    let held_up = disk.hold_up();
    std::thread::scope(|scope| {
        let push = |record| pushed(scope, &store, record);
        let pushes: Vec<_> = (0..30).map(push).collect();
        log.until_taken(20);
        until_waits(&log, 10);
        assert_eq!((bounds(&log), pool.budget().used()), ((0, 0), 100), "five bytes for each");
        drop(held_up);
        pushes.into_iter().for_each(|push| push.join().unwrap().unwrap());
    });
    let mut found = read(&log);
    found.sort_unstable();
    assert_eq!((found, pool.budget().used()), ((0..30).collect::<Vec<_>>(), 0), "what is on disk is not in memory");
    // More than there is goes through alone, by one thread as well.
    store.push_all(30..200).unwrap();
    assert_eq!((bounds(&log), pool.budget().used()), ((0, 200), 0));
}

#[test]
fn what_has_left_a_receiver_that_is_to_stop_is_written() {
    let disk = SlowDisk::default();
    let (log, store, _) = started_within(0, &disk);
    // Once it is stopped, it has none to ask.
    let shared = log.shared().unwrap();
    let held_up = disk.hold_up();
    std::thread::scope(|scope| {
        let push = |record| pushed(scope, &store, record);
        let first = push(0);
        log.until_taken(1);
        let second = push(1);
        until_waits(&log, 1);
        let stopping = std::thread::Builder::new().spawn_scoped(scope, || log.stop()).unwrap();
        shared.until_taken(2);
        drop(held_up);
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (Ok(()), Ok(())));
        stopping.join().unwrap();
    });
    let (again, _) = super::open(&disk.disk).unwrap();
    assert_eq!(read(&again), [0, 1]);
}
