//! A job that follows the results of another one, which are merged all the time.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect_file::{Compaction, TextFileSink, TextFiles};
use firesteel_core::{Actions, ManualClock};
use firesteel_streaming::{BatchLimits, Checkpoint, ReadRdd, StreamingContext, Trigger};
use firesteel_window::seconds;

use crate::{job, sorted};

/// Copies the lines of a file or a folder, some at a time.
fn copy(clock: &ManualClock, checkpoint: &Path, from: TextFiles, to: TextFileSink) -> StreamingContext {
    let checkpoint = Checkpoint::in_folder(checkpoint).interval(seconds(2));
    let job = job(2).checkpoint(checkpoint).clock(Arc::new(clock.clone()));
    let job = job.limits(BatchLimits::default().bytes(500)).build().unwrap();
    job.read(from).named("lines").write(to).named("results");
    job
}

#[test]
fn who_follows_results_that_are_merged_writes_each_line_once_however_often_both_jobs_are_given_up() {
    for gzip in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let [input, results, copied, first, second] =
            ["input", "results", "copied", "first", "second"].map(|name| folder.path().join(name));
        let lines: Vec<String> = (0..1_200).map(|n| format!("line {n} {}", "x".repeat(n % 13))).collect();
        std::fs::write(&input, lines.join("\n") + "\n").unwrap();
        let clock = ManualClock::new();
        let packed = |sink: TextFileSink| if gzip { sink.gzip() } else { sink };
        let writer = || {
            let sink = packed(TextFileSink::new(&results)).compact_to(1_500);
            copy(&clock, &first, TextFiles::new(&input), sink)
        };
        let reader = || copy(&clock, &second, TextFiles::new(&results).follow(), TextFileSink::new(&copied));
        for round in 0..12 {
            for (job, batches) in [(writer(), 5), (reader(), 3)] {
                let mut run = job.begin().unwrap();
                for _ in 0..batches {
                    clock.advance(seconds(1));
                    run.next_batch().unwrap();
                }
            }
            if round % 4 == 3 {
                Compaction::of(&results, 1 << 20).run().unwrap();
            }
        }
        writer().run(Trigger::AvailableNow).unwrap();
        Compaction::of(&results, 1 << 20).run().unwrap();
        reader().run(Trigger::AvailableNow).unwrap();
        let context = firesteel_scheduler::local(1).unwrap();
        let read = |folder: &Path| sorted(context.read(TextFiles::new(folder)).unwrap().collect().unwrap());
        assert_eq!(read(&results), sorted(lines.clone()), "gzip {gzip}");
        assert_eq!(read(&copied), sorted(lines), "gzip {gzip}");
        let names = std::fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let parts: Vec<String> = names.filter(|name| name.starts_with("part-")).collect();
        assert!(parts.len() == 1 && parts[0].starts_with("part-0000000001to"), "{parts:?}");
    }
}
