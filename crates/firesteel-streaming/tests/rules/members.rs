//! Members that join and leave, and copies that keep running.

use std::path::Path;

use firesteel_connect_memory::QueueSource;
use firesteel_state::{ChangelogReader, Cursor, EpochLog, Snapshots};
use firesteel_streaming::{Checkpoint, Stream, Trigger};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

use crate::sink::Words;
use crate::{checkpoint, context, push};

#[test]
fn a_new_output_begins_with_the_next_epoch_and_one_that_is_back_lacks_what_was_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let words = QueueSource::new(1).keep_committed();
    let (a, b) = (Words::exactly_once("a"), Words::exactly_once("b"));
    let run = |with_b: bool, word: &str| {
        push(&words, word);
        let job = context(checkpoint(folder.path(), false));
        let all = job.read(words.clone()).named("words").map(|word: String| word);
        all.clone().write(a.clone());
        if with_b {
            all.write(b.clone());
        }
        job.run(Trigger::AvailableNow).map_err(|error| error.to_string())
    };
    run(false, "one").unwrap();
    run(true, "two").unwrap();
    // To leave takes no permission: what it has, it keeps.
    run(false, "three").unwrap();
    run(true, "four").unwrap();
    assert_eq!(a.all(), ["one", "two", "three", "four"]);
    assert_eq!(b.all(), ["two", "four"]);
    // What it had when it left has to be there when it is back.
    run(false, "five").unwrap();
    b.lose_after(2);
    let refused = run(true, "six").unwrap_err();
    assert!(refused.contains("FS-S011") && refused.contains("output:b"), "{refused}");
}

/// Counts numbers per ten seconds of event time, from one source or two.
fn windowed(folder: &Path, sources: &[(&str, &QueueSource<i64>)], allow: &[&str], out: &Words) {
    let job = context(checkpoint(folder, false).allow_loss(allow.iter().copied()));
    let mut streams = sources.iter().map(|(name, source)| job.read((*source).clone()).named(name).map(|at: i64| at));
    let first = streams.next().unwrap();
    streams
        .fold(first, Stream::union)
        .event_time(|second: &i64| Timestamp::from_secs(*second), Watermark::bounded(seconds(0)))
        .named("seconds")
        .key_by(|_| 0u8)
        .window(Tumbling::of(seconds(10)))
        .count()
        .named("tens")
        .map(|row| format!("{}:{}", row.window.start().as_secs(), row.value))
        .write(out.clone());
    job.run(Trigger::AvailableNow).unwrap();
}

#[test]
fn a_watermark_waits_for_a_new_source_and_not_for_one_that_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (QueueSource::new(1).keep_committed(), QueueSource::new(1).keep_committed());
    let out = Words::exactly_once("out");
    let push = |source: &QueueSource<i64>, at: &[i64]| source.handle().push(at.to_vec()).unwrap();
    push(&old, &[1, 12]);
    windowed(folder.path(), &[("old", &old)], &[], &out);
    assert_eq!(out.all(), ["0:1"]);
    // The new one lags behind: its records before the watermark of 12 are late, those after it are waited for.
    push(&old, &[25]);
    push(&new, &[3, 13]);
    windowed(folder.path(), &[("old", &old), ("new", &new)], &[], &out);
    assert_eq!(out.all(), ["0:1"]);
    // It leaves: the watermark does not stand still for it.
    push(&old, &[26]);
    windowed(folder.path(), &[("old", &old)], &["input:new"], &out);
    assert_eq!(out.all(), ["0:1", "10:2"]);
}

fn ids(folder: &Path) -> Vec<String> {
    let snapshots = Snapshots::in_folder(&folder.join("snapshots")).unwrap();
    let manifests = snapshots.list().unwrap().into_iter().map(|id| snapshots.manifest(id).unwrap());
    let extras = manifests.map(|manifest| (manifest.epoch, manifest.extra));
    let log = ChangelogReader::open(&folder.join("changelog")).unwrap();
    let records = log.heads_from(0).map(Result::unwrap).map(|record| (record.epoch, record.extra));
    let mut ids: Vec<_> = extras
        .chain(records)
        .map(|(epoch, extra)| Cursor::decode(&extra, epoch).unwrap().checkpoint.to_string())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

#[test]
fn a_checkpoint_has_one_id_and_what_starts_from_its_savepoint_another() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let words = QueueSource::new(1).keep_committed();
    let run = |checkpoint: Checkpoint, save: bool| {
        push(&words, "a");
        let out = Words::in_memory("out");
        let job = context(checkpoint.every_batch().snapshot_after(1));
        let words = job.read(words.clone()).named("words").map(|word: String| (word, ()));
        words.running_count().named("counts").map(|(word, _)| word).write(out);
        let mut run = job.begin().unwrap();
        run.next_batch().unwrap();
        if save {
            run.savepoint(at("saved")).unwrap();
        }
    };
    run(Checkpoint::in_folder(at("first")), false);
    run(Checkpoint::in_folder(at("first")), true);
    run(Checkpoint::in_folder(at("second")).start_from(at("saved")), false);
    run(Checkpoint::in_folder(at("second")).start_from(at("saved")), false);
    let [first, second] = ["first", "second"].map(|name| ids(&at(name)));
    assert_eq!((first.len(), second.len()), (1, 1), "{first:?} {second:?}");
    assert_ne!(first, second);
    assert_eq!(first, ids(&at("saved")), "a savepoint is of the checkpoint that it was taken from");
    assert!(first[0].len() == 32 && first[0].chars().any(|c| c != '0'), "{first:?}");
    // A copy of the folder takes the place of what it was copied from.
    crate::copy(&at("first"), &at("copy"));
    run(Checkpoint::in_folder(at("copy")), false);
    assert_eq!(ids(&at("copy")), first);
}
