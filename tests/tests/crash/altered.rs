//! The faults by their names: what each changes where the protocol hands a value on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_disk::{Disk, Growing, Lock, Reading, Result};
use firesteel_faults::alter;
use firesteel_state::changelog::{EpochRecord, InputRange};
use firesteel_state::{KeySpace, Shard, StateBackend as _, TableId};

use crate::kept;

/// The steps at the end of an epoch, by their places in the right order.
const PREPARE: usize = 0;
const COLLECT: usize = 1;
const COMMIT: usize = 2;
const MARK: usize = 3;
const TELL: usize = 4;

/// Has sinks commit each epoch beside the batches of the next, however quick they are.
pub(crate) fn beside() {
    alter("epoch.beside", |beside: &mut bool| *beside = true);
}

/// Gives this process a fault.
pub(crate) fn install(fault: &str) {
    let steps = |order: [usize; 5]| alter("epoch.steps", move |steps: &mut Vec<usize>| *steps = order.to_vec());
    let on = |disk: fn(Arc<dyn Disk>) -> Altered| {
        alter("changelog.disk", move |own: &mut Arc<dyn Disk>| *own = Arc::new(disk(own.clone())));
    };
    let unknown = |name: &'static str| alter(name, |name: &mut Arc<str>| *name = "another one".into());
    let cut = |range: &mut InputRange| range.to = range.from;
    match fault {
        "commit-before-prepare" => steps([COMMIT, PREPARE, COLLECT, MARK, TELL]),
        "mark-before-sink" => {
            steps([PREPARE, COLLECT, MARK, TELL, COMMIT]);
            alter("epoch.forgets", |forgets: &mut bool| *forgets = true);
        }
        "next-before-commit" => alter("epoch.committing", |committing: &mut bool| *committing = false),
        "images-of-the-next-epoch" => steps([PREPARE, COMMIT, COLLECT, MARK, TELL]),
        "apply-before-prepare" => alter("epoch.record", |record: &mut EpochRecord| {
            let backend = kept::open_now().expect("the job has a backend");
            backend.apply(record.epoch, &record.frames).expect("the backend takes it");
            backend.flush().expect("the backend takes it");
        }),
        "skipped-sync" => on(|disk| Altered { disk, is_late: true, cuts: true }),
        "torn-write-stays" => on(|disk| Altered { disk, is_late: false, cuts: false }),
        "truncate-applied" => alter("epoch.durable", |durable: &mut Option<u64>| *durable = Some(u64::MAX)),
        "manifest-before-images" => alter("snapshot.parts", |parts: &mut Vec<usize>| parts.reverse()),
        "changes-not-noted" => alter("snapshot.changed", |changed: &mut Option<Shard>| *changed = None),
        "state-not-rolled-back" => alter("restore.last", |last: &mut u64| *last = u64::MAX),
        "lost-timers" => alter("restore.table", |table: &mut TableId| {
            if *table >= TableId::EVENT_TIMERS {
                *table = TableId::RESERVED;
            }
        }),
        "watermarks-not-restored" => unknown("resume.watermark"),
        "positions-not-restored" => unknown("resume.input"),
        "other-boundaries" => {
            alter("again.ranges", move |ranges: &mut Vec<InputRange>| ranges.iter_mut().for_each(cut))
        }
        "other-boundaries-stored" => alter("epoch.record", move |record: &mut EpochRecord| {
            record.batches.iter_mut().flat_map(|batch| &mut batch.inputs).for_each(cut);
        }),
        "disowned-before-kept" => alter("release.steps", |steps: &mut Vec<usize>| steps.reverse()),
        "owned-before-brought" => alter("adopt.steps", |steps: &mut Vec<usize>| steps.reverse()),
        "handover-not-kept" => alter("release.steps", |steps: &mut Vec<usize>| *steps = vec![1]),
        "released-is-own" => alter("released.is_own", |is_own: &mut bool| *is_own = true),
        "no-term" => alter("adopt.space", |space: &mut KeySpace| {
            *space = KeySpace::part_of(space.groups(), space.owned(), space.term() - 1).expect("they are there");
        }),
        "no-skip" => alter("again.has", |has: &mut bool| *has = false),
        "no-lock" => alter("lock.file", |file: &mut PathBuf| *file = file.with_file_name("ANOTHER")),
        other => panic!("there is no fault {other}"),
    }
}

/// A disk that does not keep what it promises.
#[derive(Debug)]
struct Altered {
    disk: Arc<dyn Disk>,
    /// Whether what is synced is written with the next sync only: what a machine that loses its power makes of a write
    /// that was not synced.
    is_late: bool,
    cuts: bool,
}

impl Altered {
    fn file(&self, file: Box<dyn Growing>, in_time: usize) -> Box<dyn Growing> {
        let (is_late, cuts) = (self.is_late, self.cuts);
        Box::new(AlteredFile { file, is_late, cuts, in_time, late: vec![], appended: vec![] })
    }
}

impl Disk for Altered {
    fn create(&self, path: &Path) -> Result<Box<dyn Growing>> {
        // The header; and in the first file the first record, since what begins a checkpoint is read again.
        let in_time = if self.list(path.parent().unwrap_or(path))?.is_empty() { 2 } else { 1 };
        Ok(self.file(self.disk.create(path)?, in_time))
    }
    fn open(&self, path: &Path) -> Result<Box<dyn Growing>> {
        Ok(self.file(self.disk.open(path)?, 0))
    }
    fn open_to_read(&self, path: &Path) -> Result<Box<dyn Reading>> {
        self.disk.open_to_read(path)
    }
    fn exists(&self, path: &Path) -> Result<bool> {
        self.disk.exists(path)
    }
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.disk.read(path)
    }
    fn list(&self, folder: &Path) -> Result<Vec<String>> {
        self.disk.list(folder)
    }
    fn folders(&self, folder: &Path) -> Result<Vec<String>> {
        self.disk.folders(folder)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename(from, to)
    }
    fn rename_new(&self, from: &Path, to: &Path) -> Result<bool> {
        self.disk.rename_new(from, to)
    }
    fn remove(&self, path: &Path) -> Result<()> {
        self.disk.remove(path)
    }
    fn make_folder(&self, path: &Path) -> Result<()> {
        self.disk.make_folder(path)
    }
    fn sync_folder(&self, path: &Path) -> Result<()> {
        self.disk.sync_folder(path)
    }
    fn lock(&self, path: &Path) -> Result<Option<Lock>> {
        self.disk.lock(path)
    }
}

#[derive(Debug)]
struct AlteredFile {
    file: Box<dyn Growing>,
    is_late: bool,
    cuts: bool,
    /// How often it is still written when it is synced.
    in_time: usize,
    /// Synced, and not written.
    late: Vec<u8>,
    /// Appended since the last sync.
    appended: Vec<u8>,
}

impl Growing for AlteredFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.is_late {
            return self.file.append(bytes);
        }
        self.appended.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let late = std::mem::replace(&mut self.late, std::mem::take(&mut self.appended));
        self.file.append(&late)?;
        if self.in_time > 0 {
            self.in_time -= 1;
            self.file.append(&std::mem::take(&mut self.late))?;
        }
        self.file.sync()
    }

    fn rewrite(&mut self, from: u64) -> Result<()> {
        self.file.rewrite(from)
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        self.file.append(&std::mem::take(&mut self.late))?;
        if self.cuts { self.file.cut(length) } else { Ok(()) }
    }
}

impl Drop for AlteredFile {
    fn drop(&mut self) {
        self.late.append(&mut self.appended);
        self.file.append(&self.late).expect("the file can be written to");
    }
}
