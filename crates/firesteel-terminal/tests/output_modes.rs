//! Append, update, complete: what each kind of operator yields, and what sinks that append and tables of the newest rows make of
//! it. What the compiler refuses is in `tests/compile_fail`.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::{self, Write};
use std::sync::Arc;

use firesteel_connect_memory::{Collector, LatestRows, MemorySource};
use firesteel_streaming::{BatchLimits, OutputMode, RunningSpec, Stream, StreamingContext, Timed, Trigger};
use firesteel_terminal::Console;
use firesteel_window::{Count, Early, Timestamp, Tumbling, Watermark, seconds};
use parking_lot::Mutex;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    /// The rows of each table, their cells with one space between them.
    fn tables(&self) -> Vec<Vec<String>> {
        let text = String::from_utf8(self.0.lock().clone()).unwrap().replace("1970-01-01T00:00:", "");
        let mut tables: Vec<Vec<String>> = Vec::new();
        for line in text.lines() {
            if line.starts_with("epoch ") {
                tables.push(Vec::new());
            } else if let (Some(table), true) = (tables.last_mut(), line.starts_with(' ')) {
                table.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
        // The names of the columns.
        tables.iter_mut().for_each(|table| _ = table.remove(0));
        tables
    }
}

/// Runs a job over the clicks of two batches and the end: at 1 and 12 seconds of `a`, then at 13 of `a` and at 2 of `b`.
fn run(program: impl FnOnce(Stream<(&'static str, i64), Timed>)) {
    let job = StreamingContext::builder("modes").limits(BatchLimits::default().records(2)).build().unwrap();
    let clicks = job.read(MemorySource::new(vec![("a", 1), ("a", 12), ("a", 13), ("b", 2)]));
    program(clicks.event_time(|click| Timestamp::from_secs(click.1), Watermark::bounded(seconds(60))));
    job.run(Trigger::AvailableNow).unwrap();
}

fn sorted<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}

#[test]
fn rows_of_windows_that_fire_once_are_appended_and_stay_in_a_table_of_the_newest() {
    let (appended, newest, rows) = (Paper::default(), Paper::default(), Collector::new());
    run(|clicks| {
        let counts = clicks.map(|click| (click.0.to_owned(), ())).window(Tumbling::of(seconds(10))).count();
        counts.clone().write(Console::table().to(appended.clone()));
        counts.clone().write(Console::table().to(newest.clone()).latest());
        counts.map(|row| (row.window.start().as_secs(), row.key, row.value)).write(rows.clone());
    });
    let expected = [(0, "a".to_owned(), 1), (0, "b".to_owned(), 1), (10, "a".to_owned(), 2)];
    assert_eq!(sorted(rows.records()), expected);
    assert_eq!(newest.tables(), [["10Z 20Z a 2", "00Z 10Z a 1", "00Z 10Z b 1"]]);
    assert_eq!(sorted(appended.tables().concat()), ["00Z 10Z a 1", "00Z 10Z b 1", "10Z 20Z a 2"]);
}

#[test]
fn rows_that_change_are_newest_in_a_table_and_appended_only_as_asked() {
    let (newest, rows, on_time, changes) = (Paper::default(), LatestRows::new(), Collector::new(), Collector::new());
    run(|clicks| {
        let counts = clicks
            .map(|click| (click.0.to_owned(), ()))
            .window(Tumbling::of(seconds(10)))
            .trigger(Early::every_records(1))
            .count();
        counts.clone().write(Console::table().to(newest.clone()).latest());
        counts.clone().write(rows.clone());
        counts.clone().on_time().map(|row| (row.window.start().as_secs(), row.key, row.value)).write(on_time.clone());
        counts
            .changelog()
            .map(|change| (change.window.start().as_secs(), change.key, change.value))
            .write(changes.clone());
    });
    let tables = newest.tables();
    assert_eq!(tables[0], ["10Z 20Z a 1", "00Z 10Z a 1"]);
    assert_eq!(tables[1], ["10Z 20Z a 2", "00Z 10Z a 1", "00Z 10Z b 1"]);
    assert_eq!(tables.last(), tables.get(1), "what is on time was known");
    assert_eq!(rows.rows().len(), 3);
    assert_eq!(sorted(on_time.records()).len(), 3, "each row once");
    assert_eq!(changes.records().len(), 7, "two, two more, and three on time");
}

#[test]
fn running_aggregates_yield_what_has_changed() {
    let (appended, newest, rows) = (Paper::default(), Paper::default(), Collector::new());
    run(|clicks| {
        let counts = clicks.map(|click| (click.0.to_owned(), ())).running_count();
        counts.clone().write(Console::table().to(appended.clone()));
        counts.clone().write(Console::table().to(newest.clone()).latest());
        counts.write(rows.clone());
    });
    assert_eq!(newest.tables(), [vec!["a 2"], vec!["a 3", "b 1"]]);
    assert_eq!(appended.tables().into_iter().map(sorted).collect::<Vec<_>>(), [vec!["a 2"], vec!["a 3", "b 1"]]);
    assert_eq!(sorted(rows.records()), [("a".to_owned(), 2), ("a".to_owned(), 3), ("b".to_owned(), 1)], "each version");
}

#[test]
fn complete_mode_yields_all_keys_in_each_batch() {
    let (newest, rows) = (Paper::default(), Collector::new());
    run(|clicks| {
        let spec = RunningSpec::new().output_mode(OutputMode::Complete);
        // The second batch has no `c`, whose row is there all the same.
        let clicks = clicks.flat_map(|click| if click.1 == 1 { vec!["a", "c"] } else { vec![click.0] });
        let counts = clicks.map(|user| (user.to_owned(), ())).running_aggregate_with(spec, Count);
        counts.clone().write(Console::table().to(newest.clone()).latest());
        counts.write(rows.clone());
    });
    assert_eq!(newest.tables()[..2], [vec!["a 2", "c 1"], vec!["a 3", "b 1", "c 1"]]);
    let of_c = rows.records().iter().filter(|(user, _)| user == "c").count();
    assert!(of_c >= 2, "a sink that appends has it once for each batch, {of_c} times");
}

#[test]
fn append_mode_of_a_running_aggregate_is_refused_with_the_way_out() {
    let job = StreamingContext::builder("modes").build().unwrap();
    let spec = RunningSpec::new().output_mode(OutputMode::Append);
    job.read(MemorySource::new(vec![("a", 1)]))
        .map(|(user, n): (&str, i32)| (user.to_owned(), n))
        .running_aggregate_with(spec, Count)
        .write(Collector::new());
    let error = job.run(Trigger::AvailableNow).unwrap_err().to_string();
    for piece in ["running_aggregate at ", "OutputMode::Update", "OutputMode::Complete", "windows of event time"] {
        assert!(error.contains(piece), "no {piece:?} in {error}");
    }
}
