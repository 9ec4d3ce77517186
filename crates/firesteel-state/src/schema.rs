//! What is stored, described: operators, their states, and the types of these.
//!
//! A checkpoint records the [`Catalog`] of what it holds. Before a job starts, its declarations are compared with it,
//! so that a program that would misread its state is told so instead.
//!
//! ```
//! use firesteel_state::{Catalog, Declaration, KeyGroups};
//!
//! let mut first = Declaration::<String>::new("velocity");
//! first.value::<f64>("total");
//! let catalog = Catalog::new(KeyGroups::default()).with(&[first.schema()], false)?;
//!
//! let mut second = Declaration::<String>::new("velocity");
//! second.value::<u64>("total");
//! second.list::<u64>("recent");
//! let comparison = catalog.compare(&[second.schema()]);
//! assert!(!comparison.fits());
//! assert_eq!(
//!     comparison.to_string(),
//!     "  differs: velocity/total: value of u64, but value of f64 is stored: f64 does not fit u64; keep the old type there, \
//!      or raise .version() and add .migrate() from the stored one\n  new:     velocity/recent: list of u64\n",
//! );
//! # Ok::<(), firesteel_state::StateError>(())
//! ```

mod catalog;
mod comparison;
mod description;
pub(crate) mod evolution;
mod older;
mod shape;
mod tag;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::catalog::Catalog;
pub use self::comparison::Comparison;
pub use self::description::JobDescription;
pub use self::evolution::Evolution;
pub use self::older::OlderValues;
pub use self::shape::{Field, NoShape, Plain, Shape};
pub use self::tag::TypeTag;
use crate::frame::{StoreId, TableId};
use crate::ttl::{TimeDomain, Ttl};

/// What kind of state a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableKind {
    /// One value for each key.
    Value,
    /// A list for each key.
    List,
    /// A map for each key.
    Map,
    /// Timers for each key, by the given clock.
    Timers(TimeDomain),
}

/// One state of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The number under which it is stored; stays with the name.
    pub id: TableId,
    /// Its name, unique within the operator.
    pub name: String,
    /// Its kind.
    pub kind: TableKind,
    /// The type of its values.
    pub value: TypeTag,
    /// The type of the keys inside a map.
    pub field: Option<TypeTag>,
    /// How long values live. Whether there is a limit is part of the format, what it is is not.
    pub ttl: Option<Ttl>,
    /// The types that its values had before, oldest first: values that have not been written since are stored under
    /// their numbers. Known only of what is stored.
    #[serde(default)]
    pub earlier: Vec<Earlier>,
    /// The types that its migrations take, with the versions they come from. Known only of what is declared.
    #[serde(default)]
    pub migrations: Vec<TypeTag>,
}

/// A type that the values of a state had before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The number under which those values are stored.
    pub id: TableId,
    /// Their type.
    pub value: TypeTag,
}

impl fmt::Display for TableSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.field) {
            (TableKind::Value, _) => write!(f, "value of {}", self.value)?,
            (TableKind::List, _) => write!(f, "list of {}", self.value)?,
            (TableKind::Map, Some(field)) => write!(f, "map of {field} to {}", self.value)?,
            (TableKind::Map, None) => write!(f, "map to {}", self.value)?,
            (TableKind::Timers(domain), _) => write!(f, "timers in {domain}")?,
        }
        match self.ttl {
            Some(ttl) => write!(f, ", for {ttl}"),
            None => Ok(()),
        }
    }
}

impl TableSchema {
    /// A state of this name, kind and type, without anything else.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: TableKind, value: TypeTag) -> Self {
        // The number is given when the declaration meets what is stored.
        let (id, name) = (TableId(0), name.into());
        Self { id, name, kind, value, field: None, ttl: None, earlier: vec![], migrations: vec![] }
    }

    /// The numbers under which values may be stored: that of the type they have now, then those of earlier ones, the
    /// newest first.
    pub fn numbers(&self) -> impl Iterator<Item = TableId> + Clone {
        std::iter::once(self.id).chain(self.earlier.iter().rev().map(|earlier| earlier.id))
    }

    /// Whether what is stored under `self` can be read as `declared`.
    #[must_use]
    pub fn reads_as(&self, declared: &Self) -> bool {
        self.evolution(declared).is_allowed()
    }
}

/// The state of one operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreSchema {
    /// The number under which it is stored; stays with the name.
    pub id: StoreId,
    /// The operator's name.
    pub operator: String,
    /// The type of its keys.
    pub key: TypeTag,
    /// Its states.
    pub tables: Vec<TableSchema>,
    /// The number that the next new state gets: numbers of dropped states are not given again.
    pub next_table: u16,
}
