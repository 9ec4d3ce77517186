//! Functions that turn values of earlier versions into those of the next.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::schema::evolution::read::{ReadError, read};
use crate::schema::evolution::rule::Plan;
use crate::schema::{Shape, TypeTag};

type Value = Box<dyn Any>;
type Read = Arc<dyn Fn(&Plan, &Shape, &[u8]) -> Result<Value, ReadError> + Send + Sync>;
type Apply = Arc<dyn Fn(Value) -> Result<Value, ReadError> + Send + Sync>;

/// The migrations of a state: from the values of an earlier version to those of the next one.
///
/// A migration leads to the next version that has one, the last to the version that is declared: with those from 1 and
/// from 2, a state of version 3 reads values of version 1 through both.
#[derive(Clone, Default)]
pub struct Migrations(Vec<Step>);

#[derive(Clone)]
pub(crate) struct Step {
    /// The type that is taken, in the version it is stored in.
    pub(crate) old: TypeTag,
    pub(crate) takes: (TypeId, &'static str),
    pub(crate) gives: (TypeId, &'static str),
    pub(crate) read: Read,
    pub(crate) apply: Apply,
}

impl Migrations {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more, from the values of version `from`.
    #[must_use]
    pub fn and<Old: DeserializeOwned + 'static, New: 'static, E: fmt::Display>(
        mut self,
        from: u32,
        migrate: impl Fn(Old) -> Result<New, E> + Send + Sync + 'static,
    ) -> Self {
        let read_old: Read = Arc::new(|plan, shape, bytes| Ok(Box::new(read::<Old>(plan, shape, bytes)?)));
        let apply: Apply = Arc::new(move |old| {
            let old = old.downcast::<Old>().map_err(|_| ReadError(format!("it is no {}", type_name::<Old>())))?;
            let new = migrate(*old).map_err(|error| ReadError(format!("the migration says: {error}")))?;
            Ok(Box::new(new))
        });
        self.0.push(Step {
            old: TypeTag { version: from, ..TypeTag::of::<Old>() },
            takes: (TypeId::of::<Old>(), type_name::<Old>()),
            gives: (TypeId::of::<New>(), type_name::<New>()),
            read: read_old,
            apply,
        });
        self
    }

    /// The types that are taken, with their versions.
    pub fn tags(&self) -> impl Iterator<Item = &TypeTag> {
        self.0.iter().map(|step| &step.old)
    }

    pub(crate) fn from(&self, version: u32) -> Option<&Step> {
        self.0.iter().find(|step| step.old.version == version)
    }

    /// Whether each leads to what the next one takes, and the last to `V`; what does not fit otherwise.
    pub(crate) fn check<V: 'static>(&self, declared: u32) -> Result<(), String> {
        self.check_for((TypeId::of::<V>(), type_name::<V>()), declared)
    }

    fn check_for(&self, value: (TypeId, &'static str), declared: u32) -> Result<(), String> {
        for (at, step) in self.0.iter().enumerate() {
            let from = step.old.version;
            if from == declared {
                return Err(format!("a migration from version {from} leads to itself: raise .version()"));
            }
            if self.0[..at].iter().any(|other| other.old.version == from) {
                return Err(format!("there are two migrations from version {from}: keep one"));
            }
            let to = self.tags().map(|tag| tag.version).filter(|to| (from + 1..declared).contains(to)).min();
            let (wanted, name) = match to.and_then(|to| self.from(to)) {
                Some(next) => next.takes,
                None => value,
            };
            if step.gives.0 != wanted {
                let to = to.unwrap_or(declared);
                return Err(format!(
                    "the migration from version {from} gives {}, but version {to} is {name}",
                    step.gives.1
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions = self.tags().map(|tag| tag.version);
        f.debug_list().entries(versions).finish()
    }
}
