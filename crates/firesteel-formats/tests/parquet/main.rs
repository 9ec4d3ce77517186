//! Parquet: what is written is read again, and what others have written is read as it is, from any row on.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod damage;
mod filters;
mod foreign;
mod round_trips;
mod types;

use std::sync::Arc;

use bytes::Bytes;
use firesteel_formats::{Format, Parquet, Table, TableError, WriteFormat, Writing};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file of these records.
fn written<T: Serialize + DeserializeOwned + 'static>(format: &Parquet<T>, records: &[T]) -> Bytes {
    try_written(format, records).unwrap()
}

fn try_written<T: Serialize + DeserializeOwned + 'static>(format: &Parquet<T>, records: &[T]) -> Result<Bytes, String> {
    let (mut writing, mut file) = (WriteFormat::<T>::begin(format), Vec::new());
    for record in records {
        let mut out = Vec::new();
        writing.write(record, &mut out).map_err(|error| error.to_string())?;
        file.append(&mut out);
    }
    let mut out = Vec::new();
    Writing::<T>::end(&mut writing, &mut out).map_err(|error| error.to_string())?;
    file.append(&mut out);
    Ok(file.into())
}

fn open<F: Format>(format: &F, file: Bytes) -> Result<Box<dyn Table<F::Item>>, TableError> {
    format.table(Arc::new(file)).unwrap()
}

/// What is read of a file: the number of a row, and the record or what is said of it.
type Rows<T> = Vec<(u64, Result<T, String>)>;

/// All rows of the range.
fn range<T>(table: &mut dyn Table<T>, from: u64, to: u64) -> Rows<T> {
    let (mut at, mut rows) = (from, vec![]);
    while let Some(row) = table.row(at, to).unwrap() {
        assert!(at <= row.at && row.at < to, "{} in {at}..{to}", row.at);
        at = row.at + 1;
        rows.push((row.at, row.item.map_err(|refused| refused.undecodable.reason().to_owned())));
    }
    rows
}

fn all<F: Format>(format: &F, file: Bytes) -> Rows<F::Item> {
    let mut table = open(format, file).unwrap();
    let rows = table.rows();
    range(&mut *table, 0, rows)
}

/// The records, where none is refused.
fn records<F: Format>(format: &F, file: Bytes) -> Vec<F::Item> {
    all(format, file).into_iter().map(|(_, row)| row.unwrap()).collect()
}

/// Why a file is not opened.
fn told<F: Format>(format: &F, file: Bytes) -> String {
    open(format, file).map(|_| ()).unwrap_err().to_string()
}
