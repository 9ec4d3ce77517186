//! The fields of one key: those that have a value, and those known to have none.

use firesteel_window::Timestamp;

use crate::table::cut::{Coverage, Span};
use crate::table::fields::Fields;

pub(super) struct Cell<F, V> {
    /// The fields that have a value.
    pub(super) fields: Fields<F, Field<V>>,
    /// What few keys have: eight bytes for the others.
    pub(super) aside: Option<Box<Aside<F, V>>>,
    /// Whether every field that exists is here.
    pub(super) complete: bool,
}

/// What is known of a key beside its fields.
pub(super) struct Aside<F, V> {
    /// The fields known to have no value. They stand apart: a list that is taken from at its front has many of them, until
    /// they are applied, and nobody who looks for its first element should have to pass them by.
    pub(super) gone: Fields<F, Field<V>>,
    /// The stretches of which every field that exists is here.
    pub(super) known: Coverage<F>,
}

impl<F: Ord + Clone, V> Aside<F, V> {
    fn is_empty(&self) -> bool {
        self.gone.len() == 0 && self.known.is_empty()
    }
}

impl<F: Ord + Clone, V> Default for Aside<F, V> {
    fn default() -> Self {
        Self { gone: Fields::new(), known: Coverage::new() }
    }
}

impl<F: Ord + Clone, V> Cell<F, V> {
    pub(super) const fn new(complete: bool) -> Self {
        Self { fields: Fields::new(), aside: None, complete }
    }

    /// The first or last gap in what is known of a span.
    pub(super) fn gap(&self, span: &Span<F>, last: bool) -> Option<Span<F>> {
        match &self.aside {
            _ if self.complete || span.is_empty() => None,
            None => Some(span.clone()),
            Some(aside) => aside.known.gap(span, last),
        }
    }

    /// Takes note that every field of a span which exists is here.
    pub(super) fn know(&mut self, span: Span<F>) {
        self.aside.get_or_insert_default().known.add(span);
    }

    /// Takes note that fields may exist which are not here.
    pub(super) fn forget_extent(&mut self) {
        self.complete = false;
        if let Some(aside) = &mut self.aside {
            aside.known.clear();
        }
    }

    /// Forgets fields without a value, those that `keep` does not want, and gives back memory.
    pub(super) fn tidy(&mut self, mut keep: impl FnMut(&Field<V>) -> bool) {
        if let Some(aside) = &mut self.aside {
            aside.gone.retain(|_, field| keep(field));
            // It gives back what is not needed any more.
            self.fields.retain(|_, _| true);
        }
        self.aside.take_if(|aside| aside.is_empty());
    }

    /// What is known of the field.
    pub(super) fn get(&self, field: &F) -> Option<&Field<V>> {
        self.fields.get(field).or_else(|| self.aside.as_ref()?.gone.get(field))
    }

    pub(super) fn get_mut(&mut self, field: &F) -> Option<&mut Field<V>> {
        match self.fields.get_mut(field) {
            None => self.aside.as_mut()?.gone.get_mut(field),
            found => found,
        }
    }

    /// Puts the field where it belongs; whether it was here.
    pub(super) fn put(&mut self, field: F, now: Field<V>) -> bool {
        if now.value.is_some() {
            let was_gone = self.aside.as_mut().is_some_and(|aside| aside.gone.remove(&field).is_some());
            self.fields.insert(field, now).is_some() || was_gone
        } else {
            let was_there = self.fields.remove(&field).is_some();
            self.aside.get_or_insert_default().gone.insert(field, now).is_some() || was_there
        }
    }

    /// Forgets the field.
    pub(super) fn remove(&mut self, field: &F) -> Option<Field<V>> {
        self.fields.remove(field).or_else(|| self.aside.as_mut()?.gone.remove(field))
    }

    /// How many fields are known to have no value.
    pub(super) fn gone(&self) -> usize {
        self.aside.as_ref().map_or(0, |aside| aside.gone.len())
    }

    /// How many fields are here, with and without a value.
    pub(super) fn len(&self) -> usize {
        self.fields.len() + self.gone()
    }

    /// All fields: those that have a value, in their order, then the others.
    pub(super) fn all(&self) -> impl Iterator<Item = (&F, &Field<V>)> {
        self.fields.iter().chain(self.aside.iter().flat_map(|aside| aside.gone.iter()))
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
