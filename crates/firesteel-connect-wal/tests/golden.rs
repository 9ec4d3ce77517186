//! Files of format 1 that were checked in: they are read, and written again equal in every byte.
//!
//! After a deliberate change of the format: `FIRESTEEL_GOLDEN=write cargo test -p firesteel-connect-wal --test golden`,
//! with a folder for the new format; the old one stays and stays readable.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use firesteel_connect::{ReadRange, Receiver, Result, Source, SourceContext, SourceReader, SplitId, Store, Wake};
use firesteel_connect_wal::WriteAheadLog;
use firesteel_window::{Timestamp, seconds};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Click {
    user: String,
    page: u32,
    at: i64,
    referrer: Option<String>,
}

fn click(n: u32) -> Click {
    let user = ["ann", "bob", "zoë"][n as usize % 3].to_owned();
    let referrer = n.is_multiple_of(4).then(|| format!("/page/{n}"));
    Click { user, page: n * 100, at: -i64::from(n), referrer }
}

struct Clicks(u32, mpsc::Sender<Option<Vec<u8>>>);

impl Receiver for Clicks {
    type Item = Click;

    fn describe(&self) -> String {
        "clicks".into()
    }

    fn receive(&mut self, store: &Store<Click>) -> Result<()> {
        // One at a time and several at once; each call is a frame, since it waits for the disk.
        for n in 0..self.0 {
            match n % 5 {
                0 => _ = store.push_all((0..4).map(|more| click(n * 10 + more))),
                1 => _ = store.offer(vec![click(n * 10)], Some(format!("token {n}").as_bytes()), seconds(10)),
                2 if n > 5 => _ = store.offer(vec![click(n * 10)], Some(b""), seconds(10)),
                _ => _ = store.push(click(n * 10)),
            }
        }
        let _ = self.1.send(store.token());
        Ok(())
    }
}

/// The log, and the token at the end.
fn started(folder: &Path, clicks: u32) -> (WriteAheadLog<Clicks>, Option<Vec<u8>>) {
    let (told, tokens) = mpsc::channel();
    let log = WriteAheadLog::new(folder, Clicks(clicks, told)).segment_bytes(400);
    let (woken, wakes) = mpsc::channel();
    log.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())))).unwrap();
    while !log.discover(Timestamp::EPOCH).unwrap().splits[0].finished {
        wakes.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    (log, tokens.recv().unwrap())
}

fn write(folder: &Path) {
    let (log, _) = started(folder, 12);
    log.committed(&[(SplitId::new("log"), 3)]).unwrap();
    log.stop();
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1")
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap())).collect()
}

#[test]
fn format_1_is_written_as_it_was() {
    if std::env::var_os("FIRESTEEL_GOLDEN").is_some_and(|value| value == "write") {
        if golden().exists() {
            fs::remove_dir_all(golden()).unwrap();
        }
        write(&golden());
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let (now, then) = (files(folder.path()), files(&golden()));
    assert_eq!(now.keys().collect::<Vec<_>>(), then.keys().collect::<Vec<_>>());
    for (path, bytes) in &now {
        assert!(*bytes == then[path], "{} is written differently: is that a new format?", path.display());
    }
    assert!(now.len() > 3, "segments were rotated");
}

#[test]
fn format_1_is_read() {
    let folder = tempfile::tempdir().unwrap();
    // A copy: opening a log may change it.
    for (path, bytes) in files(&golden()) {
        fs::write(folder.path().join(path), bytes).unwrap();
    }
    let (log, token) = started(folder.path(), 0);
    assert_eq!(token, Some(b"token 11".to_vec()));
    let split = log.discover(Timestamp::EPOCH).unwrap().splits.remove(0);
    let expected: Vec<Click> = (0..12u32)
        .flat_map(|n| if n % 5 == 0 { (0..4).map(|more| click(n * 10 + more)).collect() } else { vec![click(n * 10)] })
        .collect();
    assert_eq!((split.first, split.available), (3, Some(expected.len() as u64)));
    let mut found = vec![];
    let range = ReadRange::exact(SplitId::new("log"), 3, expected.len() as u64);
    log.open(&range).unwrap().for_each(|click| found.push(click)).unwrap();
    assert_eq!(found, expected[3..]);
}
