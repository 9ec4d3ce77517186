//! A map side that only sorts records by partition, without combining them.

use std::marker::PhantomData;

use crate::rdd::Exchange;
use crate::shuffle::chunk::{self, Chunk};
use crate::shuffle::exchange::MapSide;
use crate::storage::{Memory, Reservation, Run, estimate_bytes};
use crate::task::TaskContext;

/// Routes each record to the partition that `F` names, and sends it as what `F` makes of it.
pub struct RouteSide<T, U, F> {
    partitions: usize,
    memory: Memory,
    route: F,
    kind: PhantomData<fn(T) -> U>,
}

impl<T, U, F> RouteSide<T, U, F> {
    /// `route` is called once per map partition and returns a function from a record to its reduce partition, below
    /// `partitions`, and the record to send.
    pub(crate) fn new(memory: Memory, partitions: usize, route: F) -> Self {
        Self { partitions, memory, route, kind: PhantomData }
    }
}

impl<T, U, F, G> MapSide<T> for RouteSide<T, U, F>
where
    T: 'static,
    U: Exchange,
    F: Fn(&TaskContext) -> G + Send + Sync + 'static,
    G: FnMut(T) -> (usize, U),
{
    type Bucket = Chunk<U>;

    fn num_reduces(&self) -> usize {
        self.partitions
    }

    fn write(&self, records: impl Iterator<Item = T>, task: &TaskContext) -> Vec<Chunk<U>> {
        let mut buckets = Buckets::new(self.partitions, &self.memory);
        let mut route = (self.route)(task);
        task.drain(records, |record| {
            let (partition, sent) = route(record);
            buckets.push(partition, sent, task);
        });
        buckets.finish()
    }

    fn len(&self, bucket: &Chunk<U>) -> u64 {
        bucket.len()
    }
}

/// Buckets being filled, which go to disk when the memory budget is used up.
pub(crate) struct Buckets<'m, U> {
    memory: &'m Memory,
    reservation: Reservation,
    buckets: Vec<(Vec<Run<U>>, Vec<U>)>,
    held: usize,
    check_at: usize,
}

/// Records between two looks at the memory budget, to begin with.
const FIRST_CHECK: usize = 4096;

impl<'m, U: Exchange> Buckets<'m, U> {
    pub(crate) fn new(partitions: usize, memory: &'m Memory) -> Self {
        let buckets = (0..partitions).map(|_| (Vec::new(), Vec::new())).collect();
        Self { memory, reservation: memory.reserve_nothing(), buckets, held: 0, check_at: FIRST_CHECK }
    }

    #[inline]
    pub(crate) fn push(&mut self, partition: usize, record: U, task: &TaskContext) {
        self.buckets[partition].1.push(record);
        self.held += 1;
        if self.held == self.check_at {
            self.check(task);
        }
    }

    #[cold]
    fn check(&mut self, task: &TaskContext) {
        task.check_cancelled();
        // Growing by a half, not by doubling: a budget is met more closely.
        let ahead = self.held + self.held / 2;
        let some = self.buckets.iter().filter_map(|(_, records)| records.last());
        if self.reservation.resize(estimate_bytes(ahead, some)) {
            self.check_at = ahead;
            return;
        }
        for (runs, records) in &mut self.buckets {
            if !records.is_empty() {
                runs.push(chunk::write_run(self.memory, records.iter(), task));
                *records = Vec::new();
            }
        }
        self.reservation.resize(0);
        self.held = 0;
        self.check_at = FIRST_CHECK;
    }

    pub(crate) fn finish(mut self) -> Vec<Chunk<U>> {
        let mut reservation = Some(std::mem::replace(&mut self.reservation, self.memory.reserve_nothing()));
        let chunks = self.buckets.into_iter().map(|(runs, records)| Chunk::new(runs, records, reservation.take()));
        chunks.collect()
    }
}
