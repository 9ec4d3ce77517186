//! How the values of one state are written, and how those are read that were written under earlier types.

use std::any::{Any, type_name};
use std::fmt;

use firesteel_window::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Migrations;
use super::migrations::Step;
use crate::codec::{decode, encode};
use crate::error::{Result, StateError};
use crate::frame::TableId;
use crate::schema::evolution::chain_from;
use crate::schema::evolution::read::{ReadError, read};
use crate::schema::evolution::rule::Plan;
use crate::schema::evolution::skip::{choices, sample, show, skips};
use crate::schema::{Earlier, Shape, TableSchema, TypeTag};
use crate::ttl::StoredTtl;

type Read<V> = Box<dyn Fn(&[u8]) -> Result<V, ReadError> + Send + Sync>;

/// At most this many samples are read before the start.
const SAMPLES: usize = 64;

/// Encodes the values of one state, and decodes them, whichever of its types they were stored under.
///
/// Values of each type are stored under a number of their own, so that a stored value is nothing but its bytes.
///
/// ```
/// use firesteel_state::schema::{Earlier, TableKind};
/// use firesteel_state::{Migrations, TableCodec, TableId, TableSchema, TypeTag};
///
/// let mut stored = TableSchema::new("total", TableKind::Value, TypeTag::of::<u64>());
/// stored.id = TableId(1);
/// stored.earlier = vec![Earlier { id: TableId(0), value: TypeTag::of::<u32>(), ttl: None, changed: None }];
/// let codec = TableCodec::<u64>::new("totals", &TypeTag::of::<String>(), &stored, &Migrations::new())?;
/// let mut bytes = vec![];
/// codec.encode(&300, &mut bytes)?;
/// assert_eq!(codec.decode(TableId(1), b"\x03ann", &bytes)?, 300);
/// // What was stored as `u32`.
/// assert_eq!(codec.decode(TableId(0), b"\x03ann", &[7])?, 7);
/// # Ok::<(), firesteel_state::StateError>(())
/// ```
pub struct TableCodec<V> {
    state: String,
    id: TableId,
    key: Shape,
    /// Newest first.
    older: Vec<Older<V>>,
}

struct Older<V> {
    id: TableId,
    tag: TypeTag,
    ttl: StoredTtl,
    read: Read<V>,
}

impl<V: Serialize + DeserializeOwned + 'static> TableCodec<V> {
    /// The codec of a state as the catalog has it. `key` is the type of the operator's keys.
    ///
    /// # Errors
    /// [`StateError::Mismatch`] when values of an earlier type cannot be read as `V`, as far as that can be known;
    /// [`StateError::Declaration`] when migrations do not lead from one to the next.
    pub fn new(operator: &str, key: &TypeTag, stored: &TableSchema, migrations: &Migrations) -> Result<Self> {
        let wrong = |reason| StateError::Declaration {
            operator: operator.to_owned(),
            reason: format!("state `{}`: {reason}", stored.name),
        };
        migrations.check::<V>(stored.value.version).map_err(wrong)?;
        let state = format!("{operator}/{}", stored.name);
        let older = stored.earlier.iter().rev().map(|earlier| {
            let Earlier { id, value: tag, .. } = earlier.clone();
            let read = reader::<V>(&tag, &stored.value, migrations).map_err(|reason| StateError::Mismatch {
                report: format!("  differs: {state}: {}, but values of {tag} are stored: {reason}\n", stored.value),
            })?;
            Ok(Older { id, tag, ttl: stored.stored_ttl(id), read })
        });
        let older = older.collect::<Result<_>>()?;
        Ok(Self { state, id: stored.id, key: key.shape.parse().unwrap_or(Shape::Unknown), older })
    }

    /// Appends a value.
    ///
    /// # Errors
    /// When the value cannot be encoded.
    pub fn encode(&self, value: &V, out: &mut Vec<u8>) -> Result<()> {
        encode(value, out).map_err(|source| StateError::Encode { state: self.state.clone(), source })
    }

    /// The value that is stored under a number of the state: [`numbers`](TableSchema::numbers) has them. `key` is for
    /// the error alone.
    ///
    /// # Errors
    /// [`StateError::Decode`] when the bytes are no value of the declared type; [`StateError::Evolve`] when they were
    /// stored under an earlier type and cannot be turned into one.
    #[inline]
    pub fn decode(&self, table: TableId, key: &[u8], bytes: &[u8]) -> Result<V> {
        if table == self.id {
            return decode(bytes).map_err(|source| StateError::Decode { state: self.state.clone(), source });
        }
        self.read_older(self.under(table)?, key, bytes)
    }

    /// The value that is stored under an earlier number, and the time of its last touch as it counts now. `None` if it had
    /// expired when the state got another TTL.
    #[cold]
    #[inline(never)]
    pub(crate) fn decode_older(&self, table: TableId, key: &[u8], bytes: &[u8]) -> Result<Option<(Timestamp, V)>> {
        let older = self.under(table)?;
        let Some((touched, bytes)) = older.ttl.split(bytes) else {
            let source = postcard::Error::DeserializeUnexpectedEnd;
            return Err(StateError::Decode { state: self.state.clone(), source });
        };
        let Some(touched) = older.ttl.carried(touched) else { return Ok(None) };
        Ok(Some((touched, self.read_older(older, key, bytes)?)))
    }

    fn under(&self, table: TableId) -> Result<&Older<V>> {
        self.older.iter().find(|older| older.id == table).ok_or_else(|| {
            let reason = format!("{} has no values under number {}", self.state, table.0);
            StateError::InvalidState { what: "reading a value".into(), reason }
        })
    }

    #[cold]
    #[inline(never)]
    fn read_older(&self, older: &Older<V>, key: &[u8], bytes: &[u8]) -> Result<V> {
        (older.read)(bytes).map_err(|ReadError(reason)| StateError::Evolve {
            state: self.state.clone(),
            key: show(&self.key, key),
            stored: older.tag.to_string(),
            reason,
        })
    }
}

impl<V> TableCodec<V> {
    /// The numbers of earlier types, the newest first.
    pub fn older(&self) -> impl Iterator<Item = TableId> {
        self.older.iter().map(|older| older.id)
    }
}

impl<V> fmt::Debug for TableCodec<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let older: Vec<_> = self.older.iter().map(|older| older.tag.to_string()).collect();
        f.debug_struct("TableCodec").field("state", &self.state).field("id", &self.id).field("older", &older).finish()
    }
}

/// What reads values of an earlier type.
fn reader<V: DeserializeOwned + 'static>(
    tag: &TypeTag,
    declared: &TypeTag,
    migrations: &Migrations,
) -> Result<Read<V>, String> {
    let shape: Shape = tag.shape.parse().map_err(|_| format!("`{}` is no shape", tag.shape))?;
    let first = migrations.from(tag.version).filter(|_| tag.version != declared.version);
    let Some(first) = first else {
        let (plan, _) = tag.plan(declared)?;
        try_samples(&shape, &|bytes| read::<V>(&plan, &shape, bytes).map(drop), &|| accepts_samples::<V>(declared))?;
        return Ok(Box::new(move |bytes| read(&plan, &shape, bytes)));
    };
    let (plan, _) = tag.plan_migrated(&first.old)?;
    let migrate = migrating(first.clone(), tag, declared, migrations, plan, shape)?;
    Ok(Box::new(move |bytes| {
        let value: Box<dyn Any> = migrate(bytes)?;
        value.downcast::<V>().map(|value| *value).map_err(|_| ReadError(format!("it is no {}", type_name::<V>())))
    }))
}

/// What reads values of an earlier type and takes them through the migrations from `first` on.
fn migrating(
    first: Step,
    tag: &TypeTag,
    declared: &TypeTag,
    migrations: &Migrations,
    plan: Plan,
    shape: Shape,
) -> Result<Read<Box<dyn Any>>, String> {
    try_samples(&shape, &|bytes| (first.read)(&plan, &shape, bytes).map(drop), &|| false)?;
    let between = chain_from(tag.version, declared.version, migrations.tags().map(|tag| tag.version));
    let mut steps = vec![first];
    steps.extend(between.iter().filter_map(|version| migrations.from(*version)).cloned());
    Ok(Box::new(move |bytes| {
        let mut value = (steps[0].read)(&plan, &shape, bytes)?;
        for step in &steps {
            value = (step.apply)(value)?;
        }
        Ok(value)
    }))
}

/// Reads small values of the stored shape, so that what only the type itself can tell is known before the start.
fn try_samples(
    shape: &Shape,
    read: &dyn Fn(&[u8]) -> Result<(), ReadError>,
    is_to_be_trusted: &dyn Fn() -> bool,
) -> Result<(), String> {
    for choice in 0..choices(shape).min(SAMPLES) {
        let mut bytes = vec![];
        sample(shape, choice, &mut bytes);
        if let Err(ReadError(reason)) = read(&bytes)
            && skips(shape, &bytes)
            && is_to_be_trusted()
        {
            return Err(format!("the type refuses it: {reason}"));
        }
    }
    Ok(())
}

/// Whether a type takes small values of its own shape: one that does not says nothing by refusing others.
fn accepts_samples<V: DeserializeOwned>(tag: &TypeTag) -> bool {
    let Ok(shape) = tag.shape.parse::<Shape>() else { return false };
    let plan = Plan::Same(shape.clone());
    accepts(&shape, &|bytes| read::<V>(&plan, &shape, bytes).is_ok())
}

fn accepts(shape: &Shape, read: &dyn Fn(&[u8]) -> bool) -> bool {
    (0..choices(shape).min(SAMPLES)).all(|choice| {
        let mut bytes = vec![];
        sample(shape, choice, &mut bytes);
        read(&bytes)
    })
}
