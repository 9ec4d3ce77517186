//! Followers that know files which are merged.

use std::path::Path;

use firesteel_connect::{ConnectError, Counters, ReadRange, Source, SourceContext, SourceReader, SplitId};
use firesteel_connect_file::{Compaction, Files, OnMissing, OnUnreadable, TextFileSink, TextFiles};

use super::common::{discover, from, published, read, split};
use super::{Checkpoint, Follower, parts, write};

fn lines(epoch: u64) -> Vec<String> {
    (0..4).map(|n| format!("{epoch}-{n}")).collect()
}

fn due(epochs: std::ops::RangeInclusive<u64>) -> Vec<String> {
    epochs.flat_map(lines).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_by_key(|line| line.split('-').map(|n| n.parse::<u64>().unwrap()).collect::<Vec<_>>());
    lines
}

fn compact(out: &Path) {
    Compaction::of(out, 1 << 20).run().unwrap();
}

fn sink(out: &Path, gzip: bool) -> TextFileSink {
    if gzip { TextFileSink::new(out).gzip() } else { TextFileSink::new(out) }
}

fn part(out: &Path, epoch: u64, gzip: bool) -> SplitId {
    split(&out.join(format!("part-{epoch:010}-00000.txt{}", if gzip { ".gz" } else { "" })))
}

fn names(files: &TextFiles) -> Vec<String> {
    let splits = discover(files).unwrap().splits.into_iter();
    splits.map(|split| split.id.as_str().rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn splits_keep_their_names_and_a_reader_that_knows_nothing_reads_the_merged_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    write(&sink(out, false), 1..=3, lines);
    let old = TextFiles::new(out).follow();
    old.start(&SourceContext::default()).unwrap();
    let before = names(&old);
    compact(out);
    assert_eq!(names(&old), before);
    let new = TextFiles::new(out).follow();
    new.start(&SourceContext::default()).unwrap();
    assert_eq!(names(&new), ["part-0000000001to0000000003-00001.txt"]);
    // What comes later is merged with it: the one knows the merged file, the other one its parts, and both the rest.
    write(&sink(out, false), 4..=5, lines);
    compact(out);
    assert_eq!(parts(out), 1);
    let found = [names(&old), names(&new)].map(|names| names.len());
    assert_eq!(found, [5, 3]);
    for files in [&old, &new] {
        let splits = discover(files).unwrap().splits;
        let read: Vec<String> = splits.iter().flat_map(|split| read(files, &from(&split.id, 0)).unwrap().0).collect();
        assert_eq!(sorted(read), due(1..=5));
    }
}

#[test]
fn what_was_listed_or_open_is_read_on_when_it_was_merged_and_removed() {
    for (gzip, follow) in [(false, false), (false, true), (true, false), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        write(&sink(out, gzip), 1..=4, lines);
        let files = if follow { TextFiles::new(out).follow() } else { TextFiles::new(out) };
        files.start(&SourceContext::default()).unwrap();
        assert_eq!(names(&files).len(), 4);
        let two = from(&part(out, 2, gzip), 0).max_records(2);
        let mut open = files.open(&two).unwrap();
        assert_eq!(open.next_record().unwrap().unwrap(), "2-0");
        compact(out);
        assert_eq!(parts(out), 1);
        // Who has it open reads on, and hands its decoder on, which is of another file now.
        assert_eq!(open.next_record().unwrap().unwrap(), "2-1");
        assert_eq!(open.next_record().unwrap(), None);
        let at = open.position();
        let mut open = files.reopen(open, &ReadRange::starting_at(part(out, 2, gzip), at).max_records(1)).unwrap();
        assert_eq!(open.next_record().unwrap().unwrap(), "2-2");
        // Nobody has looked since: opening finds out.
        for epoch in [1, 3, 4] {
            let (found, end) = read(&files, &from(&part(out, epoch, gzip), 0)).unwrap();
            assert_eq!((found, end), (lines(epoch), 16));
            // Ranges are the same as before.
            let exact = ReadRange::exact(part(out, epoch, gzip), 4, 12);
            assert_eq!(read(&files, &exact).unwrap(), (lines(epoch)[1..3].to_vec(), 12));
            assert!(matches!(read(&files, &from(&part(out, epoch, gzip), 17)), Err(ConnectError::Lost { .. })));
        }
        // Merged again, while it is known where it stands.
        write(&sink(out, gzip), 5..=5, lines);
        compact(out);
        assert_eq!(read(&files, &from(&part(out, 3, gzip), 8)).unwrap().0, lines(3)[2..]);
        let due = if follow { 5 } else { 4 };
        assert_eq!(names(&files).len(), due, "{:?}", names(&files));
    }
}

#[test]
fn a_decoder_of_an_old_file_is_not_taken_for_one_of_the_merged_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let many = |epoch: u64| (0..10 * epoch * epoch).map(|n| format!("{epoch}-{n}")).collect::<Vec<_>>();
    write(&sink(out, true), 1..=3, many);
    let files = TextFiles::new(out).follow();
    files.start(&SourceContext::default()).unwrap();
    let mut read = vec![];
    let mut open = files.open(&from(&part(out, 3, true), 0).max_records(20)).unwrap();
    open.for_each(|line| read.push(line)).unwrap();
    compact(out);
    discover(&files).unwrap();
    let next = ReadRange::starting_at(part(out, 3, true), open.position());
    files.reopen(open, &next).unwrap().for_each(|line| read.push(line)).unwrap();
    assert_eq!(read, many(3));
}

#[cfg(unix)]
#[test]
fn parts_of_a_packed_file_are_read_one_after_the_other_by_one_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    write(&sink(out, true), 1..=5, lines);
    let files = TextFiles::new(out).follow();
    files.start(&SourceContext::default()).unwrap();
    compact(out);
    discover(&files).unwrap();
    assert_eq!(read(&files, &from(&part(out, 1, true), 0)).unwrap().0, lines(1));
    // Only who has kept the merged file open can read it now.
    std::fs::remove_file(out.join("part-0000000001to0000000005-00001.txt.gz")).unwrap();
    for epoch in [2, 4, 5] {
        assert_eq!(read(&files, &from(&part(out, epoch, true), 0)).unwrap().0, lines(epoch));
    }
}

#[test]
fn a_range_that_is_repeated_after_a_restart_comes_before_anybody_has_looked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    write(&sink(out, true), 1..=3, lines);
    let mut follower = Follower::start(TextFiles::new(out).follow(), Checkpoint::default());
    follower.batch(2);
    let (kept, _) = follower.stop();
    compact(out);
    let follower = Follower::start(TextFiles::new(out).follow(), kept);
    let exact = ReadRange::exact(part(out, 3, true), 0, 8);
    assert_eq!(read(&follower.source, &exact).unwrap(), (lines(3)[..2].to_vec(), 8));
}

#[test]
fn results_that_were_moved_and_merged_while_the_job_was_stopped_are_known_again() {
    for gzip in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (out, moved) = (folder.path().join("out"), folder.path().join("moved"));
        write(&sink(&out, gzip), 1..=4, lines);
        let mut follower = Follower::start(TextFiles::new(&out).follow(), Checkpoint::default());
        follower.batch(3);
        let (kept, mut seen) = follower.stop();
        write(&sink(&out, gzip), 5..=5, lines);
        std::fs::rename(&out, &moved).unwrap();
        compact(&moved);
        let mut follower = Follower::start(TextFiles::new(&moved).follow(), kept);
        follower.all();
        seen.extend(follower.stop().1);
        assert_eq!(sorted(seen), due(1..=5));
    }
}

#[test]
fn results_of_the_same_names_and_texts_are_not_taken_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write(&sink(&at("b"), false), 1..=3, lines);
    let source = || TextFiles::all([at("a"), at("b")]).follow();
    let mut follower = Follower::start(source(), Checkpoint::default());
    follower.all();
    let (kept, seen) = follower.stop();
    assert_eq!(sorted(seen), due(1..=3));
    write(&sink(&at("a"), false), 1..=3, lines);
    compact(&at("a"));
    compact(&at("b"));
    let mut follower = Follower::start(source(), kept);
    follower.all();
    assert_eq!(sorted(follower.stop().1), due(1..=3), "those of the other one, once");
}

#[test]
fn results_that_were_written_anew_are_not_taken_for_those_before() {
    let other = |epoch: u64| vec![format!("{epoch}-{}", 7), format!("{epoch}-{}", 8)];
    for all in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        write(&sink(&out, false), 1..=3, lines);
        let mut follower = Follower::start(TextFiles::new(&out).follow(), Checkpoint::default());
        if all {
            follower.all()
        } else {
            _ = follower.batch(1)
        }
        let (kept, _) = follower.stop();
        std::fs::remove_dir_all(&out).unwrap();
        write(&sink(&out, false), 1..=3, other);
        compact(&out);
        if all {
            let mut follower = Follower::start(TextFiles::new(&out).follow(), kept);
            follower.all();
            assert_eq!(sorted(follower.stop().1), (1..=3).flat_map(other).collect::<Vec<_>>());
            continue;
        }
        let resumed = kept.positions.iter().map(|(split, at)| {
            firesteel_connect::Resumed::at(split.clone(), *at).noted(kept.notes.get(split).cloned())
        });
        let context = SourceContext::default().resumed_at(resumed);
        let error = TextFiles::new(&out).follow().start(&context).unwrap_err();
        assert!(matches!(&error, ConnectError::Lost { .. }), "{error}");
        assert!(error.to_string().contains("--allow-loss"), "{error}");
        let files = TextFiles::new(&out).follow().on_missing(OnMissing::Skip);
        files.start(&context).unwrap();
        assert_eq!(names(&files), ["part-0000000001to0000000003-00001.txt"]);
    }
}

#[test]
fn a_merged_file_that_is_gone_or_cut_is_an_error() {
    for cut in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        write(&sink(out, false), 1..=3, lines);
        let strict = TextFiles::new(out).follow().on_unreadable(OnUnreadable::Fail);
        let mut follower = Follower::start(strict, Checkpoint::default());
        follower.batch(1);
        compact(out);
        assert_eq!(names(&follower.source).len(), 3);
        let merged = out.join("part-0000000001to0000000003-00001.txt");
        if cut {
            std::fs::OpenOptions::new().write(true).open(&merged).unwrap().set_len(20).unwrap();
            let read = read(&follower.source, &from(&part(out, 3, false), 4));
            assert!(matches!(read, Err(ConnectError::Damaged { .. })));
        } else {
            std::fs::remove_file(&merged).unwrap();
            let error = discover(&follower.source).unwrap_err();
            assert!(error.to_string().contains("part-0000000001to0000000003-00001.txt"), "{error}");
        }
    }
}

#[test]
fn files_that_wait_for_their_turn_are_read_where_they_are_then_and_not_told_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    write(&sink(out, false), 1..=6, lines);
    let counters = Counters::default();
    let files = TextFiles::new(out).follow().max_files(2);
    files.start(&SourceContext::default().with_counters(counters.clone())).unwrap();
    let mut follower = Follower::of(files, Checkpoint::default());
    follower.now = 0;
    follower.batch(u64::MAX);
    compact(out);
    follower.all();
    let (_, seen) = follower.stop();
    assert_eq!(sorted(seen), due(1..=6));
    let lost = counters.values().into_iter().find(|(name, _)| *name == "files lost");
    assert!(lost.as_ref().is_none_or(|(_, count)| *count == 0), "{lost:?}");
}

#[test]
fn a_pattern_finds_what_was_merged_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    write(&sink(&out, false).partitioned_by("n", |line: &String| line[line.len() - 1..].to_owned()), 1..=3, lines);
    let pattern = out.join("n=*/part-*.txt");
    let mut follower = Follower::start(TextFiles::new(&pattern).follow(), Checkpoint::default());
    let half = follower.due().len() / 2;
    let due_now = follower.due();
    due_now.iter().take(half).for_each(|range| follower.take(range));
    follower.commit();
    compact(&out);
    follower.all();
    let (kept, seen) = follower.stop();
    assert_eq!(sorted(seen), due(1..=3));
    assert_eq!(Follower::start(TextFiles::new(&pattern).follow(), kept).batch(u64::MAX), 0);
    assert_eq!(sorted(published(&out, |_| TextFiles::new(&pattern))), due(1..=3));
}

#[test]
fn readers_find_every_line_once_while_files_are_merged_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    write(&sink(out, false), 1..=20, lines);
    let read_all = || {
        let mut follower = Follower::start(Files::new(out).follow(), Checkpoint::default());
        let mut kept = Vec::new();
        for _ in 0..40 {
            follower.batch(1);
        }
        follower.all();
        kept.extend(follower.stop().1);
        assert!(kept.len() >= 80, "{}", kept.len());
        let all = sorted(kept.clone());
        let mut once = all.clone();
        once.dedup();
        assert_eq!(once, all, "nothing twice");
        assert_eq!(all[..80], due(1..=20), "and nothing left out");
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(read_all)).collect();
        for epoch in 21..=60 {
            write(&sink(out, false), epoch..=epoch, lines);
            compact(out);
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    let mut follower = Follower::start(Files::new(out).follow(), Checkpoint::default());
    follower.all();
    assert_eq!(sorted(follower.stop().1), due(1..=60));
}
