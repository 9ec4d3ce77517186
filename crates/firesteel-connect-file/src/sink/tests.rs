//! The sink on a disk that crashes, fails and fills up: what is committed stays, and a job that continues makes the
//! same files as one that was never disturbed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use firesteel_connect::Class;
use firesteel_disk::crashing::{CrashingDisk, Loss};

use super::*;
use firesteel_results::{ByColumn, Entry};

const FOLDER: &str = "out";
const CHECKPOINT: CheckpointId = CheckpointId::from_bits(5);
const EPOCHS: u64 = 5;
const PARTITIONS: usize = 3;

/// The records of a partition: equal boundaries make equal records. Some partitions have none.
fn records(epoch: u64, partition: usize) -> Vec<String> {
    let count = (epoch as usize * 7 + partition * 5) % 4;
    (0..count).map(|n| format!("epoch {epoch}, partition {partition}, record {n}")).collect()
}

/// A sink that merges manifests within the few epochs of these tests.
type Make<P> = fn(&CrashingDisk) -> TextFileSink<Displayed, P>;

fn plain(disk: &CrashingDisk) -> TextFileSink {
    TextFileSink::new(FOLDER).on_disk(disk.shared()).merging_at(2)
}

type ByText = ByColumn<Unpartitioned, fn(&String) -> String>;

/// One with folders in folders, several files in each, and a mark.
fn in_folders(disk: &CrashingDisk) -> TextFileSink<Displayed, ByColumn<ByText, fn(&String) -> String>> {
    let last: fn(&String) -> String = |record| record[record.len() - 1..].to_owned();
    let length: fn(&String) -> String = |record| (record.len() / 2).to_string();
    plain(disk).partitioned_by("last", last).partitioned_by("length", length).full_at(1).success_marker()
}

fn started<P: Partitions<String>>(make: Make<P>, disk: &CrashingDisk) -> Result<TextFileSink<Displayed, P>> {
    let sink = make(disk);
    Sink::<String>::start(&sink, &SinkContext::default().with_checkpoint(CHECKPOINT)).map(|()| sink)
}

/// Writes all partitions of an epoch, each after as many attempts as it takes, up to `attempts`.
fn write<P: Partitions<String>>(
    sink: &TextFileSink<Displayed, P>,
    epoch: u64,
    attempts: u32,
) -> Result<Vec<PendingFiles>> {
    let partition = |partition| {
        let mut attempt = 0;
        loop {
            let task = WriteTask::new(Epoch(epoch), partition).attempt(attempt);
            match sink.write(task, records(epoch, partition).into_iter()) {
                Err(_) if attempt + 1 < attempts => attempt += 1,
                written => return written,
            }
        }
    };
    (0..PARTITIONS).map(partition).collect()
}

fn commit<P: Partitions<String>>(
    sink: &TextFileSink<Displayed, P>,
    epoch: u64,
    pending: &mut Vec<PendingFiles>,
) -> Result<()> {
    Sink::<String>::commit(sink, Epoch(epoch), pending)
}

fn last<P: Partitions<String>>(sink: &TextFileSink<Displayed, P>) -> u64 {
    Sink::<String>::last_committed(sink).unwrap().map_or(0, |mark| mark.epoch.0)
}

/// Resumes after what is committed, to the last epoch; every call is made `attempts` times at most. Returns the last
/// epoch whose commit succeeded.
fn run<P: Partitions<String>>(make: Make<P>, disk: &CrashingDisk, attempts: u32) -> (u64, Result<()>) {
    let mut committed = 0;
    let mut all = || {
        let mut starts = 0;
        let sink = loop {
            match started(make, disk) {
                Err(_) if starts + 1 < attempts => starts += 1,
                sink => break sink?,
            }
        };
        committed = last(&sink);
        for epoch in committed + 1..=EPOCHS {
            let mut pending = write(&sink, epoch, attempts)?;
            let mut commits = 0;
            while let Err(error) = commit(&sink, epoch, &mut pending) {
                commits += 1;
                if commits == attempts {
                    return Err(error);
                }
            }
            assert!(pending.is_empty());
            committed = epoch;
        }
        Ok(())
    };
    let ended = all();
    (committed, ended)
}

type Files = BTreeMap<String, Vec<u8>>;

/// Everything in the folder but the lock, with what the manifests say instead of the manifests: which of them have been merged
/// by now depends on where a job was disturbed.
fn files(disk: &CrashingDisk) -> Files {
    let name = |path: &Path| path.strip_prefix(FOLDER).unwrap().to_str().unwrap().to_owned();
    let all = disk.paths().into_iter().map(|path| (name(&path), disk.read(&path).unwrap()));
    let is_manifest = |name: &str| name.strip_prefix("_committed/").is_some_and(|name| Covered::parse(name).is_some());
    let others = all.filter(|(name, _)| name != "_committed/.lock" && !is_manifest(name));
    let lines =
        listed(disk).into_iter().map(|Entry { name, bytes, records, .. }| format!("{name} {bytes} {records}\n"));
    others.chain([("manifests".to_owned(), lines.collect::<String>().into_bytes())]).collect()
}

/// What the manifests list.
fn listed(disk: &CrashingDisk) -> Vec<Entry> {
    let folder = manifest::folder_of(Path::new(FOLDER));
    let current = manifest::current(disk, &folder).unwrap();
    current.iter().flat_map(|covered| manifest::read(disk, &folder, *covered).unwrap().entries).collect()
}

/// What an undisturbed job makes.
fn undisturbed<P: Partitions<String>>(make: Make<P>) -> (Files, u64) {
    let disk = CrashingDisk::default();
    disk.fail_at(u64::MAX);
    let (committed, ended) = run(make, &disk, 1);
    ended.unwrap();
    assert_eq!(committed, EPOCHS);
    (files(&disk), disk.calls())
}

/// Checks that committed epochs are there as they should be, to the byte.
fn check_committed(disk: &CrashingDisk, committed: u64, due: &Files, context: &str) {
    let (found, listed) = (files(disk), listed(disk));
    let is_committed = |name: &&String| PartName::parse(name).is_some_and(|part| part.epoch <= Epoch(committed));
    let names: Vec<&String> = listed.iter().map(|entry| &entry.name).collect();
    let names: BTreeSet<&String> = names.into_iter().collect();
    assert_eq!(names.len(), listed.len(), "{context}: each once");
    assert_eq!(names, due.keys().filter(is_committed).collect(), "{context}");
    for entry in &listed {
        assert_eq!(found.get(&entry.name), due.get(&entry.name), "{context}: {}", entry.name);
        assert_eq!(found[&entry.name].len() as u64, entry.bytes, "{context}: {}", entry.name);
    }
}

#[test]
fn an_undisturbed_job_makes_what_it_should() {
    let (files, calls) = undisturbed(plain);
    let parts = (1..=EPOCHS).flat_map(|epoch| (0..PARTITIONS).map(move |partition| (epoch, partition)));
    let due = parts.filter(|(epoch, partition)| !records(*epoch, *partition).is_empty());
    for (epoch, partition) in due.clone() {
        let text: String = records(epoch, partition).iter().map(|record| format!("{record}\n")).collect();
        assert_eq!(files[&format!("part-{epoch:010}-{partition:05}.txt")], text.as_bytes());
    }
    assert_eq!(files.len(), due.count() + 1, "and what the manifests say");
    assert!(calls > 60, "{calls}");
}

#[test]
fn a_crash_at_any_call_leaves_committed_epochs_as_they_are_and_the_next_run_makes_the_rest() {
    crash_at_any_call(plain);
    crash_at_any_call(in_folders);
}

fn crash_at_any_call<P: Partitions<String>>(make: Make<P>) {
    let (due, calls) = undisturbed(make);
    for at in 1..=calls {
        let disk = CrashingDisk::default();
        disk.fail_at(at);
        let (committed, ended) = run(make, &disk, 1);
        // Manifests that cannot be merged are no failure.
        assert!(ended.is_err() || committed == EPOCHS);
        let losses = [Loss::All, Loss::Nothing].into_iter().chain((1..8).map(Loss::Some));
        let crashes = losses.map(|loss| (disk.after_crash(loss), format!("{loss:?}")));
        for (disk, how) in crashes.chain([(disk.after_exit(), "exit".to_owned())]) {
            let context = format!("call {at}, {how}");
            let sink = started(make, &disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            let found = last(&sink);
            assert!((committed..=committed + 1).contains(&found), "{context}: {found}, {committed} were acknowledged");
            check_committed(&disk, found, &due, &context);
            // What the sink tells is relied on: it stays so if the power fails now.
            let again = disk.after_crash(Loss::All);
            assert_eq!(last(&started(make, &again).unwrap()), found, "{context}");
            // An epoch that is there already is not taken again, whatever is handed in.
            if found > 0 {
                let other = WriteTask::new(Epoch(found), 0);
                let mut pending = vec![sink.write(other, ["something else".to_owned()].into_iter()).unwrap()];
                Sink::<String>::commit(&sink, Epoch(found), &mut pending).unwrap();
                assert!(pending.is_empty());
            }
            drop(sink);
            let (committed, ended) = run(make, &disk, 1);
            ended.unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(committed, EPOCHS);
            assert!(files(&disk) == due, "{context}: {:?}", files(&disk).keys());
        }
    }
}

#[test]
fn two_crashes_are_no_worse_than_one() {
    crash_twice(plain);
    crash_twice(in_folders);
}

fn crash_twice<P: Partitions<String>>(make: Make<P>) {
    let (due, calls) = undisturbed(make);
    for first in (1..=calls).step_by(7) {
        let disk = CrashingDisk::default();
        disk.fail_at(first);
        _ = run(make, &disk, 1);
        for second in (1..=40).step_by(3) {
            let disk = disk.after_crash(Loss::Some(first));
            disk.fail_at(second);
            let (committed, _) = run(make, &disk, 1);
            let disk = disk.after_crash(Loss::Some(second));
            let sink = started(make, &disk).unwrap();
            assert!(last(&sink) >= committed, "calls {first} and {second}");
            drop(sink);
            run(make, &disk, 1).1.unwrap();
            assert!(files(&disk) == due, "calls {first} and {second}: {:?}", files(&disk).keys());
        }
    }
}

#[test]
fn a_call_that_fails_once_is_made_up_for_by_repeating() {
    fail_once(plain);
    fail_once(in_folders);
}

fn fail_once<P: Partitions<String>>(make: Make<P>) {
    let (due, calls) = undisturbed(make);
    for at in 1..=calls {
        let disk = CrashingDisk::default();
        disk.fail_once(at);
        let (committed, ended) = run(make, &disk, 2);
        ended.unwrap_or_else(|error| panic!("call {at}: {error}"));
        assert_eq!(committed, EPOCHS);
        assert!(files(&disk) == due, "call {at}: {:?}", files(&disk).keys());
        // And all of it is durable: also what a commit left to the one that repeated it.
        assert!(files(&disk.after_crash(Loss::All)) == due, "call {at}, power lost");
    }
}

#[test]
fn a_full_disk_is_a_retryable_error_and_costs_nothing() {
    let (due, _) = undisturbed(plain);
    let disk = CrashingDisk::default();
    let sink = started(plain, &disk).unwrap();
    let mut pending = write(&sink, 1, 1).unwrap();
    disk.set_full(true);
    let before = files(&disk).len();
    let error = write(&sink, 2, 1).unwrap_err();
    assert_eq!(error.class(), Class::Retryable);
    assert!(error.to_string().contains("cannot write out/part-0000000002-00000.txt"), "{error}");
    assert_eq!(files(&disk).len(), before, "what was written of it is removed, and makes room");
    let error = commit(&sink, 1, &mut pending).unwrap_err();
    assert_eq!(error.class(), Class::Retryable);
    assert!(error.to_string().contains("_committed"), "{error}");
    assert_eq!(last(&sink), 0);
    disk.set_full(false);
    commit(&sink, 1, &mut pending).unwrap();
    assert_eq!(last(&sink), 1);
    drop(sink);
    run(plain, &disk, 1).1.unwrap();
    assert!(files(&disk) == due);
}

#[test]
fn a_place_that_cannot_be_written_is_a_fatal_error_at_the_start() {
    let disk = CrashingDisk::default();
    disk.fail_at(1);
    let error = started(plain, &disk).unwrap_err();
    assert!(matches!(&error, ConnectError::File { .. }) && error.class() == Class::Fatal, "{error}");
    assert!(error.to_string().contains("out/_committed/.lock"), "{error}");
}

#[test]
fn files_of_others_are_left_alone_and_a_folder_of_others_is_refused() {
    let disk = CrashingDisk::default();
    let put = |disk: &CrashingDisk, name: &str| {
        let path = Path::new(FOLDER).join(name);
        disk.create(&path).unwrap().append(b"precious").unwrap();
    };
    let theirs = ["README", "part-00001.snappy.parquet", "_committed/notes", "_committed/12", "results.tmp"];
    theirs.iter().for_each(|name| put(&disk, name));
    run(plain, &disk, 1).1.unwrap();
    let mut due = undisturbed(plain).0;
    theirs.iter().for_each(|name| _ = due.insert((*name).to_owned(), b"precious".to_vec()));
    assert!(files(&disk) == due, "{:?}", files(&disk).keys());

    let other = CrashingDisk::default();
    put(&other, "part-0000000001-00000.txt");
    let error = started(plain, &other).unwrap_err();
    assert!(error.to_string().contains("a folder of its own"), "{error}");
    assert_eq!(files(&other).len(), 2, "and what manifests say: nothing");
}

#[test]
fn a_folder_without_its_lock_file_is_still_known() {
    let disk = CrashingDisk::default();
    run(plain, &disk, 1).1.unwrap();
    disk.lose(&Path::new(FOLDER).join("_committed/.lock"));
    assert_eq!(last(&started(plain, &disk).unwrap()), EPOCHS);
}
