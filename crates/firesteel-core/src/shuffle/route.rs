//! A map side that only sorts records by partition, without combining them.

use crate::data::{Exchange, Key};
use crate::error::Error;
use crate::hash::hash_key;
use crate::operator::Operator;
use crate::partitioner::{Partitioner, Placement};
use crate::shuffle::chunk::Chunk;
use crate::shuffle::exchange::MapSide;
use crate::shuffle::table::FIRST_ROOM;
use crate::storage::{Reservation, Run, RunFile, SpillMemory, estimate_by, estimate_bytes};
use crate::task::TaskContext;

/// Says where each record goes, and what is sent.
pub trait Route<T>: Send + Sync + 'static {
    /// What is sent for a record.
    type Sent: Exchange;

    /// What the route remembers from record to record of one map partition.
    type State;

    /// How many reduce partitions there are.
    fn num_reduces(&self) -> usize;

    /// The state before the first record of a map partition.
    fn start(&self, task: &TaskContext) -> Self::State;

    /// The record's reduce partition, below [`num_reduces`](Self::num_reduces), and what is sent.
    fn route(&self, state: &mut Self::State, record: T) -> (usize, Self::Sent);
}

/// Sends each key with its hash and value to the key's partition.
pub struct ByKey<K>(pub Placement<K>);

impl<K: Key, V: Exchange> Route<(K, V)> for ByKey<K> {
    type Sent = (u64, K, V);
    type State = ();

    fn num_reduces(&self) -> usize {
        self.0.num_partitions()
    }

    fn start(&self, _: &TaskContext) {}

    #[inline]
    fn route(&self, (): &mut (), (key, value): (K, V)) -> (usize, (u64, K, V)) {
        let hash = hash_key(&key);
        (self.0.partition(&key, hash), (hash, key, value))
    }
}

/// Routes each record to the partition that `O` names.
pub struct RouteSide<O> {
    operator: Operator,
    memory: SpillMemory,
    route: O,
}

impl<O> RouteSide<O> {
    pub(crate) fn new(operator: Operator, memory: SpillMemory, route: O) -> Self {
        Self { operator, memory, route }
    }
}

impl<T, O: Route<T>> MapSide<T> for RouteSide<O> {
    type Bucket = Chunk<O::Sent>;

    fn num_reduces(&self) -> usize {
        self.route.num_reduces()
    }

    fn write(&self, records: impl Iterator<Item = T>, task: &TaskContext) -> Vec<Chunk<O::Sent>> {
        let mut buckets = Buckets::new(self.route.num_reduces(), &self.memory);
        let mut state = self.route.start(task);
        // Routing runs the user's code: as a part of the iterator it is guarded with it.
        let routed = records.map(|record| task.blame_on(&self.operator, || self.route.route(&mut state, record)));
        task.drain(routed, |(partition, sent)| {
            task.blame_on(&self.operator, || buckets.push(partition, sent, task));
        });
        buckets.finish()
    }

    fn len(&self, bucket: &Chunk<O::Sent>) -> u64 {
        bucket.len()
    }
}

/// Buckets being filled, which go to disk when the memory budget is used up.
pub(crate) struct Buckets<'m, U> {
    memory: &'m SpillMemory,
    reservation: Reservation,
    buckets: Vec<(Vec<Run>, Vec<U>)>,
    held: usize,
    check_at: usize,
}

impl<'m, U: Exchange> Buckets<'m, U> {
    pub(crate) fn new(partitions: usize, memory: &'m SpillMemory) -> Self {
        let buckets = (0..partitions).map(|_| (Vec::new(), Vec::new())).collect();
        Self { memory, reservation: memory.reserve_nothing(), buckets, held: 0, check_at: SpillMemory::FIRST_CHECK }
    }

    #[inline]
    pub(crate) fn push(&mut self, partition: usize, record: U, task: &TaskContext) {
        let Some((_, records)) = self.buckets.get_mut(partition) else {
            out_of_range(partition, self.buckets.len(), task)
        };
        if records.capacity() == 0 {
            records.reserve(FIRST_ROOM);
        }
        records.push(record);
        self.held += 1;
        if self.held == self.check_at {
            self.check(task);
        }
    }

    #[cold]
    fn check(&mut self, task: &TaskContext) {
        task.check_cancelled();
        let samples = 1000 / self.buckets.len();
        let bytes = self.buckets.iter().map(|(_, records)| estimate_by(records, samples)).sum();
        if self.reservation.grow(bytes) {
            self.check_at = SpillMemory::next_check(self.held);
            return;
        }
        self.spill(task);
        self.reservation.release();
        self.held = 0;
        self.check_at = SpillMemory::FIRST_CHECK;
    }

    fn spill(&mut self, task: &TaskContext) {
        let written = RunFile::create(self.memory).and_then(|mut file| {
            for (_, records) in self.buckets.iter().filter(|(_, records)| !records.is_empty()) {
                file.write::<U>(&mut records.iter())?;
            }
            Ok(file.finish())
        });
        let mut written = written.unwrap_or_else(|error| task.fail_with(error, true)).into_iter();
        for (runs, records) in &mut self.buckets {
            if !std::mem::take(records).is_empty() {
                let run = written.next().expect("a run was written for every bucket that holds something");
                task.count_spilled(run.bytes());
                runs.push(run);
            }
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Chunk<U>> {
        let reservation = &mut self.reservation;
        let chunks = self.buckets.into_iter().map(|(runs, records)| {
            let share = if reservation.is_empty() { 0 } else { estimate_bytes(&records) };
            Chunk::new(runs, records, reservation.split(share))
        });
        chunks.collect()
    }
}

#[cold]
fn out_of_range(partition: usize, partitions: usize, task: &TaskContext) -> ! {
    let reason = format!("it returned partition {partition}, but there are {partitions}, counted from 0");
    task.fail_with(Error::Argument { operator: "partitioner".to_owned(), reason }, false)
}
