//! Processes that end without warning: what was flushed is there, and every key group is as it was at the end of the
//! epoch that its marker tells.
//!
//! The child is this program itself, told what to do by a variable of the environment.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use firesteel_state::{Frame, FrameWriter, KeyGroup, Shard, StateBackend, StoreId, TableId};
use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};

const GROUPS: u16 = 5;
/// What the child is to do: `folder`, `seed`, `how` and the epoch in which it ends.
const ORDERS: &str = "FIRESTEEL_CRASH";

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

fn shard(number: u16) -> Shard {
    Shard { store: StoreId(number % 2), group: KeyGroup(number) }
}

/// The changes of an epoch, the same in every process: of some shards, with keys that meet again and again.
fn frames(seed: u64, epoch: u64) -> Vec<Frame> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ epoch.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    (0..GROUPS)
        .filter_map(|group| {
            let mut writer = FrameWriter::new();
            for table in [0, 7].map(TableId) {
                writer.begin_table(table);
                for _ in 0..random.below(40) {
                    let key = random.below(200).to_be_bytes();
                    if random.below(4) == 0 {
                        writer.remove(&key[6..]);
                    } else {
                        writer.put(&key[6..], &[epoch as u8; 20][..random.below(20) as usize]);
                    }
                }
            }
            (random.below(3) > 0).then(|| writer.finish(shard(group)))
        })
        .collect()
}

type Contents = BTreeMap<(TableId, Vec<u8>), Vec<u8>>;

/// What a shard holds at the end of an epoch.
fn expected(seed: u64, of: Shard, through: u64) -> Contents {
    let mut contents = Contents::new();
    for epoch in 1..=through {
        for frame in frames(seed, epoch).iter().filter(|frame| frame.shard() == of) {
            for change in frame.changes() {
                let key = (change.table, change.key.to_vec());
                match change.value {
                    Some(value) => _ = contents.insert(key, value.to_vec()),
                    None => _ = contents.remove(&key),
                }
            }
        }
    }
    contents
}

fn held(backend: &RocksDbBackend, of: Shard) -> Contents {
    let mut contents = Contents::new();
    for table in [0, 7].map(TableId) {
        let scanned = backend.scan(of, table, b"", &mut |key, value| {
            contents.insert((table, key.to_vec()), value.to_vec());
            Ok(())
        });
        scanned.unwrap();
    }
    contents
}

fn options(how: &str) -> RocksDbOptions {
    let options = RocksDbOptions::default().memory(4 << 20).write_buffer(64 << 10).page_bytes(128);
    options.file_from(match how {
        "batches" => usize::MAX,
        "files" => 0,
        _ => 1_500,
    })
}

/// Every seventh epoch is flushed.
fn flushed(epoch: u64) -> u64 {
    epoch / 7 * 7
}

/// The child. Without orders, it is a test that has nothing to do.
#[test]
fn child() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let [folder, seed, how, end] = orders.split('|').collect::<Vec<_>>().try_into().unwrap();
    let (seed, end): (u64, u64) = (seed.parse().unwrap(), end.parse().unwrap());
    let backend = RocksDbBackend::open(folder, options(how)).unwrap();
    let markers = (0..GROUPS).map(|group| backend.marker(shard(group)).unwrap().unwrap_or(0));
    for epoch in markers.min().unwrap() + 1.. {
        backend.apply(epoch, &frames(seed, epoch)).unwrap();
        if flushed(epoch) == epoch {
            backend.flush().unwrap();
        }
        println!("epoch {epoch}");
        if epoch == end {
            std::process::abort();
        }
    }
}

fn start(folder: &Path, seed: u64, how: &str, end: u64) -> Child {
    let orders = format!("{}|{seed}|{how}|{end}", folder.display());
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(ORDERS, orders)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Opens what a child has left behind that had `done` an epoch, and compares it. Returns the last epoch that is there.
fn check(folder: &Path, seed: u64, how: &str, done: u64) -> u64 {
    let backend = RocksDbBackend::open(folder, options(how)).unwrap();
    for of in (0..GROUPS).map(shard) {
        let marker = backend.marker(of).unwrap().unwrap_or(0);
        let last = |until: u64| {
            let changes = |epoch: &u64| frames(seed, *epoch).iter().any(|frame| frame.shard() == of);
            (1..=until).rev().find(changes).unwrap_or(0)
        };
        assert!(marker >= last(flushed(done)), "{of} lost what was flushed before {done}: {marker}");
        assert_eq!(held(&backend, of), expected(seed, of, marker), "{of} at {marker}");
    }
    backend.shards().unwrap().iter().map(|(_, marker)| *marker).max().unwrap_or(0)
}

#[test]
fn a_process_that_aborts_leaves_whole_epochs() {
    for (seed, how) in (1..).zip(["batches", "files", "both"]) {
        let folder = tempfile::tempdir().unwrap();
        // Each child resumes from what the last one has left.
        for end in [1, 3, 7, 8, 13, 20, 21, 40] {
            let child = start(folder.path(), seed, how, end).wait_with_output().unwrap();
            assert_eq!(child.status.signal(), Some(SIGABRT), "{}", String::from_utf8_lossy(&child.stderr));
            let last = check(folder.path(), seed, how, end);
            assert!(last <= end, "there is no epoch {last} yet");
        }
    }
}

#[test]
fn a_process_that_is_killed_leaves_whole_epochs() {
    for (seed, how) in (10..).zip(["batches", "files", "both", "both"]) {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random(seed);
        let mut done = 0;
        for _ in 0..5 {
            let mut child = start(folder.path(), seed, how, u64::MAX);
            let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            let until = 1 + random.below(60) as usize;
            let epochs = lines.filter_map(|line| line.strip_prefix("epoch ")?.parse::<u64>().ok());
            let last = epochs.take(until).last();
            child.kill().unwrap();
            let ended = child.wait_with_output().unwrap();
            let why = || format!("{}: {}", ended.status, String::from_utf8_lossy(&ended.stderr));
            assert_eq!(ended.status.signal(), Some(SIGKILL), "it has not ended by itself: {}", why());
            done = done.max(last.unwrap_or_else(|| panic!("it has no epoch: {}", why())));
            // It kept running for a moment after the last line that was read.
            check(folder.path(), seed, how, done);
        }
    }
}
