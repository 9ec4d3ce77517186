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
//!     "  refused:  state:velocity/total: value of u64, but value of f64 is stored: f64 does not fit u64\n            \
//!      way out: keep the old type there, or raise .version() and add .migrate() from the stored\n            \
//!      one, or give what has changed another name\n  new:      state:velocity/recent: list of u64, begins empty\n",
//! );
//! # Ok::<(), firesteel_state::StateError>(())
//! ```

mod catalog;
mod comparison;
mod description;
pub(crate) mod evolution;
mod members;
mod older;
mod setting;
mod shape;
mod tag;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::catalog::Catalog;
pub use self::comparison::{Comparison, Fate, Finding, Verdict};
pub use self::description::JobDescription;
pub use self::evolution::Evolution;
pub use self::members::{Dropped, InputSchema, OutputSchema, WatermarkSchema};
pub use self::older::OlderValues;
pub use self::setting::{OnChange, Setting};
pub use self::shape::{Field, NoShape, Plain, Shape};
pub use self::tag::TypeTag;
use crate::frame::{StoreId, TableId};
use crate::ttl::{StoredTtl, TimeDomain, Ttl, TtlChange};

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
    /// A map for each key whose fields are stored in their order.
    SortedMap,
    /// What each key gathers in each window.
    Windows,
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
    /// The TTL of values. Whether there is one is part of the format, what it is is not.
    pub ttl: Option<Ttl>,
    /// The types and TTLs that its values had before, oldest first: values that have not been written since are stored under
    /// their numbers. Known only of what is stored.
    #[serde(default)]
    pub earlier: Vec<Earlier>,
    /// The types that its migrations take, with the versions they come from. Known only of what is declared.
    #[serde(default)]
    pub migrations: Vec<TypeTag>,
}

/// A type, or a TTL, that the values of a state had before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The number under which those values are stored.
    pub id: TableId,
    /// Their type.
    pub value: TypeTag,
    /// The TTL that they were written with, or the last one that took its place and was no longer.
    #[serde(default)]
    pub ttl: Option<Ttl>,
    /// When the state got another TTL than that; `None` where only the type changed.
    #[serde(default)]
    pub changed: Option<TtlChange>,
}

impl fmt::Display for TableSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.field) {
            (TableKind::Value, _) => write!(f, "value of {}", self.value)?,
            (TableKind::List, _) => write!(f, "list of {}", self.value)?,
            (TableKind::Map, Some(field)) => write!(f, "map of {field} to {}", self.value)?,
            (TableKind::Map, None) => write!(f, "map to {}", self.value)?,
            (TableKind::SortedMap, Some(field)) => write!(f, "sorted map of {field} to {}", self.value)?,
            (TableKind::SortedMap, None) => write!(f, "sorted map to {}", self.value)?,
            (TableKind::Windows, _) => write!(f, "windows of {}", self.value)?,
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

    /// The TTLs of the values that are stored under one of the numbers.
    #[must_use]
    pub fn stored_ttl(&self, number: TableId) -> StoredTtl {
        let from = self.earlier.iter().position(|earlier| earlier.id == number).unwrap_or(self.earlier.len());
        let before = self.earlier[from..].iter().filter_map(|earlier| Some((earlier.ttl, earlier.changed?)));
        StoredTtl::new(before.collect(), self.ttl)
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
    /// What kind of operator it is, and of fold: `window/count`, `running/min`. Empty where that is not known.
    #[serde(default)]
    pub kind: String,
    /// What is set for it and gives the stored bytes their meaning.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// The version that the program's author gave it; a change tells that what is stored means something else.
    #[serde(default)]
    pub version: u32,
    /// What a comparison cannot see: functions. Not stored.
    #[serde(default)]
    pub not_compared: Vec<String>,
}

impl StoreSchema {
    /// The state of an operator of this name, with keys of this type; the rest is to be filled in.
    #[must_use]
    pub fn new(operator: impl Into<String>, key: TypeTag) -> Self {
        Self {
            id: StoreId(0),
            operator: operator.into(),
            key,
            tables: Vec::new(),
            next_table: 0,
            kind: String::new(),
            settings: Vec::new(),
            version: 0,
            not_compared: Vec::new(),
        }
    }

    /// The same without what only one checkpoint, or only one program, knows.
    fn without_numbers(self) -> Self {
        let tables = self.tables.into_iter().map(|table| TableSchema { id: TableId(0), ..table }).collect();
        Self { id: StoreId(0), next_table: 0, tables, not_compared: Vec::new(), ..self }
    }
}
