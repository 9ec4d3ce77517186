//! The sink against the contract, and the values and tables that it is given.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::path::{Path, PathBuf};

use firesteel_connect::{CheckpointId, Class, ConnectError, Epoch, RunId, Sink, SinkContext, WriteTask, conformance};
use json_to_sqlite::SqliteTable;
use rusqlite::Connection;
use rusqlite::types::Value as Cell;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    id: u32,
    text: String,
}

fn row(id: u32) -> Row {
    Row { id, text: format!("text of {id}") }
}

/// A database in a folder that goes away with it.
struct Database(TempDir);

impl Database {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("rows.db")
    }

    fn sink(&self) -> SqliteTable {
        SqliteTable::new(self.path(), "rows", ["id", "text"])
    }

    fn rows(&self) -> Vec<Row> {
        rows(&self.path())
    }

    fn cells(&self, sql: &str) -> Vec<Cell> {
        let connection = Connection::open(self.path()).unwrap();
        let read = |row: &rusqlite::Row<'_>| (0..row.as_ref().column_count()).map(|at| row.get(at)).collect();
        connection.query_row(sql, [], read).unwrap()
    }
}

fn rows(path: &Path) -> Vec<Row> {
    let connection = Connection::open(path).unwrap();
    let Ok(mut select) = connection.prepare("SELECT id, text FROM rows ORDER BY rowid") else { return Vec::new() };
    let found = select.query_map([], |row| Ok(Row { id: row.get(0)?, text: row.get(1)? })).unwrap();
    found.map(Result::unwrap).collect()
}

fn commit<T: Serialize>(sink: &SqliteTable, epoch: u64, records: Vec<T>) -> Result<(), ConnectError> {
    let written = sink.write(WriteTask::new(Epoch(epoch), 0), records.into_iter())?;
    Sink::<T>::commit(sink, Epoch(epoch), &mut vec![written])
}

fn start(sink: &SqliteTable, context: &SinkContext) -> Result<(), ConnectError> {
    Sink::<Row>::start(sink, context)
}

#[test]
fn it_keeps_the_contract_of_sinks() {
    let places = std::cell::RefCell::new(Vec::new());
    let make = || {
        let place = Database::new();
        let sink = place.sink();
        places.borrow_mut().push(place);
        sink
    };
    let visible = |_: &SqliteTable| places.borrow().last().unwrap().rows();
    conformance::sink(make, visible, row);
    let reopen = |sink: SqliteTable| {
        drop(sink);
        places.borrow().last().unwrap().sink()
    };
    conformance::sink_restarts(make, reopen, visible, row);
}

#[test]
fn several_sinks_write_to_one_place() {
    conformance::sinks_of_one_place(Database::new, Database::sink, Database::rows, row);
}

#[test]
fn values_stay_what_they_are() {
    let place = Database::new();
    let sink = SqliteTable::new(place.path(), "odd \" name", ["a", "b\"; DROP TABLE x", "c", "d", "e", "f", "g"]);
    start(&sink, &SinkContext::default()).unwrap();
    let text = "'; DROP TABLE \"odd \"\" name\"; --";
    let record =
        json!({"a": i64::MIN, "b\"; DROP TABLE x": text, "c": 0.5, "d": true, "e": {"x": [1, null]}, "g": u64::MAX});
    commit(&sink, 1, vec![record]).unwrap();
    let expected = [
        Cell::Integer(i64::MIN),
        Cell::Text(text.into()),
        Cell::Real(0.5),
        Cell::Integer(1),
        Cell::Text(r#"{"x":[1,null]}"#.into()),
        Cell::Null,
        Cell::Text("18446744073709551615".into()),
    ];
    assert_eq!(place.cells(r#"SELECT * FROM "odd "" name""#), expected);
}

#[test]
fn a_record_that_does_not_fit_is_refused_and_nothing_is_written() {
    let place = Database::new();
    let sink = place.sink();
    start(&sink, &SinkContext::default()).unwrap();
    let records = [(json!(7), "no fields"), (json!({"id": 1, "more": 2}), "more")];
    for (record, reason) in records {
        let refused = commit::<Value>(&sink, 1, vec![json!({"id": 0}), record]).unwrap_err();
        assert!(refused.class() == Class::Program && refused.to_string().contains(reason), "{refused}");
    }
    assert_eq!(place.rows(), []);
}

#[test]
fn a_table_or_place_that_cannot_be_used_is_refused_at_the_start() {
    let place = Database::new();
    Connection::open(place.path()).unwrap().execute("CREATE TABLE rows (id, name)", []).unwrap();
    for (sink, class, reason) in [
        (place.sink(), Class::Program, "no column named text"),
        (SqliteTable::new(place.path(), "empty", [""; 0]), Class::Program, "syntax error"),
        (SqliteTable::new("/no/such/folder/rows.db", "rows", ["id"]), Class::Fatal, "unable to open"),
    ] {
        let refused = start(&sink, &SinkContext::default()).unwrap_err();
        assert!(refused.class() == class && refused.to_string().contains(reason), "{refused}");
    }
}

#[test]
fn a_database_that_another_program_writes_to_is_retried() {
    let place = Database::new();
    let sink = place.sink();
    start(&sink, &SinkContext::default()).unwrap();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = commit(&sink, 1, vec![row(1)]).unwrap_err();
    assert_eq!(refused.class(), Class::Retryable, "{refused}");
    other.execute_batch("ROLLBACK").unwrap();
    commit(&sink, 1, vec![row(1)]).unwrap();
    assert_eq!(place.rows(), [row(1)]);
}

#[test]
fn a_later_run_fences_this_one_and_another_checkpoint_is_an_error() {
    let place = Database::new();
    let context = |run, checkpoint| {
        SinkContext::new("job", "out")
            .with_run(RunId::from_bits(run))
            .with_checkpoint(CheckpointId::from_bits(checkpoint))
    };
    let (first, second, third) = (place.sink(), place.sink(), place.sink());
    start(&first, &context(1, 1)).unwrap();
    commit(&first, 1, vec![row(1)]).unwrap();
    start(&second, &context(2, 1)).unwrap();
    assert!(matches!(commit(&first, 2, vec![row(2)]), Err(ConnectError::Fenced { .. })));
    commit(&second, 1, vec![row(1)]).unwrap();
    commit(&second, 2, vec![row(2)]).unwrap();
    start(&third, &context(3, 2)).unwrap();
    let refused = commit(&third, 3, vec![row(3)]).unwrap_err();
    assert!(refused.class() == Class::Program && refused.to_string().contains("rows of checkpoint"), "{refused}");
    assert_eq!(place.rows(), [row(1), row(2)]);
}
