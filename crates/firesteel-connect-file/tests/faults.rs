//! What bad files and bad places get: an error that names the thing, the place and the way out.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use std::path::Path;

use common::{available, from, gzip, read, split, zstd};
use firesteel_connect::{
    Class, ConnectError, Epoch, InvalidUtf8, ReadRange, Sink, SinkContext, Source, SourceContext, SourceReader,
    WriteTask, conformance,
};
use firesteel_connect_file::{PendingFiles, TextFileSink, TextFiles};

fn started(path: &Path) -> TextFiles {
    let files = TextFiles::new(path);
    files.start(&SourceContext::default()).unwrap();
    files
}

#[test]
fn a_path_that_does_not_exist_fails_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.log");
    let error = TextFiles::new(&missing).start(&SourceContext::default()).unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    assert!(error.to_string().contains("missing.log"), "{error}");
    let error = TextFiles::new(folder.path()).longest_line(0).start(&SourceContext::default()).unwrap_err();
    assert!(matches!(error, ConnectError::Setting { setting: "longest record", .. }), "{error}");
}

#[test]
fn a_file_that_vanishes_between_batches_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let files = started(folder.path());
    assert_eq!(read(&files, &ReadRange::exact(split(&path), 0, 4)).unwrap().0, ["one"]);
    std::fs::remove_file(&path).unwrap();
    let error = read(&files, &ReadRange::exact(split(&path), 4, 8)).unwrap_err();
    assert!(matches!(&error, ConnectError::Lost { position: 4, .. }), "{error}");
    assert!(error.to_string().contains("a.log") && error.to_string().contains("put it back"), "{error}");
}

#[test]
fn a_file_that_is_cut_or_replaced_between_batches_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let files = started(folder.path());
    std::fs::write(&path, "one\n").unwrap();
    let error = read(&files, &ReadRange::exact(split(&path), 4, 8)).unwrap_err();
    assert!(error.to_string().contains("was cut to 4 bytes"), "{error}");
    let new = folder.path().join("new");
    std::fs::write(&new, "another file\n").unwrap();
    std::fs::rename(&new, &path).unwrap();
    if cfg!(unix) {
        let error = read(&files, &ReadRange::exact(split(&path), 0, 8)).unwrap_err();
        assert!(error.to_string().contains("another file"), "{error}");
    }
}

#[test]
fn a_truncated_or_damaged_compressed_file_is_an_error_after_the_good_lines() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    let damage = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0x55);
        bytes
    };
    let (zipped, packed) = (gzip(text.as_bytes()), zstd(text.as_bytes()));
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 10].to_vec();
    let cases = [
        ("cut.gz", cut(&zipped), "ends in the middle"),
        ("damaged.gz", damage(zipped.clone()), "restore it"),
        ("after.gz", [&zipped[..], b"rubbish after it"].concat(), "16 bytes after its end are no gzip"),
        ("damaged.zst", damage(packed.clone()), "restore it"),
        ("cut.zst", cut(&packed), "bytes of text"),
    ];
    for (name, bytes, advice) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let files = started(&path);
        let mut reader = files.open(&from(&split(&path), 0)).unwrap();
        let mut count = 0;
        let error = reader
            .for_each(|line| {
                // Damage is certain only at the checksum; before a cut, everything is good.
                assert!(!name.starts_with("cut") || line == format!("line {count}"), "{line}");
                count += 1;
            })
            .unwrap_err();
        assert!(matches!(&error, ConnectError::File { action: "decompress", .. }), "{name}: {error}");
        assert_eq!(error.class(), Class::Fatal);
        assert!(error.to_string().contains(name) && error.to_string().contains(advice), "{error}");
        assert_eq!(available(&files).unwrap(), [None], "{name}: no end is known of it");
    }
}

#[test]
fn a_wrong_checksum_of_a_zstd_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zst");
    let origin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/numbers.txt.zst");
    let mut bytes = std::fs::read(origin).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = read(&started(&path), &from(&split(&path), 0)).unwrap_err();
    assert!(error.to_string().contains("checksum does not match"), "{error}");
}

#[test]
fn an_empty_file_that_calls_itself_gzip_is_not_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gz");
    std::fs::write(&path, b"").unwrap();
    let outcome = read(&started(&path), &from(&split(&path), 0));
    assert!(matches!(&outcome, Err(ConnectError::File { action: "decompress", .. })), "{outcome:?}");
}

#[test]
fn a_line_that_is_not_utf8_is_a_record_error_or_replaced_as_chosen() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in
        [("plain", b"good\ncaf\xe9\nbetter\n".to_vec()), ("zipped", gzip(b"good\ncaf\xe9\nbetter\n"))]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let files = started(&path);
        let mut reader = files.open(&from(&split(&path), 0)).unwrap();
        assert_eq!(reader.next_record().unwrap().as_deref(), Some("good"));
        let error = reader.next_record().unwrap_err();
        assert!(matches!(&error, ConnectError::Malformed { position: 5, .. }), "{error}");
        assert_eq!(error.class(), Class::Record);
        assert!(error.to_string().contains("byte 3"), "{error}");
        // Whoever sets the line aside continues after it.
        assert_eq!((reader.last_position(), reader.position()), (5, 10));
        drop(reader);
        assert_eq!(read(&files, &from(&split(&path), 10)).unwrap().0, ["better"]);

        let replacing = TextFiles::new(&path).invalid_utf8(InvalidUtf8::Replace);
        assert_eq!(read(&replacing, &from(&split(&path), 0)).unwrap().0, ["good", "caf\u{fffd}", "better"]);
        let bytes = TextFiles::new(&path).decode_bytes(|line| line.last().copied());
        assert_eq!(read(&bytes, &from(&split(&path), 0)).unwrap().0[1], Some(0xe9));
    }
}

#[test]
fn lines_that_cannot_be_decoded_keep_the_contract_of_sources() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"\xfe\n1\n2\r\nthree\n\xff\n\n4\n5\ncaf\xe9";
    let refused = |bytes: &[u8]| Err(bytes.to_vec());
    let expected = [
        refused(b"\xfe"),
        Ok(1),
        Ok(2),
        refused(b"three"),
        refused(b"\xff"),
        refused(b""),
        Ok(4),
        Ok(5),
        refused(b"caf\xe9"),
    ];
    for (name, content) in [("plain", text.to_vec()), ("zipped", gzip(text))] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        conformance::undecodable(|| TextFiles::new(&path).try_decode(|line| line.parse::<u32>()), &expected);
        let bytes =
            |line: &[u8]| std::str::from_utf8(line).ok().and_then(|line| line.parse::<u32>().ok()).ok_or("no number");
        conformance::undecodable(|| TextFiles::new(&path).try_decode_bytes(bytes), &expected);
    }
}

#[test]
fn a_line_that_is_too_long_is_a_record_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let long = "x".repeat(100_000);
    std::fs::write(&path, format!("a\n{long}\nb\n{long}")).unwrap();
    let files = TextFiles::new(&path).longest_line(1_000);
    let mut reader = files.open(&from(&split(&path), 0)).unwrap();
    let mut found = vec![];
    loop {
        match reader.next_record() {
            Ok(Some(line)) => found.push(line),
            Ok(None) => break,
            Err(ConnectError::Malformed { position, reason, .. }) => {
                assert!(reason.contains("more than 1000 bytes"), "{reason}");
                found.push(format!("error at {position}, on at {}", reader.position()));
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(found, ["a", "error at 2, on at 100003", "b", "error at 100005, on at 200005"]);
}

fn task(epoch: u64) -> WriteTask {
    WriteTask::new(Epoch(epoch), 0)
}

fn start(sink: &TextFileSink) -> firesteel_connect::Result<()> {
    Sink::<u32>::start(sink, &SinkContext::default())
}

fn write(sink: &TextFileSink, epoch: u64) -> firesteel_connect::Result<PendingFiles> {
    sink.write(task(epoch), [1u32, 2].into_iter())
}

fn commit(sink: &TextFileSink, epoch: u64, pending: &mut Vec<PendingFiles>) -> firesteel_connect::Result<()> {
    Sink::<u32>::commit(sink, Epoch(epoch), pending)
}

fn last(sink: &TextFileSink) -> Option<Epoch> {
    Sink::<u32>::last_committed(sink).unwrap().map(|mark| mark.epoch)
}

/// All names in the folder, without those of the manifests.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "_committed");
    names.sort();
    names
}

#[test]
fn a_sink_without_a_usable_folder_fails_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    for place in [file.clone(), file.join("below")] {
        let error = start(&TextFileSink::new(&place)).unwrap_err();
        assert!(matches!(&error, ConnectError::File { action: "create", .. }), "{error}");
        assert!(error.to_string().contains("file"), "{error}");
    }
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("part-0000000001-00000.txt");
    std::fs::write(&foreign, "precious").unwrap();
    let error = start(&TextFileSink::new(folder.path())).unwrap_err();
    assert!(error.to_string().contains("a folder of its own"), "{error}");
    assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "precious");
}

#[test]
fn two_jobs_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (TextFileSink::new(folder.path()), TextFileSink::new(folder.path()));
    start(&first).unwrap();
    let error = start(&second).unwrap_err();
    assert!(error.to_string().contains("another job"), "{error}");
    Sink::<u32>::stop(&first).unwrap();
    start(&second).unwrap();
}

#[test]
fn what_a_crash_leaves_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let sink = TextFileSink::new(folder.path());
    start(&sink).unwrap();
    let pending = write(&sink, 1).unwrap();
    commit(&sink, 1, &mut vec![pending]).unwrap();
    drop(sink);
    // A task was writing, and a commit was under way.
    for name in [".part-0000000002-00001.txt.0-9.tmp", "part-0000000002-00000.txt", "_committed/.0000000002.tmp"] {
        std::fs::write(folder.path().join(name), "torn").unwrap();
    }
    let sink = TextFileSink::new(folder.path());
    start(&sink).unwrap();
    assert_eq!(names(folder.path()), ["part-0000000001-00000.txt"]);
    assert!(!folder.path().join("_committed/.0000000002.tmp").exists());
    assert_eq!(last(&sink), Some(Epoch(1)));
}

/// A commit of two partitions, of which the second cannot get its name: a folder is in its way.
fn commit_halfway(sink: &TextFileSink) -> (Vec<PendingFiles>, std::path::PathBuf) {
    let write = |partition| {
        let task = WriteTask::new(Epoch(1), partition);
        sink.write(task, std::iter::once(partition)).unwrap()
    };
    let mut pending = vec![write(0), write(1)];
    let obstacle = sink.folder().join("part-0000000001-00001.txt");
    std::fs::create_dir(&obstacle).unwrap();
    let error = commit(sink, 1, &mut pending).unwrap_err();
    assert!(error.to_string().contains("part-0000000001-00001.txt"), "{error}");
    assert_eq!(last(sink), None);
    std::fs::remove_dir(&obstacle).unwrap();
    (pending, obstacle)
}

#[test]
fn a_commit_that_fails_halfway_continues_when_it_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let sink = TextFileSink::new(folder.path());
    start(&sink).unwrap();
    let (mut pending, _) = commit_halfway(&sink);
    commit(&sink, 1, &mut pending).unwrap();
    assert!(pending.is_empty());
    assert_eq!(names(folder.path()), ["part-0000000001-00000.txt", "part-0000000001-00001.txt"]);
    assert_eq!(last(&sink), Some(Epoch(1)));
}

#[test]
fn a_commit_that_fails_halfway_can_be_rolled_back() {
    let folder = tempfile::tempdir().unwrap();
    let sink = TextFileSink::new(folder.path());
    start(&sink).unwrap();
    let (pending, _) = commit_halfway(&sink);
    assert_eq!(names(folder.path()).len(), 2);
    Sink::<u32>::abort(&sink, Epoch(1), pending).unwrap();
    assert_eq!(names(folder.path()).len(), 0);
}

#[test]
fn an_epoch_that_is_written_again_leaves_nothing_of_its_first_commit() {
    let folder = tempfile::tempdir().unwrap();
    let sink = TextFileSink::new(folder.path());
    start(&sink).unwrap();
    let (pending, second) = commit_halfway(&sink);
    drop(pending);
    // This time all the records are in the second partition.
    let nothing = sink.write(task(1), std::iter::empty::<u32>()).unwrap();
    let all = sink.write(WriteTask::new(Epoch(1), 1), [0u32, 1].into_iter()).unwrap();
    commit(&sink, 1, &mut vec![nothing, all]).unwrap();
    assert_eq!(names(folder.path()), ["part-0000000001-00001.txt"]);
    assert_eq!(std::fs::read_to_string(second).unwrap(), "0\n1\n");
}

#[test]
fn nothing_temporary_stays_behind() {
    let folder = tempfile::tempdir().unwrap();
    let sink = TextFileSink::new(folder.path());
    start(&sink).unwrap();
    let pending = write(&sink, 1).unwrap();
    assert_eq!(names(folder.path()).len(), 1);
    drop(pending);
    assert_eq!(names(folder.path()).len(), 0);
    let pending = write(&sink, 1).unwrap();
    Sink::<u32>::abort(&sink, Epoch(1), vec![pending]).unwrap();
    assert_eq!(names(folder.path()).len(), 0);
    let torn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        sink.write(
            task(1),
            (0..10u32).inspect(|n| {
                if *n == 5 {
                    std::panic::resume_unwind(Box::new(()))
                }
            }),
        )
    }));
    assert!(torn.is_err());
    assert_eq!(names(folder.path()).len(), 0);
}

#[test]
fn results_that_do_not_agree_with_their_manifest_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let sink = TextFileSink::new(folder.path());
    start(&sink).unwrap();
    let pending = write(&sink, 1).unwrap();
    commit(&sink, 1, &mut vec![pending]).unwrap();
    let part = folder.path().join("part-0000000001-00000.txt");
    common::append(&part, "3\n");
    let error = TextFiles::new(folder.path()).start(&SourceContext::default()).unwrap_err();
    assert!(error.to_string().contains("the manifest says 4 bytes, the file has 6"), "{error}");
    std::fs::remove_file(&part).unwrap();
    for files in [TextFiles::new(folder.path()), TextFiles::new(folder.path()).follow()] {
        let error = files.start(&SourceContext::default()).unwrap_err();
        assert!(error.to_string().contains("part-0000000001-00000.txt"), "{error}");
    }
    std::fs::write(folder.path().join("_committed/0000000001"), "firesteel files 1\n").unwrap();
    let error = TextFiles::new(folder.path()).start(&SourceContext::default()).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn a_record_without_a_text_fails_its_task() {
    struct Mute;
    impl std::fmt::Display for Mute {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let sink = TextFileSink::new(folder.path());
    start(&sink).unwrap();
    let error = sink.write(task(3), std::iter::once(Mute)).unwrap_err();
    assert_eq!(error.class(), Class::Record);
    assert!(error.to_string().contains("epoch 3"), "{error}");
}

#[test]
fn a_staged_file_that_is_gone_at_the_commit_is_an_error_and_no_hole() {
    let folder = tempfile::tempdir().unwrap();
    let sink = TextFileSink::new(folder.path());
    let start = || Sink::<u32>::start(&sink, &SinkContext::default()).unwrap();
    start();
    let write = |partition| sink.write(WriteTask::new(Epoch(1), partition), 0..3_u32).unwrap();
    let mut pending = vec![write(0), write(1)];
    let staged = |entry: &std::fs::DirEntry| entry.path().is_file() && !entry.path().ends_with(".lock");
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).filter(staged).collect();
    std::fs::remove_file(files[1].path()).unwrap();
    let error = Sink::<u32>::commit(&sink, Epoch(1), &mut pending).unwrap_err();
    assert!(error.to_string().contains(&*files[1].file_name().to_string_lossy()), "{error}");
    assert_eq!(Sink::<u32>::last_committed(&sink).unwrap(), None, "nothing of the epoch is listed");
    // The next start removes what is left of it.
    drop(pending);
    Sink::<u32>::stop(&sink).unwrap();
    start();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).filter(staged).collect();
    assert!(left.is_empty(), "{left:?}");
}
