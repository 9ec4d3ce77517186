//! The sink: a table of SQLite.

use std::path::PathBuf;
use std::time::Duration;

use firesteel_connect::{ConnectError, Epoch, Guarantee, Mark, Place, Result, Sink, SinkContext, WriteTask};
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, Transaction, TransactionBehavior::Immediate, params_from_iter};
use serde::Serialize;
use serde_json::Value;

use crate::error::sqlite;

const CREATE_MARKS: &str = "CREATE TABLE IF NOT EXISTS firesteel_marks (job TEXT, name TEXT, scope TEXT, run TEXT, \
                            epoch INTEGER, checkpoint TEXT, PRIMARY KEY (job, name, scope))";
const CLAIM: &str = "INSERT INTO firesteel_marks (job, name, scope, run) VALUES (?, ?, ?, ?) \
                     ON CONFLICT DO UPDATE SET run = excluded.run";
const READ_MARK: &str = "SELECT run, epoch, checkpoint FROM firesteel_marks WHERE (job, name, scope) = (?, ?, ?)";
const WRITE_MARK: &str = "UPDATE firesteel_marks SET epoch = ?, checkpoint = ? WHERE (job, name, scope) = (?, ?, ?)";

/// How long a call waits for another program that writes to the database.
const PATIENCE: Duration = Duration::from_secs(3);

/// A table of an SQLite database. Each record becomes one row, exactly once: the rows of an epoch are written in one
/// transaction with its mark, in the table `firesteel_marks`, and are in memory before.
///
/// Records are structs or maps; the field of a column's name goes into it. `true` and `false` become 1 and 0, what has
/// parts becomes JSON, and an integer that is too large for SQLite becomes text. A field that is missing is `NULL`; one
/// without a column is an error. Several jobs, and several sinks of one, may write to one table.
pub struct SqliteTable {
    path: PathBuf,
    table: String,
    columns: Vec<String>,
    session: Mutex<Option<Session>>,
}

struct Session {
    connection: Connection,
    /// Job, name and scope.
    key: [String; 3],
    run: String,
    checkpoint: String,
}

impl SqliteTable {
    /// The table of this name in the database at this path. Either is made if it is not there.
    #[must_use]
    pub fn new(
        path: impl Into<PathBuf>,
        table: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        Self { path: path.into(), table: table.into(), columns, session: Mutex::default() }
    }

    fn place(&self) -> String {
        format!("table {} in {}", self.table, self.path.display())
    }

    fn quoted_columns(&self) -> String {
        self.columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
    }

    fn insert(&self) -> String {
        let values = vec!["?"; self.columns.len()].join(", ");
        format!("INSERT INTO {} ({}) VALUES ({values})", quoted(&self.table), self.quoted_columns())
    }

    fn session(&self) -> Result<MappedMutexGuard<'_, Session>> {
        MutexGuard::try_map(self.session.lock(), Option::as_mut).map_err(|_| self.wrong("start", "call it first"))
    }

    fn wrong(&self, setting: &'static str, reason: impl Into<String>) -> ConnectError {
        ConnectError::Setting { connector: "SqliteTable", setting, reason: reason.into() }
    }

    fn row(&self, record: &impl Serialize) -> Result<Vec<Cell>> {
        let Ok(Value::Object(mut fields)) = serde_json::to_value(record) else {
            return Err(self.wrong("columns", "a record has no fields of names: write structs or maps"));
        };
        let row = self.columns.iter().map(|column| fields.remove(column).map_or(Cell::Null, cell)).collect();
        match fields.keys().next() {
            None => Ok(row),
            Some(field) => Err(self.wrong("columns", format!("there is none for the field {field}: name it, too"))),
        }
    }
}

/// A name as SQL has it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Integer(value.into()),
        Value::String(text) => Cell::Text(text),
        Value::Number(number) if number.is_i64() => number.as_i64().into(),
        Value::Number(number) if number.is_f64() => number.as_f64().into(),
        other => Cell::Text(other.to_string()),
    }
}

/// The run that has claimed the key, and the epoch and the checkpoint of the mark if anything was committed under it.
type Claim = (String, Option<i64>, Option<String>);

fn read_mark(connection: &Connection, key: &[String; 3]) -> rusqlite::Result<Claim> {
    connection.query_row(READ_MARK, key.each_ref(), |row| row.try_into())
}

impl<T: Serialize> Sink<T> for SqliteTable {
    type Pending = Vec<Vec<Cell>>;

    fn describe(&self) -> String {
        self.place()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn places(&self) -> Vec<Place> {
        vec![Place::file(&self.path)]
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        let key = [context.job(), context.name(), context.scope().part().unwrap_or_default()].map(str::to_owned);
        let run = context.run().to_string();
        let open = || {
            let mut connection = Connection::open(&self.path)?;
            connection.busy_timeout(PATIENCE)?;
            let claim = connection.transaction_with_behavior(Immediate)?;
            let (table, columns) = (quoted(&self.table), self.quoted_columns());
            claim.execute_batch(&format!("CREATE TABLE IF NOT EXISTS {table} ({columns}); {CREATE_MARKS}"))?;
            // A table that was there before may have other columns.
            claim.prepare(&self.insert())?;
            claim.execute(CLAIM, (&key[0], &key[1], &key[2], &run))?;
            claim.commit()?;
            Ok(connection)
        };
        let connection = open().map_err(|error| sqlite("claim", &self.place(), error))?;
        *self.session.lock() = Some(Session { connection, key, run, checkpoint: context.checkpoint().to_string() });
        Ok(())
    }

    fn write(&self, _task: WriteTask, records: impl Iterator<Item = T>) -> Result<Self::Pending> {
        records.map(|record| self.row(&record)).collect()
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Self::Pending>) -> Result<()> {
        let failed = |error| sqlite("write to", &self.place(), error);
        let Session { connection, key, run, checkpoint } = &mut *self.session()?;
        // It locks the database at once: nobody claims the table between the look at the mark and the commit.
        let commit = connection.transaction_with_behavior(Immediate).map_err(failed)?;
        let (claimed_by, last, of) = read_mark(&commit, key).map_err(failed)?;
        if claimed_by != *run {
            return Err(ConnectError::Fenced { place: self.place(), by: format!("run {claimed_by}") });
        }
        if let Some(other) = of.filter(|of| of != checkpoint) {
            let way_out = "resume from that one, or rename the job or the sink, and name another table";
            return Err(self.wrong("table", format!("it has rows of checkpoint {other}, not {checkpoint}: {way_out}")));
        }
        if last.is_none_or(|last| last.cast_unsigned() < epoch.0) {
            let write = |commit: Transaction<'_>| {
                let mut insert = commit.prepare(&self.insert())?;
                pending.iter().flatten().try_for_each(|row| insert.execute(params_from_iter(row)).map(drop))?;
                drop(insert);
                commit.execute(WRITE_MARK, (epoch.0.cast_signed(), &*checkpoint, &key[0], &key[1], &key[2]))?;
                commit.commit()
            };
            write(commit).map_err(failed)?;
        }
        pending.clear();
        Ok(())
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        let session = self.session()?;
        let mark = read_mark(&session.connection, &session.key);
        let (_, epoch, of) = mark.map_err(|error| sqlite("read the mark of", &self.place(), error))?;
        let Some((epoch, of)) = epoch.zip(of) else { return Ok(None) };
        let checkpoint =
            of.parse().map_err(|_| self.wrong("table", format!("its mark has no checkpoint, but {of}")))?;
        Ok(Some(Mark { epoch: Epoch(epoch.cast_unsigned()), checkpoint }))
    }

    fn stop(&self) -> Result<()> {
        *self.session.lock() = None;
        Ok(())
    }
}
