//! A listener that is called from a thread of its own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

use firesteel_core::{Error, Result};
use parking_lot::Mutex;

use crate::bus::Listener;
use crate::event::Event;

/// Hands events to a listener through a bounded queue, so that a slow listener never holds up a job. When the queue is
/// full, events are dropped and counted. A clone is the same queue; the last one waits until the listener has seen what
/// is left.
///
/// ```
/// use firesteel_core::Actions;
/// use firesteel_scheduler::{Event, JobMetrics, Queued, Scheduler};
///
/// let metrics = JobMetrics::new();
/// let queue = Queued::new(metrics.clone(), 10_000)?;
/// let context = Scheduler::builder().threads(1).listener(queue.clone()).build()?.context(Default::default());
/// context.parallelize(0..10u32).count()?;
/// queue.flush();
/// assert_eq!((metrics.totals().jobs, queue.dropped()), (1, 0));
/// # Ok::<(), firesteel_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Queued {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` only while it is being dropped.
    queue: Option<SyncSender<Message>>,
    dropped: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Event(Event),
    Flush(Sender<()>),
}

impl Queued {
    /// Starts a thread that calls `listener`; up to `capacity` events wait for it.
    ///
    /// # Errors
    /// When the operating system refuses the thread.
    pub fn new(listener: impl Listener, capacity: usize) -> Result<Self> {
        let (queue, events) = sync_channel(capacity);
        let name = "firesteel-listener";
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || deliver(&listener, &events))
            .map_err(|source| Error::File { action: "start the thread", path: name.into(), source })?;
        let shared = Shared { queue: Some(queue), dropped: AtomicU64::new(0), thread: Mutex::new(Some(thread)) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How many events were dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Waits until the listener has seen all events that are in the queue now. Not to be called by the listener.
    pub fn flush(&self) {
        let (done, wait) = channel();
        if let Some(queue) = &self.shared.queue
            && queue.send(Message::Flush(done)).is_ok()
        {
            // An error means that the thread has ended: nothing is left to wait for.
            let _ = wait.recv();
        }
    }
}

fn deliver(listener: &impl Listener, events: &Receiver<Message>) {
    for message in events {
        match message {
            Message::Event(event) => crate::bus::call(listener, &event),
            Message::Flush(done) => drop(done.send(())),
        }
    }
}

impl Listener for Queued {
    fn on_event(&self, event: &Event) {
        let Some(queue) = &self.shared.queue else { return };
        if let Err(TrySendError::Full(_)) = queue.try_send(Message::Event(event.clone())) {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.get_mut().take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It cannot have panicked: the panics of listeners are caught.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queued").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}
