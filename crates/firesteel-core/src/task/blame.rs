//! Who is to blame: the operator, the partition and the record on which user code failed.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use crate::operator::Operator;

/// Where and why user code failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Blame {
    /// The operator whose function failed, where it is known.
    pub operator: Option<Operator>,
    /// The partition.
    pub partition: usize,
    /// The split of the source that was being read.
    pub origin: Option<Arc<str>>,
    /// The position of the record in that split, or its number within the partition after a shuffle.
    pub position: Option<u64>,
    /// The panic's message or the error's text.
    pub cause: String,
}

impl Blame {
    /// Whether both are about the same record of a source, or of none.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.position == other.position && self.origin == other.origin
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operator {
            Some(operator) => write!(f, "operator {operator}, partition {}", self.partition)?,
            None => write!(f, "partition {}", self.partition)?,
        }
        if let Some(origin) = &self.origin {
            write!(f, ", split {origin}")?;
        }
        if let Some(position) = self.position {
            write!(f, ", offset {position}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

/// A record that was set aside because user code panicked on it.
#[derive(Debug, Clone)]
pub struct DeadLetter(
    /// Where and why.
    pub Blame,
);

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Marks the operator when user code unwinds through it. Dropped only by unwinding; the innermost one wins.
pub(super) struct Bomb<'a> {
    pub(super) culprit: &'a RefCell<Option<Operator>>,
    pub(super) operator: &'a Operator,
}

impl Drop for Bomb<'_> {
    #[cold]
    fn drop(&mut self) {
        self.culprit.borrow_mut().get_or_insert_with(|| self.operator.clone());
    }
}

/// The text of a panic's payload.
pub(super) fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic with a payload that is not text".to_owned()
    }
}
