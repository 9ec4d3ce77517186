//! `cogroup`: the values of each key in several RDDs, side by side.

use crate::data::{Exchange, Key};
use crate::operator::Operator;
use crate::ops::keyed::{Keyed, placed_lineage};
use crate::partitioner::Placement;
use crate::rdd::{Lineage, Node, Rdd};
use crate::shuffle::CombineReader;
use crate::source::Numbered;
use crate::task::TaskContext;

macro_rules! cogroup {
    ($(#[$doc:meta])* $name:ident, $($rdd:ident: $field:ident, $value:ident, $index:tt),+) => {
        $(#[$doc])*
        ///
        /// Parents whose keys are already placed so are read where they are; the others are shuffled.
        pub struct $name<$($rdd,)+ K, $($value),+> {
            node: Node,
            $($field: Keyed<$rdd, K, $value>,)+
            placement: Placement<K>,
        }

        impl<$($rdd: Rdd<Item = (K, $value)>,)+ K: Key, $($value: Exchange),+> $name<$($rdd,)+ K, $($value),+> {
            /// The values of each key in each of the parents, keys placed so.
            #[must_use]
            #[allow(clippy::too_many_arguments, reason = "one per parent")]
            pub fn new(operator: Operator, placement: impl Into<Placement<K>>, $($field: $rdd),+) -> Self {
                let placement = placement.into();
                let [context, ..] = [$($field.node().context()),+];
                let node = Node::new(context, operator);
                $(let $field = Keyed::new(&node, $field, &placement);)+
                Self { node, $($field,)+ placement }
            }
        }

        impl<$($rdd: Clone,)+ K, $($value),+> Clone for $name<$($rdd,)+ K, $($value),+> {
            fn clone(&self) -> Self {
                Self {
                    node: self.node.clone(),
                    $($field: self.$field.clone(),)+
                    placement: self.placement.clone(),
                }
            }
        }

        impl<$($rdd: Rdd<Item = (K, $value)>,)+ K: Key, $($value: Exchange),+> Lineage
            for $name<$($rdd,)+ K, $($value),+>
        {
            placed_lineage!($($field),+);
        }

        impl<$($rdd: Rdd<Item = (K, $value)>,)+ K: Key, $($value: Exchange),+> Rdd
            for $name<$($rdd,)+ K, $($value),+>
        {
            type Item = (K, ($(Vec<$value>,)+));

            fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = Self::Item> + 'a {
                let append = |groups: &mut ($(Vec<$value>,)+), later: ($(Vec<$value>,)+)| {
                    $(groups.$index.extend(later.$index);)+
                };
                let mut groups = CombineReader::new(self.node.context().memory(), task, append);
                $(self.$field.for_each(split, task, |hash, key, value| {
                    // Most groups of a join hold one value: room for one, not for the four a push would make.
                    task.blame_on(self.node.operator(), || groups.push_default(
                        hash,
                        key,
                        value,
                        |groups, value| groups.$index = vec![value],
                        |groups, value| groups.$index.push(value),
                    ));
                });)+
                Numbered::after_shuffle(groups.finish(), task)
            }
        }
    };
}

cogroup! {
    /// The RDD of [`PairOps::cogroup`](crate::PairOps::cogroup).
    Cogroup, A: first, V, 0, B: second, W, 1
}

cogroup! {
    /// The RDD of [`PairOps::cogroup3`](crate::PairOps::cogroup3).
    Cogroup3, A: first, V, 0, B: second, W, 1, C: third, X, 2
}
