//! Avro container files that are written: what comes out is read again as it was, by us and by others, or is not written.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod given;
mod refused;
mod round_trips;

use std::io::{Cursor, Read};

use common::{in_pieces, items};
use firesteel_formats::{Avro, Format, WriteFormat, Writing};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A file of these records, or why one of them is not written.
fn try_written<T>(format: &impl WriteFormat<T>, records: &[T]) -> Result<Vec<u8>, String> {
    let (mut writing, mut file) = (format.begin(), vec![]);
    let mut out = vec![];
    for record in records {
        writing.write(record, &mut out).map_err(|error| error.to_string())?;
        file.append(&mut out);
    }
    writing.end(&mut out).map_err(|error| error.to_string())?;
    file.append(&mut out);
    Ok(file)
}

fn written<T: Serialize + DeserializeOwned + 'static>(records: &[T]) -> Vec<u8> {
    try_written(&Avro::<T>::new(), records).unwrap()
}

/// Its bytes as they are read: the schema and the blocks.
fn unpacked(file: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    let file = Box::new(Cursor::new(file.to_vec()));
    Avro::<u8>::new().unpack(file).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// What a type of ours reads.
fn read<T: DeserializeOwned + Send + 'static>(file: &[u8]) -> Vec<Result<T, String>> {
    items(in_pieces(&Avro::<T>::new(), &unpacked(file), 5_000, usize::MAX))
}

fn records<T: DeserializeOwned + Send + 'static>(file: &[u8]) -> Vec<T> {
    read(file).into_iter().map(Result::unwrap).collect()
}

/// The schema that stands in a file.
fn schema(file: &[u8]) -> String {
    let bytes = unpacked(file);
    let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    String::from_utf8(bytes[4..4 + length].to_vec()).unwrap()
}
