//! A short list that is nearly always of one element: then it takes no memory of its own.

/// At least one element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Few<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Copy> Few<T> {
    /// These; `None` if there are none.
    pub(crate) fn of(elements: Vec<T>) -> Option<Self> {
        match elements[..] {
            [] => None,
            [one] => Some(Self::One(one)),
            _ => Some(Self::Many(elements)),
        }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    pub(crate) fn insert(&mut self, position: usize, element: T) {
        match self {
            Self::One(one) => {
                let mut many = vec![*one];
                many.insert(position, element);
                *self = Self::Many(many);
            }
            Self::Many(many) => many.insert(position, element),
        }
    }

    /// Removes one of several elements.
    pub(crate) fn remove(&mut self, position: usize) {
        if let Self::Many(many) = self {
            many.remove(position);
            if let [one] = many[..] {
                *self = Self::One(one);
            }
        }
    }

    /// All but the one at this position; `None` if that is nothing.
    pub(crate) fn without(&self, position: usize) -> Option<Self> {
        match self {
            Self::One(_) => None,
            Self::Many(many) => {
                let mut left = many.clone();
                left.remove(position);
                Self::of(left)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_many_are_lists_alike() {
        assert_eq!(Few::<u8>::of(vec![]), None);
        let mut few = Few::of(vec![5]).unwrap();
        assert_eq!(few, Few::One(5));
        assert_eq!(few.without(0), None);
        few.insert(0, 3);
        few.insert(2, 9);
        assert_eq!(few.as_slice(), [3, 5, 9]);
        assert_eq!(few.without(1), Few::of(vec![3, 9]));
        few.remove(0);
        assert_eq!(few.without(0), Some(Few::One(9)));
        few.remove(1);
        assert_eq!(few, Few::One(5));
    }
}
