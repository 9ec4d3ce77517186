//! The map side of a windowed aggregation: records become accumulators per window and key before they travel.

use std::marker::PhantomData;
use std::sync::Arc;

use firesteel_core::hash::hash_key;
use firesteel_core::shuffle::{KeyedTable, MapSide};
use firesteel_core::{Accumulator, Key, Operator, TaskContext};
use firesteel_window::{Aggregator, DisjointWindows, Timestamp, Window, WindowCursor};

use crate::time::state::{key_group, placement};

/// What is done with a late record besides counting it.
pub(crate) type LateOutput<K, V> = Arc<dyn Fn(Timestamp, K, V) + Send + Sync>;

/// Accumulators on their way to one reduce partition: for each window the keys with their hashes.
pub struct WindowBucket<K, A>(pub(crate) Vec<(Window, Vec<(u64, K, A)>)>);

/// Aggregates within the map partition, then sorts by key group.
pub struct WindowSide<K, V, W, A> {
    pub(crate) windows: W,
    pub(crate) aggregator: Arc<A>,
    pub(crate) operator: Operator,
    /// Records of windows that this watermark closes are late.
    pub(crate) closed_by: Timestamp,
    pub(crate) late: Accumulator<u64>,
    pub(crate) late_output: Option<LateOutput<K, V>>,
    pub(crate) partitions: usize,
    pub(crate) kind: PhantomData<fn(K, V)>,
}

impl<K, V, W, A> MapSide<(Timestamp, (K, V))> for WindowSide<K, V, W, A>
where
    K: Key,
    V: Send + 'static,
    W: DisjointWindows + Clone + Send + Sync + 'static,
    A: Aggregator<V, Acc: Send + Sync + 'static> + Send + Sync + 'static,
{
    type Bucket = WindowBucket<K, A::Acc>;

    fn num_reduces(&self) -> usize {
        self.partitions
    }

    fn write(&self, records: impl Iterator<Item = (Timestamp, (K, V))>, task: &TaskContext) -> Vec<Self::Bucket> {
        let aggregator = &*self.aggregator;
        let mut cursor = WindowCursor::new(self.windows.clone());
        let mut tables: Vec<(Window, KeyedTable<K, A::Acc>)> = Vec::new();
        let mut current = 0;
        let mut late = 0u64;
        task.drain(records, |(at, (key, value))| {
            let window = cursor.window_of(at);
            if window.is_closed_by(self.closed_by) {
                late += 1;
                if let Some(output) = &self.late_output {
                    output(at, key, value);
                }
                return;
            }
            if tables.get(current).is_none_or(|(of, _)| *of != window) {
                current = table_of(&mut tables, window);
            }
            let create = |value| {
                let mut acc = aggregator.create();
                aggregator.add(&mut acc, value);
                acc
            };
            let hash = hash_key(&key);
            task.blame_on(&self.operator, || {
                tables[current].1.upsert(hash, key, value, create, |acc, value| aggregator.add(acc, value));
            });
        });
        if late > 0 {
            self.late.add(late);
        }
        self.sort(tables)
    }

    fn len(&self, bucket: &Self::Bucket) -> u64 {
        bucket.0.iter().map(|(_, entries)| entries.len() as u64).sum()
    }
}

impl<K: Key, V, W, A: Aggregator<V>> WindowSide<K, V, W, A> {
    fn sort(&self, tables: Vec<(Window, KeyedTable<K, A::Acc>)>) -> Vec<WindowBucket<K, A::Acc>> {
        if self.partitions == 1 {
            return vec![WindowBucket(
                tables.into_iter().map(|(window, table)| (window, table.into_entries())).collect(),
            )];
        }
        let owner = placement(self.partitions);
        let mut buckets: Vec<_> = (0..self.partitions).map(|_| WindowBucket(Vec::new())).collect();
        for (window, table) in tables {
            let entries = table.into_entries();
            let share = entries.len() / self.partitions + entries.len() / self.partitions / 8 + 8;
            for bucket in &mut buckets {
                bucket.0.push((window, Vec::with_capacity(share)));
            }
            for entry in entries {
                let bucket = &mut buckets[usize::from(owner[key_group(entry.0)])];
                if let Some((_, entries)) = bucket.0.last_mut() {
                    entries.push(entry);
                }
            }
        }
        buckets
    }
}

/// The table of a window; a batch has few windows.
#[cold]
fn table_of<K: Eq, A>(tables: &mut Vec<(Window, KeyedTable<K, A>)>, window: Window) -> usize {
    tables.iter().position(|(of, _)| *of == window).unwrap_or_else(|| {
        tables.push((window, KeyedTable::default()));
        tables.len() - 1
    })
}
