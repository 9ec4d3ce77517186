//! Making the key groups of a store, when it is opened and when one is gained.

use std::sync::Arc;

use firesteel_budget::MemoryBudget;

use crate::backend::StateBackend;
use crate::codec::StateKey;
use crate::declaration::{MakeTable, MakeTimers};
use crate::error::Result;
use crate::frame::{Shard, StoreId, TableId};
use crate::group::GroupState;
use crate::key_group::KeyGroup;
use crate::schema::TableSchema;
use crate::table::Setup;
use crate::table::values::Hasher;
use crate::ttl::Ttl;

/// What a key group is made of.
pub(super) struct GroupMaker<K> {
    pub(super) store: StoreId,
    pub(super) operator: Arc<str>,
    /// In the order of the declaration.
    pub(super) tables: Vec<(Option<MakeTable<K>>, TableSchema)>,
    pub(super) ids: Arc<[TableId]>,
    pub(super) older: Arc<[Vec<TableId>]>,
    pub(super) timers: Option<MakeTimers<K>>,
    pub(super) hasher: Hasher<K>,
    pub(super) backend: Option<Arc<dyn StateBackend>>,
    pub(super) share: MemoryBudget,
}

impl<K: StateKey> GroupMaker<K> {
    /// The group, with nothing in memory, and nothing known of what a backend has.
    pub(super) fn make(&self, group: KeyGroup) -> GroupState<K> {
        let place = |name: &str, table, ttl| self.place(group, name, table, ttl);
        let make = |((make, table), id): (&(Option<MakeTable<K>>, TableSchema), &TableId)| {
            Some(make.as_ref()?(place(&table.name, *id, table.ttl), self.hasher.clone()))
        };
        let tables = self.tables.iter().zip(self.ids.iter()).map(make).collect();
        let make_timers = |id| Some(self.timers.as_ref()?(place("timers", id, None), self.hasher.clone()));
        let timers = TableId::TIMERS.map(make_timers);
        let whole = place("*", TableId::RESERVED, None);
        let (operator, ids) = (self.operator.clone(), self.ids.clone());
        let mut state = GroupState::new(operator, whole, tables, ids, timers, self.share.reserve());
        state.set_older(self.older.clone());
        state
    }

    /// The group, with what a backend has of it.
    pub(super) fn open(&self, group: KeyGroup) -> Result<GroupState<K>> {
        let mut state = self.make(group);
        state.open_backend()?;
        Ok(state)
    }

    /// What a table of the group is told.
    fn place(&self, group: KeyGroup, name: &str, table: TableId, ttl: Option<Ttl>) -> Setup {
        Setup {
            state: format!("{}/{name}", self.operator).into(),
            shard: Shard { store: self.store, group },
            table,
            ttl,
            backend: self.backend.clone(),
            older: vec![],
        }
    }
}
