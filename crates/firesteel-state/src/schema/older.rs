//! Values that are still stored under earlier types.

use std::fmt;

use super::{Catalog, Earlier, StoreSchema, TypeTag};
use crate::frame::{Frame, StoreId, TableId};

/// How many values of one state are still stored under one earlier type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OlderValues {
    /// The operator.
    pub operator: String,
    /// The state.
    pub state: String,
    /// The type under which they are stored.
    pub stored: TypeTag,
    /// How many they are.
    pub count: u64,
    /// The number under which they are stored.
    pub number: TableId,
    store: StoreId,
}

impl OlderValues {
    /// One for each earlier type, with no values yet.
    pub(crate) fn none(store: &StoreSchema) -> Vec<Self> {
        let of = |state: &String, Earlier { id, value, .. }: &Earlier| Self {
            operator: store.operator.clone(),
            state: state.clone(),
            stored: value.clone(),
            count: 0,
            number: *id,
            store: store.id,
        };
        store
            .tables
            .iter()
            .flat_map(|table| table.earlier.iter().map(move |earlier| of(&table.name, earlier)))
            .collect()
    }
}

impl fmt::Display for OlderValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operator, state, stored, count, .. } = self;
        write!(f, "{operator}/{state}: {count} of {stored}")
    }
}

impl Catalog {
    /// How many values of images stand under earlier types, for each state and type that has any: the images of a
    /// snapshot are all there is of a checkpoint's state besides the changelog.
    #[must_use]
    pub fn older_values<'a>(&self, images: impl IntoIterator<Item = &'a Frame>) -> Vec<OlderValues> {
        let mut found: Vec<_> = self.stores().iter().flat_map(OlderValues::none).collect();
        for image in images {
            let mut of_store: Vec<_> = found.iter_mut().filter(|older| older.store == image.shard().store).collect();
            if of_store.is_empty() {
                continue;
            }
            for change in image.changes().filter(|change| change.value.is_some()) {
                if let Some(older) = of_store.iter_mut().find(|older| older.number == change.table) {
                    older.count += 1;
                }
            }
        }
        found.retain(|older| older.count > 0);
        found
    }

    /// Forgets earlier types of which no value is stored any more, as `holds` tells: then they do not have to evolve
    /// into what is declared any longer. To be called before a program is compared with the catalog.
    ///
    /// # Errors
    /// Those of `holds`.
    pub fn forget_older<E>(&mut self, mut holds: impl FnMut(StoreId, TableId) -> Result<bool, E>) -> Result<(), E> {
        for store in &mut self.stores {
            for table in &mut store.tables {
                let mut kept = vec![];
                for earlier in table.earlier.drain(..) {
                    if holds(store.id, earlier.id)? {
                        kept.push(earlier);
                    }
                }
                table.earlier = kept;
            }
        }
        Ok(())
    }
}
