//! The blocks of a container file, decompressed.
//!
//! What comes out is the length of the schema (four bytes, little-endian) and the schema; then, for each block, the number of its
//! records and the number of its bytes (eight bytes each) and these bytes.

use std::io::{self, BufReader, ErrorKind, Read};

use apache_avro::Codec;

use super::encode::long;

/// No block is larger, and no schema.
pub(super) const LARGEST: u64 = 1 << 30;
pub(super) const MAGIC: &[u8] = b"Obj\x01";

/// What a container file begins with.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// All of it.
    pub(crate) bytes: Vec<u8>,
    pub(crate) schema: Vec<u8>,
    /// How blocks are compressed.
    pub(crate) codec: Vec<u8>,
    /// What stands after each of them.
    pub(crate) mark: [u8; 16],
}

/// Reads a container file.
pub(crate) struct Blocks<R> {
    file: BufReader<R>,
    /// `None` before it is read.
    header: Option<(Codec, Header)>,
    /// The bytes of it that have been read.
    head: Vec<u8>,
    /// How many records the blocks had that were read.
    records: u64,
    /// What is ready, and how much of it has been handed out.
    ready: Vec<u8>,
    handed_out: usize,
    /// How many bytes of the file have been read.
    position: u64,
}

impl<R: Read> Blocks<R> {
    pub(crate) fn new(file: R) -> Self {
        let (file, head) = (BufReader::new(file), Vec::new());
        Self { file, header: None, head, records: 0, ready: Vec::new(), handed_out: 0, position: 0 }
    }

    /// What the file begins with, once that has been read.
    pub(crate) fn header(&self) -> Option<&Header> {
        self.header.as_ref().map(|(_, header)| header)
    }

    /// How many records the blocks had that were read.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The next block as it stands in the file, but for the mark after it.
    pub(crate) fn raw_block(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.header.is_none() {
            self.read_header()?;
        }
        let Some((_, Header { mark, .. })) = &self.header else { return Ok(None) };
        let mark = *mark;
        let Some((records, block)) = self.block(mark)? else { return Ok(None) };
        let mut raw = Vec::with_capacity(block.len() + 20);
        [records, block.len() as u64].into_iter().for_each(|number| long(number as i64, &mut raw));
        raw.extend_from_slice(&block);
        Ok(Some(raw))
    }

    fn exactly(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        if bytes > LARGEST {
            return Err(self.damaged(format_args!("{bytes} bytes are said to follow, which is more than a block has")));
        }
        let mut read = Vec::new();
        let count = self.file.by_ref().take(bytes).read_to_end(&mut read)? as u64;
        self.position += count;
        if self.header.is_none() {
            self.head.extend_from_slice(&read);
        }
        if count < bytes { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }

    /// A number of variable length; `None` at the end of the file.
    fn long(&mut self) -> io::Result<Option<i64>> {
        let mut value = 0_u64;
        for at in 0..10 {
            let mut byte = [0];
            if self.file.read(&mut byte)? == 0 {
                return if at == 0 { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            self.position += 1;
            if self.header.is_none() {
                self.head.push(byte[0]);
            }
            value |= u64::from(byte[0] & 0x7f) << (7 * at);
            if byte[0] & 0x80 == 0 {
                return Ok(Some((value >> 1) as i64 ^ -((value & 1) as i64)));
            }
        }
        Err(self.damaged("a number has more than ten bytes"))
    }

    /// A number that has to be there and be none below zero.
    fn count(&mut self) -> io::Result<u64> {
        let count = self.long()?.ok_or(ErrorKind::UnexpectedEof)?;
        u64::try_from(count).map_err(|_| self.damaged(format_args!("{count} stands where a count should")))
    }

    fn damaged(&self, what: impl std::fmt::Display) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, format!("Avro: at byte {} of the file: {what}", self.position))
    }

    /// Reads the header, and makes the schema ready.
    fn read_header(&mut self) -> io::Result<()> {
        if self.exactly(4)? != MAGIC {
            return Err(self.damaged("it is no Avro container file"));
        }
        let (mut schema, mut codec, mut codec_name) = (None, Codec::Null, b"null".to_vec());
        loop {
            let entries = self.long()?.ok_or(ErrorKind::UnexpectedEof)?;
            if entries == 0 {
                break;
            }
            if entries < 0 {
                // The size of the entries follows.
                self.long()?;
            }
            for _ in 0..entries.unsigned_abs() {
                let length = self.count()?;
                let name = self.exactly(length)?;
                let length = self.count()?;
                let value = self.exactly(length)?;
                match &name[..] {
                    b"avro.schema" => schema = Some(value),
                    b"avro.codec" => {
                        codec = self.codec(&String::from_utf8_lossy(&value))?;
                        codec_name = value;
                    }
                    _ => {}
                }
            }
        }
        let schema = schema.ok_or_else(|| self.damaged("the header has no schema"))?;
        let mut mark = [0; 16];
        mark.copy_from_slice(&self.exactly(16)?);
        self.ready = [&(schema.len() as u32).to_le_bytes()[..], &schema].concat();
        let bytes = std::mem::take(&mut self.head);
        self.header = Some((codec, Header { bytes, schema, codec: codec_name, mark }));
        Ok(())
    }

    fn codec(&self, name: &str) -> io::Result<Codec> {
        let unknown = |_| {
            let advice = "write the file with deflate, snappy or no compression";
            self.damaged(format_args!("blocks are compressed by {name}, which cannot be read; {advice}"))
        };
        name.parse().map_err(unknown)
    }

    /// The next block: how many records it has, and its bytes as they stand in the file.
    fn block(&mut self, mark: [u8; 16]) -> io::Result<Option<(u64, Vec<u8>)>> {
        let Some(records) = self.long()? else { return Ok(None) };
        let records = u64::try_from(records).map_err(|_| self.damaged(format_args!("a block of {records} records")))?;
        let size = self.count()?;
        let block = self.exactly(size)?;
        if self.exactly(16)? != mark {
            return Err(self.damaged("a block does not end with the mark of the file"));
        }
        self.records = self.records.saturating_add(records);
        Ok(Some((records, block)))
    }

    /// Makes the next block ready. Tells whether there is one.
    fn read_block(&mut self, codec: Codec, mark: [u8; 16]) -> io::Result<bool> {
        let Some((records, mut block)) = self.block(mark)? else { return Ok(false) };
        codec.decompress(&mut block).map_err(|error| self.damaged(error))?;
        self.ready.clear();
        self.ready.extend_from_slice(&records.to_le_bytes());
        self.ready.extend_from_slice(&(block.len() as u64).to_le_bytes());
        self.ready.append(&mut block);
        Ok(true)
    }
}

impl<R: Read> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.handed_out == self.ready.len() {
            self.handed_out = 0;
            self.ready.clear();
            let is_more = match &self.header {
                None => self.read_header().map(|()| true)?,
                Some((codec, Header { mark, .. })) => self.read_block(*codec, *mark)?,
            };
            if !is_more {
                return Ok(0);
            }
        }
        let ready = &self.ready[self.handed_out..];
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.handed_out += count;
        Ok(count)
    }
}
