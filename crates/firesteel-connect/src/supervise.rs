//! The life of a receiver's thread: receive, pause after a failure, receive again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use firesteel_window::Duration;

use crate::redact::redact;
use crate::{Class, ConnectError, Receiver, Result, Store};

/// Told of each retryable error and of the pause before the next attempt.
type RetryHook = Arc<dyn Fn(&ConnectError, Duration) + Send + Sync>;

/// A receiver and the thread it runs on: what [`Buffered`](crate::Buffered) and other places that keep records have in
/// common.
///
/// After a retryable error the receiver is started again, after a pause that grows from attempt to attempt and is
/// reset once records arrive.
///
/// ```
/// use firesteel_connect::{Receiver, ReceiverThread, Refused, Result, Store, StoreBuffer, Stopped, Undecoded};
/// use std::sync::{Arc, Mutex, mpsc};
/// use firesteel_window::Duration;
///
/// type Decoded = std::result::Result<u32, Undecoded>;
///
/// /// Keeps everything that could be decoded, without a bound.
/// #[derive(Default)]
/// struct Pile(Mutex<Vec<u32>>);
///
/// impl StoreBuffer<u32> for Pile {
///     fn push_one(&self, record: u32) -> std::result::Result<(), Stopped> {
///         Ok(self.0.lock().unwrap().push(record))
///     }
///     fn push_all(&self, records: &mut dyn Iterator<Item = u32>) -> std::result::Result<(), Stopped> {
///         Ok(self.0.lock().unwrap().extend(records))
///     }
///     fn push_decoded(&self, records: &mut dyn Iterator<Item = Decoded>) -> std::result::Result<(), Stopped> {
///         self.push_all(&mut records.filter_map(|record| record.ok()))
///     }
///     fn offer(&self, batch: Vec<Decoded>, _: Option<&[u8]>, _: Duration) -> std::result::Result<(), Refused<Decoded>> {
///         Ok(self.0.lock().unwrap().extend(batch.into_iter().flatten()))
///     }
///     fn token(&self) -> Option<Vec<u8>> {
///         None
///     }
///     fn is_stopped(&self) -> bool {
///         false
///     }
///     fn wait_stopped(&self, at_most: Duration) -> bool {
///         false
///     }
/// }
///
/// struct Count;
/// impl Receiver for Count {
///     type Item = u32;
///     fn describe(&self) -> String {
///         "three numbers".into()
///     }
///     fn receive(&mut self, store: &Store<u32>) -> Result<()> {
///         let _ = store.push_all(1..=3);
///         Ok(())
///     }
/// }
///
/// let pile = Arc::new(Pile::default());
/// let (thread, (ended, end)) = (ReceiverThread::new(Count), mpsc::channel());
/// let received = { let pile = Arc::clone(&pile); move || pile.0.lock().unwrap().len() as u64 };
/// thread.start(Store::new(pile.clone()), received, move |result| ended.send(result.is_ok()).unwrap())?;
/// assert_eq!(end.recv(), Ok(true));
/// assert!(thread.join());
/// assert_eq!(*pile.0.lock().unwrap(), [1, 2, 3]);
/// # Ok::<(), firesteel_connect::ConnectError>(())
/// ```
pub struct ReceiverThread<R> {
    receiver: Mutex<Option<R>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whether the thread runs.
    life: Arc<(Mutex<bool>, Condvar)>,
    described: String,
    pauses: Pauses,
    stop_within: Duration,
    on_retry: RetryHook,
}

/// How long to wait between attempts.
#[derive(Debug, Clone, Copy)]
struct Pauses {
    first: Duration,
    longest: Duration,
}

impl<R: Receiver> ReceiverThread<R> {
    /// A receiver that does not run yet.
    pub fn new(receiver: R) -> Self {
        // For logs and errors, in which no password stands.
        let described = redact(&receiver.describe()).into_owned();
        Self {
            on_retry: log_retry(described.clone()),
            receiver: Mutex::new(Some(receiver)),
            thread: Mutex::new(None),
            life: Arc::default(),
            described,
            pauses: Pauses { first: Duration::millis(100), longest: Duration::secs(30) },
            stop_within: Duration::secs(5),
        }
    }

    /// How long to wait before the receiver is started again after a retryable error: `first`, then twice as long
    /// each time, up to `longest`. The default is 100 ms to 30 s.
    pub fn set_pauses(&mut self, first: Duration, longest: Duration) {
        self.pauses = Pauses { first, longest };
    }

    /// How long [`join`](Self::join) waits; 5 s by default.
    pub fn set_stop_within(&mut self, at_most: Duration) {
        self.stop_within = at_most;
    }

    /// What to do before each restart, given the error and the pause that follows. The default is a warning through
    /// `tracing`.
    pub fn set_on_retry(&mut self, call: impl Fn(&ConnectError, Duration) + Send + Sync + 'static) {
        self.on_retry = Arc::new(call);
    }

    /// What is received, for messages.
    #[must_use]
    pub fn describe(&self) -> &str {
        &self.described
    }

    /// Refuses settings that make no sense, in the name of `connector`.
    ///
    /// # Errors
    /// [`ConnectError::Setting`].
    pub fn check(&self, connector: &'static str) -> Result<()> {
        if self.pauses.first <= Duration::ZERO || self.pauses.longest < self.pauses.first {
            let reason = "the first must be longer than nothing and no longer than the longest".into();
            return Err(ConnectError::Setting { connector, setting: "pauses", reason });
        }
        Ok(())
    }

    /// Tells of an error for which something else is retried: what [`set_on_retry`](Self::set_on_retry) has set is
    /// called.
    pub fn retry_hook(&self) -> impl Fn(&ConnectError, Duration) + Send + Sync + use<R> {
        let hook = Arc::clone(&self.on_retry);
        move |error, pause| hook(error, pause)
    }

    /// The pause before the attempt of this number, which counts from 0.
    pub fn pause(&self) -> impl Fn(u32) -> Duration + Send + Sync + use<R> {
        let pauses = self.pauses;
        move |attempt| (pauses.first * (1 << attempt.min(20))).min(pauses.longest)
    }

    /// Runs the receiver on a thread of its own until it ends, fails for good or is told to stop by its store.
    ///
    /// `received` tells how many records have been stored so far; `ended` is called last of all, on that thread: with
    /// an error if the receiver has failed for good or panicked.
    ///
    /// # Errors
    /// When it ran before, or there is no thread to be had.
    pub fn start(
        &self,
        store: Store<R::Item>,
        received: impl Fn() -> u64 + Send + 'static,
        ended: impl FnOnce(Result<()>) + Send + 'static,
    ) -> Result<()> {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let receiver =
            receiver.ok_or_else(|| self.unusable("a receiver runs only once; make a new source".to_owned()))?;
        let (life, pause, on_retry) = (Arc::clone(&self.life), self.pause(), Arc::clone(&self.on_retry));
        let described = self.described.clone();
        let run = move || {
            // Also a panic of the callback must end in a known state: a thread that is gone without a word looks alive.
            let outcome =
                catch_unwind(AssertUnwindSafe(|| attempts(receiver, &store, received, pause, on_retry.as_ref())));
            // The store may be what keeps the place alive that is about to be told.
            drop(store);
            let told = catch_unwind(AssertUnwindSafe(|| {
                ended(outcome.unwrap_or_else(|panic| Err(panicked(&described, panic.as_ref()))));
            }));
            *life.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
            life.1.notify_all();
            if let Err(panic) = told {
                std::panic::resume_unwind(panic);
            }
        };
        *self.life.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let thread = std::thread::Builder::new().name("firesteel-receiver".into()).spawn(run);
        let thread = thread.inspect_err(|_| *self.life.0.lock().unwrap_or_else(PoisonError::into_inner) = false);
        let thread = thread.map_err(|error| self.unusable(error))?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    fn unusable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
        let context = format!("starting {}", self.described);
        ConnectError::Other { context, class: Class::Fatal, source: source.into() }
    }
}

impl<R> ReceiverThread<R> {
    /// Waits for the thread, whose store says stop by now, but not forever. Tells whether it has ended; if not, it is
    /// left behind, with a warning.
    pub fn join(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return true };
        let running = self.life.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.life.1.wait_timeout_while(running, self.stop_within.to_std(), |running| *running);
        let running = *waited.unwrap_or_else(PoisonError::into_inner).0;
        if running {
            tracing::warn!(
                receiver = %self.described,
                "the receiver has not ended within {}; its thread is left behind",
                self.stop_within
            );
            return false;
        }
        if thread.join().is_err() {
            tracing::warn!(receiver = %self.described, "a waker panicked on the receiver's thread");
        }
        true
    }
}

impl<R> std::fmt::Debug for ReceiverThread<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceiverThread").field("receiver", &self.described).finish_non_exhaustive()
    }
}

fn attempts<R: Receiver>(
    mut receiver: R,
    store: &Store<R::Item>,
    received: impl Fn() -> u64,
    pause: impl Fn(u32) -> Duration,
    on_retry: &(dyn Fn(&ConnectError, Duration) + Send + Sync),
) -> Result<()> {
    let mut attempt = 0;
    loop {
        let before = received();
        let error = match receiver.receive(store) {
            Ok(()) => return Ok(()),
            Err(_) if store.is_stopped() => return Ok(()),
            Err(error) => error,
        };
        if error.class() != Class::Retryable {
            return Err(error);
        }
        if received() > before {
            attempt = 0;
        }
        let pause = pause(attempt);
        on_retry(&error, pause);
        if store.wait_stopped(pause) {
            return Ok(());
        }
        attempt += 1;
    }
}

fn panicked(described: &str, panic: &(dyn Any + Send)) -> ConnectError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into());
    ConnectError::Other {
        context: format!("{described}: the receiver panicked"),
        class: Class::Fatal,
        source: redact(&text).into(),
    }
}

fn log_retry(described: String) -> RetryHook {
    Arc::new(move |error, pause| {
        tracing::warn!(receiver = %described, %error, ?pause, "the receiver failed and is restarted after a pause");
    })
}
