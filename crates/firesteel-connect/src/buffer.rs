//! The bounded buffer between a receiver's thread and the tasks that read.

mod offered;
mod reserved;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use firesteel_budget::{Pool, Share};
use firesteel_window::Duration;

use self::reserved::Reserved;
use crate::receiver::StoreBuffer;
use crate::{
    BlockReader, Blocks, ConnectError, Counter, Counters, Decoded, ReadRange, Refused, Result, SourceContext, Stopped,
    Undecoded, Wake,
};

/// One hand-over has this many records at most, or this many bytes and the record that crosses them, so that a long push
/// becomes readable bit by bit. Memory is given back by as much.
const CHUNK: usize = 1024;
const CHUNK_BYTES: u64 = 64 << 10;

/// Bytes that are taken from the pool ahead of need, where records come one by one and there are plenty.
const AHEAD: u64 = 64 << 10;

/// How many bytes a record takes, what it owns elsewhere included.
pub(crate) type Measure<T> = Arc<dyn Fn(&T) -> u64 + Send + Sync>;

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
    tail_bytes: u64,
    /// Where each sealed block ends, and its bytes: they are given back when the block is committed to its end.
    sealed_bytes: VecDeque<(u64, u64)>,
    /// Bytes that are taken and not used; none while nothing is held.
    ahead: u64,
    /// Pushes that wait for bytes: nobody passes by them.
    waiting: usize,
    /// Places promised to pushes that are collecting their records.
    reserved: usize,
    /// Offers that wait for room, the oldest first: nobody passes by them.
    offers: VecDeque<u64>,
    next_offer: u64,
    /// The token of the newest offer that had one.
    token: Option<Vec<u8>>,
    /// How often a push has waited for a place, and for bytes.
    waits: Waits,
    stopped: bool,
    wake: Wake,
    /// Whether the engine has looked since it was woken last: one wake-up per look is enough.
    wake_due: bool,
    outcome: Outcome,
}

/// How often pushes have waited.
#[derive(Debug, Default)]
struct Waits {
    places: u64,
    bytes: u64,
    /// All of them, for progress records.
    all: Counter,
}

impl Waits {
    /// Counts one that waits for a place, and tells whether it is the first.
    fn place(&mut self) -> bool {
        self.all.add(1);
        self.places += 1;
        self.places == 1
    }

    /// Counts one that waits for bytes, and tells whether it is the first.
    fn byte(&mut self) -> bool {
        self.all.add(1);
        self.bytes += 1;
        self.bytes == 1
    }
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
            self.sealed_bytes.push_back((self.sealed.end(), std::mem::take(&mut self.tail_bytes)));
        }
    }

    /// Appends a record of this many bytes.
    fn append(&mut self, record: T, bytes: u64) {
        self.tail.push(record);
        self.tail_bytes += bytes;
        if self.tail.len() >= CHUNK || self.tail_bytes >= CHUNK_BYTES {
            self.seal();
        }
    }

    /// Appends what could not be decoded.
    fn append_undecoded(&mut self, undecoded: Undecoded, bytes: u64) {
        self.seal();
        self.sealed.push_undecoded(undecoded);
        self.sealed_bytes.push_back((self.sealed.end(), bytes));
    }

    /// The call that tells the engine of records, if it is due.
    fn due_wake(&mut self) -> Option<Wake> {
        std::mem::take(&mut self.wake_due).then(|| self.wake.clone())
    }

    /// Forgets the records before `position`; returns the bytes that are not needed any more.
    fn trim(&mut self, position: u64) -> u64 {
        self.seal();
        self.sealed.trim(position);
        let gone = self.sealed_bytes.partition_point(|(end, _)| *end <= self.sealed.first());
        let bytes: u64 = self.sealed_bytes.drain(..gone).map(|(_, bytes)| bytes).sum();
        bytes + if self.sealed_bytes.is_empty() { std::mem::take(&mut self.ahead) } else { 0 }
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
    described: String,
    measure: Measure<T>,
    /// Of the memory for buffers; without one, bytes have no bound.
    share: OnceLock<Share>,
}

impl<T> Buffer<T> {
    pub(crate) fn new(capacity: usize, described: &str, measure: Measure<T>) -> Self {
        let state = State {
            sealed: Blocks::new(),
            tail: Vec::new(),
            tail_bytes: 0,
            sealed_bytes: VecDeque::new(),
            ahead: 0,
            waiting: 0,
            reserved: 0,
            offers: VecDeque::new(),
            next_offer: 0,
            token: None,
            waits: Waits::default(),
            stopped: false,
            wake: Wake::silent(),
            wake_due: true,
            outcome: Outcome::Open,
        };
        let (described, share) = (described.to_owned(), OnceLock::new());
        let (room, life) = (Condvar::new(), Condvar::new());
        Self { state: Mutex::new(state), room, life, capacity, described, measure, share }
    }

    /// Another buffer like this one, before anything is in it.
    pub(crate) fn with_capacity(&self, capacity: usize) -> Self {
        Self::new(capacity, &self.described, Arc::clone(&self.measure))
    }

    /// No code of a user runs under the lock, so a poisoned lock still guards a consistent state.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn started(&self, context: &SourceContext) {
        let mut state = self.lock();
        state.wake = context.wake().clone();
        state.waits.all = context.counters().counter(Counters::WAITS);
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
        let bytes = self.lock().trim(position);
        if let Some(share) = self.share.get() {
            share.give_back(bytes);
        }
        self.room.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.room.notify_all();
        self.life.notify_all();
    }

    /// Waits for room and takes up to `wanted` places.
    fn reserve(&self, wanted: usize) -> std::result::Result<Reserved<'_, T>, Stopped> {
        let full =
            |state: &mut State<T>| !state.stopped && (state.room(self.capacity) == 0 || !state.offers.is_empty());
        let mut state = self.lock();
        if full(&mut state) {
            if state.waits.place() {
                drop(state);
                self.tell_of_records();
                state = self.lock();
            }
            state = self.room.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopped {
            return Err(Stopped);
        }
        let places = state.room(self.capacity).min(wanted);
        state.reserved += places;
        Ok(Reserved { buffer: self, places })
    }

    /// Waits until there are bytes for records that have places. When the receiver is to stop they are taken in any case:
    /// the records have left whoever pushes them.
    fn lock_with_bytes(&self, bytes: u64) -> MutexGuard<'_, State<T>> {
        let mut state = self.lock();
        let Some(share) = self.share.get() else { return state };
        if state.waiting == 0 {
            if let Some(left) = state.ahead.checked_sub(bytes) {
                state.ahead = left;
                return state;
            }
            if bytes < AHEAD && share.take_ahead(bytes + AHEAD) {
                state.ahead += AHEAD;
                return state;
            }
        }
        let mut request = share.request(bytes);
        if !request.is_granted() && !state.stopped {
            state.waiting += 1;
            if state.waits.byte() {
                drop(state);
                self.tell_of_bytes(share);
                state = self.lock();
            }
            let wait = |state: &mut State<T>| !state.stopped && !request.is_granted();
            state = self.room.wait_while(state, wait).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            // Others may have waited for this one only.
            self.room.notify_all();
        }
        request.take();
        state
    }

    fn tell_of_records(&self) {
        tracing::warn!(
            receiver = %self.described,
            "a receiver waits, and whoever sends to it: its buffer is full, with {} records that no batch has committed. \
             Commit more often, or allow more with Buffered::capacity",
            self.capacity
        );
    }

    fn tell_of_bytes(&self, share: &Share) {
        let pool = share.pool().budget();
        tracing::warn!(
            receiver = %self.described,
            "a receiver waits, and whoever sends to it: the memory for buffers is used up, with {} of {} bytes taken, {} of \
             them by records of this receiver that no batch has committed. Commit more often, or allow more with \
             Memory::buffers",
            pool.used(),
            pool.limit(),
            share.held()
        );
    }
}

impl<T: Send + Sync + 'static> Buffer<T> {
    /// Counts the bytes of what it holds in a share of `pool` from here on, and waits while there are no more.
    pub(crate) fn buffer_within(self: &Arc<Self>, pool: &Pool) {
        let wake = |buffer: &Self| {
            // Whoever was refused under the lock waits by now.
            drop(buffer.lock());
            buffer.room.notify_all();
        };
        self.share.get_or_init(|| pool.join_weakly(self, wake));
    }
}

impl<T: Send + Sync> StoreBuffer<T> for Buffer<T> {
    fn push_one(&self, record: T) -> std::result::Result<(), Stopped> {
        let reserved = self.reserve(1)?;
        let bytes = (self.measure)(&record);
        reserved.fill(std::iter::once(record), bytes);
        Ok(())
    }

    fn push_all(&self, records: &mut dyn Iterator<Item = T>) -> std::result::Result<(), Stopped> {
        while records.size_hint().1 != Some(0) {
            let reserved = self.reserve(CHUNK)?;
            // The records are made and measured outside of the lock: their iterator may be slow, and may ask the store.
            let (mut chunk, mut bytes, mut last) =
                (Vec::with_capacity(records.size_hint().0.min(reserved.places)), 0, false);
            while chunk.len() < reserved.places && bytes < CHUNK_BYTES {
                let Some(record) = records.next() else {
                    last = true;
                    break;
                };
                bytes += (self.measure)(&record);
                chunk.push(record);
            }
            if !chunk.is_empty() {
                reserved.fill(chunk.into_iter(), bytes);
            }
            if last {
                break;
            }
        }
        Ok(())
    }

    fn push_decoded(&self, records: &mut dyn Iterator<Item = Decoded<T>>) -> std::result::Result<(), Stopped> {
        loop {
            let mut undecoded = None;
            let mut until_then = std::iter::from_fn(|| match records.next()? {
                Ok(record) => Some(record),
                Err(found) => {
                    undecoded = Some(found);
                    None
                }
            });
            self.push_all(&mut until_then)?;
            let Some(undecoded) = undecoded else { return Ok(()) };
            let bytes = undecoded.size();
            self.reserve(1)?.put(1, bytes, |state| state.append_undecoded(undecoded, bytes));
        }
    }

    fn offer(
        &self,
        batch: Vec<Decoded<T>>,
        token: Option<&[u8]>,
        within: Duration,
    ) -> std::result::Result<(), Refused<Decoded<T>>> {
        self.take_offer(batch, token, within)
    }

    fn token(&self) -> Option<Vec<u8>> {
        self.lock().token.clone()
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
