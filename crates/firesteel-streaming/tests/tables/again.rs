//! Epochs that are run again meet the rows that they met before, whatever has become of the table since.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Checkpoint, Error, StreamingContext, Trigger};
use firesteel_testkit::TestJob;
use firesteel_window::{Duration, minutes, seconds};

use crate::Rows;
use crate::sink::Words;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Has the folder copied before the epoch is committed: what a process leaves that ends then.
fn copy_before(sink: &Words, epoch: u64, from: &Path, to: &Path) {
    let (from, to, done) = (from.to_owned(), to.to_owned(), Arc::new(parking_lot::Mutex::new(false)));
    sink.before_commit(move |of| {
        if of == epoch && !std::mem::replace(&mut *done.lock(), true) {
            copy(&from, &to);
        }
    });
}

fn run(folder: &Path, keys: &QueueSource<u8>, rows: &Rows, sinks: &[Words; 2]) -> Result<(), Error> {
    let job = StreamingContext::builder("again").threads(1);
    let job = job.checkpoint(Checkpoint::in_folder(folder).every_batch()).build().unwrap();
    let numbers = job.read(keys.clone()).named("keys").join_table(&rows.table(), |key| *key);
    let numbers = numbers.inner(|key, number| format!("{key}={number}"));
    sinks.iter().for_each(|sink| _ = numbers.clone().write(sink.clone()));
    job.run(Trigger::AvailableNow)
}

/// A job whose process died when epoch 2 was prepared, of which the sinks have what is said.
fn crashed(folder: &Path, has: [bool; 2]) -> (QueueSource<u8>, Rows, [Words; 2]) {
    let (keys, rows) = (QueueSource::new(1).keep_committed(), Rows::new(&[(1, 1), (2, 1)]));
    let sinks = ["a", "b"].map(Words::exactly_once);
    let live = folder.join("live");
    keys.handle().push(vec![1]).unwrap();
    run(&live, &keys, &rows, &sinks).unwrap();
    rows.set(&[(1, 2), (2, 2)]);
    sinks.iter().for_each(|sink| copy_before(sink, 2, &live, &folder.join("crashed")));
    keys.handle().push(vec![2, 1]).unwrap();
    run(&live, &keys, &rows, &sinks).unwrap();
    for (sink, has) in sinks.iter().zip(has) {
        sink.before_commit(|_| {});
        if !has {
            sink.lose_after(1);
        }
    }
    assert_eq!(fs::read_dir(live.join("tables")).unwrap().count(), 1, "what can no longer be run again has gone");
    // What the table is now, no epoch has met.
    rows.set(&[(2, 3)]);
    keys.handle().push(vec![2]).unwrap();
    (keys, rows, sinks)
}

#[test]
fn an_epoch_that_was_prepared_meets_the_table_of_its_time_whichever_sinks_have_it() {
    for has in [[false, false], [true, false], [false, true], [true, true]] {
        let folder = tempfile::tempdir().unwrap();
        let (keys, rows, sinks) = crashed(folder.path(), has);
        run(&folder.path().join("crashed"), &keys, &rows, &sinks).unwrap();
        for sink in &sinks {
            assert_eq!(sink.all(), ["1=1", "2=2", "1=2", "2=3"], "{has:?}");
        }
    }
}

#[test]
fn without_the_copy_that_it_needs_an_epoch_is_not_run_again_with_other_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, rows, sinks) = crashed(folder.path(), [true, false]);
    let crashed = folder.path().join("crashed");
    for entry in fs::read_dir(crashed.join("tables")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let said = format!("{:?}", run(&crashed, &keys, &rows, &sinks).unwrap_err());
    assert!(said.starts_with("FS-S016: table numbers") && said.contains("the copy cannot be read"), "{said}");
    assert_eq!(sinks[1].all(), ["1=1"]);
}

#[test]
fn each_batch_of_an_epoch_meets_its_own_version_again() {
    let folder = tempfile::tempdir().unwrap();
    let (live, crashed) = (folder.path().join("live"), folder.path().join("crashed"));
    let (keys, sink) = (QueueSource::new(1).keep_committed(), Words::exactly_once("a"));
    let start = |folder: &Path, rows: &Rows, after: Duration| {
        let checkpoint = Checkpoint::in_folder(folder).interval(minutes(60));
        let test = TestJob::builder().configure(move |job| job.checkpoint(checkpoint)).build();
        test.advance(after);
        let numbers = test.context().read(keys.clone()).named("keys");
        let numbers = numbers.join_table(&rows.table().every(seconds(1)), |key| *key);
        numbers.inner(|key, number| format!("{key}={number}")).write(sink.clone());
        test
    };
    let rows = Rows::new(&[(1, 0)]);
    let test = start(&live, &rows, Duration::ZERO);
    copy_before(&sink, 1, &live, &crashed);
    for version in 1..=4 {
        if version == 4 {
            // The epoch ends with this batch.
            test.advance(minutes(61));
        }
        rows.set(&[(1, version)]);
        keys.handle().push(vec![1]).unwrap();
        test.batch().unwrap();
    }
    drop(test);
    let expected = sink.all();
    assert_eq!(expected.len(), 4);
    assert_ne!(expected[0], expected[3], "the table was loaded again meanwhile");
    sink.before_commit(|_| {});
    sink.lose_after(0);
    let rows = Rows::new(&[(1, 77)]);
    let test = start(&crashed, &rows, minutes(62));
    keys.handle().push(vec![1]).unwrap();
    test.batch().unwrap();
    // The epoch ends with this batch.
    test.advance(minutes(61));
    test.batch().unwrap();
    drop(test);
    assert_eq!(sink.all(), [expected, vec!["1=77".to_owned()]].concat());
}
