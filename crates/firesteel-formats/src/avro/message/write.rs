//! Messages that are written.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use apache_avro::writer::datum::GenericDatumWriter;
use firesteel_connect::{Encode, Unencodable};
use serde::Serialize;

use super::{AvroMessage, AvroSchema, CONFLUENT, SINGLE_OBJECT};
use crate::avro::reading::{known, short};

/// Writes records as messages: see [`AvroMessage::confluent_written_as`] and its like.
pub struct EncodeAvro<T> {
    header: Arc<[u8]>,
    writer: Arc<Result<GenericDatumWriter<'static>, String>>,
    of: PhantomData<fn() -> T>,
}

impl<T> AvroMessage<T> {
    /// Writes bodies without anything before them. The names of the type's fields are those of the schema; what does not fit it is
    /// not written. A schema that names types of others cannot be written by.
    #[must_use]
    pub fn bare_written_as(schema: &AvroSchema) -> EncodeAvro<T> {
        EncodeAvro::new(schema, &[])
    }

    /// Writes single objects: see [`bare_written_as`](Self::bare_written_as) for what fits.
    #[must_use]
    pub fn single_object_written_as(schema: &AvroSchema) -> EncodeAvro<T> {
        EncodeAvro::new(schema, &[&SINGLE_OBJECT[..], &schema.fingerprint().to_le_bytes()].concat())
    }

    /// Writes messages as Confluent's serializers do, by a schema that has this number in the registry: see
    /// [`bare_written_as`](Self::bare_written_as) for what fits.
    #[must_use]
    pub fn confluent_written_as(schema: &AvroSchema, id: u32) -> EncodeAvro<T> {
        EncodeAvro::new(schema, &[&[CONFLUENT][..], &id.to_be_bytes()].concat())
    }
}

impl<T> EncodeAvro<T> {
    fn new(schema: &AvroSchema, header: &[u8]) -> Self {
        let writer = known(schema.text().as_bytes(), None).and_then(|known| {
            let writer = GenericDatumWriter::builder(&known.schema).human_readable(false).build();
            writer.map_err(|error| error.to_string())
        });
        Self { header: header.into(), writer: Arc::new(writer), of: PhantomData }
    }
}

impl<T: Serialize + 'static> Encode<T> for EncodeAvro<T> {
    fn encode(&self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let refused = |reason: &str| Unencodable::new(format_args!("Avro: {}", short(reason)));
        let writer = self.writer.as_ref().as_ref().map_err(|reason| refused(reason))?;
        out.extend_from_slice(&self.header);
        writer.write_ser(out, record).map_err(|error| refused(&error.to_string()))?;
        Ok(())
    }
}

impl<T> Clone for EncodeAvro<T> {
    fn clone(&self) -> Self {
        Self { header: Arc::clone(&self.header), writer: Arc::clone(&self.writer), of: PhantomData }
    }
}

impl<T> fmt::Debug for EncodeAvro<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodeAvro").field("header", &self.header).finish_non_exhaustive()
    }
}
