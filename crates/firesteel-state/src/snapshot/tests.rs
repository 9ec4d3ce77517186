use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_disk::Disk;
use firesteel_disk::crashing::{CrashingDisk, Loss};
use firesteel_window::Timestamp;

use super::*;
use crate::backend::{MemoryBackend, StateBackend};
use crate::changelog::{Changelog, ChangelogOptions, EpochRecord};
use crate::{
    Declaration, FrameWriter, KeyGroup, KeyGroups, KeyedStore, MemoryBudget, StateStore, StoreSetup, TableId, Times,
    Value,
};

const TIMES: Times = Times::processing(Timestamp::EPOCH);

fn groups() -> KeyGroups {
    KeyGroups::new(4).unwrap()
}

fn hash(key: &u64) -> u64 {
    key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// How the state is held, and what of it survives a restart.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Memory,
    /// A backend that is empty after a restart.
    Forgetful,
    /// A backend that keeps what it got.
    Durable,
}

/// A small job: its state, its changelog and its snapshots, on one disk.
struct Job {
    mode: Mode,
    log: Changelog,
    snapshots: Snapshots,
    store: KeyedStore<u64>,
    value: Value<u64>,
    catalog: Catalog,
    backend: Option<Arc<MemoryBackend>>,
    base: Option<Manifest>,
    skipped: usize,
}

type Contents = BTreeMap<u64, u64>;

impl Job {
    fn open(disk: &CrashingDisk, mode: Mode, kept: Option<Arc<MemoryBackend>>) -> Result<Self> {
        let options = ChangelogOptions::default().segment_bytes(600);
        let log = Changelog::open_on(disk.shared(), Path::new("log"), options)?;
        let folder = FolderStore::open_on(disk.shared(), Path::new("snapshots"))?;
        let snapshots = Snapshots::new(Arc::new(folder));
        let mut states = Declaration::new("op");
        let value = states.value::<u64>("v");
        let catalog = Catalog::new(groups()).with(&[states.schema()], false)?;
        let backend = match mode {
            Mode::Memory => None,
            Mode::Forgetful => Some(Arc::new(MemoryBackend::new())),
            Mode::Durable => Some(kept.unwrap_or_default()),
        };
        let dynamic = backend.clone().map(|backend| backend as Arc<dyn StateBackend>);
        let recovery = recover(&snapshots, &log, dynamic.as_deref())?;
        if let Some(backend) = &dynamic {
            recovery.restore_backend(&**backend)?;
        }
        let setup = StoreSetup { catalog: &catalog, backend: dynamic, budget: MemoryBudget::unlimited() };
        let store = KeyedStore::open(states, &setup, hash)?;
        if mode == Mode::Memory {
            recovery.restore_stores(&[&store])?;
        }
        let (base, skipped) = (recovery.base().cloned(), recovery.skipped().len());
        Ok(Self { mode, log, snapshots, store, value, catalog, backend, base, skipped })
    }

    fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        for group in groups().all().iter() {
            let mut group = self.store.lock(group);
            self.value.for_each(&mut group, TIMES, |key, value| _ = contents.insert(*key, *value)).unwrap();
        }
        contents
    }

    /// An epoch in which some keys change and one goes; prepared, applied and marked.
    fn epoch(&mut self, next: &mut Contents) -> Result<()> {
        let epoch = self.log.last_epoch().unwrap_or(0) + 1;
        self.store.begin(epoch);
        for key in (0..6).map(|at| (epoch * 5 + at * at) % 23) {
            let mut group = self.store.lock(self.store.group_of(hash(&key)));
            let mut context = group.key(hash(&key), &key, TIMES);
            if key % 5 == epoch % 5 {
                self.value.clear(&mut context)?;
                next.remove(&key);
            } else {
                self.value.set(&mut context, epoch * 1_000 + key)?;
                next.insert(key, epoch * 1_000 + key);
            }
        }
        let frames = self.store.end_epoch(epoch)?;
        self.log.prepare(&EpochRecord { epoch, frames, ..EpochRecord::default() })?;
        for group in groups().all().iter() {
            // Backends lag behind, each group at its own pace, as far as the durable one allows.
            if let Some(backend) = &self.backend {
                if (epoch + u64::from(group.0)).is_multiple_of(3) {
                    backend.apply(epoch, &[self.store.lock(group).unapplied()?])?;
                    self.store.lock(group).applied(epoch);
                    self.store.lock(group).evict(0.5);
                }
            } else {
                self.store.lock(group).applied(epoch);
            }
        }
        self.log.mark(epoch)
    }

    /// A snapshot of half the groups or all of them, retention, and the removal of what is superfluous.
    fn snapshot(&mut self, all: bool) -> Result<()> {
        let epoch = self.log.last_epoch().unwrap_or(0);
        let base = self.base.as_ref().filter(|_| !all);
        let mut writer = self.snapshots.begin(epoch, &self.catalog, base)?;
        for group in groups().all().iter() {
            let known = base.is_some_and(|base| base.images.iter().any(|image| image.shard.group == group));
            if all || !known || group.0 % 2 == (epoch % 2) as u16 {
                let (_, image) = self.store.image(group)?;
                writer.add(epoch, &image)?;
            }
        }
        self.base = Some(writer.finish(vec![epoch as u8])?);
        let durable = self.snapshots.retain(2)?;
        // With two kept, the older one can still be resumed from.
        self.log.truncate(durable)
    }

    fn restart(self, disk: &CrashingDisk) -> Result<Self> {
        let Self { mode, backend, log, .. } = self;
        drop(log);
        Self::open(disk, mode, backend)
    }
}

/// Runs a job until a call fails. Returns the contents that must be there, those that may be there instead, and what
/// the backend held.
fn run(disk: &CrashingDisk, mode: Mode) -> (Contents, Contents, Option<Arc<MemoryBackend>>, bool) {
    let mut now = Contents::new();
    let mut next = now.clone();
    let Ok(mut job) = Job::open(disk, mode, None) else { return (now, next, None, false) };
    for step in 0..26 {
        let done = match step {
            5 | 17 => job.snapshot(true),
            8 | 11 | 14 | 20 | 23 => job.snapshot(false),
            12 => {
                let backend = job.backend.clone();
                match job.restart(disk) {
                    Ok(next) => job = next,
                    Err(_) => return (now, next, backend, false),
                }
                assert_eq!(job.contents(), now);
                Ok(())
            }
            _ => job.epoch(&mut next),
        };
        if done.is_err() {
            return (now, next, job.backend, false);
        }
        now.clone_from(&next);
    }
    (now, next, job.backend, true)
}

fn copy(backend: &MemoryBackend) -> MemoryBackend {
    let copy = MemoryBackend::new();
    for (shard, marker) in backend.shards().unwrap() {
        let mut image = FrameWriter::new();
        let each = &mut |key: &[u8], value: &[u8]| {
            image.put(key, value);
            Ok(())
        };
        // The job has one state.
        backend.scan(shard, TableId(0), b"", each).unwrap();
        copy.apply(marker, &[image.finish(shard)]).unwrap();
    }
    copy
}

fn crash_everywhere(mode: Mode) {
    let mut at = 0;
    loop {
        at += 1;
        let disk = CrashingDisk::default();
        disk.fail_at(at);
        let (now, next, backend, finished) = run(&disk, mode);
        for loss in [Loss::All, Loss::Nothing].into_iter().chain((1..5).map(Loss::Some)) {
            let disk = disk.after_crash(loss);
            let context = format!("{mode:?}, call {at}, {loss:?}");
            // Each try gets its own copy of what the backend kept.
            let kept = backend.as_ref().map(|backend| Arc::new(copy(backend)));
            let mut job = Job::open(&disk, mode, kept).unwrap_or_else(|error| panic!("{context}: {error}"));
            let found = job.contents();
            assert!(found == now || found == next, "{context}: {found:?}, expected {now:?} or {next:?}");
            let mut then = found;
            job.epoch(&mut then).unwrap_or_else(|error| panic!("{context}: {error}"));
            job.snapshot(false).unwrap_or_else(|error| panic!("{context}: {error}"));
            let job = job.restart(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(job.contents(), then, "{context}");
        }
        if finished {
            assert!(at > 80, "{at} calls");
            return;
        }
    }
}

#[test]
fn a_crash_at_any_call_leaves_the_last_epoch_in_memory() {
    crash_everywhere(Mode::Memory);
}

#[test]
fn a_crash_at_any_call_leaves_the_last_epoch_over_a_new_backend() {
    crash_everywhere(Mode::Forgetful);
}

#[test]
fn a_crash_at_any_call_leaves_the_last_epoch_over_a_backend_that_survives() {
    crash_everywhere(Mode::Durable);
}

/// A disk with two snapshots and a changelog that continues both, and the contents at the end.
fn written() -> (CrashingDisk, Contents) {
    let disk = CrashingDisk::default();
    let mut job = Job::open(&disk, Mode::Memory, None).unwrap();
    let mut contents = Contents::new();
    for step in 0..24 {
        match step {
            4 => job.snapshot(true).unwrap(),
            8 => job.snapshot(true).unwrap(),
            11 => job.snapshot(false).unwrap(),
            _ => job.epoch(&mut contents).unwrap(),
        }
    }
    (disk, contents)
}

fn files(disk: &CrashingDisk, ending: &str) -> Vec<PathBuf> {
    disk.paths().into_iter().filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

#[test]
fn retention_removes_what_nobody_needs() {
    let (disk, _) = written();
    assert_eq!(files(&disk, ".manifest").len(), 2);
    assert_eq!(files(&disk, ".images").len(), 2);
    let log = Changelog::open_on(disk.shared(), Path::new("log"), ChangelogOptions::default()).unwrap();
    assert!(log.first_epoch() > Some(1), "the changelog was cut");
}

#[test]
fn the_changelog_is_needed_as_far_back_as_the_oldest_snapshot_goes() {
    let disk = CrashingDisk::default();
    let mut job = Job::open(&disk, Mode::Memory, None).unwrap();
    let mut contents = Contents::new();
    let mut full = |job: &mut Job| {
        (0..3).for_each(|_| job.epoch(&mut contents).unwrap());
        job.snapshot(true).unwrap();
    };
    (0..3).for_each(|_| full(&mut job));
    assert_eq!(job.snapshots.list().unwrap(), [2, 3]);
    assert_eq!(job.snapshots.retain(2).unwrap(), 6);
    assert_eq!(job.snapshots.retain(1).unwrap(), 9);
    assert_eq!(job.snapshots.list().unwrap(), [3]);
    // An incremental one goes as far back as the images it takes over.
    (0..2).for_each(|_| job.epoch(&mut Contents::new()).unwrap());
    job.snapshot(false).unwrap();
    assert_eq!(job.snapshots.retain(1).unwrap(), 9);
    assert_eq!(files(&disk, ".images").len(), 2, "those of the base are still needed");
}

#[test]
fn a_damaged_manifest_does_not_count_among_those_that_are_kept() {
    let disk = CrashingDisk::default();
    let mut job = Job::open(&disk, Mode::Memory, None).unwrap();
    for _ in 0..3 {
        job.epoch(&mut Contents::new()).unwrap();
        job.snapshot(true).unwrap();
    }
    let newest = files(&disk, ".manifest").pop().unwrap();
    disk.damage(&newest, |bytes| bytes.truncate(30));
    job.epoch(&mut Contents::new()).unwrap();
    job.snapshot(true).unwrap();
    assert_eq!(job.snapshots.list().unwrap(), [2, 3, 4], "two sound ones, and the damaged one between them");
    job.snapshot(true).unwrap();
    assert_eq!(job.snapshots.list().unwrap(), [4, 5]);
    for path in files(&disk, ".manifest") {
        disk.damage(&path, Vec::clear);
    }
    let images = files(&disk, ".images").len();
    assert_eq!(job.snapshots.retain(1).unwrap(), 0);
    assert_eq!(files(&disk, ".images").len(), images, "without a sound one, nothing is removed");
}

#[test]
fn a_damaged_snapshot_is_passed_over_wherever_a_bit_is_flipped() {
    let (disk, contents) = written();
    let newest = [files(&disk, ".manifest").pop().unwrap(), files(&disk, ".images").pop().unwrap()];
    for path in newest {
        let length = disk.read(&path).unwrap().len();
        // The header of a file with images is for people: each image has its own checksum.
        let from = if path.extension().is_some_and(|end| end == "images") { 20 } else { 0 };
        for at in from..length {
            let disk = disk.copy();
            disk.damage(&path, |bytes| bytes[at] ^= 1 << (at % 8));
            let job = Job::open(&disk, Mode::Memory, None).unwrap();
            assert_eq!(job.contents(), contents, "byte {at} of {}", path.display());
            assert_eq!((job.skipped, job.base.map(|base| base.id.number)), (1, Some(2)));
        }
        for cut in [0, 1, length / 2, length - 1] {
            let disk = disk.copy();
            disk.damage(&path, |bytes| bytes.truncate(cut));
            assert_eq!(Job::open(&disk, Mode::Memory, None).unwrap().contents(), contents);
        }
        let without = disk.copy();
        without.lose(&path);
        assert_eq!(Job::open(&without, Mode::Memory, None).unwrap().contents(), contents);
    }
}

#[test]
fn without_anything_good_it_stops_and_says_why() {
    let (disk, _) = written();
    for path in files(&disk, ".manifest") {
        disk.damage(&path, |bytes| bytes[30] ^= 1);
    }
    let error = Job::open(&disk, Mode::Memory, None).map(drop).unwrap_err();
    assert_eq!(error.code(), "FS-T011");
    let text = error.to_string();
    assert!(text.contains("snapshot 3: FS-T002") && text.contains("the changelog begins with epoch"), "{text}");
    // A backend that has kept everything needs no snapshot.
    for path in files(&disk, ".manifest") {
        disk.lose(&path);
    }
    assert_eq!(Job::open(&disk, Mode::Memory, None).map(drop).unwrap_err().code(), "FS-T011");
}

#[test]
fn a_changelog_that_lost_its_end_or_everything_is_noticed() {
    let (disk, _) = written();
    let logs = files(&disk, ".log");
    let all = disk.copy();
    logs.iter().for_each(|path| all.lose(path));
    assert_eq!(Job::open(&all, Mode::Memory, None).map(drop).unwrap_err().code(), "FS-T012");
    // The end is lost as far as before the newest snapshot.
    let end = disk.copy();
    let mut left = logs.clone();
    while Changelog::open_on(end.shared(), Path::new("log"), ChangelogOptions::default()).unwrap().last_epoch()
        >= Some(9)
    {
        end.lose(&left.pop().unwrap());
    }
    assert_eq!(Job::open(&end, Mode::Memory, None).map(drop).unwrap_err().code(), "FS-T012");
    // The beginning is lost: neither snapshot is continued.
    let begin = disk.copy();
    logs[..logs.len() - 1].iter().for_each(|path| begin.lose(path));
    assert_eq!(Job::open(&begin, Mode::Memory, None).map(drop).unwrap_err().code(), "FS-T011");
}

#[test]
fn a_backend_ahead_of_the_changelog_is_noticed() {
    let disk = CrashingDisk::default();
    let mut job = Job::open(&disk, Mode::Durable, None).unwrap();
    let mut contents = Contents::new();
    (0..9).for_each(|_| job.epoch(&mut contents).unwrap());
    let backend = job.backend.clone();
    let job = job.restart(&disk).unwrap();
    assert_eq!(job.contents(), contents);
    assert!(job.base.is_none());
    let log = files(&disk, ".log").pop().unwrap();
    disk.lose(&log);
    assert_eq!(Job::open(&disk, Mode::Durable, backend).map(drop).unwrap_err().code(), "FS-T012");
}

/// A backend gets key groups one by one: after the changelog was cut, those that it never got are in a snapshot only.
#[test]
fn what_a_backend_never_got_comes_from_the_snapshot() {
    let disk = CrashingDisk::default();
    let mut contents = Contents::new();
    {
        let mut job = Job::open(&disk, Mode::Memory, None).unwrap();
        // A key that does not change any more.
        let key = (1_000..).find(|key| job.store.group_of(hash(key)) == KeyGroup(2)).unwrap();
        let set = |group: &mut crate::GroupState<u64>| job.value.set(&mut group.key(hash(&key), &key, TIMES), 7);
        set(&mut job.store.lock(KeyGroup(2))).unwrap();
        contents.insert(key, 7);
        (0..12).for_each(|_| job.epoch(&mut contents).unwrap());
        (0..2).for_each(|_| job.snapshot(true).unwrap());
        assert!(job.log.first_epoch() > Some(1), "the changelog was cut");
    }
    let backend = MemoryBackend::new();
    {
        let job = Job::open(&disk, Mode::Memory, None).unwrap();
        let (epoch, image) = job.store.image(KeyGroup(1)).unwrap();
        backend.apply(epoch, &[image]).unwrap();
    }
    let job = Job::open(&disk, Mode::Durable, Some(Arc::new(backend))).unwrap();
    assert_eq!(job.contents(), contents);
    // With all of them in the backend, no snapshot is read.
    let job = job.restart(&disk).unwrap();
    assert_eq!(job.contents(), contents);
    assert_eq!(job.base, None);
}

#[test]
fn a_savepoint_stands_alone_and_restores_under_any_backend() {
    let (disk, _) = written();
    let mut job = Job::open(&disk, Mode::Memory, None).unwrap();
    job.snapshot(true).unwrap();
    let contents = job.contents();
    let elsewhere = CrashingDisk::default();
    let other = Snapshots::new(Arc::new(FolderStore::open_on(elsewhere.shared(), Path::new("save")).unwrap()));
    let saved = job.snapshots.copy_to(job.base.as_ref().unwrap(), &other).unwrap();
    assert_eq!(saved.replay_from(), saved.epoch);
    let backend = MemoryBackend::new();
    other.images(&saved, |through, image| backend.apply(through, &[image])).unwrap();
    let mut found = Contents::new();
    for (shard, marker) in backend.shards().unwrap() {
        assert_eq!(marker, saved.epoch);
        let each = &mut |key: &[u8], value: &[u8]| {
            found.insert(postcard::from_bytes(key).unwrap(), postcard::from_bytes(value).unwrap());
            Ok(())
        };
        backend.scan(shard, TableId(0), b"", each).unwrap();
    }
    assert_eq!(found, contents);
}

#[test]
fn a_snapshot_without_its_manifest_is_none() {
    let disk = CrashingDisk::default();
    let mut job = Job::open(&disk, Mode::Memory, None).unwrap();
    job.epoch(&mut Contents::new()).unwrap();
    let mut writer = job.snapshots.begin(1, &job.catalog, None).unwrap();
    let (_, image) = job.store.image(crate::KeyGroup(0)).unwrap();
    (0..3).for_each(|_| writer.add(1, &image).unwrap());
    assert!(writer.unchanged(crate::Shard { store: crate::StoreId(9), group: crate::KeyGroup(0) }, 1).is_err());
    drop(writer);
    let half = Path::new("snapshots/00000000000000000007-0000000000000000-000000.images.tmp");
    drop(disk.create(half).unwrap());
    assert!(job.snapshots.list().unwrap().is_empty());
    job.snapshots.retain(2).unwrap();
    assert!(!disk.paths().contains(&half.to_path_buf()), "half-written files go");
    assert_eq!(job.snapshots.begin(1, &job.catalog, None).unwrap().id(), 1);
}

#[test]
fn random_changes_to_snapshots_are_survived() {
    let (disk, contents) = written();
    let paths: Vec<PathBuf> = [files(&disk, ".manifest"), files(&disk, ".images")].concat();
    let mut seed = 11u64;
    let mut random = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 20) as usize % bound
    };
    let mut restored = 0;
    for _ in 0..2_000 {
        let disk = disk.copy();
        for _ in 0..=random(2) {
            disk.damage(&paths[random(paths.len())], |bytes| {
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes.truncate(at + 1),
                    _ => bytes.insert(at, random(256) as u8),
                }
            });
        }
        // Right, or a clear stop.
        match Job::open(&disk, Mode::Memory, None) {
            Ok(job) => {
                assert_eq!(job.contents(), contents);
                restored += 1;
            }
            Err(error) => assert_eq!(error.code(), "FS-T011"),
        }
    }
    assert!(restored > 1_000, "{restored}");
}
