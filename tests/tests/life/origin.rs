//! Jobs whose records know where they come from, and whose decoders need somebody who may be away.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_connect::{Decode, Undecodable as NoRecord};
use firesteel_connect_file::{Files, TextFileSink};
use firesteel_core::{Actions, ManualClock};
use firesteel_formats::{Lines, Sourced};
use firesteel_streaming::{BatchLimits, Checkpoint, ReadRdd, Trigger, Undecodable};
use firesteel_window::seconds;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::job;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sale {
    day: u32,
    number: u64,
}

#[test]
fn a_job_that_is_given_up_again_and_again_tells_the_place_of_each_record_once_and_right() {
    for threads in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let [input, checkpoint, results] = ["sales", "checkpoint", "results"].map(|name| folder.path().join(name));
        // Where each record is due: file, byte, line.
        let mut due = BTreeMap::new();
        for (file, day) in [("day=1/a.ndjson", 1), ("day=2/b.ndjson", 2), ("day=3/c.ndjson.gz", 3)] {
            let (mut text, mut line) = (String::new(), 1);
            for number in 0..200_u64 {
                if number % 7 == 3 {
                    text.push('\n');
                    line += 1;
                }
                due.insert((day, number), (text.len(), line));
                text += &format!("{{\"number\": {number}}}\n");
                line += 1;
            }
            let path = input.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            let packed = encoder.finish().unwrap();
            std::fs::write(path, if file.ends_with("gz") { packed } else { text.into_bytes() }).unwrap();
        }
        let clock = ManualClock::new();
        let build = || {
            let checkpoint = Checkpoint::in_folder(&checkpoint).interval(seconds(3));
            let job = job(threads).checkpoint(checkpoint).clock(Arc::new(clock.clone()));
            let job = job.limits(BatchLimits::default().bytes(1_500)).build().unwrap();
            let sales = Files::json::<Sale>(input.join("*/*")).with_path_columns().with_origin();
            let shown = |Sourced { origin, record }: Sourced<Sale>| {
                let line = origin.line().map_or_else(|| "-".to_owned(), |line| line.to_string());
                let day = origin.column("day").unwrap_or_default().to_owned();
                let byte = origin.byte().unwrap_or(u64::MAX);
                format!("{} {} {day} {byte} {line} {}", record.day, record.number, origin.file_name())
            };
            job.read(sales).named("sales").map(shown).write(TextFileSink::new(&results)).named("results");
            job
        };
        for _ in 0..4 {
            let mut run = build().begin().unwrap();
            for _ in 0..5 {
                clock.advance(seconds(1));
                run.next_batch().unwrap();
            }
        }
        build().run(Trigger::AvailableNow).unwrap();
        let context = firesteel_scheduler::local(1).unwrap();
        let told = context.read(Files::new(&results)).unwrap().collect().unwrap();
        assert_eq!(told.len(), 600, "{threads} threads");
        for line in told {
            let parts: Vec<&str> = line.split(' ').collect();
            let [day, number, column, byte, line_told, file] = parts[..] else { panic!("{line}") };
            let (day, number): (u32, u64) = (day.parse().unwrap(), number.parse().unwrap());
            let (at, line_due) = due.remove(&(day, number)).expect("each once");
            assert_eq!((column, byte), (&*day.to_string(), &*at.to_string()), "{line}");
            assert!(line_told == line_due.to_string() || (line_told == "-" && day < 3), "{line}, due {line_due}");
            assert_eq!(file, ["a.ndjson", "b.ndjson", "c.ndjson.gz"][day as usize - 1]);
        }
        assert!(due.is_empty(), "{due:?}");
    }
}

/// Numbers, for one of which somebody has to be asked who is away at first.
#[derive(Clone)]
struct Asking {
    away: usize,
    asked: Arc<AtomicUsize>,
}

impl Decode for Asking {
    type Item = String;

    fn decode(&self, line: &[u8]) -> Result<String, NoRecord> {
        let line = String::from_utf8_lossy(line).into_owned();
        match line.as_str() {
            "bad" => Err(NoRecord::new("it is bad")),
            "7" if self.asked.fetch_add(1, Ordering::Relaxed) < self.away => {
                Err(NoRecord::unreachable("http://registry:8081", "connection refused"))
            }
            _ => Ok(line),
        }
    }
}

#[test]
fn while_what_a_decoder_needs_is_away_reading_is_retried_and_no_record_is_refused() {
    for away in [1, 2, usize::MAX] {
        let folder = tempfile::tempdir().unwrap();
        let [input, results, rejected] = ["numbers", "results", "rejected"].map(|name| folder.path().join(name));
        std::fs::write(&input, "1\nbad\n7\n8\nbad\n").unwrap();
        let asked = Arc::<AtomicUsize>::default();
        let decode = Asking { away, asked: Arc::clone(&asked) };
        let job = job(1).undecodable(Undecodable::SetAside).build().unwrap();
        let numbers = Files::new(&input).in_format(Lines::of(decode));
        job.read(numbers).named("numbers").write(TextFileSink::new(&results)).named("results");
        job.rejected().map(|it| it.to_string()).write(TextFileSink::new(&rejected)).named("rejected");
        let ended = job.run(Trigger::AvailableNow);
        let context = firesteel_scheduler::local(1).unwrap();
        let written = |path| context.read(Files::new(path)).unwrap().collect().unwrap();
        if away == usize::MAX {
            let error = ended.unwrap_err();
            let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            let error = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
            assert!(error.contains("FS-N003") && error.contains("registry:8081"), "{error}");
            assert!(asked.load(Ordering::Relaxed) > 2, "it is asked again");
            assert!(!results.exists() || written(&results).is_empty());
        } else {
            ended.unwrap();
            assert_eq!(written(&results), ["1", "7", "8"]);
            assert_eq!(written(&rejected).len(), 2);
        }
    }
}
