//! A receiver made a source.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use firesteel_window::Timestamp;

use crate::buffer::Buffer;
use crate::supervise::{Pauses, RetryHook, supervise};
use crate::{
    BlockReader, Class, ConnectError, Discovery, PositionUnit, ReadRange, Receiver, Replay, Result, Source, Split,
    SplitId, Wake,
};

/// Records that a buffer holds unless told otherwise.
pub const DEFAULT_CAPACITY: usize = 65_536;

/// A [`Receiver`] as a [`Source`]: it runs on a thread of its own and fills a bounded buffer, from which the engine
/// reads by position.
///
/// Records are numbered from 0 and kept until they are committed, so a failed task reads the same ones again
/// ([`Replay::WhileRunning`]); what was not committed when the process ends is gone. While the buffer is full, the
/// receiver waits.
///
/// After a retryable error the receiver is started again, after a pause that grows from attempt to attempt and is
/// reset once records arrive. Any other error is handed to the engine by [`discover`](Source::discover), once what was
/// stored before it is committed.
///
/// ```
/// use firesteel_connect::{Buffered, ConnectError, Receiver, Store};
/// use std::time::Duration;
///
/// struct Ticks;
/// impl Receiver for Ticks {
///     type Item = u64;
///     fn describe(&self) -> String {
///         "ticks".into()
///     }
///     fn receive(&mut self, store: &Store<u64>) -> Result<(), ConnectError> {
///         let mut tick = 0;
///         while !store.wait_stopped(Duration::from_secs(1)) && store.push(tick).is_ok() {
///             tick += 1;
///         }
///         Ok(())
///     }
/// }
///
/// let source = Buffered::new(Ticks)
///     .capacity(1_000)
///     .pauses(Duration::from_millis(50), Duration::from_secs(5))
///     .on_retry(|error, pause| eprintln!("{error}; again in {pause:?}"));
/// ```
pub struct Buffered<R: Receiver> {
    receiver: Mutex<Option<R>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    buffer: Arc<Buffer<R::Item>>,
    described: String,
    split: SplitId,
    capacity: usize,
    pauses: Pauses,
    stop_within: Duration,
    on_retry: RetryHook,
}

impl<R> Buffered<R>
where
    R: Receiver,
    R::Item: Clone + Sync,
{
    /// A source over `receiver`, with a buffer of [`DEFAULT_CAPACITY`] records.
    pub fn new(receiver: R) -> Self {
        let described = receiver.describe();
        Self {
            on_retry: log_retry(described.clone()),
            receiver: Mutex::new(Some(receiver)),
            thread: Mutex::new(None),
            buffer: Arc::new(Buffer::new(DEFAULT_CAPACITY)),
            described,
            split: SplitId::new("receiver"),
            capacity: DEFAULT_CAPACITY,
            pauses: Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(30) },
            stop_within: Duration::from_secs(5),
        }
    }

    /// How many records the buffer holds, at least 1. Records that are read but not committed count.
    #[must_use]
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = records;
        self.buffer = Arc::new(Buffer::new(records));
        self
    }

    /// How long to wait before the receiver is started again after a retryable error: `first`, then twice as long
    /// each time, up to `longest`. The default is 100 ms to 30 s.
    #[must_use]
    pub fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.pauses = Pauses { first, longest };
        self
    }

    /// How long the end of the job waits for the receiver's thread to end; 5 s by default. A receiver that neither
    /// returns nor pushes within that time is left behind, with a warning.
    #[must_use]
    pub fn stop_within(mut self, at_most: Duration) -> Self {
        self.stop_within = at_most;
        self
    }

    /// What to do before each restart, given the error and the pause that follows. The default is a warning through
    /// `tracing`.
    #[must_use]
    pub fn on_retry(mut self, call: impl Fn(&ConnectError, Duration) + Send + Sync + 'static) -> Self {
        self.on_retry = Arc::new(call);
        self
    }

    fn check(&self) -> Result<()> {
        let setting = if self.capacity == 0 {
            ("capacity", "it is 0; a buffer needs room for one record at least")
        } else if self.pauses.first.is_zero() || self.pauses.longest < self.pauses.first {
            ("pauses", "the first must be longer than nothing and no longer than the longest")
        } else {
            return Ok(());
        };
        Err(ConnectError::Setting { connector: "Buffered", setting: setting.0, reason: setting.1.into() })
    }

    fn unusable(&self, action: &str, reason: &str) -> ConnectError {
        ConnectError::Other {
            context: format!("{action} {}", self.described),
            class: Class::Fatal,
            source: reason.to_owned().into(),
        }
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
        self.described.clone()
    }

    fn replay(&self) -> Replay {
        Replay::WhileRunning
    }

    fn start(&self, wake: Wake) -> Result<()> {
        self.check()?;
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let receiver =
            receiver.ok_or_else(|| self.unusable("starting", "a receiver runs only once; make a new source"))?;
        self.buffer.started(wake);
        let (buffer, pauses, on_retry) = (Arc::clone(&self.buffer), self.pauses, Arc::clone(&self.on_retry));
        let thread = std::thread::Builder::new()
            .name("firesteel-receiver".into())
            .spawn(move || supervise(receiver, &buffer, pauses, &on_retry))
            .map_err(|source| ConnectError::Other {
                context: format!("starting a thread for {}", self.described),
                class: Class::Fatal,
                source: source.into(),
            })?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    fn discover(&self, _now: Timestamp) -> Result<Discovery> {
        let view = self.buffer.view(&self.described)?;
        let split = Split {
            id: self.split.clone(),
            first: view.first,
            available: Some(view.end),
            unit: PositionUnit::Records,
            divisible: true,
            finished: view.finished,
        };
        Ok(Discovery { splits: vec![split], complete: true })
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
        if *split == self.split { Ok(()) } else { Err(ConnectError::unknown_split(&self.described, split)) }
    }

    /// Tells the receiver to stop and waits for its thread, but not for ever. Tells whether the thread has ended.
    pub(crate) fn end(&self) -> bool {
        self.buffer.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return true };
        if !self.buffer.wait_idle(self.stop_within) {
            tracing::warn!(
                receiver = %self.described,
                "the receiver has not ended within {:?}; its thread is left behind",
                self.stop_within
            );
            return false;
        }
        if thread.join().is_err() {
            tracing::warn!(receiver = %self.described, "a wake-up call panicked on the receiver's thread");
        }
        true
    }
}

impl<R: Receiver> Drop for Buffered<R> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<R: Receiver> std::fmt::Debug for Buffered<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffered").field("receiver", &self.described).finish_non_exhaustive()
    }
}

fn log_retry(described: String) -> RetryHook {
    Arc::new(move |error, pause| {
        tracing::warn!(receiver = %described, %error, ?pause, "the receiver failed and starts again after a pause");
    })
}
