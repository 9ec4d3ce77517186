//! What is stored under a key, taken apart: `docs/formats.md` tells how keys and values of each kind of state are
//! written.

use std::cmp::Ordering;

use firesteel_state::schema::{Earlier, Plain, Shape};
use firesteel_state::{StoreSchema, StoredTtl, TableId, TableKind, TableSchema, Ttl, TypeTag};
use firesteel_window::{Timestamp, Window};

use crate::decode::Decode;
use crate::sorted;
use crate::value::Value;

/// Takes entries of one operator apart.
pub(crate) struct Entries {
    key: Shape,
    tables: Vec<Table>,
}

struct Table {
    schema: TableSchema,
    value: Shape,
    field: Shape,
    /// Of the values under this number.
    ttl: StoredTtl,
}

/// An entry of a value, list or map, or a timer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Value,
    /// The position in a list, or the field of a map.
    pub(crate) place: Option<Value>,
    /// The window in which the key has gathered the value.
    pub(crate) window: Option<Window>,
    /// Of a timer, when it fires.
    pub(crate) time: Option<Timestamp>,
    pub(crate) value: Value,
    /// When it was last touched, if it has a TTL.
    pub(crate) touched: Option<Timestamp>,
    /// When its TTL expires.
    pub(crate) expires: Option<Timestamp>,
}

/// The shape of a type; unknown if it cannot be read.
fn shape(tag: &TypeTag) -> Shape {
    tag.shape.parse().unwrap_or(Shape::Unknown)
}

impl Entries {
    pub(crate) fn new(store: &StoreSchema) -> Self {
        let table = |(ttl, schema): (StoredTtl, TableSchema)| Table {
            value: shape(&schema.value),
            field: schema.field.as_ref().map_or(Shape::Unknown, shape),
            schema,
            ttl,
        };
        // Values that have not been written since their type changed stand under numbers of their own.
        let earlier = |table: &TableSchema| {
            let of = |earlier: &Earlier| {
                let schema = TableSchema { id: earlier.id, value: earlier.value.clone(), ..table.clone() };
                (table.stored_ttl(earlier.id), schema)
            };
            table.earlier.iter().map(of).collect::<Vec<_>>()
        };
        let now = |table: &TableSchema| vec![(table.stored_ttl(table.id), table.clone())];
        let tables = store.tables.iter().flat_map(|table| [now(table), earlier(table)].concat()).map(table);
        Self { key: shape(&store.key), tables: tables.collect() }
    }

    /// The key that an entry belongs to.
    pub(crate) fn key(&self, table: TableId, key: &[u8]) -> Value {
        let kind = self.table(table).map(|table| table.schema.kind);
        let key = match kind {
            _ if is_timers(table) => key.get(8..).unwrap_or_default(),
            Some(TableKind::Windows) => in_window(key).map_or(key, |(_, key)| key),
            _ => key,
        };
        let whole = is_timers(table) || matches!(kind, Some(TableKind::Value | TableKind::Windows));
        match self.key.decode_front(key) {
            Some((value, [])) => value,
            Some((value, _)) if !whole => value,
            _ => Value::Undecoded(key.to_vec()),
        }
    }

    fn table(&self, id: TableId) -> Option<&Table> {
        self.tables.iter().find(|table| table.schema.id == id && !matches!(table.schema.kind, TableKind::Timers(_)))
    }

    /// The entry, with the state that it belongs to; nothing for a state that is no longer declared. A timer that was
    /// asked for under several names is an entry of each.
    pub(crate) fn of(&self, table: TableId, key: &[u8], value: &[u8]) -> Vec<(&TableSchema, Entry)> {
        if is_timers(table) {
            return self.timers(key, value);
        }
        let Some(table) = self.table(table) else { return vec![] };
        let (window, key) = match in_window(key).filter(|_| table.schema.kind == TableKind::Windows) {
            Some((window, key)) => (Some(window), key),
            None => (None, key),
        };
        let (key, place) = match (table.schema.kind, self.key.decode_front(key)) {
            (TableKind::Value | TableKind::Windows, Some((key, []))) => (key, None),
            (TableKind::List, Some((key, place))) => (key, Some(POSITION.decode(place))),
            (TableKind::Map, Some((key, field))) => (key, Some(table.field.decode(field))),
            (TableKind::SortedMap, Some((key, field))) => (key, Some(sorted::decode(&table.field, field))),
            _ => (Value::Undecoded(key.to_vec()), None),
        };
        let (stamp, value) = table.ttl.split(value).unwrap_or((Timestamp::EPOCH, value));
        // What had expired before the TTL was changed is no part of the state.
        let Some(touched) = table.ttl.carried(stamp) else { return vec![] };
        let touched = table.schema.ttl.map(|_| touched);
        let expires = table.schema.ttl.zip(touched).map(|(ttl, touched)| over(ttl, touched));
        let value = table.value.decode(value);
        vec![(&table.schema, Entry { key, place, window, time: None, value, touched, expires })]
    }

    fn timers(&self, key: &[u8], value: &[u8]) -> Vec<(&TableSchema, Entry)> {
        let Some((time, key)) = key.split_first_chunk() else { return vec![] };
        let time = ordered(*time);
        let (names, _) = value.as_chunks();
        let named = |name: &[u8; 2]| {
            let id = TableId(u16::from_le_bytes(*name));
            let table = self.tables.iter().find(|table| table.schema.id == id)?;
            let (key, time) = (self.key.decode(key), Some(time));
            let value = Value::Unit;
            let entry = Entry { key, place: None, window: None, time, value, touched: None, expires: None };
            Some((&table.schema, entry))
        };
        names.iter().filter_map(named).collect()
    }
}

/// A time as it stands in keys: eight bytes in the order of time.
fn ordered(time: [u8; 8]) -> Timestamp {
    Timestamp::from_micros((u64::from_be_bytes(time) ^ 1 << 63) as i64)
}

/// The window that a key begins with, and the rest.
fn in_window(key: &[u8]) -> Option<(Window, &[u8])> {
    let (end, rest) = key.split_first_chunk()?;
    let (start, key) = rest.split_first_chunk()?;
    Some((Window::new(ordered(*start), ordered(*end)), key))
}

fn is_timers(table: TableId) -> bool {
    TableId::TIMERS.contains(&table)
}

fn over(ttl: Ttl, touched: Timestamp) -> Timestamp {
    touched.saturating_add(ttl.span())
}

impl Entry {
    /// Timers by time, windows by their ends, everything else by key and place.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let places = match (&self.place, &other.place) {
            (Some(a), Some(b)) => order(a, b),
            _ => Ordering::Equal,
        };
        self.time
            .cmp(&other.time)
            .then(self.window.cmp(&other.window))
            .then_with(|| order(&self.key, &other.key))
            .then(places)
    }
}

/// Numbers by size, texts by letter; what has no order stays where it is.
fn order(a: &Value, b: &Value) -> Ordering {
    let all = |a: &[Value], b: &[Value]| {
        let first = a.iter().zip(b).map(|(a, b)| order(a, b)).find(|order| order.is_ne());
        first.unwrap_or(a.len().cmp(&b.len()))
    };
    match (a, b) {
        (Value::Unsigned(a), Value::Unsigned(b)) => a.cmp(b),
        (Value::Signed(a), Value::Signed(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Sequence(a), Value::Sequence(b)) | (Value::Tuple(a), Value::Tuple(b)) => all(a, b),
        (Value::Struct(a), Value::Struct(b)) => {
            let fields = a.iter().zip(b).map(|((_, a), (_, b))| order(a, b));
            fields.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }
        _ => Ordering::Equal,
    }
}

/// Positions in lists.
const POSITION: Shape = Shape::Plain(Plain::U64);
