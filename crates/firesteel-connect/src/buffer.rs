//! The bounded buffer between a receiver's thread and the tasks that read.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use firesteel_window::Duration;

use crate::receiver::StoreBuffer;
use crate::{BlockReader, Blocks, ConnectError, ReadRange, Result, Stopped, Wake};

/// Records that one push hands over at once, so that a long push becomes readable bit by bit.
const CHUNK: usize = 1024;

/// How the receiver's thread is.
pub(crate) enum Outcome {
    /// It has not been started or still receives.
    Open,
    /// There is nothing more to come.
    Ended,
    /// It has failed, and nobody has been told.
    Failed(ConnectError),
    /// It has failed, and the engine has been told why.
    Reported(String),
}

struct State<T> {
    sealed: Blocks<T>,
    /// The newest records, not yet shared with a reader.
    tail: Vec<T>,
    /// Places promised to pushes that are collecting their records.
    reserved: usize,
    stopped: bool,
    wake: Wake,
    /// Whether the engine has looked since it was woken last: one wake-up per look is enough.
    wake_due: bool,
    outcome: Outcome,
}

impl<T> State<T> {
    fn end(&self) -> u64 {
        self.sealed.end() + self.tail.len() as u64
    }

    fn room(&self, capacity: usize) -> usize {
        let held = usize::try_from(self.end() - self.sealed.first()).unwrap_or(usize::MAX);
        capacity.saturating_sub(held.saturating_add(self.reserved))
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.sealed.push(tail);
        }
    }
}

/// What the engine sees of the buffer at a moment.
pub(crate) struct View {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) finished: bool,
}

/// A bounded, numbered buffer. Pushes wait while it is full; what is committed is forgotten.
pub(crate) struct Buffer<T> {
    state: Mutex<State<T>>,
    /// Notified when room appears and when the receiver is to stop.
    room: Condvar,
    /// Notified when the receiver is to stop.
    life: Condvar,
    capacity: usize,
}

impl<T> Buffer<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State {
            sealed: Blocks::new(),
            tail: Vec::new(),
            reserved: 0,
            stopped: false,
            wake: Wake::silent(),
            wake_due: true,
            outcome: Outcome::Open,
        };
        Self { state: Mutex::new(state), room: Condvar::new(), life: Condvar::new(), capacity }
    }

    /// No code of a user runs under the lock, so a poisoned lock still guards a consistent state.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn started(&self, wake: Wake) {
        let mut state = self.lock();
        state.wake = wake;
    }

    /// Notes how the thread ended, and tells everybody.
    pub(crate) fn ended(&self, outcome: Outcome) {
        let mut state = self.lock();
        state.outcome = outcome;
        let wake = state.wake.clone();
        drop(state);
        wake.wake();
    }

    pub(crate) fn received(&self) -> u64 {
        self.lock().end()
    }

    pub(crate) fn view(&self, described: &str) -> Result<View> {
        let mut state = self.lock();
        state.seal();
        state.wake_due = true;
        let finished = match std::mem::replace(&mut state.outcome, Outcome::Open) {
            Outcome::Open => false,
            Outcome::Ended => {
                state.outcome = Outcome::Ended;
                true
            }
            // What it has stored before is read first.
            Outcome::Failed(error) if state.sealed.first() < state.sealed.end() => {
                state.outcome = Outcome::Failed(error);
                false
            }
            Outcome::Failed(error) => {
                state.outcome = Outcome::Reported(error.to_string());
                return Err(error);
            }
            Outcome::Reported(text) => {
                state.outcome = Outcome::Reported(text.clone());
                return Err(ConnectError::Other {
                    context: format!("{described} failed before"),
                    class: crate::Class::Fatal,
                    source: text.into(),
                });
            }
        };
        Ok(View { first: state.sealed.first(), end: state.sealed.end(), finished })
    }

    pub(crate) fn read(&self, range: &ReadRange) -> Result<BlockReader<T>> {
        let mut state = self.lock();
        state.seal();
        state.sealed.read(range)
    }

    pub(crate) fn committed(&self, position: u64) {
        let mut state = self.lock();
        state.seal();
        state.sealed.trim(position);
        drop(state);
        self.room.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.room.notify_all();
        self.life.notify_all();
    }

    /// Waits for room and takes up to `wanted` places.
    fn reserve(&self, wanted: usize) -> std::result::Result<Reserved<'_, T>, Stopped> {
        let mut state = self
            .room
            .wait_while(self.lock(), |state| !state.stopped && state.room(self.capacity) == 0)
            .unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return Err(Stopped);
        }
        let places = state.room(self.capacity).min(wanted);
        state.reserved += places;
        Ok(Reserved { buffer: self, places })
    }
}

/// Places promised to one push; given back when the push ends early or unwinds.
struct Reserved<'a, T> {
    buffer: &'a Buffer<T>,
    places: usize,
}

impl<T> Reserved<'_, T> {
    fn fill(mut self, records: impl ExactSizeIterator<Item = T>) {
        let mut state = self.buffer.lock();
        state.reserved -= records.len();
        self.places -= records.len();
        state.tail.extend(records);
        if state.tail.len() >= CHUNK {
            state.seal();
        }
        let wake = std::mem::take(&mut state.wake_due).then(|| state.wake.clone());
        drop(state);
        if let Some(wake) = wake {
            wake.wake();
        }
    }
}

impl<T> Drop for Reserved<'_, T> {
    fn drop(&mut self) {
        if self.places > 0 {
            self.buffer.lock().reserved -= self.places;
            self.buffer.room.notify_all();
        }
    }
}

impl<T: Send + Sync> StoreBuffer<T> for Buffer<T> {
    fn push_one(&self, record: T) -> std::result::Result<(), Stopped> {
        self.reserve(1)?.fill(std::iter::once(record));
        Ok(())
    }

    fn push_all(&self, records: &mut dyn Iterator<Item = T>) -> std::result::Result<(), Stopped> {
        while records.size_hint().1 != Some(0) {
            let reserved = self.reserve(CHUNK)?;
            let places = reserved.places;
            // The records are made outside of the lock: their iterator may be slow, and may ask the store.
            let chunk: Vec<T> = records.take(places).collect();
            let last = chunk.len() < places;
            if !chunk.is_empty() {
                reserved.fill(chunk.into_iter());
            }
            if last {
                break;
            }
        }
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn wait_stopped(&self, at_most: Duration) -> bool {
        let (state, _) = self
            .life
            .wait_timeout_while(self.lock(), at_most.to_std(), |state| !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        state.stopped
    }
}
