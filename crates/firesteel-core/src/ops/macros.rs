//! What all operators would otherwise repeat.

/// The part of [`Lineage`](crate::Lineage) that an operator with one parent and the same partitions shares with all
/// others of its kind.
///
/// Expects the fields `node: Node` and `parent: impl Rdd`; further methods may follow it.
#[macro_export]
macro_rules! narrow_lineage {
    () => {
        $crate::own_node!();
        fn num_partitions(&self) -> usize {
            self.parent.num_partitions()
        }
        fn dependencies(&self, visit: &mut dyn FnMut($crate::Dependency<'_>)) {
            visit($crate::Dependency::Narrow(&self.parent));
        }
        fn preferred_locations(&self, split: usize) -> Vec<$crate::Location> {
            self.parent.preferred_locations(split)
        }
        fn size_hint(&self, split: usize) -> Option<u64> {
            self.parent.size_hint(split)
        }
    };
}

/// The part of [`Lineage`](crate::Lineage) that every operator with a field `node: Node` shares with all others.
#[macro_export]
macro_rules! own_node {
    () => {
        fn node(&self) -> &$crate::Node {
            &self.node
        }
        fn node_mut(&mut self) -> &mut $crate::Node {
            &mut self.node
        }
    };
}

/// The part of [`Lineage`](crate::Lineage) that tells how keys are placed, for an operator that leaves the keys of its
/// field `parent` as and where they are.
#[macro_export]
macro_rules! same_placement {
    () => {
        fn partitioner(&self) -> Option<$crate::PartitionerId> {
            self.parent.partitioner()
        }
        fn placement(&self) -> Option<::std::sync::Arc<dyn ::std::any::Any + Send + Sync>> {
            self.parent.placement()
        }
    };
}

/// All of [`Lineage`](crate::Lineage) but the node, for an RDD that is another one, its field `inner`, under a
/// different type.
macro_rules! lineage_of_inner {
    () => {
        fn num_partitions(&self) -> usize {
            self.inner.num_partitions()
        }
        fn dependencies(&self, visit: &mut dyn FnMut($crate::Dependency<'_>)) {
            self.inner.dependencies(visit);
        }
        fn partitioner(&self) -> Option<$crate::PartitionerId> {
            self.inner.partitioner()
        }
        fn placement(&self) -> Option<::std::sync::Arc<dyn ::std::any::Any + Send + Sync>> {
            self.inner.placement()
        }
        fn preferred_locations(&self, split: usize) -> Vec<$crate::Location> {
            self.inner.preferred_locations(split)
        }
        fn size_hint(&self, split: usize) -> Option<u64> {
            self.inner.size_hint(split)
        }
        fn is_materialized(&self) -> bool {
            self.inner.is_materialized()
        }
        fn repeats_parents(&self) -> bool {
            self.inner.repeats_parents()
        }
        fn is_stateful(&self) -> bool {
            self.inner.is_stateful()
        }
        fn wants_positions(&self) -> bool {
            self.inner.wants_positions()
        }
    };
}

/// The node, for an RDD that is another one, its field `inner`, under a different type.
macro_rules! node_of_inner {
    () => {
        fn node(&self) -> &$crate::Node {
            self.inner.node()
        }
        fn node_mut(&mut self) -> &mut $crate::Node {
            self.inner.node_mut()
        }
    };
}

/// Declares an operator with one parent: its struct, `new(parent, operator, fields…)` and a `Clone` that asks nothing
/// of the fields' parameters. Fields are cheap to clone: numbers and `Arc`s.
macro_rules! operator {
    (
        $(#[$doc:meta])*
        pub struct $name:ident<R $(, $param:ident)*> { $($field:ident: $type:ty),* $(,)? }
    ) => {
        $(#[$doc])*
        pub struct $name<R $(, $param)*> {
            node: $crate::Node,
            parent: R,
            $($field: $type,)*
        }

        impl<R: $crate::Rdd $(, $param)*> $name<R $(, $param)*> {
            /// This operator on top of `parent`.
            #[must_use]
            pub fn new(parent: R, operator: $crate::Operator $(, $field: $type)*) -> Self {
                Self { node: $crate::Node::new(parent.node().context(), operator), parent $(, $field)* }
            }
        }

        impl<R: Clone $(, $param)*> Clone for $name<R $(, $param)*> {
            fn clone(&self) -> Self {
                Self { node: self.node.clone(), parent: self.parent.clone() $(, $field: self.$field.clone())* }
            }
        }
    };
}

pub(crate) use {lineage_of_inner, node_of_inner, operator};
