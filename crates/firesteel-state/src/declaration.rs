//! Declaring the state of an operator.

use std::fmt;
use std::sync::Arc;

use crate::TableId;
use crate::codec::{StateKey, StateValue};
use crate::handle::{List, Map, Timers, Value};
use crate::schema::{Setting, StoreSchema, TableKind, TableSchema, TypeTag};
use crate::table::cells::{Cells, StateField};
use crate::table::timers::{TimerTable, Timers as TimersOf};
use crate::table::values::{Hasher, Values};
use crate::table::{Setup, Table};
use crate::ttl::{TimeDomain, Ttl};

pub(crate) type MakeTable<K> = Arc<dyn Fn(Setup, Hasher<K>) -> Box<dyn Table<K>> + Send + Sync>;
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
    tables: Vec<(TableSchema, Option<MakeTable<K>>)>,
    make_timers: Option<MakeTimers<K>>,
}

/// What can be said of a state besides its name and types.
#[derive(Debug, Clone, Default)]
pub struct StateOptions {
    ttl: Option<Ttl>,
    type_name: Option<String>,
    version: u32,
}

impl StateOptions {
    /// Values live only so long. In a map or list, each entry has a life of its own.
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

    /// The version of the value's type, 0 unless said: a change tells that old values cannot be read any more.
    #[must_use]
    pub fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    fn tag<T: serde::de::DeserializeOwned>(&self) -> TypeTag {
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

    /// Says what kind of operator it is, and of fold: `window/count`. State of one kind is not read as that of another,
    /// also where the types are equal.
    pub fn kind(&mut self, kind: impl Into<String>) -> &mut Self {
        self.about.kind = kind.into();
        self
    }

    /// Says what is set for the operator, where that gives its state its meaning.
    pub fn setting(&mut self, setting: Setting) -> &mut Self {
        self.about.settings.push(setting);
        self
    }

    /// The version of the operator, 0 unless said: a change tells what no comparison can see, that its functions make
    /// something else of what is stored.
    pub fn version(&mut self, version: u32) -> &mut Self {
        self.about.version = version;
        self
    }

    /// Names something that gives the state its meaning and cannot be compared: a function.
    pub fn not_compared(&mut self, what: impl Into<String>) -> &mut Self {
        self.about.not_compared.push(what.into());
        self
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
        ttl: Option<Ttl>,
        make: Option<MakeTable<K>>,
    ) -> usize {
        // The number is given when the declaration meets what is stored.
        let schema = TableSchema { id: TableId(0), name: name.to_owned(), kind, value, field, ttl };
        self.tables.push((schema, make));
        self.tables.len() - 1
    }

    /// Declares one value for each key.
    pub fn value<V: StateValue>(&mut self, name: &str) -> Value<V> {
        self.value_with(name, StateOptions::default())
    }

    /// Declares one value for each key, with options.
    pub fn value_with<V: StateValue>(&mut self, name: &str, options: StateOptions) -> Value<V> {
        let make = |setup, hasher| Box::new(Values::<K, V>::new(setup, hasher)) as Box<dyn Table<K>>;
        let tag = options.tag::<V>();
        Value::new(self.add(name, TableKind::Value, tag, None, options.ttl, Some(Arc::new(make))))
    }

    /// Declares a list for each key.
    pub fn list<V: StateValue>(&mut self, name: &str) -> List<V> {
        self.list_with(name, StateOptions::default())
    }

    /// Declares a list for each key, with options.
    pub fn list_with<V: StateValue>(&mut self, name: &str, options: StateOptions) -> List<V> {
        let make = |setup, hasher| Box::new(Cells::<K, u64, V>::new(setup, hasher)) as Box<dyn Table<K>>;
        let tag = options.tag::<V>();
        List::new(self.add(name, TableKind::List, tag, None, options.ttl, Some(Arc::new(make))))
    }

    /// Declares a map for each key.
    pub fn map<F: StateField, V: StateValue>(&mut self, name: &str) -> Map<F, V> {
        self.map_with(name, StateOptions::default())
    }

    /// Declares a map for each key, with options.
    pub fn map_with<F: StateField, V: StateValue>(&mut self, name: &str, options: StateOptions) -> Map<F, V> {
        let make = |setup, hasher| Box::new(Cells::<K, F, V>::new(setup, hasher)) as Box<dyn Table<K>>;
        let tag = options.tag::<V>();
        Map::new(self.add(name, TableKind::Map, tag, Some(TypeTag::of::<F>()), options.ttl, Some(Arc::new(make))))
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
        let at = self.add(name, TableKind::Timers(domain), TypeTag::of::<()>(), None, None, None);
        Timers::new(at, domain)
    }

    /// What is declared, as it is compared with what is stored. Numbers are not given yet.
    #[must_use]
    pub fn schema(&self) -> StoreSchema {
        let tables = self.tables.iter().map(|(schema, _)| schema.clone()).collect();
        StoreSchema { tables, ..self.about.clone() }
    }

    pub(crate) fn into_parts(self) -> (Vec<Option<MakeTable<K>>>, Option<MakeTimers<K>>) {
        (self.tables.into_iter().map(|(_, make)| make).collect(), self.make_timers)
    }
}

impl<K> fmt::Debug for Declaration<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.tables.iter().map(|(schema, _)| &schema.name).collect();
        f.debug_struct("Declaration").field("operator", &self.about.operator).field("states", &names).finish()
    }
}
