//! Container files that are written.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use apache_avro::{Codec, DeflateSettings, Writer};
use firesteel_connect::Unencodable;
use serde::Serialize;

use super::reading::{known, short};
use crate::format::{WriteFormat, Writing};

/// Writes Avro container files by a schema: see [`Avro::written_as`](super::Avro::written_as).
pub struct WriteAvro<T> {
    schema: Arc<str>,
    of: PhantomData<fn() -> T>,
}

impl<T> WriteAvro<T> {
    pub(super) fn new(schema: &str) -> Self {
        Self { schema: schema.into(), of: PhantomData }
    }
}

impl<T: Serialize + 'static> WriteFormat<T> for WriteAvro<T> {
    type Writing = WritingAvro;

    fn may_be_joined(&self) -> bool {
        true
    }

    fn extension(&self) -> &'static str {
        "avro"
    }

    fn name(&self) -> &'static str {
        "Avro"
    }

    fn begin(&self) -> WritingAvro {
        let written = Written::default();
        let writer = known(self.schema.as_bytes(), None).and_then(|known| {
            let codec = Codec::Deflate(DeflateSettings::default());
            let writer = Writer::builder().schema(&known.schema).writer(written.clone()).codec(codec);
            writer.human_readable(false).build().map_err(|error| error.to_string())
        });
        WritingAvro { writer, written }
    }
}

/// What the library has written and the file does not have yet.
#[derive(Debug, Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes an Avro container file.
pub struct WritingAvro {
    writer: Result<Writer<'static, Written>, String>,
    written: Written,
}

impl<T: Serialize> Writing<T> for WritingAvro {
    fn write(&mut self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let refused = |reason: &str| Unencodable::new(format_args!("Avro: {}", short(reason)));
        let writer = self.writer.as_mut().map_err(|reason| refused(reason))?;
        writer.append_ser(record).map_err(|error| refused(&error.to_string()))?;
        out.append(&mut self.written.0.borrow_mut());
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        if let Ok(writer) = &mut self.writer {
            writer.flush().map_err(|error| Unencodable::new(format_args!("Avro: {error}")))?;
        }
        out.append(&mut self.written.0.borrow_mut());
        Ok(())
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
