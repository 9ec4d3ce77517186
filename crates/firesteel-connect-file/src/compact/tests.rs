//! Merging on a disk that crashes, fails and fills up: whoever reads by the manifests finds every line once, at any moment.

mod between;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use firesteel_connect::{CheckpointId, Class, Epoch, Sink, SinkContext, WriteTask};
use firesteel_disk::crashing::{CrashingDisk, Loss};
use firesteel_results::{Entry, PartName, Unpartitioned, WhyLeft};

use super::*;
use crate::{Displayed, TextFileSink};

const FOLDER: &str = "out";
const EPOCHS: u64 = 6;
const PARTITIONS: usize = 2;

fn lines(epoch: u64, partition: usize) -> Vec<String> {
    (0..3).map(|n| format!("epoch {epoch}, partition {partition}, line {n}, {}", "x".repeat(n * 7))).collect()
}

fn sink(disk: &CrashingDisk) -> TextFileSink<Displayed, Unpartitioned> {
    TextFileSink::new(FOLDER).on_disk(disk.shared())
}

fn context() -> SinkContext {
    SinkContext::default().with_checkpoint(CheckpointId::from_bits(5))
}

/// Writes the epochs after those that are committed.
fn write<P>(sink: &TextFileSink<Displayed, P>, to: u64) -> Result<()>
where
    TextFileSink<Displayed, P>: Sink<String, Pending = crate::PendingFiles>,
{
    sink.start(&context())?;
    let last = sink.last_committed()?.map_or(0, |mark| mark.epoch.0);
    for epoch in last + 1..=to {
        let write =
            |partition| sink.write(WriteTask::new(Epoch(epoch), partition), lines(epoch, partition).into_iter());
        let mut pending: Vec<_> = (0..PARTITIONS).map(write).collect::<Result<_>>()?;
        sink.commit(Epoch(epoch), &mut pending)?;
    }
    sink.stop()
}

fn results(marked: bool, gzip: bool) -> CrashingDisk {
    let disk = CrashingDisk::default();
    let sink = if marked { sink(&disk).success_marker() } else { sink(&disk) };
    let sink = sink.partitioned_by("line", |line: &String| line.contains("line 2"));
    write(&if gzip { sink.gzip() } else { sink }, EPOCHS).unwrap();
    disk
}

fn listed(disk: &CrashingDisk) -> Vec<Entry> {
    let folder = manifest::folder_of(Path::new(FOLDER));
    let current = manifest::current(disk, &folder).unwrap();
    current.iter().flat_map(|covered| manifest::read(disk, &folder, *covered).unwrap().entries).collect()
}

fn text(disk: &CrashingDisk, name: &str) -> String {
    let bytes = disk.read(&Path::new(FOLDER).join(name)).unwrap();
    let mut text = String::new();
    if name.ends_with(".gz") {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

/// All lines by the manifests; each file is there, and as long as they say.
fn all_lines(disk: &CrashingDisk) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in listed(disk) {
        let bytes = disk.read(&Path::new(FOLDER).join(&entry.name)).unwrap();
        assert_eq!(bytes.len() as u64, entry.bytes, "{}", entry.name);
        let text = text(disk, &entry.name);
        assert_eq!(text.lines().count() as u64, entry.records, "{}", entry.name);
        lines.extend(text.lines().map(str::to_owned));
    }
    lines.sort();
    lines
}

fn due(epochs: u64) -> Vec<String> {
    let mut due: Vec<String> =
        (1..=epochs).flat_map(|epoch| (0..PARTITIONS).flat_map(move |partition| lines(epoch, partition))).collect();
    due.sort();
    due
}

/// The files in the folder that are parts.
fn parts(disk: &CrashingDisk) -> Vec<String> {
    let paths = disk.paths().into_iter();
    let names = paths.map(|path| path.strip_prefix(FOLDER).unwrap().to_str().unwrap().to_owned());
    names.filter(|name| PartName::parse(name).is_some()).collect()
}

/// What was written at first, by name.
fn originals(disk: &CrashingDisk) -> BTreeMap<String, String> {
    parts(disk).into_iter().map(|name| (name.clone(), text(disk, &name))).collect()
}

fn compaction(disk: &CrashingDisk) -> Compaction {
    Compaction::of(FOLDER, 1 << 20).on_disk(disk.shared())
}

/// Each file is where the manifest says.
fn check_parts(disk: &CrashingDisk, originals: &BTreeMap<String, String>) -> usize {
    let mut found = 0;
    for entry in listed(disk) {
        let whole = text(disk, &entry.name);
        for part in &entry.parts {
            let Some(own) = originals.get(&part.name) else { continue };
            let stretch = part.stretch;
            let (at, begin) = (stretch.at as usize, stretch.begin as usize);
            assert_eq!(whole[at..at + stretch.length as usize], own[begin..], "{}", part.name);
            found += 1;
        }
    }
    found
}

#[test]
fn small_files_become_one_in_each_folder_and_the_manifest_says_which() {
    for gzip in [false, true] {
        let disk = results(true, gzip);
        let before = originals(&disk);
        assert_eq!(before.len(), 24);
        let report = compaction(&disk).run().unwrap();
        assert_eq!((report.merged, report.into, report.left.len()), (24, 2, 0), "{report}");
        let end = if gzip { ".txt.gz" } else { ".txt" };
        let name = |value: bool, number| format!("line={value}/part-0000000001to0000000006-{number:05}{end}");
        assert_eq!(parts(&disk), [name(false, 1), name(true, 2)]);
        assert_eq!(all_lines(&disk), due(EPOCHS));
        assert_eq!(check_parts(&disk, &before), 24);
        assert!(disk.exists(Path::new("out/_SUCCESS")).unwrap());
        // There is nothing left to do, and the next epochs come as before.
        let report = compaction(&disk).run().unwrap();
        assert_eq!((report.merged, report.into), (0, 0), "{report}");
        assert_eq!(report.left[0].why, WhyLeft::Alone);
        let sink = sink(&disk).partitioned_by("line", |line: &String| line.contains("line 2"));
        write(&if gzip { sink.gzip() } else { sink }, EPOCHS + 2).unwrap();
        assert_eq!(all_lines(&disk), due(EPOCHS + 2));
        let report = compaction(&disk).run().unwrap();
        assert_eq!((report.merged, report.into), (10, 2), "the merged ones and two epochs");
        assert_eq!((all_lines(&disk), check_parts(&disk, &before)), (due(EPOCHS + 2), 24));
    }
}

#[test]
fn a_crash_at_any_call_leaves_every_line_once_and_the_next_run_or_start_makes_the_rest() {
    let first = results(true, false);
    let before = originals(&first);
    first.fail_at(u64::MAX);
    compaction(&first).run().unwrap();
    let calls = first.calls();
    assert!(calls > 40, "{calls}");
    for at in 1..=calls {
        let disk = results(true, false);
        disk.fail_at(at);
        compaction(&disk).run().unwrap_err();
        let losses = [Loss::All, Loss::Nothing].into_iter().chain((1..6).map(Loss::Some));
        let crashes = losses.map(|loss| (disk.after_crash(loss), format!("{loss:?}")));
        for (disk, how) in crashes.chain([(disk.after_exit(), "exit".to_owned())]) {
            let at_call = format!("call {at}, {how}");
            assert_eq!(all_lines(&disk), due(EPOCHS), "{at_call}");
            let is_marked = disk.exists(Path::new("out/_SUCCESS")).unwrap();
            let is_clean = parts(&disk).len() == listed(&disk).len();
            assert!(!is_marked || is_clean, "{at_call}: what lists the folder would find lines twice");
            if at % 2 == 0 {
                let sink = sink(&disk).partitioned_by("line", |line: &String| line.contains("line 2")).success_marker();
                sink.start(&context()).unwrap();
                assert_eq!(sink.last_committed().unwrap().unwrap().epoch, Epoch(EPOCHS), "{at_call}");
                assert_eq!(parts(&disk).len(), listed(&disk).len(), "{at_call}: {:?}", parts(&disk));
                Sink::<String>::stop(&sink).unwrap();
            }
            compaction(&disk).run().unwrap_or_else(|error| panic!("{at_call}: {error}"));
            assert_eq!(all_lines(&disk), due(EPOCHS), "{at_call}");
            assert_eq!((parts(&disk).len(), listed(&disk).len()), (2, 2), "{at_call}: {:?}", parts(&disk));
            assert_eq!(check_parts(&disk, &before), 24, "{at_call}");
            let left = disk.paths().into_iter().map(|path| path.display().to_string());
            let left: Vec<String> = left.filter(|path| path.contains("/.") && !path.ends_with(".lock")).collect();
            assert!(left.is_empty(), "{at_call}: {left:?}");
            assert!(disk.exists(Path::new("out/_SUCCESS")).unwrap(), "{at_call}");
        }
    }
}

#[test]
fn a_call_that_fails_once_is_made_up_for_by_the_next_run() {
    let first = results(true, false);
    first.fail_at(u64::MAX);
    compaction(&first).run().unwrap();
    for at in 1..=first.calls() {
        let disk = results(true, false);
        disk.fail_once(at);
        let failed = compaction(&disk).run();
        assert_eq!(all_lines(&disk), due(EPOCHS), "call {at}: {failed:?}");
        compaction(&disk).run().unwrap();
        assert_eq!((all_lines(&disk), parts(&disk).len()), (due(EPOCHS), 2), "call {at}");
        assert!(disk.exists(Path::new("out/_SUCCESS")).unwrap(), "call {at}");
    }
}

#[test]
fn without_room_nothing_changes_and_with_room_again_it_does() {
    let disk = results(false, false);
    let before = disk.paths();
    for room in [0, 10, 1_000, 3_000] {
        disk.leave_room(Some(room));
        let error = compaction(&disk).run().unwrap_err();
        assert_eq!(error.class(), Class::Retryable, "{error}");
        assert_eq!(all_lines(&disk), due(EPOCHS));
        disk.leave_room(None);
        assert_eq!(disk.paths(), before, "what was written is removed, and makes room");
    }
    compaction(&disk).run().unwrap();
    assert_eq!((all_lines(&disk), parts(&disk).len()), (due(EPOCHS), 2));
}

#[test]
fn an_old_file_that_is_gone_or_cut_is_an_error_and_no_hole() {
    let part = Path::new(FOLDER).join("line=true/part-0000000003-00001_0001.txt");
    let gone = results(false, false);
    gone.lose(&part);
    let error = compaction(&gone).run().unwrap_err();
    assert!(error.to_string().contains("its manifest lists it, and it is gone; restore it"), "{error}");
    let cut = results(false, false);
    cut.open(&part).unwrap().cut(5).unwrap();
    let error = compaction(&cut).run().unwrap_err();
    assert!(matches!(error, ConnectError::Lost { .. }) && error.to_string().contains("the file has 5"), "{error}");
    assert_eq!(listed(&cut).len(), 24, "nothing has changed");
    let damaged = results(false, true);
    let part = Path::new(FOLDER).join("line=true/part-0000000003-00001_0001.txt.gz");
    let length = damaged.read(&part).unwrap().len();
    let mut file = damaged.open(&part).unwrap();
    file.cut(length as u64 - 4).unwrap();
    file.append(b"rubb").unwrap();
    let error = compaction(&damaged).run().unwrap_err();
    assert!(matches!(error, ConnectError::Damaged { .. }), "{error}");
    assert_eq!(listed(&damaged).len(), 24);
}

#[test]
fn who_writes_shuts_others_out_and_is_told() {
    let disk = results(false, false);
    let running = sink(&disk);
    Sink::<String>::start(&running, &context()).unwrap();
    let error = compaction(&disk).run().unwrap_err();
    assert!(error.to_string().contains("another compaction, is writing to out"), "{error}");
    Sink::<String>::stop(&running).unwrap();
    let lock = disk.lock(Path::new("out/_committed/.lock")).unwrap();
    let error = Sink::<String>::start(&sink(&disk), &context()).unwrap_err();
    assert!(error.to_string().contains("another job is writing"), "{error}");
    drop(lock);
    compaction(&disk).run().unwrap();
    let error = Compaction::of("elsewhere", 100).on_disk(disk.shared()).run().unwrap_err();
    assert!(error.to_string().contains("holds no results"), "{error}");
}

#[test]
fn a_sink_merges_its_own_files_after_commits_whatever_fails() {
    let make = |disk: &CrashingDisk| sink(disk).compact_to(1 << 20).compacting_at(5).merging_at(3);
    let disk = CrashingDisk::default();
    disk.fail_at(u64::MAX);
    write(&make(&disk), 40).unwrap();
    assert_eq!(all_lines(&disk), due(40));
    assert!(parts(&disk).len() < 12, "{:?}", parts(&disk));
    let largest = listed(&disk).iter().map(|entry| entry.parts.iter().map(|part| part.depth).max()).max().flatten();
    assert!((2..=7).contains(&largest.unwrap()), "each is merged again when it doubles: {largest:?}");
    let calls = disk.calls();
    for at in (1..calls).step_by(7) {
        let disk = CrashingDisk::default();
        disk.fail_once(at);
        while let Err(error) = write(&make(&disk), 40) {
            assert!(error.to_string().contains("the disk is gone"), "{error}");
        }
        assert_eq!(all_lines(&disk), due(40), "call {at}");
        let disk = CrashingDisk::default();
        disk.fail_at(at);
        write(&make(&disk), 40).unwrap_err();
        for loss in [Loss::All, Loss::Some(at), Loss::Nothing] {
            let disk = disk.after_crash(loss);
            write(&make(&disk), 40).unwrap_or_else(|error| panic!("call {at}, {loss:?}: {error}"));
            assert_eq!(all_lines(&disk), due(40), "call {at}, {loss:?}");
            assert_eq!(parts(&disk).len(), listed(&disk).len(), "call {at}, {loss:?}");
        }
    }
}
