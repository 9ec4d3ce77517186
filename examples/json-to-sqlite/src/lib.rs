//! Connectors outside of Firesteel: [`JsonFiles`], a source of JSON files in a folder, and [`SqliteTable`], a sink that
//! writes each record once into a table of SQLite.
//!
//! They are written from `docs/connectors.md`, as those of any other crate would be, and a program uses them as it uses
//! the library's own:
//!
//! ```
//! use firesteel::prelude::*;
//! use json_to_sqlite::{JsonFiles, SqliteTable};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct Sale {
//!     client: String,
//!     cents: i64,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (sales, database) = (folder.path().to_owned(), folder.path().join("shop.db"));
//! std::fs::write(sales.join("monday.json"), r#"[{"client": "ann", "cents": 250}, {"client": "bob", "cents": 99}]"#)?;
//!
//! let job = StreamingContext::builder("sales").build()?;
//! job.read(JsonFiles::<Sale>::new(&sales)).write(SqliteTable::new(&database, "sales", ["client", "cents"]));
//! job.run(Trigger::AvailableNow)?;
//!
//! let sum = "SELECT sum(cents) FROM sales";
//! assert_eq!(rusqlite::Connection::open(&database)?.query_row(sum, [], |row| row.get::<_, i64>(0))?, 349);
//! # Ok(())
//! # }
//! ```

mod error;
mod sink;
mod source;

pub use sink::SqliteTable;
pub use source::JsonFiles;
