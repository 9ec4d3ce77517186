//! The catalogue of what a checkpoint holds.

use firesteel_window::Duration;
use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::{Earlier, Evolution, StoreSchema, TableSchema};
use crate::error::{Result, StateError};
use crate::frame::{StoreId, TableId};
use crate::key_group::KeyGroups;

/// All state of a job, with the numbers under which it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    groups: KeyGroups,
    pub(super) stores: Vec<StoreSchema>,
    /// The number that the next new operator gets.
    next_store: u16,
}

impl Catalog {
    /// The catalogue of a job without state.
    #[must_use]
    pub const fn new(groups: KeyGroups) -> Self {
        Self { groups, stores: Vec::new(), next_store: 0 }
    }

    /// How many key groups the job has.
    #[must_use]
    pub const fn groups(&self) -> KeyGroups {
        self.groups
    }

    /// The operators' states, in the order of their numbers.
    #[must_use]
    pub fn stores(&self) -> &[StoreSchema] {
        &self.stores
    }

    /// The state of an operator.
    #[must_use]
    pub fn store(&self, operator: &str) -> Option<&StoreSchema> {
        self.stores.iter().find(|store| store.operator == operator)
    }

    /// What fits, what is new, what would be lost and what differs, when a program with these declarations goes on
    /// from here.
    #[must_use]
    pub fn compare(&self, declared: &[StoreSchema]) -> Comparison {
        Comparison::of(&self.stores, declared)
    }

    /// The catalogue for a program with these declarations: what is known keeps its number, what is new gets one, what
    /// is not declared any more is dropped.
    ///
    /// # Errors
    /// [`StateError::Mismatch`] when types differ, or when state would be dropped without `allow_loss`;
    /// [`StateError::Declaration`] when a name is used twice or there is too much of anything.
    pub fn with(&self, declared: &[StoreSchema], allow_loss: bool) -> Result<Self> {
        check(declared)?;
        let comparison = self.compare(declared);
        if !comparison.fits() || !(allow_loss || comparison.lost().is_empty()) {
            return Err(StateError::Mismatch { report: comparison.to_string() });
        }
        let mut next = Self { groups: self.groups, stores: Vec::new(), next_store: self.next_store };
        for store in declared {
            let known = self.store(&store.operator);
            let (id, mut next_table) = match known {
                Some(known) => (known.id, known.next_table),
                None => (StoreId(number(&mut next.next_store, u16::MAX, &store.operator)?), 0),
            };
            let mut tables = Vec::new();
            for table in &store.tables {
                let same = |other: &&TableSchema| other.name == table.name;
                let known = known.and_then(|known| known.tables.iter().find(same));
                let mut earlier = known.map_or_else(Vec::new, |known| known.earlier.clone());
                let id = match known {
                    Some(known) if known.value.evolution(&table.value) == Evolution::Same => known.id,
                    // Values of another type get another number, so that it tells of what type they are.
                    known => {
                        earlier.extend(known.map(|known| Earlier { id: known.id, value: known.value.clone() }));
                        TableId(number(&mut next_table, TableId::RESERVED.0, &store.operator)?)
                    }
                };
                tables.push(TableSchema { id, earlier, migrations: vec![], ..table.clone() });
            }
            next.stores.push(StoreSchema { id, tables, next_table, ..store.clone() });
        }
        next.stores.sort_by_key(|store| store.id);
        Ok(next)
    }
}

/// The next number, below `limit`.
fn number(next: &mut u16, limit: u16, operator: &str) -> Result<u16> {
    let number = *next;
    if number >= limit {
        let reason = format!("{limit} states have been declared in the life of this checkpoint: start a new one");
        return Err(StateError::Declaration { operator: operator.to_owned(), reason });
    }
    *next += 1;
    Ok(number)
}

/// Names are there, and there once; lives have a length.
fn check(declared: &[StoreSchema]) -> Result<()> {
    let wrong = |operator: &str, reason: String| Err(StateError::Declaration { operator: operator.to_owned(), reason });
    for (at, store) in declared.iter().enumerate() {
        if store.operator.is_empty() {
            return wrong("", "an operator with state needs a name".into());
        }
        if declared[..at].iter().any(|other| other.operator == store.operator) {
            return wrong(&store.operator, "another operator has the same name: give each its own".into());
        }
        for (at, table) in store.tables.iter().enumerate() {
            if table.name.is_empty() {
                return wrong(&store.operator, "a state needs a name".into());
            }
            if store.tables[..at].iter().any(|other| other.name == table.name) {
                return wrong(&store.operator, format!("two states are named `{}`: give each its own", table.name));
            }
            if let Some(ttl) = table.ttl.filter(|ttl| ttl.span() <= Duration::ZERO) {
                let reason = format!(
                    "`{}` would live for {}, and never be seen: give it a positive time",
                    table.name,
                    ttl.span()
                );
                return wrong(&store.operator, reason);
            }
        }
    }
    Ok(())
}
