//! Readers between any two steps of a merging, on the machine's own disk: one that knows nothing, and one that has read a part.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_connect::{
    Epoch, ReadRange, Resumed, Sink, SinkContext, Source, SourceContext, SourceReader, SplitId, SplitNote, WriteTask,
};
use firesteel_disk::{Disk, DiskError, Growing, Lock, OsDisk, Reading};
use firesteel_window::Timestamp;

use crate::{Compaction, TextFileSink, TextFiles};

/// A disk that does no more from a call on, as if the process had ended there.
#[derive(Debug)]
struct DiskThatEnds {
    calls: Arc<AtomicU64>,
    last: u64,
}

impl DiskThatEnds {
    fn call(&self, path: &Path) -> firesteel_disk::Result<()> {
        if self.calls.fetch_add(1, Ordering::Relaxed) < self.last {
            return Ok(());
        }
        let source = std::io::Error::other("the process has ended");
        Err(DiskError { action: "use", path: path.to_owned(), source })
    }
}

impl Disk for DiskThatEnds {
    fn create(&self, path: &Path) -> firesteel_disk::Result<Box<dyn Growing>> {
        self.call(path).and_then(|()| OsDisk.create(path))
    }

    fn open(&self, path: &Path) -> firesteel_disk::Result<Box<dyn Growing>> {
        self.call(path).and_then(|()| OsDisk.open(path))
    }

    fn open_to_read(&self, path: &Path) -> firesteel_disk::Result<Box<dyn Reading>> {
        OsDisk.open_to_read(path)
    }

    fn exists(&self, path: &Path) -> firesteel_disk::Result<bool> {
        OsDisk.exists(path)
    }

    fn read(&self, path: &Path) -> firesteel_disk::Result<Vec<u8>> {
        OsDisk.read(path)
    }

    fn list(&self, folder: &Path) -> firesteel_disk::Result<Vec<String>> {
        OsDisk.list(folder)
    }

    fn folders(&self, folder: &Path) -> firesteel_disk::Result<Vec<String>> {
        OsDisk.folders(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> firesteel_disk::Result<()> {
        self.call(to).and_then(|()| OsDisk.rename(from, to))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> firesteel_disk::Result<bool> {
        self.call(to).and_then(|()| OsDisk.rename_new(from, to))
    }

    fn remove(&self, path: &Path) -> firesteel_disk::Result<()> {
        self.call(path).and_then(|()| OsDisk.remove(path))
    }

    fn make_folder(&self, path: &Path) -> firesteel_disk::Result<()> {
        self.call(path).and_then(|()| OsDisk.make_folder(path))
    }

    fn sync_folder(&self, path: &Path) -> firesteel_disk::Result<()> {
        self.call(path).and_then(|()| OsDisk.sync_folder(path))
    }

    fn lock(&self, path: &Path) -> firesteel_disk::Result<Option<Lock>> {
        OsDisk.lock(path)
    }
}

fn lines(epoch: u64) -> Vec<String> {
    (0..3).map(|n| format!("{epoch}-{n}")).collect()
}

fn write(out: &Path, epochs: std::ops::RangeInclusive<u64>) {
    let sink = TextFileSink::new(out);
    Sink::<String>::start(&sink, &SinkContext::default()).unwrap();
    for epoch in epochs {
        let written = sink.write(WriteTask::new(Epoch(epoch), 0), lines(epoch).into_iter()).unwrap();
        Sink::<String>::commit(&sink, Epoch(epoch), &mut vec![written]).unwrap();
    }
    Sink::<String>::stop(&sink).unwrap();
}

/// What a job keeps of its source, and what it has read.
#[derive(Clone, Default)]
struct Job {
    kept: Vec<(SplitId, u64, Option<SplitNote>)>,
    read: Vec<String>,
}

impl Job {
    fn resumed_from(&self, out: &Path) -> TextFiles {
        let resumed = self.kept.iter().map(|(split, at, note)| Resumed::at(split.clone(), *at).noted(note.clone()));
        let files = TextFiles::new(out).follow();
        files.start(&SourceContext::default().resumed_at(resumed)).unwrap();
        files
    }

    /// Reads up to this many records of each split, and commits.
    fn step(&mut self, files: &TextFiles, most: u64) {
        let splits = files.discover(Timestamp::from_secs(1)).unwrap().splits;
        for split in splits {
            let known = self.kept.iter().position(|(id, _, _)| *id == split.id);
            let place = known.unwrap_or_else(|| {
                self.kept.push((split.id.clone(), 0, None));
                self.kept.len() - 1
            });
            let range = ReadRange::starting_at(split.id, self.kept[place].1).max_records(most);
            let mut reader = files.open(&range).unwrap();
            reader.for_each(|line| self.read.push(line)).unwrap();
            self.kept[place].1 = reader.position();
        }
        let moved: Vec<(SplitId, u64)> = self.kept.iter().map(|(split, at, _)| (split.clone(), *at)).collect();
        for (split, note) in files.notes(&moved).unwrap() {
            self.kept.iter_mut().filter(|(id, _, _)| *id == split).for_each(|kept| kept.2 = Some(note.clone()));
        }
        files.committed(&moved).unwrap();
    }
}

fn check(files: &TextFiles, mut job: Job, context: &str) {
    job.step(files, u64::MAX);
    job.read.sort_unstable();
    let due: Vec<String> = (1..=4).flat_map(lines).collect();
    assert_eq!(job.read, due, "{context}");
}

#[test]
fn between_any_two_steps_every_reader_finds_every_line_once() {
    let results = |folder: &tempfile::TempDir| -> (PathBuf, TextFiles, Job) {
        let out = folder.path().join("out");
        write(&out, 1..=3);
        let mut job = Job::default();
        let running = job.resumed_from(&out);
        job.step(&running, 2);
        write(&out, 4..=4);
        (out, running, job)
    };
    let compaction = |out: &Path, last: u64| {
        let calls = Arc::new(AtomicU64::new(0));
        let disk = Arc::new(DiskThatEnds { calls: Arc::clone(&calls), last });
        let ended = Compaction::of(out, 1 << 20).on_disk(disk).run();
        (ended.is_ok(), calls.load(Ordering::Relaxed))
    };
    let folder = tempfile::tempdir().unwrap();
    let (all, calls) = compaction(&results(&folder).0, u64::MAX);
    assert!(all && calls > 15, "{calls}");
    for last in 0..=calls {
        let folder = tempfile::tempdir().unwrap();
        let (out, running, job) = results(&folder);
        assert_eq!(compaction(&out, last).0, last == calls);
        let context = format!("after {last} calls");
        check(&Job::default().resumed_from(&out), Job::default(), &context);
        check(&job.resumed_from(&out), job.clone(), &context);
        check(&running, job.clone(), &context);
        // And when it is finished or undone, and done.
        assert!(compaction(&out, u64::MAX).0);
        check(&Job::default().resumed_from(&out), Job::default(), &context);
        check(&job.resumed_from(&out), job.clone(), &context);
        check(&running, job, &context);
    }
}
