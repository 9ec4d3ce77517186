//! What people do to folders of results while somebody follows them.

use std::path::Path;

use firesteel_connect::Source;
use firesteel_connect_file::{AfterReading, Compaction, FileSink, Files, TextFileSink, TextFiles};

use super::followers::Chance;
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

/// `mv out old; mv new out` between two looks: manifests of the same names say something else.
#[test]
fn manifests_of_other_results_under_the_same_names_are_not_taken_for_those_that_were_read() {
    let by = |line: &String| line[line.len() - 1..].to_owned();
    for (merged, partitioned) in [(false, false), (false, true), (true, false), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&TextFileSink::new(at("out")), 1..=2, lines);
        let others = |epoch: u64| [lines(epoch), lines(10 + epoch)].concat();
        if partitioned {
            write(&TextFileSink::new(at("new")).partitioned_by("n", by), 1..=2, |epoch| lines(10 + epoch));
        } else {
            // The files that are known, and more.
            write(&TextFileSink::new(at("new")).full_at(16), 1..=2, others);
        }
        if merged {
            [at("out"), at("new")].iter().for_each(|folder| compact(folder));
        }
        let mut follower = Follower::start(TextFiles::new(at("out")).follow(), Checkpoint::default());
        follower.all();
        assert_eq!(sorted(std::mem::take(&mut follower.read)), due(1..=2));
        std::fs::rename(at("out"), at("old")).unwrap();
        std::fs::rename(at("new"), at("out")).unwrap();
        follower.all();
        let read = sorted(follower.stop().1);
        assert!(due(11..=12).iter().all(|line| read.contains(line)), "{merged} {partitioned}: {read:?}");
    }
}

#[test]
fn a_pattern_finds_what_is_committed_also_where_the_folder_of_results_is_named_like_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("env=prod");
    write(&TextFileSink::new(&out), 1..=3, lines);
    compact(&out);
    // As a merging leaves it whose end was cut off, and an epoch that was not committed.
    std::fs::write(out.join("part-0000000002-00000.txt"), lines(2).join("\n") + "\n").unwrap();
    std::fs::write(out.join("part-0000000004-00000.txt"), "4-0\n").unwrap();
    let pattern = out.join("part-*.txt");
    let mut follower = Follower::start(TextFiles::new(pattern).follow(), Checkpoint::default());
    follower.all();
    assert_eq!(sorted(follower.stop().1), due(1..=3));
}

#[test]
fn files_of_results_are_not_removed_by_who_reads_them_however_they_were_found() {
    for archive in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (base, out) = (folder.path().join("all"), folder.path().join("all/out"));
        let after = || {
            if archive { AfterReading::archive(folder.path().join("archive")) } else { AfterReading::delete() }
        };
        std::fs::create_dir_all(&base).unwrap();
        for path in [base.join("*"), base.join("*/part-*.txt"), base.join("**/*.txt"), out.clone()] {
            let files =
                TextFiles::new(&path).follow().after_reading(after()).finish_after(firesteel_window::seconds(0));
            _ = std::fs::remove_dir_all(&out);
            let mut follower = Follower::start(files, Checkpoint::default());
            write(&TextFileSink::new(&out), 1..=2, lines);
            follower.all();
            follower.batch(1);
            assert_eq!(sorted(follower.stop().1), due(1..=2), "{}", path.display());
            assert_eq!(parts(&out), 2, "{}", path.display());
        }
    }
}

#[test]
fn who_reads_each_night_what_is_merged_each_night_reads_each_line_once() {
    for gzip in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let sink = || if gzip { TextFileSink::new(out).gzip() } else { TextFileSink::new(out) };
        let (mut kept, mut seen) = (Checkpoint::default(), vec![]);
        for night in 0..30 {
            write(&sink(), 3 * night + 1..=3 * night + 3, lines);
            if night % 2 == 0 {
                Compaction::of(out, 40 << (night % 7)).run().unwrap();
            }
            let mut follower = Follower::start(TextFiles::new(out), kept);
            follower.all();
            let (after, mut read) = follower.stop();
            (kept, seen) = (after, {
                seen.append(&mut read);
                seen
            });
            if night % 2 == 1 {
                Compaction::of(out, 40 << (night % 7)).run().unwrap();
            }
            assert_eq!(sorted(seen.clone()), due(1..=3 * night + 3), "night {night}");
        }
    }
}

fn records(epoch: u64) -> Vec<(u64, u64, String)> {
    (0..1 + epoch * 7 % 5).map(|n| (epoch, n, format!("\"{n},\n ä"))).collect()
}

/// Older checkpoints, other names for the folder, few files at once, several files of an epoch.
#[test]
fn whatever_checkpoint_and_whatever_name_of_the_folder_is_gone_back_to() {
    let seeds = std::env::var("SEEDS").map_or(40, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        let mut chance = Chance(seed);
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut place = 0;
        std::fs::create_dir(at("place0")).unwrap();
        std::os::unix::fs::symlink(at("place0"), at("link")).unwrap();
        let [gzip, by_folder, follow, moves, limited, by_link] = [0; 6].map(|_| chance.below(2) == 0);
        let compacts = (chance.below(3) == 0).then_some(90);
        let format = chance.below(4);
        let context =
            format!("seed {seed} {gzip} {by_folder} {follow} {moves} {limited} {by_link} {compacts:?} {format}");
        macro_rules! run {
            ($sink:expr, $source:expr) => {{
                let mut wrote = 0;
                let mut write_some = |out: &Path, more: u64| {
                    let sink = $sink(out).full_at(60);
                    let sink = if gzip { sink.gzip() } else { sink };
                    let sink = if let Some(wanted) = compacts { sink.compact_to(wanted) } else { sink };
                    let epochs = wrote + 1..=wrote + more;
                    wrote += more;
                    if by_folder {
                        write(&sink.partitioned_by("n", |(_, n, _): &(u64, u64, String)| n % 2), epochs, records);
                    } else {
                        write(&sink, epochs, records);
                    }
                    wrote
                };
                let source = |path: &Path| {
                    let files = $source(path);
                    let files = if limited { files.max_files(2) } else { files };
                    if follow { files.follow() } else { files }
                };
                let mut written = write_some(&at("place0"), 2);
                let mut read: Vec<(u64, u64, String)> = vec![];
                let mut history: Vec<(Checkpoint, usize)> = vec![(Checkpoint::default(), 0)];
                let mut follower = Follower::start(source(&at("place0")), Checkpoint::default());
                for _ in 0..30 {
                    let real = at(&format!("place{place}"));
                    match chance.below(7) {
                        0 => written = write_some(&real, 1 + chance.below(4)),
                        1 => _ = Compaction::of(&real, 1 << (3 + chance.below(9))).run().unwrap(),
                        2 | 3 => {
                            follower.batch(1 + chance.below(4));
                            let so_far = read.len() + follower.read.len();
                            history.push((follower.kept.clone(), so_far));
                        }
                        4 => {
                            // Gone back to an older checkpoint.
                            let (kept, more) = follower.stop();
                            read.extend(more);
                            drop(kept);
                            let back = history.len() - 1 - chance.below(history.len().min(6) as u64) as usize;
                            history.truncate(back + 1);
                            let (kept, so_far) = history[back].clone();
                            read.truncate(so_far);
                            follower = Follower::start(source(&real), kept);
                        }
                        _ => {
                            let (kept, more) = follower.stop();
                            read.extend(more);
                            if moves && chance.below(2) == 0 {
                                std::fs::rename(&real, at(&format!("place{}", place + 1))).unwrap();
                                place += 1;
                                std::fs::remove_file(at("link")).unwrap();
                                std::os::unix::fs::symlink(at(&format!("place{place}")), at("link")).unwrap();
                                if chance.below(2) == 0 {
                                    Compaction::of(at(&format!("place{place}")), 1 << 9).run().unwrap();
                                }
                            }
                            let real = at(&format!("place{place}"));
                            let named = if by_link && chance.below(2) == 0 { at("link") } else { real };
                            follower = Follower::start(source(&named), kept);
                        }
                    }
                }
                let (mut kept, more) = follower.stop();
                read.extend(more);
                loop {
                    let mut follower = Follower::start(source(&at(&format!("place{place}"))), kept);
                    follower.all();
                    let (after, more) = follower.stop();
                    kept = after;
                    if more.is_empty() {
                        break;
                    }
                    read.extend(more);
                }
                read.sort_unstable();
                let due: Vec<(u64, u64, String)> = (1..=written).flat_map(records).collect();
                assert_eq!(read, due, "{context}");
            }};
        }
        type Row = (u64, u64, String);
        match format {
            0 => run!(
                |out: &Path| TextFileSink::new(out).in_format(firesteel_formats::Csv::<Row>::new().no_header()),
                |path: &Path| Files::csv::<Row>(path).change_format(|csv| csv.no_header())
            ),
            _ => run!(|out: &Path| FileSink::json::<Row>(out), |path: &Path| Files::json::<Row>(path)),
        }
    }
}

/// Files whose turn has not come, of who reads what was there at the start.
#[test]
fn files_that_wait_are_read_where_they_are_by_then_also_by_who_does_not_follow() {
    for (gzip, again) in [(false, false), (false, true), (true, false), (true, true)] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let sink = || if gzip { TextFileSink::new(out).gzip() } else { TextFileSink::new(out) };
        write(&sink(), 1..=9, lines);
        let mut follower = Follower::start(TextFiles::new(out).max_files(2), Checkpoint::default());
        follower.batch(u64::MAX);
        compact(out);
        if again {
            follower.batch(u64::MAX);
            write(&sink(), 10..=10, lines);
            compact(out);
        }
        follower.all();
        let (kept, mut seen) = follower.stop();
        assert_eq!(sorted(seen.clone()), due(1..=9), "{gzip} {again}");
        let mut follower = Follower::start(TextFiles::new(out).max_files(2), kept);
        follower.all();
        seen.extend(follower.stop().1);
        assert_eq!(sorted(seen), due(1..=if again { 10 } else { 9 }), "{gzip} {again}");
    }
}

/// A run that reads all that is there at its start does not take a part for all of it.
#[test]
fn there_is_more_as_long_as_anything_waits_that_was_there_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    write(&TextFileSink::new(out), 1..=9, lines);
    let mut follower = Follower::start(TextFiles::new(out).follow().max_files(2), Checkpoint::default());
    let mut seen = 0;
    for round in 0.. {
        follower.now += 1;
        let found = follower.source.discover(firesteel_window::Timestamp::from_secs(follower.now)).unwrap();
        let has_more = found.more;
        let read = follower.batch(u64::MAX);
        seen += read;
        if round == 1 || round == 2 {
            compact(out);
            write(&TextFileSink::new(out), 10 + round..=10 + round, lines);
        }
        if !has_more && read == 0 {
            break;
        }
        assert!(has_more || seen >= 4 * 7, "{seen} lines");
    }
    assert_eq!(
        sorted(follower.stop().1),
        due(1..=12).into_iter().filter(|line| !line.starts_with("10-")).collect::<Vec<_>>()
    );
}

/// A file that is merged between being listed and being opened is no file that cannot be read.
#[test]
fn who_reads_once_while_files_are_merged_leaves_none_out() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let wrote = std::sync::atomic::AtomicU64::new(0);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..40_u64 {
                let sink = TextFileSink::new(out).full_at(1);
                write(&sink, 10 * round + 1..=10 * round + 10, lines);
                wrote.store(10 * round + 10, std::sync::atomic::Ordering::SeqCst);
                compact(out);
            }
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        while !done.load(std::sync::atomic::Ordering::SeqCst) {
            let least = wrote.load(std::sync::atomic::Ordering::SeqCst);
            if least == 0 {
                continue;
            }
            let mut follower = Follower::start(TextFiles::new(out), Checkpoint::default());
            follower.all();
            let read = sorted(follower.stop().1);
            assert!(read.len() as u64 >= 4 * least, "{} lines of {least} epochs", read.len());
            let mut once = read.clone();
            once.dedup();
            assert_eq!(once, read);
        }
    });
}
