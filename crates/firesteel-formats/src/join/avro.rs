//! Avro container files: the blocks of all of them after the header of the first.

use std::io::{self, ErrorKind, Write};

use super::{Joined, NotJoined, Opener};
use crate::avro::{Blocks, Header};

/// Blocks, one after the other.
#[derive(Debug, Default)]
pub(super) struct Container {
    header: Option<Header>,
    /// As readers count: the schema, and the decompressed blocks.
    written: u64,
}

impl Container {
    pub(super) fn add(&mut self, file: Opener<'_>, records: u64, out: &mut dyn Write) -> Result<Joined, NotJoined> {
        let open = || file().map_err(NotJoined::Read);
        // Once as readers read it, which finds what is damaged before anything is written.
        let mut unpacked = Blocks::new(open()?);
        let total = io::copy(&mut unpacked, &mut io::sink()).map_err(damaged)?;
        let (own, found) =
            (unpacked.header().ok_or_else(|| damaged(ErrorKind::UnexpectedEof.into()))?, unpacked.records());
        if found != records {
            let reason = format!("it has {found} records, and {records} are said to be in it");
            return Err(NotJoined::Damaged(reason));
        }
        let begin = 4 + own.schema.len() as u64;
        let header = match &self.header {
            Some(header) if header.schema == own.schema && header.codec == own.codec => header,
            Some(_) => {
                return Err(NotJoined::Differs("it has another schema, or is compressed in another way".to_owned()));
            }
            None => {
                out.write_all(&own.bytes).map_err(NotJoined::Write)?;
                self.written = begin;
                self.header.insert(own.clone())
            }
        };
        let mut blocks = Blocks::new(open()?);
        while let Some(block) = blocks.raw_block().map_err(damaged)? {
            out.write_all(&block).and_then(|()| out.write_all(&header.mark)).map_err(NotJoined::Write)?;
        }
        let (at, length) = (self.written, total - begin);
        self.written += length;
        Ok(Joined { at, length, begin })
    }
}

fn damaged(error: io::Error) -> NotJoined {
    match error.kind() {
        ErrorKind::UnexpectedEof => NotJoined::Damaged("it ends in the middle".to_owned()),
        ErrorKind::InvalidData => NotJoined::Damaged(error.to_string()),
        _ => NotJoined::Read(error),
    }
}
