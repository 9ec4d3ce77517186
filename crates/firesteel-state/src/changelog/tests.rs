use std::path::{Path, PathBuf};

use firesteel_disk::crashing::{CrashingDisk, Loss};
use firesteel_window::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::frame::{FrameWriter, Shard, StoreId, TableId};
use crate::key_group::KeyGroup;

const FOLDER: &str = "log";

fn record(epoch: u64, size: usize) -> EpochRecord {
    let mut seed = epoch.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut noise = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        // No zeros, which would be taken for a sector that was not written.
        (seed >> 32) as u8 | 1
    };
    let mut frame = FrameWriter::new();
    frame.begin_table(TableId(1));
    frame.put(&epoch.to_le_bytes(), &(0..size).map(|_| noise()).collect::<Vec<_>>());
    frame.remove(b"gone");
    EpochRecord {
        epoch,
        batches: vec![BatchBoundary {
            batch: epoch * 10,
            time: Timestamp::from_secs(epoch as i64),
            inputs: vec![InputRange { input: "clicks".into(), split: "0".into(), from: epoch, to: epoch + 1 }],
        }],
        watermarks: vec![OperatorWatermark {
            operator: "clicks".into(),
            split: "0".into(),
            watermark: Timestamp::from_millis(epoch as i64),
        }],
        extra: vec![epoch as u8],
        frames: vec![frame.finish(Shard { store: StoreId(1), group: KeyGroup(7) })],
    }
}

fn open(disk: &CrashingDisk) -> Result<Changelog> {
    Changelog::open_on(disk.shared(), Path::new(FOLDER), ChangelogOptions::default().segment_bytes(2_500))
}

fn epochs(log: &Changelog) -> Vec<u64> {
    log.records(0).map(|record| record.unwrap().epoch).collect()
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Prepare(usize),
    Mark,
    SyncMark,
    Drop,
    Truncate(u64),
    Reopen,
}

/// What must be there after a crash.
#[derive(Debug, Clone, Default)]
struct Expected {
    /// The records that were acknowledged.
    sizes: Vec<(u64, usize)>,
    /// The records as they are if the call that failed got through.
    next: Option<Vec<(u64, usize)>>,
    /// The epochs below may have been removed.
    truncated: u64,
    /// At least this mark must be there, and no later one than that.
    marked: u64,
    marks: u64,
}

/// Runs the calls until one fails; whether all went well.
fn run(disk: &CrashingDisk, ops: &[Op], expected: &mut Expected) -> bool {
    let Ok(mut log) = open(disk) else { return false };
    for op in ops {
        let done = step(disk, &mut log, *op, expected);
        match done {
            Ok(()) => {}
            Err(StateError::InvalidState { .. }) => panic!("{op:?} is not valid now"),
            Err(_) => return false,
        }
    }
    true
}

fn step(disk: &CrashingDisk, log: &mut Changelog, op: Op, expected: &mut Expected) -> Result<()> {
    let last = expected.sizes.last().map_or(0, |(epoch, _)| *epoch);
    match op {
        Op::Prepare(size) => {
            let epoch = last.max(expected.truncated) + 1;
            let mut next = expected.sizes.clone();
            next.push((epoch, size));
            expected.next = Some(next.clone());
            log.prepare(&record(epoch, size))?;
            (expected.sizes, expected.next) = (next, None);
            expected.marked = expected.marks;
        }
        Op::Mark if last > 0 => {
            log.mark(last)?;
            expected.marks = last;
        }
        Op::SyncMark => {
            log.sync_mark()?;
            expected.marked = expected.marks;
        }
        Op::Drop if last > expected.marks.max(expected.truncated) => {
            let mut next = expected.sizes.clone();
            next.pop();
            expected.next = Some(next.clone());
            // A mark that was written after the record goes with it.
            expected.marked = 0;
            log.drop_last()?;
            (expected.sizes, expected.next) = (next, None);
        }
        Op::Truncate(back) if expected.marks > back => {
            // What is durable elsewhere is committed.
            let durable = expected.marks - back;
            expected.truncated = expected.truncated.max(durable);
            log.truncate(durable)?;
        }
        Op::Reopen => {
            expected.marks = expected.marks.min(log.committed());
            *log = open(disk)?;
            // A mark that was not written is forgotten.
            expected.marks = log.committed();
        }
        Op::Mark | Op::Drop | Op::Truncate(_) => {}
    }
    Ok(())
}

fn check(disk: &CrashingDisk, expected: &Expected, context: &str) {
    let mut log = match open(disk) {
        Ok(log) => log,
        Err(error) => panic!("{context}: {error}"),
    };
    let found: Vec<EpochRecord> = log.records(0).map(|record| record.unwrap()).collect();
    let fits = |sizes: &Vec<(u64, usize)>| {
        let needed = sizes.iter().filter(|(epoch, _)| *epoch > expected.truncated);
        let all: Vec<EpochRecord> = sizes.iter().map(|(epoch, size)| record(*epoch, *size)).collect();
        all.ends_with(&found) && found.len() >= needed.count()
    };
    let told: Vec<u64> = found.iter().map(|record| record.epoch).collect();
    assert!(
        fits(&expected.sizes) || expected.next.as_ref().is_some_and(fits),
        "{context}: found {told:?}, expected {expected:?}"
    );
    let committed = log.committed();
    assert!((expected.marked..=expected.marks).contains(&committed), "{context}: mark {committed}, {expected:?}");
    // It continues.
    let next = log.last_epoch().unwrap_or(expected.truncated) + 1;
    log.prepare(&record(next, 30)).unwrap_or_else(|error| panic!("{context}: {error}"));
    drop(log);
    let log = open(disk).unwrap_or_else(|error| panic!("{context}: opened once more: {error}"));
    assert_eq!(log.last_epoch(), Some(next), "{context}");
}

/// Crashes at every call of the script, and checks what may be left each time.
fn crash_everywhere(ops: &[Op]) -> u64 {
    let mut at = 0;
    loop {
        at += 1;
        let disk = CrashingDisk::default();
        disk.fail_at(at);
        let mut expected = Expected::default();
        let finished = run(&disk, ops, &mut expected);
        for loss in [Loss::All, Loss::Nothing].into_iter().chain((1..12).map(Loss::Some)) {
            check(&disk.after_crash(loss), &expected, &format!("call {at}, {loss:?}"));
        }
        if finished {
            return at;
        }
    }
}

#[test]
fn a_crash_at_any_call_loses_nothing_that_was_acknowledged() {
    use Op::*;
    let ops = [
        Prepare(10),
        Mark,
        Prepare(700),
        Prepare(2_000),
        Mark,
        SyncMark,
        Prepare(40),
        Drop,
        Prepare(41),
        Mark,
        Reopen,
        Prepare(1_500),
        Mark,
        Prepare(1_200),
        Truncate(2),
        Prepare(3_000),
        Drop,
        Reopen,
        Prepare(5),
        Mark,
        Prepare(600),
        SyncMark,
        Truncate(1),
        Prepare(1),
    ];
    let calls = crash_everywhere(&ops);
    assert!(calls > 40, "{calls} calls");
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        5 => (0..1_500usize).prop_map(Op::Prepare),
        2 => Just(Op::Mark),
        1 => Just(Op::SyncMark),
        1 => Just(Op::Drop),
        1 => (0..4u64).prop_map(Op::Truncate),
        1 => Just(Op::Reopen),
    ];
    vec(op, 1..25)
}

proptest! {
    #[test]
    fn any_calls_and_any_crash_leave_what_was_acknowledged(ops in ops(), at in 1..60u64, seed: u64) {
        let disk = CrashingDisk::default();
        disk.fail_at(at);
        let mut expected = Expected::default();
        run(&disk, &ops, &mut expected);
        check(&disk.after_crash(Loss::Some(seed)), &expected, "a crash");
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written(sizes in vec(0..3_000usize, 1..6), text: bool) {
        let disk = CrashingDisk::default();
        let mut log = open(&disk).unwrap();
        let mut records: Vec<_> = (1..).zip(&sizes).map(|(epoch, size)| record(epoch, *size)).collect();
        if text {
            records[0].extra = b"the same words again and again ".repeat(100);
        }
        for record in &records {
            log.prepare(record).unwrap();
        }
        prop_assert!(!text || log.bytes() < 3_100 + sizes.iter().sum::<usize>() as u64 + 400 * records.len() as u64);
        let found: Result<Vec<_>> = open(&disk).unwrap().records(0).collect();
        prop_assert_eq!(found.unwrap(), records);
    }
}

#[test]
fn a_full_disk_is_told_and_overcome() {
    let disk = CrashingDisk::default();
    let mut log = open(&disk).unwrap();
    log.prepare(&record(1, 100)).unwrap();
    disk.set_full(true);
    for _ in 0..3 {
        let error = log.prepare(&record(2, 900)).unwrap_err();
        assert_eq!(error.class(), crate::Class::Retryable, "{error}");
    }
    disk.set_full(false);
    log.prepare(&record(2, 900)).unwrap();
    log.prepare(&record(3, 10)).unwrap();
    assert_eq!(epochs(&open(&disk).unwrap()), [1, 2, 3]);
}

#[test]
fn after_a_failed_sync_nothing_is_trusted() {
    for at in 1..=2 {
        let disk = CrashingDisk::default();
        let mut log = open(&disk).unwrap();
        log.prepare(&record(1, 100)).unwrap();
        disk.fail_once(at);
        assert!(log.prepare(&record(2, 100)).is_err());
        let again = log.prepare(&record(2, 100));
        // A failed write is cut off and repeated; a failed sync leaves no way to know.
        assert_eq!(again.is_ok(), at == 1, "call {at}");
        assert_eq!(again.err().map(|error| error.code()), (at == 2).then_some("FS-T014"));
    }
}

#[test]
fn epochs_follow_each_other() {
    let disk = CrashingDisk::default();
    let mut log = open(&disk).unwrap();
    log.prepare(&record(5, 1)).unwrap();
    assert_eq!(log.prepare(&record(7, 1)).unwrap_err().code(), "FS-T014");
    assert_eq!(log.prepare(&record(5, 1)).unwrap_err().code(), "FS-T014");
    assert_eq!(log.mark(6).unwrap_err().code(), "FS-T014");
    log.mark(5).unwrap();
    assert_eq!(log.drop_last().unwrap_err().code(), "FS-T014", "what is committed stays");
    log.prepare(&record(6, 1)).unwrap();
    log.drop_last().unwrap();
    log.prepare(&record(6, 2)).unwrap();
    assert_eq!(open(&disk).unwrap().records(6).next().unwrap().unwrap(), record(6, 2));
}

/// A log of three segments with three records each, or of one.
fn written(segments: u64) -> CrashingDisk {
    let disk = CrashingDisk::default();
    let options = ChangelogOptions::default().segment_bytes(if segments == 1 { 1 << 20 } else { 500 });
    let mut log = Changelog::open_on(disk.shared(), Path::new(FOLDER), options).unwrap();
    (1..=segments * 3).for_each(|epoch| log.prepare(&record(epoch, 30)).unwrap());
    assert_eq!(disk.paths().len() as u64, segments);
    disk
}

#[test]
fn a_cut_at_any_byte_leaves_the_records_before_it() {
    let disk = written(1);
    let path = disk.paths().remove(0);
    let length = Disk::read(&disk, &path).unwrap().len();
    let ends: Vec<usize> = {
        let log = open(&disk).unwrap();
        let segment = &log.segments[0];
        segment.records[1..].iter().map(|record| record.at as usize).chain([segment.end as usize]).collect()
    };
    for cut in 0..length {
        let disk = disk.copy();
        disk.damage(&path, |bytes| bytes.truncate(cut));
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
        check(&disk, &Expected { sizes: (1..=whole).map(|epoch| (epoch, 30)).collect(), ..Expected::default() }, "cut");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    for segments in [1, 3] {
        let disk = written(segments);
        for path in disk.paths() {
            let length = Disk::read(&disk, &path).unwrap().len();
            for at in 0..length {
                let disk = disk.copy();
                disk.damage(&path, |bytes| bytes[at] ^= 1 << (at % 8));
                let error = open(&disk).map(|log| epochs(&log)).expect_err("a flipped bit is found");
                assert_eq!(error.code(), "FS-T002", "byte {at} of {}: {error}", path.display());
            }
        }
    }
}

#[test]
fn a_lost_sector_in_the_middle_is_no_torn_write() {
    let disk = CrashingDisk::default();
    let options = ChangelogOptions::default();
    let mut log = Changelog::open_on(disk.shared(), Path::new(FOLDER), options).unwrap();
    (1..=3).for_each(|epoch| log.prepare(&record(epoch, 2_000)).unwrap());
    let path = disk.paths().remove(0);
    let length = Disk::read(&disk, &path).unwrap().len();
    for from in (0..length).step_by(512) {
        let disk = disk.copy();
        disk.damage(&path, |bytes| bytes[from..length.min(from + 512)].fill(0));
        let in_last = from as u64 >= log.segments[0].records[2].at;
        match open(&disk) {
            Ok(log) => assert!(in_last && epochs(&log) == [1, 2], "sector at {from}"),
            Err(error) => assert!(!in_last && error.code() == "FS-T002", "sector at {from}: {error}"),
        }
    }
}

#[test]
fn a_missing_or_stale_segment_is_a_gap() {
    let disk = written(3);
    let paths: Vec<PathBuf> = disk.paths();
    let without = disk.copy();
    without.lose(&paths[1]);
    assert_eq!(open(&without).unwrap_err().code(), "FS-T012");
    let without = disk.copy();
    without.lose(&paths[0]);
    assert_eq!(open(&without).unwrap().first_epoch(), Some(4), "as after a truncation");
    for (segment, path) in paths[..2].iter().enumerate() {
        let stale = disk.copy();
        let log = open(&stale).unwrap();
        let second = log.segments[segment].records[2].at as usize;
        stale.damage(path, |bytes| bytes.truncate(second));
        assert_eq!(open(&stale).unwrap_err().code(), "FS-T012");
        stale.damage(path, |bytes| bytes.truncate(second - 1));
        assert_eq!(open(&stale).unwrap_err().code(), "FS-T002");
        stale.damage(path, Vec::clear);
        assert_eq!(open(&stale).unwrap_err().code(), "FS-T002");
    }
    let swapped = disk.copy();
    let second = Disk::read(&disk, &paths[1]).unwrap();
    swapped.damage(&paths[0], |bytes| *bytes = second);
    assert_eq!(open(&swapped).unwrap_err().code(), "FS-T012");
}

#[test]
fn a_newer_format_is_told() {
    let disk = written(1);
    let path = disk.paths().remove(0);
    let header = crate::files::Header { magic: *b"FSTCHLOG", version: 3 }.encode();
    disk.damage(&path, |bytes| bytes[..header.len()].copy_from_slice(&header));
    assert_eq!(open(&disk).unwrap_err().code(), "FS-T003");
}

#[test]
fn segments_go_when_all_of_their_epochs_are_durable_and_committed() {
    let disk = written(3);
    let mut log = open(&disk).unwrap();
    log.truncate(9).unwrap();
    assert_eq!(epochs(&log).len(), 9, "nothing is committed");
    log.mark(9).unwrap();
    let mut left = vec![];
    for durable in [0, 2, 3, 5, 6, 9] {
        log.truncate(durable).unwrap();
        left.push(epochs(&log).len());
    }
    assert_eq!(left, [9, 9, 9, 6, 6, 3], "the record of the durable epoch stays");
    assert_eq!(epochs(&open(&disk).unwrap()), [7, 8, 9]);
}

#[test]
fn random_changes_to_a_log_are_survived() {
    let disk = written(3);
    let paths = disk.paths();
    let mut seed = 7u64;
    let mut random = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 20) as usize % bound
    };
    for _ in 0..5_000 {
        let disk = disk.copy();
        let path = &paths[random(paths.len())];
        disk.damage(path, |bytes| {
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes.truncate(at + 1),
                    2 => bytes.insert(at, random(256) as u8),
                    _ => bytes[at..].fill(0),
                }
            }
        });
        // An error or a prefix; never a panic, never other records.
        if let Ok(log) = open(&disk) {
            for (record_found, epoch) in log.records(0).zip(1..) {
                assert_eq!(record_found.unwrap(), record(epoch, 30));
            }
        }
    }
}
