//! Windows of another kind, size or gap are refused before the job starts: what is stored was cut by the old ones.

use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_streaming::{StreamingContext, Trigger, WindowKind};
use firesteel_window::{Session, Sliding, Timestamp, Tumbling, Watermark, seconds};

use crate::{checkpoint, context, push};

fn program<W: WindowKind<String>>(job: &StreamingContext, words: &QueueSource<String>, windows: W) {
    job.read(words.clone())
        .named("words")
        .event_time(|word| Timestamp::from_secs(word.len() as i64), Watermark::bounded(seconds(0)))
        .named("by length")
        .key_by(|word| word.clone())
        .window(windows)
        .count()
        .named("counts")
        .write(Collector::new());
}

/// Runs with some windows, and begins again with others: what it is told.
fn changed<W: WindowKind<String>, U: WindowKind<String>>(windows: W, others: U) -> Option<String> {
    let (folder, words) = (tempfile::tempdir().unwrap(), QueueSource::new(1).keep_committed());
    push(&words, "a bb ccc");
    let job = context(checkpoint(folder.path(), false));
    program(&job, &words, windows);
    job.begin().unwrap().next_batch().unwrap();
    drop(job);
    let job = context(checkpoint(folder.path(), false));
    program(&job, &words, others);
    job.run(Trigger::AvailableNow).err().map(|error| error.to_string())
}

#[test]
fn windows_of_other_settings_are_refused_and_say_which() {
    let sliding = |size, slide, offset| Sliding::of(seconds(size)).every(seconds(slide)).offset(seconds(offset));
    assert_eq!(changed(sliding(10, 2, 0), sliding(10, 2, 0)), None);
    assert_eq!(changed(Session::gap(seconds(5)), Session::gap(seconds(5))), None);
    let told = [
        (changed(Session::gap(seconds(5)), Session::gap(seconds(6))), "gap"),
        (changed(sliding(10, 2, 0), sliding(12, 2, 0)), "sliding 12s every 2s"),
        (changed(sliding(10, 2, 0), sliding(10, 5, 0)), "sliding 10s every 5s"),
        (changed(sliding(10, 2, 0), sliding(10, 2, 1)), "offset"),
        (changed(Tumbling::of(seconds(10)), sliding(10, 10, 0)), "sliding 10s every 10s"),
        (changed(sliding(10, 2, 0), Session::gap(seconds(5))), "session"),
        (changed(Session::gap(seconds(5)), Tumbling::of(seconds(5))), "tumbling 5s"),
    ];
    for (told, setting) in told {
        let told = told.unwrap();
        assert!(told.contains("refused") && told.contains(setting), "no {setting} in {told}");
    }
}

#[test]
fn windows_that_cannot_work_are_refused() {
    let refused = |explained: Result<_, firesteel_streaming::Error>| explained.map(|_| ()).unwrap_err().to_string();
    let job = StreamingContext::builder("bad").threads(1).build().unwrap();
    program(&job, &QueueSource::new(1), Sliding::of(seconds(5)).every(seconds(0)));
    assert!(refused(job.explain()).contains("FS-W005"));
    let job = StreamingContext::builder("bad").threads(1).build().unwrap();
    program(&job, &QueueSource::new(1), Session::gap(seconds(-1)));
    assert!(refused(job.explain()).contains("FS-W006"));
}
