//! A receiver made a source.

use std::sync::Arc;

use firesteel_budget::{Pool, measure};
use firesteel_window::{Duration, Timestamp};
use serde::Serialize;

use crate::buffer::{Buffer, Measure, Outcome};
use crate::{
    BlockReader, ConnectError, Discovery, PositionUnit, ReadRange, Receiver, ReceiverThread, Replay, Result, Source,
    SourceContext, Split, SplitId, Store,
};

/// Records that a buffer holds unless told otherwise.
pub const DEFAULT_CAPACITY: usize = 65_536;

/// A [`Receiver`] as a [`Source`]: it runs on a thread of its own and fills a bounded buffer, from which the engine
/// reads by position.
///
/// Records are numbered from 0 and kept until they are committed, so a failed task reads the same ones again
/// ([`Replay::WhileRunning`]); what was not committed when the process ends is gone. While the buffer is full, the
/// receiver waits; the first time that it does, a warning tells.
///
/// It is full when it holds as many [records](Self::capacity) as it may, and when the memory that a job has for buffers is
/// used up, which all of its receivers [share](Pool). A record is counted with what it owns on the heap, which is found by
/// walking it as if it were serialized: see [`measure`](fn@measure), and [`measured`](Self::measured) for types for which
/// that is not possible. A record that is larger than all of the memory still goes through, when nothing else of its
/// receiver is held.
///
/// After a retryable error the receiver is started again, after a pause that grows from attempt to attempt and is
/// reset once records arrive. Any other error is handed to the engine by [`discover`](Source::discover), once what was
/// stored before it is committed.
///
/// ```
/// use firesteel_connect::{Buffered, ConnectError, Receiver, Store};
/// use firesteel_window::{millis, seconds};
///
/// struct Ticks;
/// impl Receiver for Ticks {
///     type Item = u64;
///     fn describe(&self) -> String {
///         "ticks".into()
///     }
///     fn receive(&mut self, store: &Store<u64>) -> Result<(), ConnectError> {
///         let mut tick = 0;
///         while !store.wait_stopped(seconds(1)) && store.push(tick).is_ok() {
///             tick += 1;
///         }
///         Ok(())
///     }
/// }
///
/// let source = Buffered::new(Ticks)
///     .capacity(1_000)
///     .pauses(millis(50), seconds(5))
///     .on_retry(|error, pause| eprintln!("{error}; again in {pause}"));
/// ```
pub struct Buffered<R: Receiver> {
    thread: ReceiverThread<R>,
    buffer: Arc<Buffer<R::Item>>,
    split: SplitId,
    capacity: usize,
}

impl<R> Buffered<R>
where
    R: Receiver,
    R::Item: Clone + Sync,
{
    /// A source over `receiver`, with a buffer of [`DEFAULT_CAPACITY`] records.
    pub fn new(receiver: R) -> Self
    where
        R::Item: Serialize,
    {
        Self::with(receiver, Arc::new(measure::<R::Item>))
    }

    /// As [`new`](Self::new), of records that cannot be serialized: `bytes` tells how many bytes one takes, what it owns on
    /// the heap included.
    ///
    /// ```
    /// use firesteel_connect::{Buffered, ConnectError, Receiver, Store};
    ///
    /// /// A message of some client.
    /// #[derive(Clone)]
    /// struct Message {
    ///     payload: Vec<u8>,
    /// }
    ///
    /// struct Messages;
    /// impl Receiver for Messages {
    ///     type Item = Message;
    ///     fn describe(&self) -> String {
    ///         "messages".into()
    ///     }
    ///     fn receive(&mut self, _: &Store<Message>) -> Result<(), ConnectError> {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let source = Buffered::measured(Messages, |message| (size_of::<Message>() + message.payload.len()) as u64);
    /// ```
    pub fn measured(receiver: R, bytes: impl Fn(&R::Item) -> u64 + Send + Sync + 'static) -> Self {
        Self::with(receiver, Arc::new(bytes))
    }

    fn with(receiver: R, measure: Measure<R::Item>) -> Self {
        let thread = ReceiverThread::new(receiver);
        let buffer = Arc::new(Buffer::new(DEFAULT_CAPACITY, thread.describe(), measure));
        Self { thread, buffer, split: SplitId::new("receiver"), capacity: DEFAULT_CAPACITY }
    }

    /// How many records the buffer holds, at least 1. Records that are read but not committed count.
    #[must_use]
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = records;
        self.buffer = Arc::new(self.buffer.with_capacity(records));
        self
    }

    /// How long to wait before the receiver is started again after a retryable error: `first`, then twice as long
    /// each time, up to `longest`. The default is 100 ms to 30 s.
    #[must_use]
    pub fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.thread.set_pauses(first, longest);
        self
    }

    /// How long the end of the job waits for the receiver's thread to end; 5 s by default. A receiver that neither
    /// returns nor pushes within that time is left behind, with a warning.
    #[must_use]
    pub fn stop_within(mut self, at_most: Duration) -> Self {
        self.thread.set_stop_within(at_most);
        self
    }

    /// What to do before each restart, given the error and the pause that follows. The default is a warning through
    /// `tracing`.
    #[must_use]
    pub fn on_retry(mut self, call: impl Fn(&ConnectError, Duration) + Send + Sync + 'static) -> Self {
        self.thread.set_on_retry(call);
        self
    }

    fn check(&self) -> Result<()> {
        if self.capacity == 0 {
            let reason = "it is 0; a buffer needs room for one record at least".into();
            return Err(ConnectError::Setting { connector: "Buffered", setting: "capacity", reason });
        }
        self.thread.check("Buffered")
    }
}

impl<R> Source for Buffered<R>
where
    R: Receiver,
    R::Item: Clone + Sync,
{
    type Item = R::Item;
    type Reader = BlockReader<R::Item>;

    fn describe(&self) -> String {
        self.thread.describe().to_owned()
    }

    fn replay(&self) -> Replay {
        Replay::WhileRunning
    }

    fn buffer_within(&self, pool: &Pool) {
        self.buffer.buffer_within(pool);
    }

    fn start(&self, context: &SourceContext) -> Result<()> {
        self.check()?;
        self.buffer.started(context);
        let (stored, told) = (Arc::clone(&self.buffer), Arc::clone(&self.buffer));
        let ended = move |outcome: Result<()>| told.ended(outcome.map_or_else(Outcome::Failed, |()| Outcome::Ended));
        self.thread.start(Store::new(self.buffer.clone()), move || stored.received(), ended)
    }

    fn discover(&self, _now: Timestamp) -> Result<Discovery> {
        let view = self.buffer.view(self.thread.describe())?;
        let split = Split::new(self.split.clone(), PositionUnit::Records)
            .starting_at(view.first)
            .available(view.end)
            .divisible(true)
            .finished(view.finished);
        Ok(Discovery::all([split]).complete(true))
    }

    fn open(&self, range: &ReadRange) -> Result<Self::Reader> {
        self.check_split(&range.split)?;
        self.buffer.read(range)
    }

    fn committed(&self, positions: &[(SplitId, u64)]) -> Result<()> {
        for (split, position) in positions {
            self.check_split(split)?;
            self.buffer.committed(*position);
        }
        Ok(())
    }

    fn stop(&self) {
        self.end();
    }
}

impl<R: Receiver> Buffered<R> {
    fn check_split(&self, split: &SplitId) -> Result<()> {
        if *split == self.split { Ok(()) } else { Err(ConnectError::unknown_split(self.thread.describe(), split)) }
    }

    /// Tells the receiver to stop and waits for its thread, but not forever. Tells whether the thread has ended.
    pub(crate) fn end(&self) -> bool {
        self.buffer.stop();
        self.thread.join()
    }
}

impl<R: Receiver> Drop for Buffered<R> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<R: Receiver> std::fmt::Debug for Buffered<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffered").field("thread", &self.thread).finish_non_exhaustive()
    }
}
