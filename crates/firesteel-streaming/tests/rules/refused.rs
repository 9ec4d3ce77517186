//! A refused start changes nothing, byte for byte, and starts nothing that could.

use std::fs;
use std::path::Path;

use firesteel_connect_file::TextFiles;
use firesteel_connect_memory::QueueSource;
use firesteel_streaming::{Checkpoint, Error, StreamingContext, Trigger};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

use crate::sink::Words;
use crate::{checkpoint, context, copy, picture, push};

/// The program whose checkpoint others meet.
fn plain(job: &StreamingContext, words: &QueueSource<String>, out: &Words) {
    let words = job.read(words.clone()).named("words");
    words.map(|word: String| (word, 1u64)).running_count().named("counts").map(|(word, _)| word).write(out.clone());
}

type Program = fn(&StreamingContext, &QueueSource<String>, &Words);

/// Programs that do not fit, with what they are told.
const PROGRAMS: [(&str, Program); 8] = [
    ("state:counts: it is `running_sum/sum`, but what is stored is of `running_count/count`", |job, words, out| {
        let words = job.read(words.clone()).named("words");
        words.map(|word: String| (word, 1u64)).running_sum().named("counts").map(|(word, _)| word).write(out.clone());
    }),
    ("state:counts: keys of u64 are declared, but keys of String are stored", |job, words, out| {
        let words = job.read(words.clone()).named("words").map(|word: String| (word.len() as u64, word));
        words.running_count().named("counts").map(|(length, _)| length.to_string()).write(out.clone());
    }),
    ("lost:     state:counts", |job, words, out| {
        job.read(words.clone()).named("words").write(out.clone());
    }),
    ("lost:     input:words: the position in 1 split", |job, words, out| {
        plain_of(job, "other words", words, out);
    }),
    ("they would be stored under the same name, `counts`", |job, words, out| {
        let words = job.read(words.clone()).named("words").map(|word: String| (word, 1u64));
        words.clone().running_count().named("counts").map(|(word, _)| word).write(out.clone());
        words.running_count().named("counts").map(|(word, _)| word).write(Words::exactly_once("other"));
    }),
    ("a permission that means nothing", |job, words, out| plain(job, words, out)),
    ("it has epoch 9, but the checkpoint", |job, words, out| plain(job, words, out)),
    ("results have been lost", |job, words, out| plain(job, words, out)),
];

fn plain_of(job: &StreamingContext, name: &str, words: &QueueSource<String>, out: &Words) {
    let words = job.read(words.clone()).named(name);
    words.map(|word: String| (word, 1u64)).running_count().named("counts").map(|(word, _)| word).write(out.clone());
}

/// A checkpoint of two epochs, and what it belongs to.
fn ran(folder: &Path, with_backend: bool) -> (QueueSource<String>, Words) {
    let (words, out) = (QueueSource::new(1).keep_committed(), Words::exactly_once("out"));
    for batch in ["a b", "b c"] {
        push(&words, batch);
        let job = context(checkpoint(folder, with_backend));
        plain(&job, &words, &out);
        job.run(Trigger::AvailableNow).unwrap();
    }
    assert_eq!(out.last(), Some(2));
    (words, out)
}

#[test]
fn a_program_that_does_not_fit_leaves_everything_as_it_was() {
    for with_backend in [false, true] {
        for (number, (told, program)) in PROGRAMS.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let at = folder.path().join("checkpoint");
            let (words, out) = ran(&at, with_backend);
            let mut settings = checkpoint(&at, with_backend);
            match number {
                5 => settings = settings.allow_loss(["counts"]),
                6 => fake(&out, 9),
                7 => out.lose_after(1),
                _ => {}
            }
            push(&words, "d");
            let (before, starts) = (picture(folder.path()), out.starts());
            let job = context(settings);
            program(&job, &words, &out);
            let refused = job.run(Trigger::AvailableNow).unwrap_err();
            let text = format!("{refused:?}");
            let told = match number {
                4 => "FS-S002",
                5 => "it names no member of a program",
                _ => told,
            };
            assert!(text.contains(told), "{text}");
            let is_narrow = |line: &str| line.chars().count() <= 100 || line.contains(at.to_str().unwrap());
            assert!(number >= 4 || text.lines().all(is_narrow), "{text}");
            assert!(picture(folder.path()) == before, "{told}: a refused start has changed something");
            if number < 6 {
                assert_eq!(out.starts(), starts, "{told}: a sink was started");
            }
            // Nothing stands in the way of the program that fits.
            match number {
                6 => out.lose_after(2),
                7 => continue,
                _ => {}
            }
            let job = context(checkpoint(&at, with_backend));
            plain(&job, &words, &out);
            job.run(Trigger::AvailableNow).unwrap();
            assert_eq!(out.last(), Some(3), "{told}");
        }
    }
}

/// Gives the sink an epoch that no checkpoint knows of.
fn fake(out: &Words, epoch: u64) {
    use firesteel_connect::{Epoch, Sink as _};
    out.commit(Epoch(epoch), &mut vec![vec!["elsewhere".to_owned()]]).unwrap();
}

#[test]
fn what_is_damaged_or_in_use_is_left_as_it_is() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("FS-T002", |folder| {
            let file = fs::read_dir(folder.join("changelog")).unwrap().next().unwrap().unwrap().path();
            let mut bytes = fs::read(&file).unwrap();
            bytes[60] ^= 1;
            fs::write(file, bytes).unwrap();
        }),
        ("FS-T012", |folder| fs::remove_dir_all(folder.join("changelog")).unwrap()),
        ("FS-T003", |folder| {
            // A later release wrote it: version 9, with the checksum of its header.
            let file = fs::read_dir(folder.join("changelog")).unwrap().next().unwrap().unwrap().path();
            let mut bytes = fs::read(&file).unwrap();
            bytes.truncate(0);
            bytes.extend_from_slice(&later_header());
            fs::write(file, bytes).unwrap();
        }),
        ("FS-S010", |folder| {
            // An unfinished write at the end is cut off by a start that takes place only.
            let file = fs::read_dir(folder.join("changelog")).unwrap().next().unwrap().unwrap().path();
            let mut bytes = fs::read(&file).unwrap();
            bytes.extend_from_slice(&[0; 9]);
            fs::write(file, bytes).unwrap();
        }),
    ];
    for with_backend in [false, true] {
        for (code, damage) in damages {
            let folder = tempfile::tempdir().unwrap();
            let (words, out) = ran(folder.path(), with_backend);
            damage(folder.path());
            let before = picture(folder.path());
            let job = context(checkpoint(folder.path(), with_backend));
            let name = if code == "FS-S010" { "other words" } else { "words" };
            plain_of(&job, name, &words, &out);
            let refused = format!("{:?}", job.run(Trigger::AvailableNow).unwrap_err());
            assert!(refused.contains(code), "{refused}");
            assert!(picture(folder.path()) == before, "{code}: a refused start has changed something");
        }
        let folder = tempfile::tempdir().unwrap();
        let (words, out) = ran(folder.path(), with_backend);
        let job = context(checkpoint(folder.path(), with_backend));
        plain(&job, &words, &out);
        let running = job.begin().unwrap();
        let before = picture(folder.path());
        let job = context(checkpoint(folder.path(), with_backend));
        plain(&job, &words, &out);
        assert!(format!("{:?}", job.begin().unwrap_err()).contains("FS-T004"));
        assert!(picture(folder.path()) == before, "a start that was locked out has changed something");
        drop(running);
    }
}

/// The header of a changelog of format 9.
fn later_header() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    drop(ran(folder.path(), false));
    let file = fs::read_dir(folder.path().join("changelog")).unwrap().next().unwrap().unwrap().path();
    let mut header = fs::read(file).unwrap()[..12].to_vec();
    header[8..12].copy_from_slice(&9u32.to_le_bytes());
    let sum = twox_hash::XxHash3_64::oneshot(&header);
    header.extend_from_slice(&sum.to_le_bytes());
    header
}

#[test]
fn a_first_start_that_cannot_be_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("deep/checkpoint");
    for with_backend in [false, true] {
        // A permission that means nothing.
        let words = QueueSource::new(1).keep_committed();
        let job = context(checkpoint(&at, with_backend).allow_loss(["counts"]));
        plain(&job, &words, &Words::exactly_once("out"));
        assert!(matches!(job.begin().unwrap_err(), Error::Setting { .. }));
        // A source that cannot be read.
        let job = context(checkpoint(&at, with_backend));
        let lines = job.read(TextFiles::new(folder.path().join("nothing.txt"))).named("words");
        lines.map(|line: String| line).write(Words::exactly_once("out"));
        assert!(matches!(job.begin().unwrap_err(), Error::Source { .. }));
        // A savepoint that is none.
        let job = context(checkpoint(&at, with_backend).start_from(folder.path().join("no savepoint")));
        plain(&job, &words, &Words::exactly_once("out"));
        assert!(format!("{:?}", job.begin().unwrap_err()).contains("FS-T011"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_program_is_compared_with_the_savepoint_that_it_starts_from() {
    for with_backend in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (words, out) = ran(&at("first"), with_backend);
        let job = context(checkpoint(&at("first"), with_backend));
        plain(&job, &words, &out);
        let mut run = job.begin().unwrap();
        run.savepoint(at("saved")).unwrap();
        drop(run);
        let before = picture(folder.path());
        let job = context(checkpoint(&at("second"), with_backend).start_from(at("saved")));
        plain_of(&job, "other words", &words, &out);
        assert!(matches!(job.begin().unwrap_err(), Error::Changed { .. }));
        // A savepoint that is damaged is read before anything is copied.
        assert!(picture(folder.path()) == before, "a refused start has changed something");
        copy(&at("saved"), &at("damaged"));
        let images = fs::read_dir(at("damaged").join("snapshots")).unwrap().map(|entry| entry.unwrap().path());
        let images = images.filter(|path| path.extension().is_some_and(|end| end == "images")).min().unwrap();
        let mut bytes = fs::read(&images).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(images, bytes).unwrap();
        let before = picture(folder.path());
        let job = context(checkpoint(&at("second"), with_backend).start_from(at("damaged")));
        plain(&job, &words, &out);
        assert!(format!("{:?}", job.begin().unwrap_err()).contains("FS-T002"));
        assert!(picture(folder.path()) == before, "a refused start has changed something");
    }
}

/// Counts words per window of ten seconds of their lengths, with a watermark of this delay.
fn windowed(checkpoint: Checkpoint, words: &QueueSource<String>, out: &Words, delay: i64) -> StreamingContext {
    let job = context(checkpoint);
    job.read(words.clone())
        .named("words")
        .event_time(|word: &String| Timestamp::from_secs(word.len() as i64), Watermark::bounded(seconds(delay)))
        .key_by(|word| word.clone())
        .window(Tumbling::of(seconds(10)))
        .count()
        .named("windows")
        .map(|row| row.key)
        .write(out.clone());
    job
}

#[test]
fn a_delay_that_has_changed_holds_from_now_on_and_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let (words, out) = (QueueSource::new(1).keep_committed(), Words::exactly_once("out"));
    push(&words, "a bb");
    windowed(Checkpoint::in_folder(folder.path()), &words, &out, 1).run(Trigger::AvailableNow).unwrap();
    let job = windowed(Checkpoint::in_folder(folder.path()), &words, &out, 5);
    let described = job.describe().unwrap();
    let delay =
        described.watermarks[0].settings.iter().map(ToString::to_string).find(|setting| setting == "delay = 5s");
    assert!(delay.is_some(), "{:?}", described.watermarks[0].settings);
    assert_eq!(described.watermarks[0].inputs, ["words"]);
    assert_eq!((&*described.outputs[0].name, &*described.outputs[0].guarantee), ("out", "exactly-once"));
    job.run(Trigger::AvailableNow).unwrap();
}
