//! The records of decompressed blocks.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use firesteel_connect::Undecodable;
use serde::de::DeserializeOwned;

use super::joined::{self, Joined};
use crate::by_path::FromPath;
use crate::format::{Found, Head, Reading};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;
use crate::text::{Fit, fit, struct_name};

/// The bytes before a block: the number of its records, and of its bytes.
const BEFORE: usize = 16;

/// Reads the records of a container file.
pub struct ReadingAvro<T> {
    schema: Option<&'static MetSchema>,
    /// How many records of the block are left.
    left: u64,
    /// How many bytes of it.
    bytes: usize,
    /// Of a block that is passed over: how many bytes are left; and how many have been looked at.
    passing: Option<usize>,
    seen: usize,
    /// How long the block is that is not all there yet.
    block: usize,
    item: Option<Result<T, Undecodable>>,
    path: FromPath,
}

/// A schema that the process has met. They are kept: programs read files of few schemas.
pub(super) struct MetSchema {
    pub(super) schema: Schema,
    reader: OnceLock<Result<GenericDatumReader<'static>, String>>,
}

/// The schema of this text, for a type of this name.
pub(super) fn known(text: &[u8], name: Option<&'static str>) -> Result<&'static MetSchema, String> {
    type Schemas = HashMap<(Vec<u8>, Option<&'static str>), &'static MetSchema>;
    static KNOWN: Mutex<Option<Schemas>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let (known, key) = (known.get_or_insert_default(), (text.to_vec(), name));
    if let Some(schema) = known.get(&key) {
        return Ok(schema);
    }
    let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let renamed = name.and_then(|name| Schema::parse_str(&renamed(text, name)?).ok());
    let schema = renamed.map_or_else(|| Schema::parse_str(text), Ok).map_err(|error| error.to_string())?;
    let leaked: &'static MetSchema = Box::leak(Box::new(MetSchema { schema, reader: OnceLock::new() }));
    known.insert(key, leaked);
    Ok(leaked)
}

/// The schema with its record called as the type is: the library wants them to be equal, and what a program calls its types is
/// its own affair. A record that mentions itself keeps its name.
fn renamed(text: &str, name: &str) -> Option<String> {
    let mut schema: serde_json::Value = serde_json::from_str(text).ok()?;
    let record = schema.as_object_mut().filter(|schema| schema.get("type").is_some_and(|kind| kind == "record"))?;
    record.insert("name".to_owned(), name.into());
    Some(schema.to_string())
}

/// Where a message of the library says what is wrong, after all of a schema.
pub(super) fn short(message: &str) -> &str {
    message.rsplit_once("}): ").map_or(message, |(_, what)| what)
}

impl MetSchema {
    fn reader(&'static self) -> Result<&'static GenericDatumReader<'static>, String> {
        let made = self.reader.get_or_init(|| {
            // Never with a schema of the reader's own: it panics with one.
            let reader = GenericDatumReader::builder(&self.schema).human_readable(false).build();
            reader.map_err(|error| error.to_string())
        });
        made.as_ref().map_err(Clone::clone)
    }
}

impl<T> ReadingAvro<T> {
    pub(super) fn new(path: FromPath) -> Self {
        Self { schema: None, left: 0, bytes: 0, passing: None, seen: 0, block: 0, item: None, path }
    }
}

impl<T: DeserializeOwned> ReadingAvro<T> {
    /// Whether the schema has what the type needs.
    fn fits(&self) -> Result<(), Mismatch> {
        let Some(MetSchema { schema: Schema::Record(record), .. }) = self.schema else { return Ok(()) };
        let names: Vec<String> = record.fields.iter().map(|field| field.name.clone()).collect();
        let Fit::Lacks(name) = fit::<T>(&names, &self.path) else { return Ok(()) };
        Err(Mismatch::lacks("field", name, names.iter().chain(self.path.names()).map(String::as_str)))
    }

    /// The next record of the block, which is all in `bytes` after `begin`.
    fn record(&mut self, bytes: &[u8], begin: usize) -> Found {
        let block = &bytes[begin..begin + self.bytes];
        let mut rest = block;
        let Some(reader) = self.schema.and_then(|schema| schema.reader().ok()) else {
            return Found::Broken { after: bytes.len(), reason: "Avro: there is no schema".to_owned() };
        };
        let item = if self.path.is_asked() {
            joined::within(&self.path, || reader.read_deser::<Joined<T>>(&mut rest)).map(|Joined(item)| item)
        } else {
            reader.read_deser::<T>(&mut rest)
        };
        let item = item.map_err(|error| error.to_string());
        let (item, taken) = match item {
            Ok(item) => (Ok(item), block.len() - rest.len()),
            Err(error) => {
                // Where the record ends is told by the schema, whatever the type wants.
                let mut rest = block;
                if let Err(damage) = reader.read_value(&mut rest) {
                    let (after, left) = (begin + block.len(), self.left - 1);
                    (self.left, self.bytes) = (0, 0);
                    let reason = format!(
                        "Avro: {}; the {left} records after it in its block cannot be told apart",
                        short(&damage.to_string())
                    );
                    return Found::Broken { after, reason };
                }
                (Err(Undecodable::new(format_args!("Avro: {}", short(&error)))), block.len() - rest.len())
            }
        };
        self.item = Some(item);
        self.left -= 1;
        self.bytes -= taken;
        let end = begin + taken;
        if self.left == 0 && self.bytes > 0 {
            let (after, reason) =
                (end + self.bytes, format!("Avro: {} bytes stand after the last record of a block", self.bytes));
            self.bytes = 0;
            return Found::Broken { after, reason };
        }
        Found::Record { record: begin..end, after: end }
    }
}

impl<T: DeserializeOwned + Send + 'static> Reading for ReadingAvro<T> {
    type Item = T;

    fn head(&mut self, bytes: &[u8], ended: bool) -> Result<Head, Mismatch> {
        let more = || if ended { Err(Mismatch::new("has no Avro header")) } else { Ok(Head::More) };
        let Some(length) = bytes.first_chunk::<4>() else {
            return if bytes.is_empty() && ended { Ok(Head::Length(0)) } else { more() };
        };
        let end = 4 + u32::from_le_bytes(*length) as usize;
        let Some(text) = bytes.get(4..end) else { return more() };
        let schema = known(text, struct_name::<T>()).and_then(|schema| schema.reader().map(|_| schema));
        self.schema = Some(
            schema.map_err(|error| Mismatch::new(format_args!("has an Avro schema that cannot be used: {error}")))?,
        );
        self.fits()?;
        Ok(Head::Length(end))
    }

    fn find(&mut self, bytes: &[u8], ended: bool) -> Found {
        if let Some(left) = self.passing {
            if left <= bytes.len() || ended {
                self.passing = None;
                let after = left.min(bytes.len());
                return Found::Record { record: 0..after, after };
            }
            self.seen = bytes.len();
            return Found::More(left);
        }
        if self.left > 0 {
            return self.record(bytes, 0);
        }
        let Some(before) = bytes.first_chunk::<BEFORE>() else {
            self.seen = bytes.len();
            return if ended {
                Found::Broken { after: bytes.len(), reason: "Avro: a block is cut off".to_owned() }
            } else {
                Found::More(0)
            };
        };
        let (records, length) = before.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let (records, length) = (number(records), number(length) as usize);
        if bytes.len() < BEFORE + length {
            (self.seen, self.block) = (bytes.len(), BEFORE + length);
            return if ended {
                Found::Broken { after: bytes.len(), reason: "Avro: a block is cut off".to_owned() }
            } else {
                Found::More(length)
            };
        }
        if records > length as u64 {
            let reason =
                format!("Avro: a block of {records} records has {length} bytes, and a record needs one at least");
            return Found::Broken { after: BEFORE + length, reason };
        }
        if records == 0 {
            return Found::Skip(BEFORE + length);
        }
        (self.left, self.bytes) = (records, length);
        self.record(bytes, BEFORE)
    }

    fn moved(&mut self, file: &Arc<FileOrigin>) -> bool {
        self.path.is_same(file)
    }

    fn pass(&mut self) -> usize {
        let passed = std::mem::take(&mut self.seen);
        self.passing = Some(self.passing.unwrap_or(self.block) - passed);
        passed
    }

    fn decode(&mut self, _: &[u8]) -> Result<T, Undecodable> {
        self.item.take().unwrap_or_else(|| Err(Undecodable::new("Avro: no record was found")))
    }

    fn too_long(&self, longest: usize) -> String {
        format!("Avro: a block of more than {longest} bytes; allow longer ones with `longest_record`")
    }
}

impl<T> fmt::Debug for ReadingAvro<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadingAvro").field("left", &self.left).finish_non_exhaustive()
    }
}
