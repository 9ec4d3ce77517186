//! Files that are not what the program expects, between others that are.

use firesteel_connect::{Counters, Source};
use firesteel_connect_file::{AfterReading, Files, OnUnreadable, TextFiles};
use firesteel_formats::{Avro, Csv, Format, Json, Parquet};
use firesteel_window::Duration;
use tempfile::TempDir;

use super::common::{append, gzip};
use super::damage::count;
use super::misfit::{self, Folder, Full};
use super::{Checkpoint, Follower, job};

impl Folder for TempDir {
    const COUNTER: &'static str = "misfit files";
    const KNOWS_ROWS: bool = true;

    type Source<F: Format> = Files<F>;

    fn new() -> Self {
        tempfile::tempdir().unwrap()
    }
    fn put(&self, name: &str, bytes: Vec<u8>) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }
    fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }
    fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }
    fn follow<F: Format>(&self, format: F) -> Files<F> {
        TextFiles::new(self.path()).follow().finish_after(Duration::ZERO).in_format(format)
    }
    fn strict<F: Format>(&self, format: F) -> [Files<F>; 2] {
        let once = TextFiles::new(self.path()).in_format(format.clone());
        [once, self.follow(format).on_unreadable(OnUnreadable::Fail)]
    }
    fn one_by_one<F: Format>(&self, format: F) -> Files<F> {
        self.follow(format).max_files(1)
    }
    fn removing<F: Format>(&self, format: F) -> Files<F> {
        self.follow(format).after_reading(AfterReading::delete())
    }
    fn pack(bytes: &[u8]) -> Vec<u8> {
        gzip(bytes)
    }
    fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters) {
        job(source, kept)
    }
}

#[test]
fn one_that_does_not_fit_is_told_and_counted_and_the_others_are_read() {
    misfit::one_of_three::<TempDir>();
}

#[test]
fn where_nothing_fits_the_job_does_not_start() {
    misfit::nothing_fits::<TempDir>();
}

#[test]
fn one_that_does_not_fit_may_be_removed_or_replaced_and_is_not_removed_by_us() {
    misfit::removed_and_replaced::<TempDir>();
}

#[test]
fn what_is_no_array_costs_itself() {
    misfit::no_array::<TempDir>();
}

#[test]
fn read_once_it_ends_the_job_unless_it_is_told_to_pass_it_over() {
    let folder = TempDir::new().unwrap();
    folder.put("a.csv", b"number\n1\n".to_vec());
    folder.put("b.csv", b"number,name\n2,x\n".to_vec());
    let once = || TextFiles::new(folder.path()).in_format(Csv::<Full>::new()).on_unreadable(OnUnreadable::Retry);
    let (mut reader, counters) = job(once(), Checkpoint::default());
    (0..3).for_each(|_| _ = reader.batch(u64::MAX));
    assert_eq!((reader.read.len(), count(&counters, "misfit files")), (1, 1));
}

#[test]
fn a_header_that_was_taken_for_whole_too_early_fits_when_it_is() {
    let folder = TempDir::new().unwrap();
    folder.put("a.csv", b"number,name\n1,x\n".to_vec());
    folder.put("b.csv", b"number".to_vec());
    let (mut reader, counters) = job(folder.follow(Csv::<Full>::new()), Checkpoint::default());
    (0..3).for_each(|_| _ = reader.batch(u64::MAX));
    assert_eq!((reader.read.len(), count(&counters, "misfit files")), (1, 1));
    append(&folder.path().join("b.csv"), ",name\n2,y\n");
    (0..3).for_each(|_| _ = reader.batch(u64::MAX));
    assert_eq!(reader.read.len(), 2);
}

#[test]
fn a_log_of_rows_that_does_not_fit_is_told_once_however_it_grows() {
    let folder = TempDir::new().unwrap();
    folder.put("a.csv", b"number,name\n1,x\n".to_vec());
    folder.put("b.csv", b"number\n1\n".to_vec());
    let (mut reader, counters) = job(folder.follow(Csv::<Full>::new()), Checkpoint::default());
    for _ in 0..100 {
        append(&folder.path().join("b.csv"), "2\n");
        reader.batch(u64::MAX);
    }
    assert_eq!((reader.read.len(), count(&counters, "misfit files")), (1, 1));
    // A wrong one that comes while nothing has been read is an error, too.
    let folder = TempDir::new().unwrap();
    let (mut reader, _) = job(folder.follow(Csv::<Full>::new()), Checkpoint::default());
    reader.batch(u64::MAX);
    folder.put("a.csv", b"number\n1\n".to_vec());
    let due = reader.due();
    let error = reader.source.open(&due[0]).err().unwrap();
    assert!(matches!(error, firesteel_connect::ConnectError::Mismatch { .. }), "{error}");
}

#[test]
fn a_file_without_a_byte_has_no_records_in_any_format() {
    fn check<F: Format<Item = Full>>(format: F, name: &str, full: Vec<u8>) {
        let folder = TempDir::new().unwrap();
        folder.put(&format!("a.{name}"), vec![]);
        folder.put(&format!("b.{name}"), full);
        folder.put(&format!("c.{name}"), vec![]);
        for follows in [false, true] {
            if !follows && !["csv", "ndjson", "json"].contains(&name) {
                // Read once, it is one that ends in the middle.
                continue;
            }
            let files = TextFiles::new(folder.path()).in_format(format.clone());
            let files = if follows { files.follow().finish_after(Duration::ZERO) } else { files };
            let (mut reader, counters) = job(files, Checkpoint::default());
            (0..4).for_each(|_| _ = reader.batch(u64::MAX));
            assert_eq!(reader.read.len(), 3, "{name}, followed: {follows}");
            reader.stop();
            let told = ["misfit files", "unreadable files"].map(|name| count(&counters, name));
            assert_eq!(told, [0, 0], "{name}, followed: {follows}");
        }
    }
    let rows = |from| (from..from + 3).map(|number| Full { number, name: "x".into() });
    let (csv, avro, parquet) = (Csv::<Full>::new(), Avro::<Full>::new(), Parquet::<Full>::new());
    let (json, array) = (Json::<Full>::new().lines(), Json::<Full>::new().array());
    let text = misfit::written(&csv, rows(0));
    check(csv.clone(), "csv", text.clone());
    check(csv, "csv.gz", gzip(&text));
    check(avro.clone(), "avro", misfit::written(&avro, rows(0)));
    check(parquet.clone(), "parquet", misfit::written(&parquet, rows(0)));
    let lines = b"{\"number\":0,\"name\":\"x\"}\n".repeat(3);
    check(json.clone(), "ndjson", lines.clone());
    check(json, "ndjson.gz", gzip(&lines));
    let line = r#"{"number":0,"name":"x"}"#;
    check(array, "json", format!("[{line},{line},{line}]").into_bytes());
}
