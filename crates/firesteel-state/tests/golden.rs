//! Files that were checked in: those of format 1 are read, those of format 2 as well, and written again equal in every byte.
//!
//! After a deliberate change of the format: `FIRESTEEL_GOLDEN=write cargo test -p firesteel-state --test golden`, with
//! a folder for the new format; the old one stays and stays readable.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use firesteel_state::changelog::{BatchBoundary, InputRange, OperatorWatermark};
use firesteel_state::snapshot::recover;
use firesteel_state::{
    Catalog, Changelog, ChangelogOptions, Declaration, EpochRecord, KeyContext, KeyGroups, KeyedStore, List, Map,
    MemoryBackend, RunId, Snapshots, StateBackend, StateOptions, StateStore, Timers, Times, Ttl, Value,
};
use firesteel_window::{Timestamp, hours, seconds};

struct Handles {
    total: Value<f64>,
    seen: Value<String>,
    recent: List<(u32, String)>,
    pages: Map<String, u64>,
    alarm: Timers,
    close: Timers,
}

fn declare() -> (Declaration<String>, Handles) {
    let mut states = Declaration::new("golden");
    let handles = Handles {
        total: states.value("total"),
        seen: states.value_with("seen", StateOptions::default().ttl(Ttl::after(hours(1)).in_event_time()).version(3)),
        recent: states.list("recent"),
        pages: states.map("pages"),
        alarm: states.event_timers("alarm"),
        close: states.processing_timers("close"),
    };
    (states, handles)
}

fn groups() -> KeyGroups {
    KeyGroups::new(8).unwrap()
}

/// FNV-1a, which is here to stay.
fn hash(key: &str) -> u64 {
    key.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn at(second: i64) -> Times {
    let at = Timestamp::from_secs(second);
    Times::new(at, at - seconds(5), at + seconds(100))
}

fn with(store: &KeyedStore<String>, key: &str, times: Times, run: impl FnOnce(&mut KeyContext<'_, String>)) {
    let key = key.to_owned();
    let hash = store.hash(&key);
    run(&mut store.lock(store.group_of(hash)).key(hash, &key, times));
}

/// Of the texts in each epoch: the last record is compressed.
const LENGTHS: [usize; 5] = [0, 10, 20, 30, 400];

/// Writes a checkpoint of four epochs, with snapshots after the second and the third.
fn write(folder: &Path) {
    let (states, handles) = declare();
    let catalog = Catalog::new(groups()).with(&[states.schema()], false).unwrap();
    let store = KeyedStore::in_memory(states, groups(), |key: &String| hash(key)).unwrap();
    let mut log = Changelog::open(&folder.join("changelog"), ChangelogOptions::default().segment_bytes(600)).unwrap();
    let snapshots = Snapshots::in_folder(&folder.join("snapshots")).unwrap().written_by(RunId(7));
    let mut base = None;
    for epoch in 1..=4u64 {
        store.begin(epoch);
        let second = 1_000 * epoch as i64;
        for user in ["ann", "bob", "zoë"].iter().take(epoch as usize) {
            with(&store, user, at(second), |user| {
                handles.total.update(user, |total| *total.get_or_insert(0.0) += epoch as f64 / 2.0).unwrap();
                handles.seen.set(user, format!("epoch {epoch}")).unwrap();
                handles.recent.push(user, (epoch as u32, "x".repeat(LENGTHS[epoch as usize]))).unwrap();
                handles.pages.put(user, format!("/page/{}", epoch % 2), epoch * 1_000).unwrap();
                handles.alarm.register(user, Timestamp::from_secs(second + 60)).unwrap();
                handles.close.register(user, Timestamp::from_secs(-1)).unwrap();
            });
        }
        if epoch == 4 {
            with(&store, "bob", at(second), |bob| {
                handles.total.clear(bob).unwrap();
                handles.pages.clear(bob).unwrap();
                handles.recent.pop_front(bob).unwrap();
                handles.alarm.delete(bob, Timestamp::from_secs(2_060)).unwrap();
            });
        }
        let input = || "clicks".to_owned();
        let record = EpochRecord {
            epoch,
            batches: vec![BatchBoundary {
                batch: epoch,
                time: Timestamp::from_secs(second + 100),
                inputs: vec![InputRange { input: input(), split: "0".into(), from: epoch * 10, to: epoch * 10 + 10 }],
            }],
            watermarks: vec![OperatorWatermark {
                operator: input(),
                split: "0".into(),
                watermark: Timestamp::from_secs(second - 5),
            }],
            extra: if epoch == 4 { b"again ".repeat(200) } else { vec![epoch as u8] },
            frames: store.end_epoch(epoch).unwrap(),
        };
        log.prepare(&record).unwrap();
        log.mark(epoch).unwrap();
        store.applied(epoch);
        if epoch == 2 || epoch == 3 {
            let mut writer = snapshots.begin(epoch, &catalog, base.as_ref()).unwrap();
            for group in groups().all().iter().filter(|group| epoch == 2 || group.0 % 2 == 0) {
                let (through, image) = store.image(group).unwrap();
                writer.add(through, &image).unwrap();
            }
            base = Some(writer.finish(b"engine".to_vec()).unwrap());
        }
    }
    log.sync_mark().unwrap();
    let backend = MemoryBackend::new();
    snapshots.images(&base.unwrap(), |through, image| backend.apply(through, &[image])).unwrap();
    backend.snapshot(&folder.join("backend")).unwrap();
}

fn golden(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/format-{format}"))
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let inner = files(&path);
            let name = PathBuf::from(path.file_name().unwrap());
            all.extend(inner.into_iter().map(|(file, bytes)| (name.join(file), bytes)));
        } else {
            all.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn format_2_is_written_as_it_was() {
    if std::env::var_os("FIRESTEEL_GOLDEN").is_some_and(|value| value == "write") {
        if golden(2).exists() {
            fs::remove_dir_all(golden(2)).unwrap();
        }
        write(&golden(2));
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let (now, then) = (files(folder.path()), files(&golden(2)));
    assert_eq!(now.keys().collect::<Vec<_>>(), then.keys().collect::<Vec<_>>());
    for (path, bytes) in &now {
        assert!(*bytes == then[path], "{} is written differently: is that a new format?", path.display());
    }
    assert!(now.keys().filter(|path| path.starts_with("changelog")).count() > 1, "segments were rotated");
}

#[test]
fn both_formats_are_read() {
    [1, 2].into_iter().for_each(is_read);
}

fn is_read(format: u32) {
    // A copy: opening a changelog may cut it.
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files(&golden(format)) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let log = Changelog::open(&folder.path().join("changelog"), ChangelogOptions::default()).unwrap();
    assert_eq!((log.first_epoch(), log.last_epoch(), log.committed()), (Some(1), Some(4), 4));
    let last = log.records(4).next().unwrap().unwrap();
    assert_eq!(last.extra, b"again ".repeat(200));
    assert_eq!((last.batches[0].batch, last.batches[0].inputs[0].to), (4, 50));
    assert_eq!(last.watermarks[0].watermark, Timestamp::from_secs(3_995));

    let snapshots = Snapshots::in_folder(&folder.path().join("snapshots")).unwrap();
    let recovery = recover(&snapshots, &log, None).unwrap();
    assert!(recovery.skipped().is_empty());
    let base = recovery.base().unwrap();
    assert_eq!((base.id.number, base.epoch, base.extra.as_slice()), (2, 3, &b"engine"[..]));
    let (states, handles) = declare();
    assert!(base.catalog.compare(&[states.schema()]).fits(), "{}", base.catalog.compare(&[states.schema()]));
    let store = KeyedStore::in_memory(states, groups(), |key: &String| hash(key)).unwrap();
    recovery.restore_stores(&[&store]).unwrap();
    let now = at(4_001);
    with(&store, "ann", now, |ann| {
        assert_eq!(handles.total.get(ann).unwrap(), Some(&5.0));
        assert_eq!(handles.seen.get(ann).unwrap().map(String::as_str), Some("epoch 4"));
        assert_eq!(handles.recent.len(ann).unwrap(), 4);
        let pages: Vec<_> = handles.pages.iter(ann).unwrap().map(|(page, at)| (page.clone(), *at)).collect();
        assert_eq!(pages, [("/page/0".to_owned(), 4_000), ("/page/1".to_owned(), 3_000)]);
        let alarms: Vec<_> = handles.alarm.list(ann).unwrap().iter().map(|at| at.as_secs()).collect();
        assert_eq!(alarms, [1_060, 2_060, 3_060, 4_060]);
        assert_eq!(handles.close.list(ann).unwrap(), [Timestamp::from_secs(-1)]);
    });
    with(&store, "bob", now, |bob| {
        assert_eq!(handles.total.get(bob).unwrap(), None);
        assert!(handles.pages.is_empty(bob).unwrap());
        assert!(handles.recent.iter(bob).unwrap().map(|(epoch, _)| *epoch).eq([3, 4]));
        assert_eq!(handles.alarm.list(bob).unwrap().len(), 2);
    });
    with(&store, "zoë", at(7_605), |zoe| assert_eq!(handles.seen.get(zoe).unwrap(), None));

    let backend = MemoryBackend::new();
    backend.restore(&folder.path().join("backend")).unwrap();
    assert!(!backend.shards().unwrap().is_empty());
}
