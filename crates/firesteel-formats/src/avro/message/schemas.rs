//! Where the schemas of messages are.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use firesteel_connect::ConnectError;

use crate::avro::nodes::Nodes;

/// By what a message names its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SchemaKey {
    /// The number that a registry has given it.
    Id(u32),
    /// Its fingerprint, CRC-64-AVRO.
    Fingerprint(u64),
}

impl fmt::Display for SchemaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "the schema {id}"),
            Self::Fingerprint(print) => write!(f, "the schema with the fingerprint {print:016x}"),
        }
    }
}

/// Why a schema cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemasOutage {
    /// Where it should be cannot be reached: asking again may help.
    Unreachable {
        /// Who does not answer.
        peer: String,
        /// What was tried, and what came of it.
        reason: String,
    },
    /// It is there, and makes no sense: all messages that name it are refused.
    Unusable(String),
}

/// Where the schemas of messages are: [`FixedSchemas`], or a registry.
///
/// It is asked for each schema again and again, by several threads, and keeps what it knows.
pub trait AvroSchemas: Send + Sync + 'static {
    /// The schema of this name; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be had.
    fn schema(&self, key: SchemaKey) -> Result<Option<Arc<AvroSchema>>, SchemasOutage>;
}

impl<S: AvroSchemas + ?Sized> AvroSchemas for Arc<S> {
    fn schema(&self, key: SchemaKey) -> Result<Option<Arc<AvroSchema>>, SchemasOutage> {
        (**self).schema(key)
    }
}

/// A schema by which messages are written.
///
/// ```
/// use firesteel_formats::AvroSchema;
///
/// assert!(AvroSchema::parse(r#"{"type": "array", "items": "long"}"#).is_ok());
/// assert!(AvroSchema::parse(r#"{"type": "array", "items": "Other"}"#).is_err());
/// assert_eq!(AvroSchema::parse(r#""int""#)?.fingerprint(), 0x7275_d51a_3f39_5c8f);
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
#[derive(Debug)]
pub struct AvroSchema {
    fingerprint: u64,
    nodes: Arc<Nodes>,
}

impl AvroSchema {
    /// The schema of this text, as JSON.
    ///
    /// # Errors
    /// A [`ConnectError::Setting`] with what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ConnectError> {
        Self::parse_with(text, &[])
    }

    /// The same, which names types of other schemas: those to which it refers, and to which they refer.
    ///
    /// # Errors
    /// A [`ConnectError::Setting`] with what is wrong with one of them.
    pub fn parse_with(text: &str, others: &[&str]) -> Result<Self, ConnectError> {
        let parsed = if others.is_empty() {
            Schema::parse_str(text).map(|schema| (schema, Vec::new()))
        } else {
            Schema::parse_str_with_list(text, others)
        };
        let bad = |reason: String| ConnectError::Setting {
            connector: "Avro",
            setting: "schema",
            reason: format!("it is no Avro schema: {reason}"),
        };
        let (schema, others) = parsed.map_err(|error| bad(error.to_string()))?;
        let nodes = Arc::new(Nodes::of(&schema, &others).map_err(bad)?);
        let bytes = schema.fingerprint::<Rabin>().bytes;
        let fingerprint = <[u8; 8]>::try_from(&bytes[..]).map_or(0, u64::from_le_bytes);
        Ok(Self { fingerprint, nodes })
    }

    /// Its fingerprint, CRC-64-AVRO, by which single objects name it.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(super) fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }
}

/// Schemas that are known from the start.
#[derive(Debug, Clone, Default)]
pub struct FixedSchemas {
    known: HashMap<SchemaKey, Arc<AvroSchema>>,
}

impl FixedSchemas {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These and another one, under this number and its fingerprint.
    #[must_use]
    pub fn with(self, id: u32, schema: AvroSchema) -> Self {
        let schema = Arc::new(schema);
        let mut fixed = self.and(Arc::clone(&schema));
        fixed.known.insert(SchemaKey::Id(id), schema);
        fixed
    }

    /// These and another one, under its fingerprint.
    #[must_use]
    pub fn and(mut self, schema: impl Into<Arc<AvroSchema>>) -> Self {
        let schema = schema.into();
        self.known.insert(SchemaKey::Fingerprint(schema.fingerprint()), schema);
        self
    }
}

impl AvroSchemas for FixedSchemas {
    fn schema(&self, key: SchemaKey) -> Result<Option<Arc<AvroSchema>>, SchemasOutage> {
        Ok(self.known.get(&key).cloned())
    }
}
