//! Declaring the state of an operator.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::codec::{StateField, StateKey, StateValue};
use crate::error::Result;
use crate::evolved::{Migrations, TableCodec};
use crate::handle::{List, Map, SortedMap, Timers, Value, Windows};
use crate::schema::{StoreSchema, TableKind, TableSchema, TypeTag};
use crate::sorted::SortedField;
use crate::table::cells::{Cells, FieldBytes};
use crate::table::timers::{TimerTable, Timers as TimersOf};
use crate::table::values::{Hasher, Values};
use crate::table::windows::WindowTable;
use crate::table::{Setup, TableOf};
use crate::ttl::{TimeDomain, Ttl};

/// Makes the tables of a state, one for each key group.
pub(crate) type MakeTable<K> = Box<dyn Fn(Setup, Hasher<K>) -> Box<dyn TableOf<K>> + Send + Sync>;
/// What makes them, once it is known what is stored: the operator, the type of its keys, the state in the catalog.
pub(crate) type PrepareTable<K> = Box<dyn Fn(&str, &TypeTag, &TableSchema) -> Result<MakeTable<K>> + Send + Sync>;
pub(crate) type MakeTimers<K> = Arc<dyn Fn(Setup, Hasher<K>) -> Box<dyn TimerTable<K>> + Send + Sync>;

/// The state of one operator, as a program declares it: named states, each with its types, for keys of type `K`.
///
/// A declaration hands out the handles with which an operator reaches its state.
///
/// ```
/// use firesteel_state::{Declaration, List, StateOptions, Ttl, Value};
/// use firesteel_window::hours;
///
/// struct VelocityCheck {
///     total: Value<f64>,
///     recent: List<(i64, f64)>,
/// }
///
/// let mut states = Declaration::<String>::new("velocity");
/// let check = VelocityCheck {
///     total: states.value("total"),
///     recent: states.list_with("recent", StateOptions::default().ttl(Ttl::after(hours(24)))),
/// };
/// assert_eq!(states.operator(), "velocity");
/// # drop(check);
/// ```
///
/// Mistakes, such as two states of one name, are reported when a store is opened.
pub struct Declaration<K> {
    /// Everything but the tables.
    about: StoreSchema,
    tables: Vec<(TableSchema, Option<PrepareTable<K>>)>,
    make_timers: Option<MakeTimers<K>>,
}

/// What can be said of a state besides its name and types.
#[derive(Debug, Clone, Default)]
pub struct StateOptions {
    ttl: Option<Ttl>,
    type_name: Option<String>,
    version: u32,
    migrations: Migrations,
}

impl StateOptions {
    /// Values have a TTL. In a map or list, each entry has one of its own.
    #[must_use]
    pub fn ttl(self, ttl: Ttl) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// The name under which the value's type is recorded, instead of the one Rust gives it: so that a type can be
    /// renamed.
    #[must_use]
    pub fn type_name(self, name: impl Into<String>) -> Self {
        Self { type_name: Some(name.into()), ..self }
    }

    /// The version of the value's type, 0 by default: a change tells that values mean something else now, though
    /// their fields may be the same. Values of other versions are read through [migrations](Self::migrate) only.
    ///
    /// A type that cannot be described in full, since its `Deserialize` does not tell, needs a version above 0.
    #[must_use]
    pub fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// Turns values that were stored in version `from` into those of the next version that has a migration, or of the
    /// declared one. `Old` takes what was stored by the same rule as any other change of a type.
    ///
    /// ```
    /// use firesteel_state::{Declaration, StateOptions, Value};
    /// use serde::{Deserialize, Serialize};
    ///
    /// /// Version 0 counted in seconds, version 1 in milliseconds, version 2 keeps the longest visit, too.
    /// #[derive(Clone, Serialize, Deserialize)]
    /// struct Visits {
    ///     total: u64,
    ///     longest: u64,
    /// }
    ///
    /// #[derive(Deserialize)]
    /// struct Total {
    ///     total: u64,
    /// }
    ///
    /// let options = StateOptions::default()
    ///     .version(2)
    ///     .migrate(0, |seconds: Total| Total { total: seconds.total * 1_000 })
    ///     .migrate(1, |old: Total| Visits { total: old.total, longest: 0 });
    /// let visits: Value<Visits> = Declaration::<String>::new("visits").value_with("visits", options);
    /// # drop(visits);
    /// ```
    ///
    /// Values are migrated as they are read, and stored in the declared version when they are written. A value that is
    /// only read may be migrated again by the next read: the function depends on nothing but what it is given. What is
    /// noted of a value besides (its TTL, whether it changed in an epoch) stays as it is.
    #[must_use]
    pub fn migrate<Old: DeserializeOwned + 'static, New: 'static>(
        self,
        from: u32,
        migrate: impl Fn(Old) -> New + Send + Sync + 'static,
    ) -> Self {
        self.try_migrate(from, move |old| Ok::<_, Infallible>(migrate(old)))
    }

    /// As [`migrate`](Self::migrate), with a function that may refuse a value: the job stops then, with an error that
    /// names its key.
    #[must_use]
    pub fn try_migrate<Old: DeserializeOwned + 'static, New: 'static, E: fmt::Display>(
        self,
        from: u32,
        migrate: impl Fn(Old) -> Result<New, E> + Send + Sync + 'static,
    ) -> Self {
        Self { migrations: self.migrations.and(from, migrate), ..self }
    }

    fn tag<T: DeserializeOwned>(&self) -> TypeTag {
        let mut tag = TypeTag::of::<T>();
        if let Some(name) = &self.type_name {
            tag.name.clone_from(name);
        }
        tag.version = self.version;
        tag
    }
}

impl<K: StateKey> Declaration<K> {
    /// The state of the operator of this name, which is unique in the job and stays the same from release to release.
    #[must_use]
    pub fn new(operator: impl Into<String>) -> Self {
        let about = StoreSchema::new(operator, TypeTag::of::<K>());
        Self { about, tables: Vec::new(), make_timers: None }
    }

    /// Gives the operator another name, before a store is opened.
    pub fn rename(&mut self, operator: impl Into<String>) {
        self.about.operator = operator.into();
    }

    /// Describes the operator for comparison: its name, kind, settings and version, everything but its states.
    pub fn describe(&mut self, describe: impl FnOnce(&mut StoreSchema)) {
        describe(&mut self.about);
    }

    /// The version of the keys' type, 0 by default. Keys do not evolve; but a type that cannot be described in full
    /// needs a version above 0.
    pub fn key_version(&mut self, version: u32) {
        self.about.key.version = version;
    }

    /// The operator's name.
    #[must_use]
    pub fn operator(&self) -> &str {
        &self.about.operator
    }

    fn add(
        &mut self,
        name: &str,
        kind: TableKind,
        value: TypeTag,
        field: Option<TypeTag>,
        options: StateOptions,
        make: Option<PrepareTable<K>>,
    ) -> usize {
        let migrations = options.migrations.tags().cloned().collect();
        let schema = TableSchema { field, ttl: options.ttl, migrations, ..TableSchema::new(name, kind, value) };
        self.tables.push((schema, make));
        self.tables.len() - 1
    }

    /// Declares one value for each key.
    pub fn value<V: StateValue>(&mut self, name: &str) -> Value<V> {
        self.value_with(name, StateOptions::default())
    }

    /// Declares one value for each key, with options.
    pub fn value_with<V: StateValue>(&mut self, name: &str, options: StateOptions) -> Value<V> {
        let make =
            prepare::<K, V>(&options, |setup, hasher, codec| Box::new(Values::<K, V>::new(setup, hasher, codec)));
        let tag = options.tag::<V>();
        Value::new(self.add(name, TableKind::Value, tag, None, options, Some(make)))
    }

    /// Declares a list for each key.
    pub fn list<V: StateValue>(&mut self, name: &str) -> List<V> {
        self.list_with(name, StateOptions::default())
    }

    /// Declares a list for each key, with options.
    pub fn list_with<V: StateValue>(&mut self, name: &str, options: StateOptions) -> List<V> {
        let make = prepare::<K, V>(&options, |setup, hasher, codec| {
            Box::new(Cells::<K, u64, V>::new(setup, hasher, codec, FieldBytes::unordered()))
        });
        let tag = options.tag::<V>();
        List::new(self.add(name, TableKind::List, tag, None, options, Some(make)))
    }

    /// Declares a map for each key.
    pub fn map<F: StateField, V: StateValue>(&mut self, name: &str) -> Map<F, V> {
        self.map_with(name, StateOptions::default())
    }

    /// Declares a map for each key, with options.
    pub fn map_with<F: StateField, V: StateValue>(&mut self, name: &str, options: StateOptions) -> Map<F, V> {
        let make = prepare::<K, V>(&options, |setup, hasher, codec| {
            Box::new(Cells::<K, F, V>::new(setup, hasher, codec, FieldBytes::unordered()))
        });
        let (tag, field) = (options.tag::<V>(), TypeTag::of::<F>());
        Map::new(self.add(name, TableKind::Map, tag, Some(field), options, Some(make)))
    }

    /// Declares a map for each key that can be read in the order of its fields; see [`SortedMap`].
    pub fn sorted_map<F: SortedField, V: StateValue>(&mut self, name: &str) -> SortedMap<F, V> {
        self.sorted_map_with(name, StateOptions::default())
    }

    /// Declares a map for each key that can be read in the order of its fields, with options.
    pub fn sorted_map_with<F: SortedField, V: StateValue>(
        &mut self,
        name: &str,
        options: StateOptions,
    ) -> SortedMap<F, V> {
        let make = prepare::<K, V>(&options, |setup, hasher, codec| {
            Box::new(Cells::<K, F, V>::new(setup, hasher, codec, FieldBytes::sorted()))
        });
        let (tag, field) = (options.tag::<V>(), TypeTag::of::<F>());
        SortedMap::new(self.add(name, TableKind::SortedMap, tag, Some(field), options, Some(make)))
    }

    /// Declares what each key gathers in windows. One that fires is gone: there is no TTL.
    pub fn windows<A: StateValue>(&mut self, name: &str) -> Windows<A> {
        let options = StateOptions::default();
        let make =
            prepare::<K, A>(&options, |setup, hasher, codec| Box::new(WindowTable::<K, A>::new(setup, hasher, codec)));
        let tag = options.tag::<A>();
        Windows::new(self.add(name, TableKind::Windows, tag, None, options, Some(make)))
    }

    /// Declares timers in event time, which fire when the watermark reaches them.
    pub fn event_timers(&mut self, name: &str) -> Timers
    where
        K: Ord,
    {
        self.timers(name, TimeDomain::Event)
    }

    /// Declares timers in processing time.
    pub fn processing_timers(&mut self, name: &str) -> Timers
    where
        K: Ord,
    {
        self.timers(name, TimeDomain::Processing)
    }

    fn timers(&mut self, name: &str, domain: TimeDomain) -> Timers
    where
        K: Ord,
    {
        let make = |setup, hasher| Box::new(TimersOf::<K>::new(setup, hasher)) as Box<dyn TimerTable<K>>;
        self.make_timers = Some(Arc::new(make));
        let at = self.add(name, TableKind::Timers(domain), TypeTag::of::<()>(), None, StateOptions::default(), None);
        Timers::new(at, domain)
    }

    /// What is declared, as it is compared with what is stored. Numbers are not given yet.
    #[must_use]
    pub fn schema(&self) -> StoreSchema {
        let tables = self.tables.iter().map(|(schema, _)| schema.clone()).collect();
        StoreSchema { tables, ..self.about.clone() }
    }

    pub(crate) fn into_parts(self) -> (Vec<Option<PrepareTable<K>>>, Option<MakeTimers<K>>) {
        (self.tables.into_iter().map(|(_, make)| make).collect(), self.make_timers)
    }
}

/// What makes the tables of a state of `V`, with one codec for all key groups.
fn prepare<K: StateKey, V: StateValue>(
    options: &StateOptions,
    make: fn(Setup, Hasher<K>, Arc<TableCodec<V>>) -> Box<dyn TableOf<K>>,
) -> PrepareTable<K> {
    let migrations = options.migrations.clone();
    Box::new(move |operator, key, stored| {
        let codec = Arc::new(TableCodec::new(operator, key, stored, &migrations)?);
        Ok(Box::new(move |setup, hasher| make(setup, hasher, codec.clone())))
    })
}

impl<K> fmt::Debug for Declaration<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.tables.iter().map(|(schema, _)| &schema.name).collect();
        f.debug_struct("Declaration").field("operator", &self.about.operator).field("states", &names).finish()
    }
}
