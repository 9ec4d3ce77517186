//! Files that grow, appear and go away while they are followed.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use common::{append, available, discover, from, gzip, read, split};
use firesteel_connect::{ConnectError, ReadRange, Source, SourceContext, SourceReader};
use firesteel_connect_file::TextFiles;
use firesteel_window::{Timestamp, seconds};

#[test]
fn a_line_counts_when_its_newline_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "one\ntw").unwrap();
    let files = TextFiles::new(&path).follow();
    files.start(&SourceContext::default()).unwrap();
    assert_eq!(available(&files).unwrap(), [Some(4)]);
    assert_eq!(read(&files, &from(&split(&path), 0)).unwrap(), (vec!["one".to_owned()], 4));
    append(&path, "o");
    assert_eq!(available(&files).unwrap(), [Some(4)]);
    assert_eq!(read(&files, &from(&split(&path), 4)).unwrap(), (vec![], 4));
    append(&path, "\n\nfour");
    assert_eq!(available(&files).unwrap(), [Some(9)]);
    assert_eq!(read(&files, &from(&split(&path), 4)).unwrap(), (vec!["two".to_owned(), String::new()], 9));
    let found = discover(&files).unwrap();
    assert!(!found.complete && !found.splits[0].finished);
}

#[test]
fn the_file_system_is_left_alone_between_looks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "one\n").unwrap();
    let files = TextFiles::new(&path).follow().look_every(seconds(10));
    files.start(&SourceContext::default()).unwrap();
    let found = |now| files.discover(Timestamp::from_secs(now)).unwrap().splits[0].available;
    assert_eq!(found(100), Some(4));
    append(&path, "two\n");
    assert_eq!([found(109), found(110)], [Some(4), Some(8)]);
    append(&path, "three\n");
    assert_eq!([found(119), found(50)], [Some(8), Some(14)], "a clock that was set back does not stop it");
}

#[test]
fn a_long_partial_line_is_found_to_end_much_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "x".repeat(200_000)).unwrap();
    let files = TextFiles::new(&path).follow();
    files.start(&SourceContext::default()).unwrap();
    assert_eq!(available(&files).unwrap(), [Some(0)]);
    append(&path, &format!("\n{}", "y".repeat(150_000)));
    assert_eq!(available(&files).unwrap(), [Some(200_001)]);
    assert_eq!(read(&files, &from(&split(&path), 0)).unwrap().0[0].len(), 200_000);
}

#[test]
fn new_files_come_in_by_name_and_old_ones_go_when_they_are_committed() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.log", "b.log", "c.gz"].map(|name| folder.path().join(name));
    let files = TextFiles::new(folder.path()).follow();
    files.start(&SourceContext::default()).unwrap();
    assert_eq!(discover(&files).unwrap().splits.len(), 0);
    std::fs::write(&paths[1], "b\n").unwrap();
    assert_eq!(available(&files).unwrap(), [Some(2)]);
    std::fs::write(&paths[0], "a1\na2\n").unwrap();
    std::fs::write(&paths[2], gzip(b"c1\nc2")).unwrap();
    let found = discover(&files).unwrap().splits;
    let expected = [1, 0, 2].map(|at| split(&paths[at]));
    assert_eq!(found.iter().map(|split| split.id.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(found.iter().map(|split| split.available).collect::<Vec<_>>(), [Some(2), Some(6), None]);
    assert_eq!(found.iter().map(|split| split.finished).collect::<Vec<_>>(), [false, false, true]);

    assert_eq!(read(&files, &from(&split(&paths[2]), 0)).unwrap(), (vec!["c1".to_owned(), "c2".to_owned()], 5));
    assert_eq!(available(&files).unwrap(), [Some(2), Some(6), Some(5)], "the reader has found the end");
    let done = paths.each_ref().map(|path| split(path)).into_iter().zip([6, 2, 5]).collect::<Vec<_>>();
    files.committed(&done).unwrap();
    std::fs::remove_file(&paths[2]).unwrap();
    std::fs::remove_file(&paths[0]).unwrap();
    let found = discover(&files).unwrap().splits;
    assert_eq!(
        found.iter().map(|split| split.finished).collect::<Vec<_>>(),
        [false, true, true],
        "known, should they return"
    );
    assert_eq!(available(&files).unwrap(), [Some(2), Some(6), Some(5)]);
    files.committed(&done).unwrap();
}

#[test]
fn a_file_that_goes_before_it_is_committed_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let files = TextFiles::new(folder.path()).follow();
    files.start(&SourceContext::default()).unwrap();
    files.committed(&[(split(&path), 4)]).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = discover(&files).unwrap_err();
    assert!(matches!(&error, ConnectError::Lost { position: 4, .. }), "{error}");
    assert!(error.to_string().contains("put it back"), "{error}");
    assert!(discover(&files).is_err(), "and stays missed");
}

#[test]
fn a_file_that_is_cut_rewritten_or_replaced_is_not_read_as_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let started = || {
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let files = TextFiles::new(&path).follow();
        files.start(&SourceContext::default()).unwrap();
        files
    };
    let lost = |files: &TextFiles| match discover(files) {
        Err(ConnectError::Lost { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    for other in ["one\n", "other lines, and more of them\n"] {
        let files = started();
        std::fs::write(&path, other).unwrap();
        let reason = lost(&files);
        assert!(reason.contains("was cut or written anew") && reason.contains("OnMissing::Skip"), "{reason}");
        assert!(reason.contains(&format!("--allow-loss 'split:source/{}'", path.display())), "{reason}");
    }
}

#[test]
fn a_compressed_file_that_grows_is_read_from_where_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gz");
    let whole = gzip("line\n".repeat(100).as_bytes());
    std::fs::write(&path, &whole[..20]).unwrap();
    let files = TextFiles::new(folder.path()).follow();
    files.start(&SourceContext::default()).unwrap();
    assert_eq!(available(&files).unwrap(), [None]);
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(available(&files).unwrap(), [None], "it may be read from its beginning on");
    assert_eq!(read(&files, &from(&split(&path), 0)).unwrap().0.len(), 100);
    assert_eq!(available(&files).unwrap(), [Some(500)]);
}

#[test]
fn a_compressed_file_that_is_still_written_is_read_as_far_as_it_goes_and_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gz");
    let text: String = (0..50_000).map(|n| format!("{n}\n")).collect();
    let whole = gzip(text.as_bytes());
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let files = TextFiles::new(folder.path()).follow();
    files.start(&SourceContext::default()).unwrap();
    let (first, at) = read(&files, &from(&split(&path), 0)).unwrap();
    assert_eq!(available(&files).unwrap(), [Some(at)]);
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(available(&files).unwrap(), [None]);
    let (rest, end) = read(&files, &from(&split(&path), at)).unwrap();
    assert_eq!((first.len() + rest.len(), end), (50_000, text.len() as u64));
    assert!(!first.is_empty() && [first, rest].concat().iter().enumerate().all(|(n, line)| *line == n.to_string()));
    let found = discover(&files).unwrap();
    assert!(found.splits[0].finished && found.splits[0].available == Some(end), "{found:?}");
}

#[test]
fn the_kind_of_a_followed_file_is_known_when_it_has_some_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gz");
    std::fs::write(&path, b"").unwrap();
    let files = TextFiles::new(folder.path()).follow();
    files.start(&SourceContext::default()).unwrap();
    assert_eq!(available(&files).unwrap(), [Some(0)]);
    std::fs::write(&path, gzip(b"x\n")).unwrap();
    assert_eq!(available(&files).unwrap(), [None]);
    assert_eq!(read(&files, &from(&split(&path), 0)).unwrap().0, ["x"]);
}

#[test]
fn without_follow_the_files_at_the_start_are_all_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "one\ntw").unwrap();
    let files = TextFiles::new(folder.path());
    files.start(&SourceContext::default()).unwrap();
    append(&path, "o\nthree\n");
    std::fs::write(folder.path().join("b.log"), "b\n").unwrap();
    let found = discover(&files).unwrap();
    assert!(found.complete && found.splits[0].finished);
    assert_eq!(available(&files).unwrap(), [Some(6)]);
    assert_eq!(read(&files, &from(&split(&path), 0)).unwrap(), (vec!["one".to_owned(), "tw".to_owned()], 6));
}

#[test]
fn a_new_run_resumes_at_the_positions_of_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, zipped) = (folder.path().join("a.log"), folder.path().join("b.gz"));
    std::fs::write(&plain, "one\ntwo\nthree\n").unwrap();
    std::fs::write(&zipped, gzip(b"one\ntwo\nthree\n")).unwrap();
    for path in [&plain, &zipped] {
        // Exact ranges are repeated before the new run has looked around.
        let files = TextFiles::new(folder.path());
        assert_eq!(read(&files, &ReadRange::exact(split(path), 4, 8)).unwrap(), (vec!["two".to_owned()], 8));
        let error = read(&files, &from(&split(path), 400)).unwrap_err();
        assert!(matches!(error, ConnectError::Lost { position: 400, .. }), "{error}");
    }
    let error = read(&TextFiles::new(folder.path()), &from(&split(&zipped), 5)).unwrap_err();
    assert!(error.to_string().contains("no line begins there"), "{error}");
}

#[test]
fn a_compressed_file_is_not_decompressed_again_for_each_bounded_range() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gz");
    let text: String = (0..10_000).map(|n| format!("{n}\n")).collect();
    std::fs::write(&path, gzip(text.as_bytes())).unwrap();
    let files = TextFiles::new(&path);
    files.start(&SourceContext::default()).unwrap();
    let first = from(&split(&path), 0).max_records(1_000);
    let mut reader = files.open(&first).unwrap();
    for batch in 0..10 {
        let mut records = vec![];
        while let Some(record) = reader.next_record().unwrap() {
            records.push(record);
        }
        assert_eq!((records.len(), &records[0]), (1_000, &(batch * 1_000).to_string()));
        if batch == 0 && cfg!(unix) {
            // Only a decoder that has kept the file open can continue now.
            std::fs::remove_file(&path).unwrap();
        }
        if batch < 9 {
            assert!(reader.is_reusable());
            let next = from(&split(&path), reader.position()).max_records(1_000);
            reader = files.reopen(reader, &next).unwrap();
        }
    }
    assert_eq!(reader.position(), text.len() as u64);
}

#[test]
fn two_readers_of_a_compressed_file_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gz");
    let text: String = (0..1_000).map(|n| format!("{n}\n")).collect();
    std::fs::write(&path, gzip(text.as_bytes())).unwrap();
    let files = TextFiles::new(&path);
    let some = from(&split(&path), 0).max_records(10);
    let (_, after) = read(&files, &some).unwrap();
    let numbers = |range: std::ops::Range<u32>| range.map(|n| n.to_string()).collect::<Vec<_>>();
    let next = from(&split(&path), after).max_records(10);
    // Each of them reads on from the same place, also once the other has gone further.
    for _ in 0..2 {
        let mut first = files.open(&next).unwrap();
        let second = read(&files, &next).unwrap().0;
        assert_eq!(second, numbers(10..20));
        let mut records = vec![];
        SourceReader::for_each(&mut first, |record| records.push(record)).unwrap();
        assert_eq!(records, second);
    }
}
