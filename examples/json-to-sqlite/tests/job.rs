//! A job with both, from files into a table.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::fs;
use std::path::Path;

use firesteel::{Checkpoint, StreamingContext, Trigger};
use json_to_sqlite::{JsonFiles, SqliteTable};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Sale {
    client: String,
    cents: i64,
}

fn run(folder: &Path) {
    let job = StreamingContext::builder("sales")
        .checkpoint(Checkpoint::in_folder(folder.join("checkpoint")))
        .build()
        .unwrap();
    job.read(JsonFiles::<Sale>::new(folder.join("in")))
        .named("files")
        .write(SqliteTable::new(folder.join("shop.db"), "sales", ["client", "cents"]))
        .named("table");
    job.run(Trigger::AvailableNow).unwrap();
}

fn sales(folder: &Path) -> Vec<(String, i64)> {
    let connection = rusqlite::Connection::open(folder.join("shop.db")).unwrap();
    let mut select = connection.prepare("SELECT client, cents FROM sales ORDER BY cents").unwrap();
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

/// Writes the sales of these numbers into a file.
fn write(folder: &Path, name: &str, cents: std::ops::Range<i64>) {
    let sales: Vec<Sale> = cents.map(|cents| Sale { client: format!("client {cents}"), cents }).collect();
    fs::create_dir_all(folder.join("in")).unwrap();
    fs::write(folder.join("in").join(name), serde_json::to_string(&sales).unwrap()).unwrap();
}

#[test]
fn every_record_is_in_the_table_once_though_the_job_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let expected = |end| (0..end).map(|cents| (format!("client {cents}"), cents)).collect::<Vec<_>>();
    write(folder, "a.json", 0..500);
    write(folder, "c.json", 500..501);
    run(folder);
    assert_eq!(sales(folder), expected(501));
    write(folder, "b.json", 501..800);
    run(folder);
    assert_eq!(sales(folder), expected(800));
    run(folder);
    assert_eq!(sales(folder), expected(800));
}
