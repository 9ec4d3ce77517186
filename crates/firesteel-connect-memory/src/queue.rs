//! Batches pushed while the job runs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use firesteel_connect::{
    BlockReader, Blocks, Class, ConnectError, Discovery, PositionUnit, ReadRange, Replay, Result, Source,
    SourceContext, Split, SplitId, Wake,
};
use firesteel_window::Timestamp;
use parking_lot::Mutex;

/// A source that hands out what is pushed through its [`QueueHandle`], as Spark's `queueStream` does.
///
/// A pushed `Vec` is cut into the partitions the queue was made with, in order, as evenly as possible; with
/// [`one_at_a_time`](Self::one_at_a_time) each push is a micro-batch of its own, also an empty one. Records are kept
/// until they are committed. A clone is the same queue, so a restarted job can continue with it.
///
/// ```
/// use firesteel_connect::Source;
/// use firesteel_connect_memory::QueueSource;
/// use firesteel_window::Timestamp;
///
/// let source = QueueSource::new(2);
/// let handle = source.handle();
/// handle.push(vec![1, 2, 3, 4, 5])?;
/// handle.close();
///
/// let found = source.discover(Timestamp::from_secs(0))?;
/// assert_eq!(found.splits.iter().map(|split| split.available).collect::<Vec<_>>(), [Some(2), Some(3)]);
/// assert!(found.complete && found.splits[0].finished);
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
///
/// The queue has no bound. For data from outside, use a receiver: it waits while its buffer is full.
pub struct QueueSource<T> {
    handle: QueueHandle<T>,
}

/// Pushes batches into a [`QueueSource`]. Cheap to clone, usable from any thread.
pub struct QueueHandle<T> {
    queue: Arc<Mutex<Queue<T>>>,
}

struct Queue<T> {
    partitions: Vec<Partition<T>>,
    /// Splits made by [`QueueSource::new`]; a push may bring more.
    width: usize,
    one_at_a_time: bool,
    /// Where each batch that is still to be announced ends, per partition.
    batches: VecDeque<Vec<u64>>,
    closed: bool,
    keep: bool,
    wake: Wake,
}

struct Partition<T> {
    id: SplitId,
    blocks: Blocks<T>,
    /// What discovery shows: everything, or everything up to the end of the batch that is due.
    announced: u64,
    /// Up to where ranges have been opened or committed.
    taken: u64,
    committed: u64,
}

impl<T> Queue<T> {
    fn widen(&mut self, width: usize) {
        while self.partitions.len() < width {
            let id = SplitId::new(self.partitions.len().to_string());
            self.partitions.push(Partition { id, blocks: Blocks::new(), announced: 0, taken: 0, committed: 0 });
        }
    }

    /// Announces the next batch if the last one is taken.
    fn announce(&mut self) {
        if self.one_at_a_time {
            let taken = self.partitions.iter().all(|partition| partition.taken >= partition.announced);
            if let Some(ends) = taken.then(|| self.batches.pop_front()).flatten() {
                for (partition, end) in self.partitions.iter_mut().zip(ends) {
                    partition.announced = end;
                }
            }
        } else {
            self.batches.clear();
            for partition in &mut self.partitions {
                partition.announced = partition.blocks.end();
            }
        }
    }

    fn partition(&mut self, split: &SplitId) -> Result<&mut Partition<T>> {
        let found = self.partitions.iter_mut().find(|partition| partition.id == *split);
        found.ok_or_else(|| ConnectError::unknown_split("a queue", split))
    }
}

impl<T> QueueSource<T> {
    /// An empty queue of this many partitions; at least one.
    #[must_use]
    pub fn new(partitions: usize) -> Self {
        let mut queue = Queue {
            partitions: Vec::new(),
            width: partitions.max(1),
            one_at_a_time: false,
            batches: VecDeque::new(),
            closed: false,
            keep: false,
            wake: Wake::silent(),
        };
        queue.widen(queue.width);
        Self { handle: QueueHandle { queue: Arc::new(Mutex::new(queue)) } }
    }

    /// Makes each push a micro-batch of its own: discovery shows the next one when the last one has been opened or
    /// committed. An empty push is shown as one discovery without new records.
    #[must_use]
    pub fn one_at_a_time(self) -> Self {
        self.handle.queue.lock().one_at_a_time = true;
        self
    }

    /// Keeps records also when they are committed, so that a job may start again from an older position: to a job, the
    /// queue is then a source that can always be read again.
    #[must_use]
    pub fn keep_committed(self) -> Self {
        self.handle.queue.lock().keep = true;
        self
    }

    /// What pushes into this queue.
    #[must_use]
    pub fn handle(&self) -> QueueHandle<T> {
        self.handle.clone()
    }
}

impl<T> Default for QueueSource<T> {
    /// A queue of one partition.
    fn default() -> Self {
        Self::new(1)
    }
}

impl<T> QueueHandle<T> {
    /// Pushes records, cut into the queue's partitions.
    ///
    /// # Errors
    /// When the queue is closed; nothing is taken.
    pub fn push(&self, records: Vec<T>) -> Result<()> {
        let width = self.queue.lock().width;
        let total = records.len();
        let mut records = records.into_iter();
        let bound = |index: usize| index * total / width;
        let part = |index: usize| records.by_ref().take(bound(index + 1) - bound(index)).collect();
        self.push_partitions((0..width).map(part).collect())
    }

    /// Pushes one batch whose partitions are given. More parts than the queue has partitions make new ones.
    ///
    /// # Errors
    /// When the queue is closed; nothing is taken.
    pub fn push_partitions(&self, parts: Vec<Vec<T>>) -> Result<()> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(ConnectError::Other {
                context: "pushing into a queue".into(),
                class: Class::Fatal,
                source: "it is closed; push before `close`".into(),
            });
        }
        queue.widen(parts.len());
        for (partition, part) in queue.partitions.iter_mut().zip(parts) {
            partition.blocks.push(part);
        }
        let ends = queue.partitions.iter().map(|partition| partition.blocks.end()).collect();
        queue.batches.push_back(ends);
        let wake = queue.wake.clone();
        drop(queue);
        wake.wake();
        Ok(())
    }

    /// Says that no more will come: the source ends when everything is read.
    pub fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let wake = queue.wake.clone();
        drop(queue);
        wake.wake();
    }
}

impl<T> Source for QueueSource<T>
where
    T: Clone + Send + Sync + 'static,
{
    type Item = T;
    type Reader = BlockReader<T>;

    fn describe(&self) -> String {
        "a queue".into()
    }

    fn replay(&self) -> Replay {
        // A queue that forgets nothing is as good as a log, for as long as its process lives.
        if self.handle.queue.lock().keep { Replay::Always } else { Replay::WhileRunning }
    }

    fn start(&self, context: &SourceContext) -> Result<()> {
        let mut queue = self.handle.queue.lock();
        queue.wake = context.wake().clone();
        for partition in &mut queue.partitions {
            partition.taken = partition.committed;
        }
        Ok(())
    }

    fn discover(&self, _now: Timestamp) -> Result<Discovery> {
        let mut queue = self.handle.queue.lock();
        let waiting = queue.batches.len();
        queue.announce();
        let finished = queue.closed && queue.batches.is_empty();
        let split = |partition: &Partition<T>| {
            Split::new(partition.id.clone(), PositionUnit::Records)
                .starting_at(partition.blocks.first())
                .available(partition.announced)
                .divisible(true)
                .finished(finished)
        };
        let found = Discovery::all(queue.partitions.iter().map(split)).complete(queue.closed);
        // A batch without records is over with this look; nothing but this call tells of the next one.
        let nothing_new = queue.partitions.iter().all(|partition| partition.taken >= partition.announced);
        let wake = (nothing_new && queue.batches.len() < waiting).then(|| queue.wake.clone());
        drop(queue);
        if let Some(wake) = wake {
            wake.wake();
        }
        Ok(found)
    }

    fn open(&self, range: &ReadRange) -> Result<BlockReader<T>> {
        let mut queue = self.handle.queue.lock();
        let partition = queue.partition(&range.split)?;
        let bounded = range.clone().up_to(range.to.unwrap_or(partition.announced));
        let reader = partition.blocks.read(&bounded)?;
        partition.taken = partition.taken.max(reader.end());
        Ok(reader)
    }

    fn committed(&self, positions: &[(SplitId, u64)]) -> Result<()> {
        let mut queue = self.handle.queue.lock();
        let keep = queue.keep;
        for (split, position) in positions {
            let partition = queue.partition(split)?;
            partition.committed = *position;
            partition.taken = partition.taken.max(*position);
            if !keep {
                partition.blocks.trim(*position);
            }
        }
        Ok(())
    }
}

impl<T> Clone for QueueSource<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone() }
    }
}

impl<T> Clone for QueueHandle<T> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue) }
    }
}

impl<T> fmt::Debug for QueueSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueSource").field(&self.handle).finish()
    }
}

impl<T> fmt::Debug for QueueHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.queue.lock();
        f.debug_struct("QueueHandle")
            .field("partitions", &queue.partitions.len())
            .field("closed", &queue.closed)
            .finish_non_exhaustive()
    }
}
