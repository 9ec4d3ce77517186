//! What the state of a new job begins with.

use firesteel_core::ops::BoxRdd;
use firesteel_core::{Actions, Data, Key};
use firesteel_state::{KeyContext, StateValue, Value};
use parking_lot::Mutex;

use crate::error::Result;
use crate::state::operator::NewState;

/// What a program says that the state of its operator begins with, until it is asked for.
pub(crate) struct Initial<K, T>(Mutex<Option<BoxRdd<(K, T)>>>);

impl<K: Key, T: Data> Initial<K, T> {
    pub(crate) fn new(initial: Option<BoxRdd<(K, T)>>) -> Self {
        Self(Mutex::new(initial))
    }

    /// Puts it into the state of a new job: it is what keys have as their value.
    pub(crate) fn set(&self, new: &NewState<'_, K>, value: Value<T>) -> Result<()>
    where
        T: StateValue,
    {
        self.fill(new, |key, initial| value.set(key, initial))
    }

    /// Puts it into the state of a new job, pair by pair in its order.
    pub(crate) fn fill(
        &self,
        new: &NewState<'_, K>,
        put: impl Fn(&mut KeyContext<'_, K>, T) -> firesteel_state::Result<()>,
    ) -> Result<()> {
        let initial = self.0.lock().take();
        if let Some(initial) = initial {
            for (key, value) in initial.collect()? {
                new.with(&key, |key| put(key, value))?;
            }
        }
        Ok(())
    }
}
