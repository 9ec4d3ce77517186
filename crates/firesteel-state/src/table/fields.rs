//! The fields of one key, in their order: a sorted vector while there are few of them, a tree from there on. A tree
//! takes room for a dozen fields at once, and most keys have but a few.

use std::collections::{BTreeMap, btree_map};
use std::ops::{Bound, RangeBounds};

use super::cut::Span;

/// A vector of this many fields is searched and shifted faster than a tree is.
const FEW: usize = 32;

/// Values by field.
pub(crate) enum Fields<F, V> {
    Few(Vec<(F, V)>),
    Many(BTreeMap<F, V>),
}

impl<F: Ord, V> Fields<F, V> {
    pub(crate) const fn new() -> Self {
        Self::Few(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    pub(crate) fn get(&self, field: &F) -> Option<&V> {
        match self {
            Self::Few(few) => place(few, field).ok().map(|at| &few[at].1),
            Self::Many(many) => many.get(field),
        }
    }

    pub(crate) fn get_mut(&mut self, field: &F) -> Option<&mut V> {
        match self {
            Self::Few(few) => place(few, field).ok().map(|at| &mut few[at].1),
            Self::Many(many) => many.get_mut(field),
        }
    }

    /// Sets a field; what it was before.
    pub(crate) fn insert(&mut self, field: F, value: V) -> Option<V> {
        match self {
            Self::Few(few) => {
                let at = match place(few, &field) {
                    Ok(at) => return Some(std::mem::replace(&mut few[at].1, value)),
                    Err(at) => at,
                };
                if few.len() < FEW {
                    if few.len() == few.capacity() {
                        // One, two, four: vectors begin with more.
                        few.reserve_exact(few.len().max(1));
                    }
                    few.insert(at, (field, value));
                } else {
                    let mut many: BTreeMap<F, V> = few.drain(..).collect();
                    many.insert(field, value);
                    *self = Self::Many(many);
                }
                None
            }
            Self::Many(many) => many.insert(field, value),
        }
    }

    pub(crate) fn remove(&mut self, field: &F) -> Option<V> {
        match self {
            Self::Few(few) => place(few, field).ok().map(|at| few.remove(at).1),
            Self::Many(many) => many.remove(field),
        }
    }

    /// Keeps what `keep` wants, and gives back memory that is not needed for it.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&F, &mut V) -> bool) {
        match self {
            Self::Few(few) => {
                few.retain_mut(|(field, value)| keep(field, value));
                few.shrink_to(few.len() * 2);
            }
            Self::Many(many) => {
                many.retain(keep);
                if many.len() <= FEW / 2 {
                    *self = Self::Few(std::mem::take(many).into_iter().collect());
                }
            }
        }
    }

    /// Those within a span.
    pub(crate) fn range(&self, span: &Span<F>) -> Iter<'_, F, V>
    where
        F: Clone,
    {
        match self {
            _ if span.is_empty() => Iter::Few([].iter()),
            Self::Few(few) => {
                let (from, to) = span.bounds();
                let start = few.partition_point(|(field, _)| !(from, Bound::Unbounded).contains(field));
                let end = few.partition_point(|(field, _)| (Bound::Unbounded, to).contains(field));
                Iter::Few(few[start..end].iter())
            }
            Self::Many(many) => Iter::Range(many.range::<F, _>(span.bounds())),
        }
    }

    pub(crate) fn iter(&self) -> Iter<'_, F, V> {
        match self {
            Self::Few(few) => Iter::Few(few.iter()),
            Self::Many(many) => Iter::Many(many.iter()),
        }
    }
}

/// Where a field is, or would be. Lists are added to at their ends.
fn place<F: Ord, V>(few: &[(F, V)], field: &F) -> Result<usize, usize> {
    match few.last() {
        Some((last, _)) if last < field => Err(few.len()),
        _ => few.binary_search_by(|(other, _)| other.cmp(field)),
    }
}

/// Fields in their order.
pub(crate) enum Iter<'a, F, V> {
    Few(std::slice::Iter<'a, (F, V)>),
    Many(btree_map::Iter<'a, F, V>),
    Range(btree_map::Range<'a, F, V>),
}

impl<'a, F, V> Iterator for Iter<'a, F, V> {
    type Item = (&'a F, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(few) => few.next().map(|(field, value)| (field, value)),
            Self::Many(many) => many.next(),
            Self::Range(range) => range.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Few(few) => few.size_hint(),
            Self::Many(many) => many.size_hint(),
            Self::Range(range) => range.size_hint(),
        }
    }
}

impl<F, V> DoubleEndedIterator for Iter<'_, F, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(few) => few.next_back().map(|(field, value)| (field, value)),
            Self::Many(many) => many.next_back(),
            Self::Range(range) => range.next_back(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u8, u16),
        Remove(u8),
        Change(u8),
        /// Keeps the fields below.
        Retain(u8),
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map_whatever_its_size(ops in vec(prop_oneof![
            8 => (0..100u8, any::<u16>()).prop_map(|(field, value)| Op::Insert(field, value)),
            2 => (0..100u8).prop_map(Op::Remove),
            2 => (0..100u8).prop_map(Op::Change),
            1 => (0..100u8).prop_map(Op::Retain),
        ], 0..150)) {
            let (mut fields, mut map) = (Fields::new(), BTreeMap::new());
            for op in ops {
                match op {
                    Op::Insert(field, value) => prop_assert_eq!(fields.insert(field, value), map.insert(field, value)),
                    Op::Remove(field) => prop_assert_eq!(fields.remove(&field), map.remove(&field)),
                    Op::Change(field) => {
                        let one = fields.get_mut(&field).map(|value| *value ^= 1).is_some();
                        prop_assert_eq!(one, map.get_mut(&field).map(|value| *value ^= 1).is_some());
                    }
                    Op::Retain(below) => {
                        fields.retain(|field, _| *field < below);
                        map.retain(|field, _| *field < below);
                    }
                }
                prop_assert_eq!(fields.len(), map.len());
                prop_assert!(fields.iter().eq(map.iter()) && fields.iter().rev().eq(map.iter().rev()));
                prop_assert_eq!(fields.get(&50), map.get(&50));
                for range in [20..60_u8, 50..50, 0..1] {
                    let within = map.iter().filter(|(field, _)| range.contains(*field));
                    prop_assert!(fields.range(&Span::of(&range)).eq(within));
                }
            }
        }
    }

    #[test]
    fn few_fields_take_little_and_many_are_a_tree() {
        let mut fields = Fields::new();
        fields.insert(1, ());
        assert!(matches!(&fields, Fields::Few(few) if few.capacity() == 1));
        (0..40).for_each(|field| _ = fields.insert(field, ()));
        assert!(matches!(fields, Fields::Many(_)));
        fields.retain(|field, ()| *field < 3);
        assert!(matches!(&fields, Fields::Few(few) if few.len() == 3));
    }
}
