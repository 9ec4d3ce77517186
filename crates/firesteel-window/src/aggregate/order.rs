//! What comes before what: the order of [`TopN`](super::TopN), [`MaxBy`](super::MaxBy) and their kin.

use std::cmp::Ordering;

/// Whether a value has a place in the order of its type: what is no number has none.
#[inline]
pub(super) fn is_ranked<T: PartialOrd>(value: &T) -> bool {
    value.partial_cmp(value).is_some()
}

/// Ascending; what has no rank comes last.
#[inline]
pub(super) fn ascending<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    ranked_first(a, b).unwrap_or_else(|| a.partial_cmp(b).unwrap_or(Ordering::Equal))
}

/// Descending; what has no rank comes last here, too.
#[inline]
pub(super) fn descending<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    ranked_first(a, b).unwrap_or_else(|| b.partial_cmp(a).unwrap_or(Ordering::Equal))
}

/// The order of two values of which one has no rank, or both.
#[inline]
fn ranked_first<T: PartialOrd>(a: &T, b: &T) -> Option<Ordering> {
    match (is_ranked(a), is_ranked(b)) {
        (true, true) => None,
        (true, false) => Some(Ordering::Less),
        (false, true) => Some(Ordering::Greater),
        (false, false) => Some(Ordering::Equal),
    }
}

/// Values are compared as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Itself;

/// Values are compared by something taken from them, and where that is equal, as they are.
#[derive(Debug, Clone, Copy)]
pub struct By<F>(pub(super) F);

pub(super) mod sealed {
    use std::cmp::Ordering;

    /// How values are compared.
    pub trait Compare<In> {
        /// Smaller ones first.
        fn smallest_first(&self, a: &In, b: &In) -> Ordering;
        /// Larger ones first.
        fn largest_first(&self, a: &In, b: &In) -> Ordering;
        /// For the kind of an aggregation.
        fn suffix(&self) -> &'static str;
    }
}

impl<In: PartialOrd> sealed::Compare<In> for Itself {
    #[inline]
    fn smallest_first(&self, a: &In, b: &In) -> Ordering {
        ascending(a, b)
    }

    #[inline]
    fn largest_first(&self, a: &In, b: &In) -> Ordering {
        descending(a, b)
    }

    fn suffix(&self) -> &'static str {
        ""
    }
}

impl<In, K, F> sealed::Compare<In> for By<F>
where
    In: PartialOrd,
    K: PartialOrd,
    F: Fn(&In) -> K,
{
    #[inline]
    fn smallest_first(&self, a: &In, b: &In) -> Ordering {
        ascending(&(self.0)(a), &(self.0)(b)).then_with(|| ascending(a, b))
    }

    #[inline]
    fn largest_first(&self, a: &In, b: &In) -> Ordering {
        descending(&(self.0)(a), &(self.0)(b)).then_with(|| ascending(a, b))
    }

    fn suffix(&self) -> &'static str {
        " by"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_comes_last_both_ways() {
        let mut numbers = [f64::NAN, 1.0, f64::NEG_INFINITY, -f64::NAN, f64::INFINITY, 2.0];
        numbers.sort_by(ascending);
        assert_eq!(numbers[..4], [f64::NEG_INFINITY, 1.0, 2.0, f64::INFINITY]);
        numbers.sort_by(descending);
        assert_eq!(numbers[..4], [f64::INFINITY, 2.0, 1.0, f64::NEG_INFINITY]);
    }

    #[test]
    fn the_zeros_are_equal() {
        assert_eq!((ascending(&0.0, &-0.0), descending(&0.0, &-0.0)), (Ordering::Equal, Ordering::Equal));
    }
}
