//! The times at which one key has timers: a short list while there are few of them, a tree from there on.

use std::collections::BTreeSet;

use firesteel_window::Timestamp;

use super::few::Few;

/// A list of this many times is searched and shifted faster than a tree is, and takes less memory.
const FEW: usize = 32;

/// At least one time.
pub(crate) enum Moments {
    Few(Few<Timestamp>),
    Many(BTreeSet<Timestamp>),
}

impl Moments {
    pub(crate) const fn one(at: Timestamp) -> Self {
        Self::Few(Few::One(at))
    }

    pub(crate) fn insert(&mut self, at: Timestamp) {
        match self {
            Self::Few(few) => {
                let times = few.as_slice();
                let Err(position) = times.binary_search(&at) else { return };
                if times.len() < FEW {
                    few.insert(position, at);
                } else {
                    let mut many: BTreeSet<Timestamp> = times.iter().copied().collect();
                    many.insert(at);
                    *self = Self::Many(many);
                }
            }
            Self::Many(many) => _ = many.insert(at),
        }
    }

    /// Removes a time; `false` if none would be left, and nothing is removed.
    pub(crate) fn remove(&mut self, at: Timestamp) -> bool {
        match self {
            Self::Few(few) => match few.as_slice() {
                [one] => *one != at,
                times => {
                    if let Ok(position) = times.binary_search(&at) {
                        few.remove(position);
                    }
                    true
                }
            },
            Self::Many(many) => {
                many.remove(&at);
                if many.len() <= FEW / 2
                    && let Some(few) = Few::of(many.iter().copied().collect())
                {
                    *self = Self::Few(few);
                }
                true
            }
        }
    }

    /// The times, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Timestamp> {
        let (few, many) = match self {
            Self::Few(few) => (Some(few.as_slice()), None),
            Self::Many(many) => (None, Some(many)),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_a_sorted_set_whatever_their_number(
            operations in vec((prop::bool::weighted(0.6), 0..80i64), 0..300)
        ) {
            let mut moments = Moments::one(Timestamp::EPOCH);
            let mut set = BTreeSet::from([Timestamp::EPOCH]);
            for (adds, second) in operations {
                let at = Timestamp::from_secs(second);
                if adds {
                    moments.insert(at);
                    set.insert(at);
                } else {
                    let is_last = set.len() == 1 && set.contains(&at);
                    prop_assert_eq!(moments.remove(at), !is_last);
                    if !is_last {
                        set.remove(&at);
                    }
                }
                prop_assert!(moments.iter().eq(set.iter().copied()));
            }
        }
    }
}
