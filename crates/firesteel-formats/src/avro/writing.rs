//! Container files that are written.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use apache_avro::Codec;
use firesteel_connect::Unencodable;
use serde::Serialize;
use twox_hash::XxHash3_128;

use super::blocks::{LARGEST, MAGIC};
use super::encode::{encode, long};
use super::reading::{known, short};
use crate::avro::nodes::Nodes;
use crate::format::{WriteFormat, Writing};

/// A block is handed on before it has more bytes than this, before they are compressed; but for one record that has more.
const BLOCK: usize = 64_000;

/// Writes Avro container files by a schema that is given: see [`Avro::written_as`](super::Avro::written_as).
pub struct WriteAvro<T> {
    schema: Arc<str>,
    codec: Codec,
    of: PhantomData<fn() -> T>,
}

impl<T> WriteAvro<T> {
    pub(super) fn new(schema: &str, codec: Codec) -> Self {
        Self { schema: schema.into(), codec, of: PhantomData }
    }
}

impl<T: Serialize + 'static> WriteFormat<T> for WriteAvro<T> {
    type Writing = WritingAvro;

    fn may_be_joined(&self) -> bool {
        true
    }

    fn extension(&self) -> &'static str {
        EXTENSION
    }

    fn name(&self) -> &'static str {
        "Avro"
    }

    fn begin(&self) -> WritingAvro {
        WritingAvro::new(Ok(&self.schema), self.codec)
    }
}

pub(super) const EXTENSION: &str = "avro";

/// Writes an Avro container file.
pub struct WritingAvro {
    file: Result<File, String>,
}

struct File {
    schema: Arc<str>,
    nodes: &'static Nodes,
    codec: Codec,
    /// The records of the block that is not handed on yet.
    block: Vec<u8>,
    records: i64,
    /// What stands after each block; `None` before the header is written.
    mark: Option<[u8; 16]>,
}

impl WritingAvro {
    /// A file by this schema.
    pub(super) fn new(schema: Result<&Arc<str>, &String>, codec: Codec) -> Self {
        let file = schema.map_err(Clone::clone).and_then(|schema| {
            let nodes = known(schema.as_bytes()).map_err(|reason| short(&reason).to_owned())?;
            Ok(File { schema: Arc::clone(schema), nodes, codec, block: Vec::new(), records: 0, mark: None })
        });
        Self { file }
    }
}

impl File {
    fn write(&mut self, record: &impl Serialize, out: &mut Vec<u8>) -> Result<(), String> {
        let before = self.block.len();
        let written = encode(self.nodes, record, &mut self.block).map_err(|error| error.to_string());
        let length = self.block.len() - before;
        let written = written.and_then(|()| match length {
            0 => Err("a record that takes no bytes cannot be told apart".to_owned()),
            1.. if length as u64 > LARGEST => Err(format!("a record of {length} bytes, and {LARGEST} are the most")),
            _ => Ok(()),
        });
        if let Err(reason) = written {
            self.block.truncate(before);
            return Err(reason);
        }
        // Readers hold a block as a whole, so one that is large holds one record.
        if self.block.len() > BLOCK && before > 0 {
            let next = self.block.split_off(before);
            self.pass_on(out)?;
            self.block = next;
        }
        self.records += 1;
        if self.block.len() >= BLOCK { self.pass_on(out) } else { Ok(()) }
    }

    /// Appends the block.
    fn pass_on(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let mark = self.header(out)?;
        if self.records == 0 {
            return Ok(());
        }
        let mut block = std::mem::take(&mut self.block);
        self.codec.compress(&mut block).map_err(|error| error.to_string())?;
        long(std::mem::take(&mut self.records), out);
        long(block.len() as i64, out);
        out.extend_from_slice(&block);
        out.extend_from_slice(&mark);
        Ok(())
    }

    /// Appends the header, unless the file has it. The mark is made of the schema and the first block: so a file that is written
    /// again is the same, and one that stands within a record of another file has another mark.
    fn header(&mut self, out: &mut Vec<u8>) -> Result<[u8; 16], String> {
        if let Some(mark) = self.mark {
            return Ok(mark);
        }
        let mut hash = XxHash3_128::new();
        hash.write(self.schema.as_bytes());
        hash.write(&self.block);
        let mark = hash.finish_128().to_le_bytes();
        let codec = <&str>::from(self.codec);
        let entries = [("avro.codec", codec), ("avro.schema", &*self.schema)];
        out.extend_from_slice(MAGIC);
        long(entries.len() as i64, out);
        for text in entries.into_iter().flat_map(|(name, value)| [name, value]) {
            long(text.len() as i64, out);
            out.extend_from_slice(text.as_bytes());
        }
        out.push(0);
        out.extend_from_slice(&mark);
        self.mark = Some(mark);
        Ok(mark)
    }
}

fn refused(reason: impl fmt::Display) -> Unencodable {
    Unencodable::new(format_args!("Avro: {reason}"))
}

impl<T: Serialize> Writing<T> for WritingAvro {
    fn write(&mut self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let file = self.file.as_mut().map_err(refused)?;
        file.write(record, out).map_err(refused)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let file = self.file.as_mut().map_err(refused)?;
        file.pass_on(out).map_err(refused)
    }
}

impl fmt::Debug for WritingAvro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WritingAvro").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WriteAvro<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteAvro").field("schema", &self.schema).finish_non_exhaustive()
    }
}
