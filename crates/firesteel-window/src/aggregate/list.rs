//! All values, one after the other.

use std::borrow::Cow;

use super::Aggregator;

/// All values in their order.
///
/// They must fit into memory: what is counted or summed up in the end is cheaper by an aggregator that does so at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct List;

impl<In: Clone> Aggregator<In> for List {
    accumulates_its_result!(Vec<In>);

    #[inline]
    fn add(&self, acc: &mut Vec<In>, value: In) {
        acc.push(value);
    }

    #[inline]
    fn merge(&self, acc: &mut Vec<In>, mut other: Vec<In>) {
        if acc.is_empty() {
            *acc = other;
        } else {
            acc.append(&mut other);
        }
    }

    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("list")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;

    #[test]
    fn keeps_the_order() {
        assert_eq!(run(&List, [3, 1, 2]), [3, 1, 2]);
        let mut acc = List.create();
        List.merge(&mut acc, vec!["a", "b"]);
        List.merge(&mut acc, List.start("c"));
        assert_eq!(List.finish_owned(acc), ["a", "b", "c"]);
    }
}
