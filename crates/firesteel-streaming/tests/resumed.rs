//! Jobs that are stopped and started again, with their checkpoints.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::path::Path;

use firesteel_connect_file::TextFileSink;
use firesteel_connect_memory::{Collector, MemorySource, QueueSource};
use firesteel_state::{Declaration, Fired, Timers, Value};
use firesteel_streaming::{Checkpoint, KeyedProcess, ProcessContext, ProcessSpec, StreamingContext, Trigger};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

type Count = (String, u64);

/// Runs the job on what is in the queue, to its end or the end of what is there.
fn run(folder: &Path, words: &QueueSource<String>, counts: &Collector<Count>, threads: usize) {
    let job = StreamingContext::builder("counts")
        .threads(threads)
        .partitions(threads)
        .checkpoint(Checkpoint::in_folder(folder).every_batch())
        .build()
        .unwrap();
    job.read(words.clone())
        .named("words")
        .map(|word| (word, 1))
        .update_state_by_key(|new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.len() as u64))
        .named("counts")
        .write(counts.clone());
    job.run(Trigger::AvailableNow).unwrap();
}

#[test]
fn a_job_that_is_started_again_for_every_batch_counts_as_one_that_runs_through() {
    let folder = tempfile::tempdir().unwrap();
    let words = QueueSource::new(2).keep_committed();
    let counts = Collector::new();
    for (batch, threads) in ["a", "a b", "a b c", "a b", "a", ""].iter().zip([1, 2, 3, 1, 2, 3]) {
        words.handle().push(batch.split_whitespace().map(str::to_owned).collect()).unwrap();
        run(folder.path(), &words, &counts, threads);
    }
    let mut last = counts.records();
    last.sort();
    let mut last: Vec<_> = last.into_iter().collect();
    last.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 = later.1;
        }
        same
    });
    assert_eq!(last, [("a".to_owned(), 5), ("b".to_owned(), 3), ("c".to_owned(), 1)]);
}

/// Counts numbers per ten seconds, a batch for each list, with a new process, so to speak, for each of the parts.
fn windows(parts: &[&[&[i64]]], threads: &[usize]) -> Vec<(i64, u8, u64)> {
    let folder = tempfile::tempdir().unwrap();
    let seconds_of = QueueSource::new(2).keep_committed();
    let counts = Collector::new();
    for (part, threads) in parts.iter().zip(threads.iter().cycle()) {
        let last = std::ptr::eq(part, parts.last().unwrap());
        let job = StreamingContext::builder("windows")
            .threads(*threads)
            .partitions(*threads)
            .checkpoint(Checkpoint::in_folder(folder.path()).every_batch().snapshot_after(200).segment_bytes(300))
            .build()
            .unwrap();
        job.read(seconds_of.clone())
            .named("seconds")
            .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(5)))
            .key_by(|second| (*second % 3) as u8)
            .window(Tumbling::of(seconds(10)))
            .count()
            .named("tens")
            .map(|row| (row.window.start().as_secs(), row.key, row.value))
            .write(counts.clone());
        let mut run = job.begin().unwrap();
        for batch in *part {
            seconds_of.handle().push(batch.to_vec()).unwrap();
            run.next_batch().unwrap();
        }
        if last {
            run.last_batch().unwrap();
        }
    }
    let mut rows = counts.records();
    rows.sort();
    rows
}

#[test]
fn windows_that_are_open_survive_and_fire_once() {
    let batches: Vec<Vec<i64>> = (0..12).map(|batch| (0..9).map(|n| batch * 4 + (n * 5) % 13).collect()).collect();
    let batches: Vec<&[i64]> = batches.iter().map(Vec::as_slice).collect();
    let through = windows(&[&batches], &[2]);
    assert!(through.len() > 10, "{through:?}");
    let one_by_one: Vec<&[&[i64]]> = batches.chunks(1).collect();
    assert_eq!(windows(&one_by_one, &[1]), through);
    assert_eq!(windows(&one_by_one, &[3, 1, 2]), through);
    let some: Vec<&[&[i64]]> = batches.chunks(5).collect();
    assert_eq!(windows(&some, &[2, 1]), through);
}

/// A job that counts words into a new collector.
fn counting(checkpoint: Checkpoint, words: &QueueSource<String>) -> (StreamingContext, Collector<Count>) {
    let job = StreamingContext::builder("counts").threads(2).checkpoint(checkpoint).build().unwrap();
    let counts = Collector::new();
    job.read(words.clone())
        .named("words")
        .map(|word| (word, 1))
        .update_state_by_key(|new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.len() as u64))
        .named("counts")
        .write(counts.clone());
    (job, counts)
}

fn push(words: &QueueSource<String>, batch: &str) {
    words.handle().push(batch.split_whitespace().map(str::to_owned).collect()).unwrap();
}

fn counts(of: &[(&str, u64)]) -> Vec<Count> {
    of.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

#[test]
fn a_savepoint_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let words = QueueSource::new(1).keep_committed();
    let (job, _) = counting(Checkpoint::in_folder(at("first")), &words);
    let mut run = job.begin().unwrap();
    push(&words, "a b a");
    run.next_batch().unwrap();
    let epoch = run.savepoint(at("saved")).unwrap();
    push(&words, "b");
    run.next_batch().unwrap();
    drop(run);
    let again = counting(Checkpoint::in_folder(at("first")), &words).0.begin().unwrap().savepoint(at("saved"));
    assert!(again.unwrap_err().to_string().contains("there is a checkpoint in it already"));
    std::fs::remove_dir_all(at("first")).unwrap();
    // Another job begins with it, and reads on from there; then it runs by itself.
    for (batch, expected) in [("c", [("a", 2), ("b", 2), ("c", 1)]), ("a", [("a", 3), ("b", 2), ("c", 1)])] {
        push(&words, batch);
        let (job, collected) = counting(Checkpoint::in_folder(at("second")).start_from(at("saved")), &words);
        job.run(Trigger::AvailableNow).unwrap();
        let mut collected = collected.records();
        collected.sort();
        assert_eq!(collected, counts(&expected), "after epoch {epoch}");
    }
}

#[test]
fn a_checkpoint_is_not_taken_for_a_savepoint() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let words = QueueSource::new(1).keep_committed();
    push(&words, "a b a");
    let (job, _) = counting(Checkpoint::in_folder(at("first")), &words);
    let stopper = job.stopper();
    job.run(Trigger::AvailableNow).unwrap();
    let told = stopper.savepoint(at("saved")).unwrap_err().to_string();
    assert!(told.contains("use a copy of the checkpoint's folder as its checkpoint"), "{told}");
    // Its snapshot is that of the beginning: to start from it would forget what was counted.
    let (job, _) = counting(Checkpoint::in_folder(at("second")).start_from(at("first")), &words);
    let refused = format!("{:?}", job.run(Trigger::AvailableNow).unwrap_err());
    assert!(refused.contains("FS-T011") && refused.contains("it is no savepoint"), "{refused}");
    // What both messages say works.
    copy(&at("first"), &at("third"));
    push(&words, "b");
    let (job, collected) = counting(Checkpoint::in_folder(at("third")), &words);
    job.run(Trigger::AvailableNow).unwrap();
    let mut collected = collected.records();
    collected.sort();
    assert_eq!(collected, counts(&[("a", 2), ("b", 2)]));
}

#[test]
fn a_job_whose_checkpoint_is_taken_away_shows_nothing_any_more() {
    type TakeAway = fn(&Path);
    let ways: [TakeAway; 4] = [
        |folder| std::fs::remove_dir_all(folder).unwrap(),
        |folder| std::fs::rename(folder, folder.with_extension("old")).unwrap(),
        |folder| std::fs::remove_dir_all(folder.join("changelog")).unwrap(),
        |folder| {
            // Another one stands in its place.
            std::fs::rename(folder, folder.with_extension("old")).unwrap();
            copy(&folder.with_extension("old"), folder);
        },
    ];
    for (way, take_away) in ways.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let words = QueueSource::new(1).keep_committed();
        let (job, collected) = counting(Checkpoint::in_folder(at("checkpoint")).every_batch(), &words);
        let mut run = job.begin().unwrap();
        push(&words, "a");
        run.next_batch().unwrap();
        take_away(&at("checkpoint"));
        push(&words, "a");
        let refused = format!("{:?}", run.next_batch().unwrap_err());
        assert!(refused.contains("FS-T001") && refused.contains("while the job runs"), "{way}: {refused}");
        assert_eq!(collected.records(), counts(&[("a", 1)]), "{way}");
    }
}

#[test]
fn a_checkpoint_that_is_damaged_is_told_with_what_can_be_done() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 3] = [
        ("FS-T002", |folder| {
            let file = std::fs::read_dir(folder.join("changelog")).unwrap().next().unwrap().unwrap().path();
            let mut bytes = std::fs::read(&file).unwrap();
            let last = bytes.len() - 10;
            bytes[last] ^= 1;
            std::fs::write(file, bytes).unwrap();
        }),
        ("FS-T011", |folder| std::fs::remove_dir_all(folder.join("snapshots")).unwrap()),
        ("FS-T012", |folder| std::fs::remove_dir_all(folder.join("changelog")).unwrap()),
    ];
    for (code, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let words = QueueSource::new(1).keep_committed();
        // Snapshots in the middle, so that neither they nor the changelog are enough alone.
        let checkpoint = || Checkpoint::in_folder(folder.path()).every_batch().snapshot_after(100);
        for _ in 0..3 {
            push(&words, "a b a");
            counting(checkpoint(), &words).0.run(Trigger::AvailableNow).unwrap();
        }
        damage(folder.path());
        let refused = counting(checkpoint(), &words).0.run(Trigger::AvailableNow).unwrap_err();
        let (told, all) = (refused.to_string(), format!("{refused:?}"));
        assert!(told.contains("FS-S012") && told.contains("put back a copy"), "{told}");
        assert!(told.contains(&format!("checkpoint verify {}", folder.path().display())), "{told}");
        assert!(all.contains(code), "{all}");
    }
}

#[test]
fn state_that_no_snapshot_describes_any_more_is_not_resumed_from() {
    let folder = tempfile::tempdir().unwrap();
    let words = QueueSource::new(1).keep_committed();
    let live = |second_too: bool, allow_loss: bool| {
        let allowed = if allow_loss { vec!["state:second"] } else { vec![] };
        let checkpoint = Checkpoint::in_folder(folder.path()).every_batch().allow_loss(allowed);
        let job = StreamingContext::builder("counts").threads(1).checkpoint(checkpoint).build().unwrap();
        let counts = Collector::new();
        push(&words, "a");
        let words = job.read(words.clone()).named("words").map(|word| (word, ()));
        let first = words.clone().running_count().named("first");
        if second_too {
            first.union(words.running_count().named("second")).write(counts.clone());
        } else {
            first.write(counts.clone());
        }
        job.run(Trigger::AvailableNow).map(|()| counts.records())
    };
    assert_eq!(live(false, false).unwrap(), counts(&[("a", 1)]));
    assert_eq!(live(true, false).unwrap(), counts(&[("a", 2), ("a", 1)]));
    // An operator that was dropped is nothing that is missed.
    assert_eq!(live(false, true).unwrap(), counts(&[("a", 3)]));
    assert_eq!(live(false, false).unwrap(), counts(&[("a", 4)]));
    assert_eq!(live(true, false).unwrap(), counts(&[("a", 5), ("a", 1)]));

    // The newest snapshot is of the moment when the second operator came. The changelog continues from the one before.
    let manifests = std::fs::read_dir(folder.path().join("snapshots")).unwrap().map(|entry| entry.unwrap().path());
    let newest = manifests.filter(|path| path.extension().is_some_and(|end| end == "manifest")).max().unwrap();
    std::fs::remove_file(newest).unwrap();
    for second_too in [false, true] {
        let refused = format!("{:?}", live(second_too, true).unwrap_err());
        assert!(refused.contains("FS-T011") && refused.contains("second"), "{refused}");
    }
}

#[test]
fn a_changed_program_is_told_what_fits_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let words = QueueSource::new(1).keep_committed();
    push(&words, "a b a");
    counting(Checkpoint::in_folder(folder.path()), &words).0.run(Trigger::AvailableNow).unwrap();
    let changed = |checkpoint: Checkpoint| {
        let job = StreamingContext::builder("counts").threads(2).checkpoint(checkpoint).build().unwrap();
        let counts = Collector::new();
        job.read(words.clone())
            .named("other words")
            .map(|word| (word, 1))
            .update_state_by_key(|new: Vec<u64>, old: Option<u64>| Some(old.unwrap_or(0) + new.len() as u64))
            .named("totals")
            .write(counts.clone());
        job.run(Trigger::AvailableNow).map(|()| counts.records())
    };
    let refused = changed(Checkpoint::in_folder(folder.path())).unwrap_err().to_string();
    for part in [
        "FS-S010",
        "lost:     state:counts: state: value of u64",
        "lost:     input:words: the position in 1 split",
        "new:      state:totals/state: value of u64",
        "new:      input:other words",
        "Checkpoint::allow_loss([\"input:words\", \"state:counts\"])",
    ] {
        assert!(refused.contains(part), "{part} is not in {refused}");
    }
    let mut fresh = changed(Checkpoint::in_folder(folder.path()).allow_loss(["state:counts", "input:words"])).unwrap();
    fresh.sort();
    assert_eq!(fresh, counts(&[("a", 2), ("b", 1)]));
}

#[test]
fn a_source_that_holds_less_than_was_read_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let words = QueueSource::new(1).keep_committed();
    push(&words, "a b a");
    counting(Checkpoint::in_folder(folder.path()), &words).0.run(Trigger::AvailableNow).unwrap();
    let other = QueueSource::new(1).keep_committed();
    push(&other, "a");
    let job = counting(Checkpoint::in_folder(folder.path()), &other).0;
    let refused = format!("{:?}", job.run(Trigger::AvailableNow).unwrap_err());
    assert!(refused.contains("source words failed") && refused.contains("the data ends at 1"), "{refused}");
}

#[test]
fn two_jobs_do_not_share_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let words = QueueSource::new(1).keep_committed();
    let run = counting(Checkpoint::in_folder(folder.path()), &words).0.begin().unwrap();
    let refused = counting(Checkpoint::in_folder(folder.path()), &words).0.begin().unwrap_err();
    assert!(format!("{refused:?}").contains("FS-T004"), "{refused:?}");
    drop(run);
    counting(Checkpoint::in_folder(folder.path()), &words).0.begin().unwrap();
}

#[test]
fn results_and_checkpoint_have_to_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let words = QueueSource::new(1).keep_committed();
    let job = |checkpoint: &str| {
        let job = StreamingContext::builder("lines")
            .threads(1)
            .checkpoint(Checkpoint::in_folder(at(checkpoint)).every_batch());
        let job = job.build().unwrap();
        job.read(words.clone()).named("words").write(TextFileSink::new(at("out")));
        job
    };
    push(&words, "a");
    job("one").run(Trigger::AvailableNow).unwrap();
    std::fs::rename(at("one"), at("copy")).unwrap();
    copy(&at("copy"), &at("one"));
    push(&words, "b");
    job("one").run(Trigger::AvailableNow).unwrap();
    // An old copy of the checkpoint knows less than the results.
    let refused = job("copy").run(Trigger::AvailableNow).unwrap_err().to_string();
    assert!(refused.contains("FS-S011") && refused.contains("an old copy"), "{refused}");
    // Results that are gone are not passed over.
    for file in ["part-0000000002-00000.txt", "_committed/0000000002"] {
        std::fs::remove_file(at("out").join(file)).unwrap();
    }
    let refused = job("one").run(Trigger::AvailableNow).unwrap_err().to_string();
    assert!(refused.contains("FS-S011") && refused.contains("results have been lost"), "{refused}");
}

/// SPARK-35565: a wrong name for the checkpoint wrote all results a second time.
#[test]
fn results_are_not_doubled_by_a_new_checkpoint_unless_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let numbers: Vec<u32> = (1..=3).collect();
    let run = |checkpoint: Checkpoint| {
        let job = StreamingContext::builder("lines").threads(1).checkpoint(checkpoint.every_batch()).build().unwrap();
        job.read(MemorySource::new(numbers.clone())).named("numbers").write(TextFileSink::new(at("out"))).named("out");
        job.run(Trigger::AvailableNow)
    };
    let lines = || {
        let mut parts: Vec<_> = std::fs::read_dir(at("out")).unwrap().map(|entry| entry.unwrap().path()).collect();
        parts.retain(|path| path.is_file());
        parts.sort();
        parts
            .iter()
            .flat_map(|path| std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect::<String>()
    };
    run(Checkpoint::in_folder(at("one"))).unwrap();
    assert_eq!(lines(), "123");

    let refused = run(Checkpoint::in_folder(at("another"))).unwrap_err().to_string();
    assert!(refused.contains("FS-S011") && refused.contains("it has results up to epoch 1, and"), "{refused}");
    assert!(!at("another").exists(), "a refused start changes nothing");
    assert_eq!(lines(), "123");
    run(Checkpoint::in_folder(at("another")).after_results()).unwrap();
    assert_eq!(lines(), "123123", "what is wanted is done");
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Adds up numbers, and tells the sum when a minute of event time has passed after the first of them.
struct Totals;

impl KeyedProcess for Totals {
    type Key = String;
    type In = i64;
    type Out = (String, i64);
    type State = (Value<i64>, Timers);

    fn declare(&self, states: &mut Declaration<String>) -> Self::State {
        (states.value("total"), states.event_timers("tell"))
    }

    fn on_record(
        &self,
        (total, _): &Self::State,
        new: i64,
        ctx: &mut ProcessContext<'_, Self>,
    ) -> firesteel_state::Result<()> {
        total.update(ctx, |total| *total.get_or_insert(0) += new)
    }

    fn on_timer(
        &self,
        (total, _): &Self::State,
        timer: &Fired<String>,
        ctx: &mut ProcessContext<'_, Self>,
    ) -> firesteel_state::Result<()> {
        let total = total.get(ctx)?.copied().unwrap_or_default();
        ctx.emit((timer.key.clone(), total));
        Ok(())
    }
}

#[test]
fn a_process_begins_with_values_and_timers_once() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = QueueSource::new(1).keep_committed();
    let mut told = Vec::new();
    // The second job finds what the first one left, whatever it would begin with itself.
    for (batch, at_first) in [(vec![1], 40), (vec![2, 70], 500)] {
        numbers.handle().push(batch).unwrap();
        let sums = Collector::new();
        let job = StreamingContext::builder("sums").checkpoint(folder.path()).build().unwrap();
        let known = job.rdds().parallelize([("ann".to_owned(), at_first)]);
        let spec = ProcessSpec::<Totals>::new().initial_state(known, |(total, tell), at_first, key| {
            tell.register(key, Timestamp::from_secs(60))?;
            total.set(key, at_first)
        });
        job.read(numbers.clone())
            .named("numbers")
            .event_time(|number: &i64| Timestamp::from_secs(*number), Watermark::bounded(seconds(0)))
            .key_by(|_| "ann".to_owned())
            .process_with(spec, Totals)
            .named("sums")
            .write(sums.clone());
        job.run(Trigger::AvailableNow).unwrap();
        told.extend(sums.records());
    }
    assert_eq!(told, [("ann".to_owned(), 113)]);
}
