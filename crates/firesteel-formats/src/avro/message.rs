//! Single records, as messages of a queue hold them.

mod schemas;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use firesteel_connect::{Decode, Undecodable};
use serde::de::DeserializeOwned;

pub use schemas::{AvroSchema, AvroSchemas, FixedSchemas, SchemaKey, SchemasOutage};
pub use write::EncodeAvro;

use super::read::Bytes;
use super::value;
use crate::from_path::FromPath;

/// What stands before the body of a message, and says by which schema that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Nothing.
    Bare,
    /// Avro's own: `C3 01` and the fingerprint of the schema.
    SingleObject,
    /// Confluent's: a zero and the number that a registry has given the schema.
    Confluent,
}

const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];
const CONFLUENT: u8 = 0;

/// Avro records that stand alone: one for each message of a queue, or for each frame of a file.
///
/// - **The schema of a message** is the one by which it was written: [given](Self::bare) for all of them, or found by what stands before the
///   body, Avro's [fingerprint](Self::single_object) or Confluent's [number](Self::confluent), in [`AvroSchemas`]: a fixed set, or a registry.
/// - **The type resolves it.** Fields go by their names: those that the type does not have are passed over, also where their values are large; one
///   that it has and the schema lacks needs `#[serde(default)]`, one that was renamed `#[serde(alias)]`. What a record is called does not matter.
/// - **Numbers are promoted** where nothing is lost: an `int` or `long` goes into any integer that can hold the value, and into an `f64` that is equal
///   to it; a `float` into an `f64`. A `double` does not go into an `f32`.
/// - **A union** with `null` is an `Option`; of other unions the value is read as that of its branch. An enum goes by the name of its
///   symbol, into a text, too.
/// - **Times** are a [`Timestamp`](firesteel_window::Timestamp) or what [`epoch_time`](crate::epoch_time) asks for, whatever their unit, or plain
///   numbers of their unit. Dates and times of day are numbers. Decimals are texts with all of their digits. A UUID is a text.
/// - **A message that cannot be read** is refused, and the field is named: damaged, cut off, with bytes after its end, of a schema that nobody
///   knows. A registry that does not answer is no fault of the message: reading is retried.
///
/// ```
/// use firesteel_connect::{Decode, Encode};
/// use firesteel_formats::{AvroMessage, AvroSchema, FixedSchemas};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize)]
/// struct Written {
///     user: String,
///     ad: i32,
/// }
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Click {
///     ad: u64,
///     #[serde(default)]
///     page: Option<String>,
/// }
///
/// let schema = r#"{"type": "record", "name": "Click", "fields": [
///     {"name": "user", "type": "string"}, {"name": "ad", "type": "int"}]}"#;
/// let schema = AvroSchema::parse(schema)?;
/// let mut message = vec![];
/// let encode = AvroMessage::<Written>::confluent_written_as(&schema, 7);
/// encode.encode(&Written { user: "ann".into(), ad: 3 }, &mut message).unwrap();
/// assert_eq!(message[..5], [0, 0, 0, 0, 7]);
///
/// let clicks = AvroMessage::<Click>::confluent(FixedSchemas::new().with(7, schema));
/// assert_eq!(clicks.decode(&message), Ok(Click { ad: 3, page: None }));
/// message[4] = 8;
/// assert!(clicks.decode(&message).unwrap_err().reason().contains("schema 8"));
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
///
/// Files of such messages are read and written by [`Delimited`](crate::Delimited).
pub struct AvroMessage<T> {
    framing: Framing,
    schemas: Arc<dyn AvroSchemas>,
    /// The schema of the last message. Each reader has a clone of its own, so that nobody waits.
    last: Mutex<Option<(SchemaKey, Arc<AvroSchema>)>>,
    of: PhantomData<fn() -> T>,
}

impl<T> AvroMessage<T> {
    /// Bodies without anything before them, which are all written by this schema.
    #[must_use]
    pub fn bare(schema: AvroSchema) -> Self {
        Self::framed(Framing::Bare, FixedSchemas::new().with(0, schema))
    }

    /// Avro's single-object encoding: `C3 01`, the fingerprint of the schema (CRC-64-AVRO, eight bytes), the body.
    #[must_use]
    pub fn single_object(schemas: impl AvroSchemas) -> Self {
        Self::framed(Framing::SingleObject, schemas)
    }

    /// The format of Confluent's serializers: a zero, the number of the schema in the registry (four bytes), the body.
    #[must_use]
    pub fn confluent(schemas: impl AvroSchemas) -> Self {
        Self::framed(Framing::Confluent, schemas)
    }

    fn framed(framing: Framing, schemas: impl AvroSchemas) -> Self {
        Self { framing, schemas: Arc::new(schemas), last: Mutex::new(None), of: PhantomData }
    }

    /// What the message says of its schema, and its body.
    fn open<'m>(&self, message: &'m [u8]) -> Result<(SchemaKey, &'m [u8]), Undecodable> {
        let cut =
            || Undecodable::new(format_args!("Avro: the message has {} bytes, which is no header", message.len()));
        match self.framing {
            Framing::Bare => Ok((SchemaKey::Id(0), message)),
            Framing::SingleObject => {
                let Some((head, rest)) = message.split_first_chunk::<2>() else { return Err(cut()) };
                if *head != SINGLE_OBJECT {
                    return Err(Undecodable::new(format_args!(
                        "Avro: the message begins with {:02X} {:02X} and not with C3 01, as single objects do",
                        head[0], head[1]
                    ))
                    .at(0));
                }
                let (fingerprint, body) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
                Ok((SchemaKey::Fingerprint(u64::from_le_bytes(*fingerprint)), body))
            }
            Framing::Confluent => {
                let Some((head, rest)) = message.split_first() else { return Err(cut()) };
                if *head != CONFLUENT {
                    return Err(Undecodable::new(format_args!(
                        "Avro: the message begins with {head:02X} and not with 00, as those of Confluent's serializers do"
                    ))
                    .at(0));
                }
                let (id, body) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
                Ok((SchemaKey::Id(u32::from_be_bytes(*id)), body))
            }
        }
    }

    fn schema(&self, key: SchemaKey) -> Result<Arc<AvroSchema>, Undecodable> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, schema)) = &*last
            && *known == key
        {
            return Ok(Arc::clone(schema));
        }
        match self.schemas.schema(key) {
            Ok(Some(schema)) => {
                *last = Some((key, Arc::clone(&schema)));
                Ok(schema)
            }
            Ok(None) => Err(Undecodable::new(format_args!("Avro: {key} is not known"))),
            Err(SchemasOutage::Unreachable { peer, reason }) => Err(Undecodable::unreachable(peer, reason)),
            Err(SchemasOutage::Unusable(reason)) => {
                Err(Undecodable::new(format_args!("Avro: {key} cannot be used: {reason}")))
            }
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Decode for AvroMessage<T> {
    type Item = T;

    fn decode(&self, message: &[u8]) -> Result<T, Undecodable> {
        let (key, body) = self.open(message)?;
        let schema = self.schema(key)?;
        let header = message.len() - body.len();
        let mut bytes = Bytes::of(body);
        let read = value::record(schema.nodes(), &mut bytes, &FromPath::default());
        let read = read.and_then(|record| bytes.end().map(|()| record));
        read.map_err(|error| Undecodable::new(format_args!("Avro: {error}")).at(header + bytes.position()))
    }
}

impl<T> Clone for AvroMessage<T> {
    fn clone(&self) -> Self {
        Self { framing: self.framing, schemas: Arc::clone(&self.schemas), last: Mutex::new(None), of: PhantomData }
    }
}

impl<T> fmt::Debug for AvroMessage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AvroMessage<{}>({:?})", std::any::type_name::<T>(), self.framing)
    }
}
