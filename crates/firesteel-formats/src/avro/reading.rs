//! The records of decompressed blocks.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use apache_avro::Schema;
use firesteel_connect::Undecodable;
use serde::de::DeserializeOwned;

use super::nodes::Nodes;
use super::read::Bytes;
use super::value;
use crate::asked::has_any;
use crate::by_path::FromPath;
use crate::format::{Found, Head, Reading};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;
use crate::text::{Fit, fit};

/// The bytes before a block: the number of its records, and of its bytes.
const BEFORE: usize = 16;

/// Reads the records of a container file.
pub struct ReadingAvro<T> {
    schema: Option<&'static Nodes>,
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

/// The schema of this text. Schemas that the process has met are kept: programs read files of few of them.
pub(super) fn known(text: &[u8]) -> Result<&'static Nodes, String> {
    static KNOWN: Mutex<Option<HashMap<Vec<u8>, &'static Nodes>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(nodes) = known.get(text) {
        return Ok(nodes);
    }
    let schema = std::str::from_utf8(text).map_err(|error| error.to_string())?;
    let schema = Schema::parse_str(schema).map_err(|error| error.to_string())?;
    let nodes: &'static Nodes = Box::leak(Box::new(Nodes::of(&schema, &[])?));
    known.insert(text.to_vec(), nodes);
    Ok(nodes)
}

/// Where a message of the library says what is wrong, after all of a schema.
pub(super) fn short(message: &str) -> &str {
    message.rsplit_once("}): ").map_or(message, |(_, what)| what)
}

impl<T> ReadingAvro<T> {
    pub(super) fn new(path: FromPath) -> Self {
        Self { schema: None, left: 0, bytes: 0, passing: None, seen: 0, block: 0, item: None, path }
    }
}

impl<T: DeserializeOwned> ReadingAvro<T> {
    /// Whether the schema has what the type needs.
    fn fits(&self) -> Result<(), Mismatch> {
        let Some(names) = self.schema.and_then(Nodes::names) else { return Ok(()) };
        let Fit::Lacks(name) = fit::<T>(&names, &self.path) else {
            let all = names.iter().chain(self.path.names()).map(String::as_str);
            return has_any::<T>("field", all, "");
        };
        Err(Mismatch::lacks("field", name, names.iter().chain(self.path.names()).map(String::as_str)))
    }

    /// The next record of the block, which is all in `bytes` after `begin`.
    fn record(&mut self, bytes: &[u8], begin: usize) -> Found {
        let block = &bytes[begin..begin + self.bytes];
        let Some(nodes) = self.schema else {
            return Found::Broken { after: bytes.len(), reason: "Avro: there is no schema".to_owned() };
        };
        let mut rest = Bytes::of(block);
        let (item, taken) = match value::record::<T>(nodes, &mut rest, &self.path) {
            Ok(item) => (Ok(item), rest.position()),
            Err(error) => {
                // Where the record ends is told by the schema, whatever the type wants.
                let mut rest = Bytes::of(block);
                if let Err(damage) = rest.skip(nodes, 0) {
                    let (after, left) = (begin + block.len(), self.left - 1);
                    (self.left, self.bytes) = (0, 0);
                    let reason =
                        format!("Avro: {damage}; the {left} records after it in its block cannot be told apart");
                    return Found::Broken { after, reason };
                }
                (Err(Undecodable::new(format_args!("Avro: {error}"))), rest.position())
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
        let schema = known(text);
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
