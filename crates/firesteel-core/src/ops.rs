//! The operators, each a small RDD around its parents.

mod combined;
mod filter;
mod flat_map;
mod map;
mod slice;

pub use combined::CombinedRdd;
pub use filter::Filter;
pub use flat_map::FlatMap;
pub use map::Map;
pub use slice::SliceRdd;

/// The part of [`Lineage`](crate::Lineage) that an operator with one parent and the same partitions shares with all
/// others of its kind.
///
/// Expects the fields `node: Node` and `parent: impl Rdd`; further methods may follow it.
#[macro_export]
macro_rules! narrow_lineage {
    () => {
        fn node(&self) -> &$crate::Node {
            &self.node
        }
        fn node_mut(&mut self) -> &mut $crate::Node {
            &mut self.node
        }
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
pub(crate) use narrow_lineage;
