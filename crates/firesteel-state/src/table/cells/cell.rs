//! The fields of one key: those that have a value, and those known to have none.

use std::collections::BTreeMap;

use firesteel_window::Timestamp;

use crate::table::fields::Fields;

pub(super) struct Cell<F, V> {
    /// The fields that have a value.
    pub(super) fields: Fields<F, Field<V>>,
    /// The fields known to have none. They stand apart: a list that is taken from at its front has many of them, until
    /// they are applied, and nobody who looks for its first element should have to pass them by.
    #[expect(
        clippy::box_collection,
        reason = "nearly every key has none, and pays for it with eight bytes, not twenty-four"
    )]
    pub(super) gone: Option<Box<BTreeMap<F, Field<V>>>>,
    /// Whether every field that exists is here.
    pub(super) complete: bool,
}

impl<F: Ord, V> Cell<F, V> {
    pub(super) const fn new(complete: bool) -> Self {
        Self { fields: Fields::new(), gone: None, complete }
    }

    /// What is known of the field.
    pub(super) fn get(&self, field: &F) -> Option<&Field<V>> {
        self.fields.get(field).or_else(|| self.gone.as_ref()?.get(field))
    }

    pub(super) fn get_mut(&mut self, field: &F) -> Option<&mut Field<V>> {
        match self.fields.get_mut(field) {
            None => self.gone.as_mut()?.get_mut(field),
            found => found,
        }
    }

    /// Puts the field where it belongs; whether it was here.
    pub(super) fn put(&mut self, field: F, now: Field<V>) -> bool {
        if now.value.is_some() {
            let was_gone = self.gone.as_mut().is_some_and(|gone| gone.remove(&field).is_some());
            self.fields.insert(field, now).is_some() || was_gone
        } else {
            let was_there = self.fields.remove(&field).is_some();
            self.gone.get_or_insert_default().insert(field, now).is_some() || was_there
        }
    }

    /// Forgets the field.
    pub(super) fn remove(&mut self, field: &F) -> Option<Field<V>> {
        self.fields.remove(field).or_else(|| self.gone.as_mut()?.remove(field))
    }

    /// How many fields are known to have no value.
    pub(super) fn gone(&self) -> usize {
        self.gone.as_ref().map_or(0, |gone| gone.len())
    }

    /// How many fields are here, with and without a value.
    pub(super) fn len(&self) -> usize {
        self.fields.len() + self.gone()
    }

    /// All fields: those that have a value, in their order, then the others.
    pub(super) fn all(&self) -> impl Iterator<Item = (&F, &Field<V>)> {
        self.fields.iter().chain(self.gone.iter().flat_map(|gone| gone.iter()))
    }
}

/// What is known of a field: `None` if it has no value.
#[derive(Clone)]
pub(super) struct Field<V> {
    pub(super) value: Option<V>,
    pub(super) stamp: u64,
    pub(super) touched: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(value: Option<u8>) -> Field<u8> {
        Field { value, stamp: 1, touched: Timestamp::MIN }
    }

    #[test]
    fn who_looks_for_values_passes_by_nothing_that_is_gone() {
        let mut cell = Cell::new(true);
        for at in 0..1_000 {
            assert!(!cell.put(at, field(Some(1))));
            if at >= 3 {
                assert!(cell.put(at - 3, field(None)));
            }
        }
        assert!(cell.fields.iter().map(|(at, _)| *at).eq([997, 998, 999]));
        assert_eq!((cell.gone(), cell.len()), (997, 1_000));
        assert!(cell.get(&5).is_some_and(|gone| gone.value.is_none()) && cell.get(&1_000).is_none());
        assert!(cell.put(5, field(Some(7))), "it was here");
        assert_eq!(cell.get(&5).and_then(|back| back.value), Some(7));
        assert!(cell.all().map(|(at, _)| *at).eq([5, 997, 998, 999].into_iter().chain(0..5).chain(6..997)));
        assert!(cell.remove(&6).is_some() && cell.remove(&5).is_some() && cell.remove(&5).is_none());
        assert_eq!(cell.len(), 998);
    }
}
