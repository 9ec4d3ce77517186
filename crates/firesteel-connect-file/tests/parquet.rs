//! Parquet files: complete, still on their way, cut off, read in part and from the middle on, written and read again.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::path::{Path, PathBuf};

use common::{from, read, split};
use firesteel_connect::{
    Class, Epoch, ReadRange, Resumed, Sink, SinkContext, Source, SourceContext, SourceReader, SplitId, WriteTask,
    conformance,
};
use firesteel_connect_file::{FileSink, Files, OnUnreadable};
use firesteel_formats::{Parquet, WriteFormat, Writing, column};
use firesteel_window::{Duration, Timestamp, seconds};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Click {
    ad: u32,
    user: String,
    at: Timestamp,
    note: Option<String>,
}

fn click(ad: u32) -> Click {
    let note = (ad.is_multiple_of(3)).then(|| format!("ünï {ad}"));
    Click { ad, user: format!("user {}", ad % 7), at: Timestamp::from_secs(1_735_689_600 + i64::from(ad)), note }
}

fn clicks(count: u32) -> Vec<Click> {
    (0..count).map(click).collect()
}

/// A file of `count` records, in row groups of a few hundred.
fn bytes(count: u32) -> Vec<u8> {
    let (format, mut file) = (Parquet::<Click>::new().row_group_bytes(5_000), vec![]);
    let mut writing = WriteFormat::<Click>::begin(&format);
    for click in clicks(count) {
        writing.write(&click, &mut file).unwrap();
    }
    Writing::<Click>::end(&mut writing, &mut file).unwrap();
    file
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../firesteel-formats/tests/data").join(name)
}

#[test]
fn files_are_read_in_any_ranges() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.parquet"), bytes(1_000)).unwrap();
    std::fs::write(folder.path().join("b.parquet"), bytes(1)).unwrap();
    std::fs::write(folder.path().join("c.parquet"), bytes(0)).unwrap();
    let expected = [clicks(1_000), clicks(1), vec![]];
    conformance::source(|| Files::parquet::<Click>(folder.path()), &expected);
    conformance::source_resumes(|| Files::parquet::<Click>(folder.path()), &expected);
    conformance::source(|| Files::parquet::<Click>(folder.path()).follow(), &expected);
    conformance::source_resumes(|| Files::parquet::<Click>(folder.path()).follow(), &expected);
}

#[test]
fn a_filter_leaves_gaps_between_positions_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    std::fs::write(&path, bytes(3_000)).unwrap();
    let wanted = column("user").is("user 3").and(column("ad").at_least(1_000));
    let make = || Files::parquet::<Click>(&path).change_format(|clicks| clicks.rows_where(wanted.clone()));
    let expected: Vec<Click> = (1_000..3_000).filter(|ad| ad % 7 == 3).map(click).collect();
    conformance::source(make, std::slice::from_ref(&expected));
    conformance::source_resumes(make, &[expected]);
}

#[test]
fn files_of_another_writer() {
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Row {
        large: u64,
        kind: String,
    }
    let kinds = ["Buy", "Give"];
    let rows: Vec<Row> = (0..8).map(|n| Row { large: u64::MAX - n, kind: kinds[n as usize % 2].to_owned() }).collect();
    for name in ["pyarrow.v1.snappy.parquet", "pyarrow.v2.gzip.parquet", "pyarrow.v2.lz4.parquet"] {
        conformance::source(|| Files::parquet::<Row>(data(name)), std::slice::from_ref(&rows));
    }
}

/// All records that there are now, in the order of their files.
fn found(files: &impl Source<Item = Click>, at: i64) -> Vec<Click> {
    let mut records = vec![];
    for split in files.discover(Timestamp::from_secs(at)).unwrap().splits {
        if split.available != Some(0) {
            let mut reader = files.open(&from(&split.id, 0)).unwrap();
            reader.for_each(|record| records.push(record)).unwrap();
        }
    }
    records
}

#[test]
fn a_file_that_is_still_being_copied_comes_whole_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (path, whole) = (folder.path().join("a.parquet"), bytes(500));
    let files = Files::parquet::<Click>(folder.path()).follow().finish_after(seconds(1_000_000_000_000));
    files.start(&SourceContext::default()).unwrap();
    // Long enough between two steps, so that a step is not taken for the one before.
    for (step, length) in (0..whole.len()).step_by(whole.len() / 23).enumerate() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(found(&files, step as i64).is_empty(), "{length} of {} bytes", whole.len());
        let split = files.discover(Timestamp::from_secs(step as i64)).unwrap().splits.remove(0);
        assert_eq!((split.available, split.finished), (Some(0), false));
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(found(&files, 100), clicks(500));
    let split = files.discover(Timestamp::from_secs(101)).unwrap().splits.remove(0);
    assert_eq!((split.available, split.finished, split.divisible), (Some(500), true, true));
}

#[test]
fn a_file_that_stays_cut_off_is_told_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let whole = bytes(300);
    std::fs::write(folder.path().join("a.parquet"), &whole[..200]).unwrap();
    std::fs::write(folder.path().join("b.parquet"), &whole).unwrap();
    std::fs::write(folder.path().join("c.parquet"), b"no table at all, but a text").unwrap();

    let once = Files::parquet::<Click>(folder.path());
    once.start(&SourceContext::default()).unwrap();
    let error = read(&once, &from(&split(&folder.path().join("a.parquet")), 0)).unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    let text = error.to_string();
    assert!(text.contains("a.parquet") && text.contains("it begins as a Parquet file does"), "{text}");
    assert!(text.contains("was it complete when it was put here?"), "{text}");
    let error = read(&once, &from(&split(&folder.path().join("c.parquet")), 0)).unwrap_err().to_string();
    assert!(error.contains("it is no Parquet file"), "{error}");

    for files in [
        Files::parquet::<Click>(folder.path()).follow().finish_after(Duration::ZERO),
        Files::parquet::<Click>(folder.path()).on_unreadable(OnUnreadable::Retry),
    ] {
        files.start(&SourceContext::default()).unwrap();
        assert_eq!(found(&files, 1), clicks(300));
    }
    let files = Files::parquet::<Click>(folder.path()).follow().finish_after(Duration::ZERO);
    files.start(&SourceContext::default()).unwrap();
    assert_eq!(found(&files, 1), clicks(300));
    // Now the rest of it has come after all.
    std::fs::write(folder.path().join("a.parquet"), &whole).unwrap();
    assert_eq!(found(&files, 2).len(), 600);
}

#[test]
fn damage_is_told_with_its_file_and_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let mut whole = bytes(2_000);
    let middle = whole.len() / 2;
    whole[middle..middle + 200].fill(0xff);
    std::fs::write(&path, &whole).unwrap();
    let files = Files::parquet::<Click>(&path);
    files.start(&SourceContext::default()).unwrap();
    let mut reader = files.open(&from(&split(&path), 0)).unwrap();
    let mut records = vec![];
    let error = reader.for_each(|record| records.push(record)).unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.to_string().contains("a.parquet") && error.to_string().contains(", after row "), "{error}");
    assert!(!records.is_empty() && records == clicks(records.len() as u32));
}

#[test]
fn a_file_that_does_not_fit_is_told_and_one_that_is_compressed_as_a_whole() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct More {
        user: String,
        price: f64,
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    std::fs::write(&path, bytes(3)).unwrap();
    let files = Files::parquet::<More>(&path);
    let at_start = files.start(&SourceContext::default()).unwrap_err();
    for error in [at_start, read(&files, &from(&split(&path), 0)).unwrap_err()] {
        let error = error.to_string();
        let told = "a.parquet has no column \"price\" (it has ad, user, at, note)";
        assert!(error.starts_with("FS-N020: ") && error.contains(told), "{error}");
    }
    let zipped = folder.path().join("b.parquet.gz");
    std::fs::write(&zipped, common::gzip(&bytes(3))).unwrap();
    let error = Files::parquet::<Click>(&zipped).start(&SourceContext::default()).unwrap_err().to_string();
    assert!(error.contains("b.parquet.gz") && error.contains("compressed as a whole"), "{error}");
}

/// Reads at most this many rows of each file, and returns them, and where a job stands then.
fn read_on(files: &impl Source<Item = Click>, stands: &[Resumed], at: i64, most: u64) -> (Vec<Click>, Vec<Resumed>) {
    let now = Timestamp::from_secs(at);
    let context = SourceContext::new("job", "clicks").with_clock(move || now).resumed_at(stands.iter().cloned());
    files.start(&context).unwrap();
    let (mut records, mut moved) = (vec![], vec![]);
    for split in files.discover(now).unwrap().splits {
        let known = stands.iter().find(|known| known.split == split.id).map_or(0, |known| known.position);
        if split.available != Some(known) {
            let range = ReadRange::starting_at(split.id.clone(), known).max_records(most);
            let mut reader = files.open(&range).unwrap();
            reader.for_each(|record| records.push(record)).unwrap();
            moved.push((split.id.clone(), reader.position()));
        }
    }
    files.committed(&moved).unwrap();
    let notes = files.notes(&moved).unwrap();
    let before =
        |split: &SplitId| stands.iter().find(|known| known.split == *split).and_then(|known| known.note.clone());
    let told = |split: &SplitId| notes.iter().find(|(of, _)| of == split).map(|(_, note)| note.clone());
    let noted = |split: &SplitId| told(split).or_else(|| before(split));
    let after: Vec<Resumed> =
        moved.iter().map(|(split, position)| Resumed::at(split.clone(), *position).noted(noted(split))).collect();
    let is_still = |known: &&Resumed| moved.iter().all(|(split, _)| *split != known.split);
    let still: Vec<Resumed> = stands.iter().filter(is_still).cloned().collect();
    (records, [still, after].concat())
}

#[test]
fn a_restart_resumes_at_the_row_and_a_file_that_was_read_is_known_whatever_its_name_is() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a.parquet"), folder.path().join("z.parquet"));
    std::fs::write(&path, bytes(1_000)).unwrap();
    let files = || Files::parquet::<Click>(folder.path()).follow();
    let (mut all, mut stands) = (vec![], vec![]);
    for start in 0..3 {
        let (records, after) = read_on(&files(), &stands, 1_000 + start, 400);
        all.extend(records);
        stands = after;
        if start == 0 {
            std::fs::rename(&path, &other).unwrap();
        }
    }
    assert_eq!(all, clicks(1_000), "in three starts, renamed after the first");
    assert!(read_on(&files(), &stands, 2_000, 400).0.is_empty(), "read to its end");

    // It is not opened any more: what is in it does not matter, if the file system says that it has not changed.
    let (whole, modified) = (std::fs::read(&other).unwrap(), std::fs::metadata(&other).unwrap().modified().unwrap());
    let put = |bytes: &[u8]| {
        use std::io::Write;
        let mut file = std::fs::File::options().write(true).open(&other).unwrap();
        file.write_all(bytes).unwrap();
        file.set_modified(modified).unwrap();
    };
    put(&vec![0; whole.len()]);
    assert!(read_on(&files(), &stands, 3_000, 400).0.is_empty());
    put(&whole);

    // A copy with another number and the same content is the same, another file of its name is not.
    let copy = folder.path().join("copy");
    std::fs::copy(&other, &copy).unwrap();
    std::fs::rename(&copy, &other).unwrap();
    assert!(read_on(&files(), &stands, 4_000, 400).0.is_empty(), "restored from a copy");
    std::fs::remove_file(&other).unwrap();
    std::fs::write(&other, bytes(7)).unwrap();
    assert_eq!(read_on(&files(), &stands, 5_000, 400).0, clicks(7), "another file of that name");
}

#[test]
fn results_are_published_once_and_read_again() {
    let parent = tempfile::tempdir().unwrap();
    let places = std::cell::Cell::new(0);
    let make = || {
        places.set(places.get() + 1);
        FileSink::parquet::<Click>(parent.path().join(places.get().to_string()))
    };
    let reopen = |old: FileSink<Parquet<Click>>| {
        let folder = old.folder().to_owned();
        drop(old);
        FileSink::parquet::<Click>(folder)
    };
    let visible =
        |sink: &FileSink<Parquet<Click>>| common::published(sink.folder(), |folder| Files::parquet::<Click>(folder));
    conformance::sink(make, visible, click);
    conformance::sink_restarts(make, reopen, visible, click);
}

#[test]
fn what_has_no_column_is_not_written() {
    #[derive(Serialize, Deserialize)]
    struct Twice {
        it: Option<Option<u8>>,
    }
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::parquet::<Twice>(folder.path());
    sink.start(&SinkContext::default()).unwrap();
    let error =
        sink.write(WriteTask::new(Epoch(1), 0), [Twice { it: Some(None) }].into_iter()).unwrap_err().to_string();
    assert!(error.contains("as Parquet: Parquet: column it: an Option in an Option has no form"), "{error}");
}

#[test]
fn a_sink_that_would_compress_tables_is_refused() {
    #[derive(Serialize, Deserialize)]
    struct Row {
        n: u32,
    }
    let folder = tempfile::tempdir().unwrap();
    let sink = FileSink::parquet::<Row>(folder.path()).gzip();
    let error = Sink::<Row>::start(&sink, &SinkContext::default()).unwrap_err();
    assert!(error.to_string().contains("gzip of FileSink"), "{error}");
}
