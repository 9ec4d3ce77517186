//! Where the outputs of map tasks wait for the reduce side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::ids::ShuffleId;
use crate::task::{TaskContext, TaskError};

/// The buckets of all map partitions of one shuffle.
pub struct MapOutputs<B> {
    shuffle: ShuffleId,
    slots: Box<[Mutex<Slot<B>>]>,
    single_use: AtomicBool,
}

struct Slot<B> {
    /// One bucket per reduce partition, `None` where it has been moved out; empty if there is no output.
    buckets: Vec<Option<Arc<B>>>,
    seen: bool,
}

/// A bucket on the reduce side.
pub enum Fetched<B> {
    /// Nobody else will read it.
    Owned(B),
    /// It may be read again.
    Shared(Arc<B>),
}

impl<B> MapOutputs<B> {
    pub(crate) fn new(shuffle: ShuffleId, maps: usize) -> Self {
        let slots = (0..maps).map(|_| Mutex::new(Slot { buckets: Vec::new(), seen: false })).collect();
        Self { shuffle, slots, single_use: AtomicBool::new(false) }
    }

    pub(crate) fn set_single_use(&self, single_use: bool) {
        self.single_use.store(single_use, Ordering::Relaxed);
    }

    /// The number of map partitions.
    #[must_use]
    pub fn num_maps(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn accept(&self, map: usize, buckets: Vec<B>) -> bool {
        let mut slot = self.slots[map].lock();
        slot.buckets = buckets.into_iter().map(|bucket| Some(Arc::new(bucket))).collect();
        !std::mem::replace(&mut slot.seen, true)
    }

    pub(crate) fn missing(&self) -> Vec<usize> {
        let missing = |map: &usize| {
            let slot = self.slots[*map].lock();
            slot.buckets.is_empty() || slot.buckets.iter().any(Option::is_none)
        };
        (0..self.slots.len()).filter(missing).collect()
    }

    pub(crate) fn discard(&self, map: usize) {
        self.slots[map].lock().buckets.clear();
    }

    pub(crate) fn sum(&self, reduce: usize, len: &dyn Fn(&B) -> u64) -> u64 {
        let mut sum = 0;
        for slot in &self.slots {
            if let Some(Some(bucket)) = slot.lock().buckets.get(reduce) {
                sum += len(bucket);
            }
        }
        sum
    }

    /// The bucket that map partition `map` left for `reduce`. Fails the task if it is gone, which makes the scheduler
    /// run the map task again.
    pub fn fetch(&self, map: usize, reduce: usize, task: &TaskContext) -> Fetched<B> {
        let mut slot = self.slots[map].lock();
        let bucket = slot
            .buckets
            .get_mut(reduce)
            .and_then(|bucket| if self.single_use.load(Ordering::Relaxed) { bucket.take() } else { bucket.clone() });
        drop(slot);
        match bucket {
            Some(bucket) => match Arc::try_unwrap(bucket) {
                Ok(bucket) => Fetched::Owned(bucket),
                Err(shared) => Fetched::Shared(shared),
            },
            None => task.fail(TaskError::FetchFailed { shuffle: self.shuffle, map }),
        }
    }
}
