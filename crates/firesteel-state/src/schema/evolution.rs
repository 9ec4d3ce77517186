//! What becomes of stored values under a changed type.

use std::fmt;

use super::{TableSchema, TypeTag};

/// Whether values that were stored under one type can be read as another, and how.
///
/// ```
/// use firesteel_state::{Evolution, TypeTag};
///
/// assert_eq!(TypeTag::of::<u64>().evolution(&TypeTag::of::<u64>()), Evolution::Same);
/// assert!(matches!(TypeTag::of::<String>().evolution(&TypeTag::of::<u64>()), Evolution::Refused { .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evolution {
    /// The bytes mean the same under both.
    Same,
    /// Stored values are turned into values of the declared type as they are read.
    Evolves {
        /// What is different, a line for each change: ``field `city` added (default)``.
        changes: Vec<String>,
    },
    /// Stored values cannot be read as the declared type.
    Refused {
        /// What does not fit and where, and the way out.
        reason: String,
    },
}

impl Evolution {
    /// Whether stored values can be read.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

impl fmt::Display for Evolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the same"),
            Self::Evolves { changes } => f.write_str(&changes.join(", ")),
            Self::Refused { reason } => f.write_str(reason),
        }
    }
}

impl TypeTag {
    /// What becomes of values that were stored under `self` when they are read as `declared`.
    #[must_use]
    pub fn evolution(&self, declared: &Self) -> Evolution {
        if self == declared {
            return Evolution::Same;
        }
        Evolution::Refused { reason: format!("{declared} is declared, but {self} is stored") }
    }
}

impl TableSchema {
    /// What becomes of what is stored under `self` when it is read as `declared`: the values' type evolves by the rule
    /// of [`TypeTag::evolution`]; the kind of state, the type of a map's keys, and whether and by which clock values
    /// have a TTL, stay as they are.
    #[must_use]
    pub fn evolution(&self, declared: &Self) -> Evolution {
        let same = self.kind == declared.kind
            && self.field == declared.field
            && self.ttl.is_some() == declared.ttl.is_some()
            && self.ttl.map(|ttl| ttl.domain()) == declared.ttl.map(|ttl| ttl.domain());
        if !same {
            return Evolution::Refused { reason: format!("{declared} is declared, but {self} is stored") };
        }
        self.value.evolution(&declared.value)
    }
}
