//! Writes the records of JSON files in a folder into a table of SQLite, each once.
//!
//! ```sh
//! cargo run --release -p json-to-sqlite -- sales/ shop.db sales client cents --checkpoint shop.checkpoint
//! ```
//!
//! It continues with files that come later until it is stopped; with `--available-now` it ends when all is written. Started
//! again, it continues where it stood.

use std::path::PathBuf;

use clap::Parser;
use firesteel::{Exit, LaunchOptions};
use json_to_sqlite::{JsonFiles, SqliteTable};
use serde_json::{Map, Value};

/// Writes the records of JSON files in a folder into a table of SQLite, each once.
#[derive(Parser)]
#[command(name = "json-to-sqlite", version)]
struct Options {
    /// Its files *.json are read: each is an array of objects
    folder: PathBuf,
    /// The database, which is made if it is not there
    database: PathBuf,
    /// The table, which is made if it is not there
    table: String,
    /// The fields that are written, each into a column of its name
    #[arg(required = true)]
    columns: Vec<String>,
    #[command(flatten)]
    launch: LaunchOptions,
}

fn main() -> Exit {
    let Options { folder, database, table, columns, launch } = Options::parse();
    launch.run("json-to-sqlite", |job| {
        job.read(JsonFiles::<Map<String, Value>>::new(&folder))
            .named("files")
            .write(SqliteTable::new(&database, &table, &columns))
            .named("table");
        Ok(())
    })
}
