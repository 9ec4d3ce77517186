//! What a registry answers.

use serde::Deserialize;

/// A schema, as it stands in a registry.
#[derive(Debug, Deserialize)]
pub(crate) struct Stored {
    pub(crate) schema: String,
    /// It is Avro where nothing is said.
    #[serde(rename = "schemaType")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) references: Vec<Reference>,
}

/// A schema that another one refers to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Reference {
    pub(crate) subject: String,
    pub(crate) version: i64,
}

/// Why it does not give one.
#[derive(Debug, Deserialize)]
pub(crate) struct Fault {
    pub(crate) error_code: u32,
    #[serde(default)]
    pub(crate) message: String,
}

impl Fault {
    /// There is no schema, subject or version of that name.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self.error_code, 40_401..=40_403)
    }
}
