//! Jobs that read and write files in the formats that people have.

use std::path::Path;
use std::sync::Arc;

use firesteel_connect::{Sink, Source};
use firesteel_connect_file::{FileSink, Files, TextFileSink};
use firesteel_connect_memory::Collector;
use firesteel_core::{Actions, ManualClock};
use firesteel_formats::{Format, Multiline, Pattern, WriteFormat};
use firesteel_streaming::{BatchLimits, Checkpoint, ReadRdd, Trigger, Undecodable};
use firesteel_window::seconds;
use serde::{Deserialize, Serialize};

use crate::{job, sorted};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Order {
    id: u64,
    user: String,
    note: String,
}

/// Users and notes with all that formats have to be careful with.
fn orders(count: u64) -> Vec<Order> {
    let notes = ["", "plain", "a \"quoted\" word", "two\nlines", "a, b; c", "\r\n", "ünïcödé ✓", "{\"x\": [1]}"];
    let order = |id: u64| Order {
        id: u64::MAX - id,
        user: format!("user {}", id % 7),
        note: notes[id as usize % notes.len()].to_owned(),
    };
    (0..count).map(order).collect()
}

/// A job that copies a file with bad records in it, given up in the middle of epochs and started again until it is done, writes
/// each record once, and each refusal once.
fn copies<F, W>(
    input: &Path,
    good: &[Order],
    bad: usize,
    read: impl Fn(&Path) -> Files<F>,
    write: impl Fn(&Path) -> FileSink<W>,
) where
    F: Format<Item = Order>,
    W: WriteFormat<Order>,
    Files<F>: Source<Item = Order>,
    FileSink<W>: Sink<Order>,
{
    for (threads, batches) in [(1, 3), (2, 5)] {
        let folder = tempfile::tempdir().unwrap();
        let [checkpoint, results, rejected] =
            ["checkpoint", "results", "rejected"].map(|name| folder.path().join(name));
        let clock = ManualClock::new();
        let build = || {
            let checkpoint = Checkpoint::in_folder(&checkpoint).interval(seconds(3));
            let job = job(threads).undecodable(Undecodable::SetAside).checkpoint(checkpoint);
            let job = job.clock(Arc::new(clock.clone())).limits(BatchLimits::default().bytes(500)).build().unwrap();
            job.read(read(input)).named("orders").write(write(&results)).named("results");
            let places = job.rejected().map(|rejected| rejected.position.unwrap());
            places.write(TextFileSink::new(&rejected)).named("rejected");
            job
        };
        let mut left = None;
        while left != Some(0) {
            let mut run = build().begin().unwrap();
            for _ in 0..batches {
                clock.advance(seconds(1));
                left = run.next_batch().unwrap().inputs[0].left;
            }
        }
        build().run(Trigger::AvailableNow).unwrap();
        let context = firesteel_scheduler::local(1).unwrap();
        let written = context.read(read(&results)).unwrap().collect().unwrap();
        assert_eq!(sorted(written), sorted(good.to_vec()), "{threads} threads");
        let places = context.read(Files::new(&rejected)).unwrap().collect().unwrap();
        assert_eq!(places.len(), bad, "{threads} threads: {places:?}");
    }
}

#[test]
fn json_is_copied_once_whatever_is_in_it_and_however_often_the_job_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (path, good) = (folder.path().join("orders.ndjson"), orders(200));
    let mut text = Vec::new();
    for (at, order) in good.iter().enumerate() {
        serde_json::to_writer(&mut text, order).unwrap();
        let after = [&b"\n"[..], b"\r\n", b"\n\n{\"id\":-1}\n", b"\n \n\xff\n"][at % 4];
        text.extend_from_slice(after);
    }
    std::fs::write(&path, text).unwrap();
    copies(&path, &good, 100, |path| Files::json::<Order>(path), |path| FileSink::json::<Order>(path));
    copies(&path, &good, 100, |path| Files::json::<Order>(path), |path| FileSink::json::<Order>(path).gzip());
}

#[test]
fn csv_is_copied_once_whatever_is_in_it_and_however_often_the_job_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (path, good) = (folder.path().join("orders.csv"), orders(200));
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = "note,more,id,user\r\n".to_owned();
    for (at, order) in good.iter().enumerate() {
        text += &format!("{},,{},{}", quoted(&order.note), order.id, order.user);
        text += ["\n", "\r\n", "\n\n,,-1,a\n", "\n\"two\nlines\",\n"][at % 4];
    }
    std::fs::write(&path, text).unwrap();
    copies(&path, &good, 100, |path| Files::csv::<Order>(path), |path| FileSink::csv::<Order>(path));
    copies(&path, &good, 100, |path| Files::csv::<Order>(path), |path| FileSink::csv::<Order>(path).gzip());
    copies(&path, &good, 100, |path| Files::csv::<Order>(path).follow(), |path| FileSink::csv::<Order>(path));
}

#[cfg(feature = "avro")]
#[test]
fn avro_is_copied_once_however_often_the_job_is_given_up() {
    use firesteel_formats::{Avro, Writing};

    /// Of another program, whose ids may be less than none.
    #[derive(Serialize, Deserialize)]
    struct Row {
        note: String,
        more: Option<u8>,
        id: i64,
        user: String,
    }
    let folder = tempfile::tempdir().unwrap();
    // As far as a long counts.
    let good: Vec<_> = orders(200).into_iter().map(|order| Order { id: order.id >> 1, ..order }).collect();
    let (path, format, mut file) = (folder.path().join("orders.avro"), Avro::<Row>::new(), vec![]);
    let mut writing = WriteFormat::<Row>::begin(&format);
    for (at, Order { id, user, note }) in good.iter().enumerate() {
        let row = |id| Row { note: note.clone(), more: None, id, user: user.clone() };
        writing.write(&row(*id as i64), &mut file).unwrap();
        if at % 4 == 3 {
            writing.write(&row(-1), &mut file).unwrap();
        }
    }
    Writing::<Row>::end(&mut writing, &mut file).unwrap();
    std::fs::write(&path, file).unwrap();
    copies(&path, &good, 50, |path| Files::avro::<Order>(path), |path| FileSink::avro::<Order>(path));
    copies(&path, &good, 50, |path| Files::avro::<Order>(path).follow(), |path| FileSink::avro::<Order>(path).gzip());
}

/// A file of these orders in row groups of some dozens, after every fourth of which stands a row whose id is none.
#[cfg(feature = "parquet")]
fn parquet(orders: &[Order]) -> Vec<u8> {
    use firesteel_formats::{Parquet, Writing};

    #[derive(Serialize, Deserialize)]
    struct Row {
        note: String,
        more: Option<u8>,
        id: Option<u64>,
        user: String,
    }
    let (format, mut file) = (Parquet::<Row>::new().row_group_bytes(1_000), vec![]);
    let mut writing = WriteFormat::<Row>::begin(&format);
    let mut write = |id, Order { user, note, .. }: &Order| {
        let row = Row { note: note.clone(), more: None, id, user: user.clone() };
        writing.write(&row, &mut file).unwrap();
    };
    for (at, order) in orders.iter().enumerate() {
        write(Some(order.id), order);
        if at % 4 == 3 {
            write(None, order);
        }
    }
    Writing::<Row>::end(&mut writing, &mut file).unwrap();
    file
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_is_copied_once_whatever_is_in_it_and_however_often_the_job_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (path, good) = (folder.path().join("orders.parquet"), orders(200));
    std::fs::write(&path, parquet(&good)).unwrap();
    let read = |path: &Path| Files::parquet::<Order>(path);
    copies(&path, &good, 50, read, |path| FileSink::parquet::<Order>(path));
    copies(&path, &good, 50, |path| read(path).follow(), |path| FileSink::parquet::<Order>(path));
}

#[cfg(feature = "parquet")]
#[test]
fn a_filter_gives_the_same_records_to_any_number_of_tasks() {
    use firesteel_formats::column;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.parquet");
    let all = orders(100_000);
    std::fs::write(&path, parquet(&all)).unwrap();
    let expected: Vec<Order> = all.into_iter().filter(|order| order.user == "user 3").collect();
    for threads in [1, 2, 3] {
        let (job, results) = (job(threads).build().unwrap(), Collector::new());
        let wanted = column("user").is("user 3").and(column("id").is_null().not());
        let orders = Files::parquet::<Order>(&path).change_format(|orders| orders.rows_where(wanted));
        job.read(orders).write(results.clone());
        job.run(Trigger::AvailableNow).unwrap();
        assert_eq!(sorted(results.records()), sorted(expected.clone()), "{threads} threads");
    }
}

#[test]
fn a_file_without_a_column_that_is_needed_ends_the_job_and_none_of_it_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orders.csv"), "id,name,note\n1,a,b\n2,c,d\n").unwrap();
    let (job, results) = (job(1).undecodable(Undecodable::SetAside).build().unwrap(), Collector::new());
    job.read(Files::csv::<Order>(folder.path())).write(results.clone());
    let error = job.run(Trigger::AvailableNow).unwrap_err();
    let text = format!("{error:?}");
    let told =
        "orders.csv has no column \"user\" (it has id, name, note); rename the field with #[serde(rename)], or give it";
    assert!(text.contains(told), "{text}");
    assert!(results.records().is_empty());
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Event {
    number: u32,
    text: String,
}

#[test]
fn events_of_several_lines_come_once_whatever_a_batch_may_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let text = |number: u32| format!("it fails{}", "\n\tat somewhere".repeat(number as usize % 4));
    let lines = |number: u32| {
        if number % 10 == 7 { "x no number\n".to_owned() } else { format!("{number} {}\n\n", text(number)) }
    };
    std::fs::write(&path, (0..300).map(lines).collect::<String>()).unwrap();
    let good: Vec<Event> =
        (0..300).filter(|number| number % 10 != 7).map(|number| Event { number, text: text(number) }).collect();
    for bytes in [1, 100, 1 << 20] {
        let limits = BatchLimits::default().bytes(bytes);
        let job = job(2).undecodable(Undecodable::SetAside).limits(limits).build().unwrap();
        let (results, rejected) = (Collector::new(), Collector::new());
        let events = Pattern::<Event>::new(r"(?s)(?<number>\d+) (?<text>.*)");
        job.read(Files::new(&path).in_format(Multiline::indented(events))).write(results.clone());
        job.rejected().map(|rejected| rejected.payload.unwrap().to_string()).write(rejected.clone());
        job.run(Trigger::AvailableNow).unwrap();
        assert_eq!(sorted(results.records()), good, "batches of {bytes} bytes");
        assert_eq!(rejected.records(), vec!["x no number"; 30]);
    }
}

#[test]
fn an_access_log_is_counted_by_a_job() {
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/access.log.gz");
    let (job, results) = (job(2).undecodable(Undecodable::SetAside).build().unwrap(), Collector::new());
    let missing = job.read(Files::combined_log(log)).filter(|access| access.status == 404);
    missing.map(|access| access.path().map(str::to_owned)).write(results.clone());
    let summary = job.run_to_summary(Trigger::AvailableNow).unwrap();
    assert_eq!((summary.rows_in, summary.malformed, results.records().len()), (10_000, 1, 213));
}
