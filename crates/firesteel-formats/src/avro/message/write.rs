//! Messages that are written.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_connect::{Encode, Unencodable};
use serde::Serialize;

use super::{AvroMessage, AvroSchema, CONFLUENT, SINGLE_OBJECT};
use crate::avro::encode::encode;
use crate::avro::nodes::Nodes;

/// Writes records as messages: see [`AvroMessage::confluent_written_as`] and its like.
pub struct EncodeAvro<T> {
    header: Arc<[u8]>,
    nodes: Arc<Nodes>,
    of: PhantomData<fn() -> T>,
}

impl<T> AvroMessage<T> {
    /// Writes bodies without anything before them. The names of the type's fields are those of the schema; a field that the record lacks
    /// has its default, or null. What does not fit the schema is not written.
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
        Self { header: header.into(), nodes: Arc::clone(schema.nodes()), of: PhantomData }
    }
}

impl<T: Serialize + 'static> Encode<T> for EncodeAvro<T> {
    fn encode(&self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        out.extend_from_slice(&self.header);
        encode(&self.nodes, record, out).map_err(|error| Unencodable::new(format_args!("Avro: {error}")))
    }
}

impl<T> Clone for EncodeAvro<T> {
    fn clone(&self) -> Self {
        Self { header: Arc::clone(&self.header), nodes: Arc::clone(&self.nodes), of: PhantomData }
    }
}

impl<T> fmt::Debug for EncodeAvro<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodeAvro").field("header", &self.header).finish_non_exhaustive()
    }
}
