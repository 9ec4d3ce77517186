//! What the receiver's threads, the writer's thread and the engine share.

mod offers;
mod receivers;

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use firesteel_connect::{Class, ConnectError, Counter, Counters, Pool, Result, Share, SourceContext, Wake};
use firesteel_window::Duration;

use crate::frame;
use crate::group::{Group, Placed};
use crate::scan::Found;
use crate::stretch::{Stretch, bytes_from};

/// How receiving has gone.
enum Outcome {
    /// It keeps running.
    Open,
    /// There is nothing more to come.
    Ended,
    /// It has failed, and nobody has been told.
    Failed(ConnectError),
    /// It has failed, and the engine has been told why.
    Reported(String),
}

struct State {
    stretches: VecDeque<Stretch>,
    /// The records of the next group, after room for a header.
    group: Vec<u8>,
    count: u32,
    /// The newest token of that group, and the group's number.
    group_token: Option<Arc<[u8]>>,
    collecting: u64,
    /// The number of the last group on disk, and the newest token there.
    written: u64,
    token: Option<Arc<[u8]>>,
    /// Offers that wait for room, the oldest first: nobody passes by them.
    offers: VecDeque<u64>,
    next_offer: u64,
    /// Whether writing has failed and is repeated.
    stuck: bool,
    /// How often a hand-over has waited for the log to be committed, and for memory.
    waits: Waits,
    /// Hand-overs that are being collected.
    reserved: usize,
    /// Bytes that were handed over and are not on disk.
    unwritten: u64,
    /// The position after the last record that was handed over.
    taken: u64,
    /// The position after the last record on disk.
    durable: u64,
    /// Records before this position are committed; and those of which the disk knows it.
    committed: u64,
    marked: u64,
    /// Bytes on disk that are not committed, and about as many that are.
    held: u64,
    gaps: bool,
    /// Receivers are to end.
    stopped: bool,
    /// The writer is to end when it has written everything.
    closing: bool,
    /// The writer has ended: what is not durable never will be.
    closed: bool,
    wake: Wake,
    /// Whether the engine has looked since it was woken last.
    wake_due: bool,
    outcome: Outcome,
}

/// How often hand-overs have waited for what the writer alone cannot give.
#[derive(Debug)]
struct Waits {
    log: u64,
    memory: u64,
    /// All of them, for progress records.
    all: Counter,
}

impl Waits {
    /// Counts one that waits for the log, and tells whether it is the first.
    fn log(&mut self) -> bool {
        self.all.add(1);
        self.log += 1;
        self.log == 1
    }

    /// Counts one that waits for memory, and tells whether it is the first.
    fn memory(&mut self) -> bool {
        self.all.add(1);
        self.memory += 1;
        self.memory == 1
    }
}

impl State {
    /// Whether everything in the first file is committed, and the log continues in another one. A file of several
    /// stretches goes bit by bit.
    fn front_is_superfluous(&self) -> bool {
        let (front, back) = (self.stretches.front(), self.stretches.back());
        front.zip(back).is_some_and(|(front, back)| front.path != back.path && front.next <= self.committed)
    }
}

/// How much there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of a group.
    pub(crate) group: usize,
    /// Bytes on disk that are not committed.
    pub(crate) held: u64,
}

/// The log between its threads.
pub(crate) struct Shared<T> {
    state: Mutex<State>,
    /// Notified when the writer may have something to do.
    work: Condvar,
    /// Notified when something became durable or committed, and when there is no point in waiting.
    progress: Condvar,
    /// Notified when receivers are to stop.
    life: Condvar,
    limits: Limits,
    described: String,
    /// Of the memory for buffers: what waits for the writer, and what it writes. Without one, that has no bound but the
    /// limit of a group.
    share: OnceLock<Share>,
    records: PhantomData<fn(T) -> T>,
}

/// What the engine sees at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) gaps: bool,
    pub(crate) finished: bool,
}

impl<T> Shared<T> {
    pub(crate) fn new(found: Found, limits: Limits, described: String, context: &SourceContext) -> Self {
        let mut group = vec![];
        frame::begin(&mut group);
        let (next, committed) = (found.next, found.committed);
        let state = State {
            held: bytes_from(&found.stretches, committed),
            stretches: found.stretches,
            group,
            count: 0,
            group_token: None,
            collecting: 1,
            written: 0,
            token: found.token.map(|(token, _)| token),
            offers: VecDeque::new(),
            next_offer: 0,
            stuck: false,
            waits: Waits { log: 0, memory: 0, all: context.counters().counter(Counters::WAITS) },
            reserved: 0,
            unwritten: 0,
            taken: next,
            durable: next,
            committed,
            marked: committed,
            gaps: found.gaps,
            stopped: false,
            closing: false,
            closed: false,
            wake: context.wake().clone(),
            wake_due: true,
            outcome: Outcome::Open,
        };
        let (work, progress, life) = (Condvar::new(), Condvar::new(), Condvar::new());
        let (state, share) = (Mutex::new(state), OnceLock::new());
        Self { state, work, progress, life, limits, described, share, records: PhantomData }
    }

    /// Counts what is in memory in a share of `pool`, and waits while there is no more.
    pub(crate) fn buffer_within(self: &Arc<Self>, pool: &Pool)
    where
        T: 'static,
    {
        let wake = |shared: &Self| {
            // Whoever was refused under the lock waits by now.
            drop(shared.lock());
            shared.progress.notify_all();
        };
        self.share.get_or_init(|| pool.join_weakly(self, wake));
    }

    /// How often a hand-over or an offer has waited.
    #[cfg(test)]
    pub(crate) fn waited(&self) -> u64 {
        self.lock().waits.all.value()
    }

    /// No code of a user runs under the lock, so a poisoned lock still guards a consistent state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        signal: &Condvar,
        state: MutexGuard<'a, State>,
        wait: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        signal.wait_while(state, wait).unwrap_or_else(PoisonError::into_inner)
    }

    // The engine's side.

    pub(crate) fn taken(&self) -> u64 {
        self.lock().taken
    }

    pub(crate) fn view(&self) -> Result<View> {
        let mut state = self.lock();
        state.wake_due = true;
        let finished = match std::mem::replace(&mut state.outcome, Outcome::Open) {
            Outcome::Open => false,
            Outcome::Ended => {
                state.outcome = Outcome::Ended;
                state.taken == state.durable
            }
            // What is in the log is read first.
            Outcome::Failed(error) if state.committed < state.durable => {
                state.outcome = Outcome::Failed(error);
                false
            }
            Outcome::Failed(error) => {
                state.outcome = Outcome::Reported(error.to_string());
                return Err(error);
            }
            Outcome::Reported(text) => {
                state.outcome = Outcome::Reported(text.clone());
                let context = format!("{} failed before", self.described);
                return Err(ConnectError::Other { context, class: Class::Fatal, source: text.into() });
            }
        };
        Ok(View { first: state.committed, end: state.durable, gaps: state.gaps, finished })
    }

    /// The stretches that hold records of `[from, to)`, and what there is.
    pub(crate) fn stretches(&self, from: u64, to: u64) -> (VecDeque<Stretch>, View) {
        let state = self.lock();
        let begin = state.stretches.partition_point(|stretch| stretch.next <= from);
        let inside = state.stretches.iter().skip(begin).take_while(|stretch| stretch.first < to);
        let view = View { first: state.committed, end: state.durable, gaps: state.gaps, finished: false };
        (inside.cloned().collect(), view)
    }

    pub(crate) fn committed(&self, position: u64) {
        let mut state = self.lock();
        let position = position.min(state.durable);
        if position > state.committed {
            state.committed = position;
            state.held = bytes_from(&state.stretches, position);
            drop(state);
            self.work.notify_all();
            self.progress.notify_all();
        }
    }

    /// Tells receivers to end. What they have handed over is still written.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.work.notify_all();
        self.progress.notify_all();
        self.life.notify_all();
    }

    /// Tells the writer to end when it has written everything.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.work.notify_all();
    }

    /// Takes note of how receiving ended, unless it had failed before.
    pub(crate) fn ended(&self, outcome: Result<()>) {
        let mut state = self.lock();
        if matches!(state.outcome, Outcome::Open) {
            state.outcome = outcome.map_or_else(Outcome::Failed, |()| Outcome::Ended);
        }
        let wake = state.wake.clone();
        drop(state);
        wake.wake();
    }

    /// Ends everything with an error.
    pub(crate) fn fail(&self, error: ConnectError) {
        // Before anybody hears of the stop: a receiver that ends because of it is not what ended the log.
        let mut state = self.lock();
        if matches!(state.outcome, Outcome::Open | Outcome::Ended) {
            state.outcome = Outcome::Failed(error);
        }
        let wake = state.wake.clone();
        drop(state);
        self.stop();
        wake.wake();
    }

    // The writer's side.

    /// Waits for something to write; `None` when there will be nothing any more. `spare` is a buffer to be used again.
    pub(crate) fn next_group(&self, mut spare: Vec<u8>) -> Option<Group> {
        frame::begin(&mut spare);
        let nothing =
            |state: &State| state.count == 0 && state.group_token.is_none() && state.committed == state.marked;
        let mut state = self.wait(&self.work, self.lock(), |state| nothing(state) && !state.closing);
        if nothing(&state) {
            return None;
        }
        // A record of unusual size is no reason to keep as much memory from here on.
        spare.shrink_to(self.limits.group.saturating_mul(2));
        let mut frame = std::mem::replace(&mut state.group, spare);
        let bytes = (frame.len() - frame::HEADER) as u64;
        let count = std::mem::take(&mut state.count);
        let (first, next, committed) = (state.durable, state.taken, state.committed);
        let (number, token) = (state.collecting, state.group_token.take());
        state.collecting += 1;
        drop(state);
        // There is room for the next group from here on.
        self.progress.notify_all();
        frame::seal(&mut frame, count, first, committed, token.as_deref());
        Some(Group { frame, bytes, number, token, first, next, committed })
    }

    /// Waits before another attempt, but not when there are files to remove, which may help; tells whether there is no
    /// point in one since everything is to end.
    pub(crate) fn pause(&self, at_most: Duration) -> bool {
        let wait = |state: &mut State| !state.stopped && !state.closing && !state.front_is_superfluous();
        let waited = self.work.wait_timeout_while(self.lock(), at_most.to_std(), wait);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.stopped || state.closing
    }

    /// The files of which everything is committed, all but the one that is written to. They are forgotten here, and the
    /// caller removes them: the first file that is left tells that there is nothing before it.
    pub(crate) fn superfluous(&self) -> Vec<Arc<Path>> {
        let mut state = self.lock();
        let mut superfluous: Vec<Arc<Path>> = vec![];
        while state.front_is_superfluous()
            && let Some(front) = state.stretches.pop_front()
        {
            superfluous.push(front.path);
        }
        superfluous.dedup();
        superfluous
    }

    /// Takes note that a group could not be written, and that this is tried once more: there is no room for others.
    pub(crate) fn stuck(&self) {
        self.lock().stuck = true;
    }

    /// Takes note that a group is on disk.
    pub(crate) fn written(&self, group: &Group, placed: Placed) {
        let mut state = self.lock();
        if state.stretches.back().is_none_or(|last| last.path != placed.path) {
            state.stretches.push_back(Stretch::new(Arc::clone(&placed.path), group.first, placed.at));
        }
        if let Some(last) = state.stretches.back_mut() {
            // A note may stand before the group.
            last.add(group.next, placed.end - last.to);
        }
        if group.next > group.first {
            state.held += group.frame.len() as u64;
        }
        state.durable = group.next;
        state.marked = group.committed;
        state.unwritten -= group.bytes;
        (state.written, state.stuck) = (group.number, false);
        if let Some(token) = &group.token {
            state.token = Some(Arc::clone(token));
        }
        let wake = (group.next > group.first && std::mem::take(&mut state.wake_due)).then(|| state.wake.clone());
        drop(state);
        if let Some(share) = self.share.get() {
            share.give_back(group.bytes);
        }
        self.progress.notify_all();
        if let Some(wake) = wake {
            wake.wake();
        }
    }

    /// Waits until the records before `position` have been handed over.
    #[cfg(test)]
    pub(crate) fn until_taken(&self, position: u64) {
        let wait = |state: &mut State| state.taken < position;
        let (state, waited) =
            self.work.wait_timeout_while(self.lock(), std::time::Duration::from_secs(10), wait).unwrap();
        drop(state);
        assert!(!waited.timed_out(), "the records before {position} never came");
    }

    /// Waits until the disk knows what is committed; tells whether it does.
    #[cfg(test)]
    pub(crate) fn settled(&self) -> bool {
        let wait = |state: &mut State| state.marked < state.committed && !state.closed;
        let state = self.wait(&self.progress, self.lock(), wait);
        state.marked >= state.committed
    }

    /// The writer has ended.
    pub(crate) fn closed(&self) {
        self.lock().closed = true;
        self.stop();
    }
}
