//! Broadcast variables: one value for all tasks.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::rdd::Context;

/// A value that tasks share: a lookup table, a model. A clone is the same variable.
///
/// Between the threads of a process the value is shared without a copy. Unlike an [`Arc`], which does as well there, a
/// broadcast variable has a number and an end: once it is [destroyed](Self::destroy), a task that still uses it fails
/// with a message that says so.
///
/// ```
/// use std::collections::HashMap;
/// use firesteel_core::{Actions, RddOps};
///
/// # fn main() -> firesteel_core::Result<()> {
/// let context = firesteel_scheduler::local(2)?;
/// let names = context.broadcast(HashMap::from([(1, "Ada"), (2, "Bob")]));
/// let users = context.parallelize([2, 1, 3]);
/// let greeted = users.flat_map(move |id| names.get(&id).copied());
/// assert_eq!(greeted.collect()?, ["Bob", "Ada"]);
/// # Ok(())
/// # }
/// ```
pub struct Broadcast<T> {
    id: u64,
    value: Arc<T>,
    destroyed: Arc<AtomicBool>,
}

/// These are called as `Broadcast::destroy(names)`, lest they hide methods of the value.
impl<T> Broadcast<T> {
    /// Its number within the context.
    #[must_use]
    pub fn id(this: &Self) -> u64 {
        this.id
    }

    /// The value.
    ///
    /// # Errors
    /// When the variable has been destroyed.
    pub fn value(this: &Self) -> Result<&T> {
        if this.destroyed.load(Ordering::Relaxed) {
            let what = format!(
                "broadcast variable {} is used after it was destroyed: destroy it when its last job is done",
                this.id
            );
            return Err(Error::Misuse { what });
        }
        Ok(&this.value)
    }

    /// Ends the variable: whoever uses it from now on, fails. The memory is given back as soon as no function holds it
    /// any more.
    pub fn destroy(this: Self) {
        this.destroyed.store(true, Ordering::Relaxed);
    }
}

impl<T> Deref for Broadcast<T> {
    type Target = T;

    /// The value.
    ///
    /// # Panics
    /// When the variable has been destroyed; in a task, that is a task failure like any other.
    #[track_caller]
    fn deref(&self) -> &T {
        match Self::value(self) {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }
}

impl<T> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Self { id: self.id, value: Arc::clone(&self.value), destroyed: Arc::clone(&self.destroyed) }
    }
}

impl<T> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let destroyed = self.destroyed.load(Ordering::Relaxed);
        f.debug_struct("Broadcast").field("id", &self.id).field("destroyed", &destroyed).finish_non_exhaustive()
    }
}

impl Context {
    /// Shares a value with all tasks.
    pub fn broadcast<T: Send + Sync + 'static>(&self, value: T) -> Broadcast<T> {
        let (id, value) = (self.next_broadcast_id(), Arc::new(value));
        Broadcast { id, value, destroyed: Arc::new(AtomicBool::new(false)) }
    }
}
