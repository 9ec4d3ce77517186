//! Handing committed epochs to the backend, on a thread of its own: the job continues with the next one meanwhile.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use firesteel_faults::fail_point;
use firesteel_state::{
    Frame, FrameWriter, Marker, MemoryBudget, Reservation, Shard, StateBackend, StateError, StateStore, Times,
};

use crate::checkpoint::frames::shards_of;
use crate::error::{Error, Result};

/// Epochs on their way at most: the job waits where the backend is slower than it.
const UNDER_WAY: usize = 2;

/// The backend, and the thread that writes to it.
pub(crate) struct Applier {
    backend: Arc<dyn StateBackend>,
    orders: Option<SyncSender<Order>>,
    done: Receiver<(u64, std::result::Result<(), StateError>)>,
    /// The bytes of each epoch that is under way.
    under_way: VecDeque<u64>,
    /// For all of them.
    reservation: Reservation,
    thread: Option<JoinHandle<()>>,
}

/// A committed epoch.
struct Order {
    at: Marker,
    frames: Vec<Frame>,
    /// The shards that did not change: their markers move alone.
    unchanged: Vec<Shard>,
    times: Times,
    flush: bool,
}

impl Order {
    fn carry_out(&self, backend: &dyn StateBackend) -> std::result::Result<(), StateError> {
        backend.apply_at(self.at, &self.frames)?;
        fail_point!("backend.changes");
        let unchanged: Vec<Frame> = self.unchanged.iter().map(|shard| FrameWriter::new().finish(*shard)).collect();
        backend.apply_at(self.at, &unchanged)?;
        fail_point!("backend.markers");
        backend.expire(&self.times);
        if self.flush {
            fail_point!("backend.flush");
            backend.flush()?;
            fail_point!("backend.flushed");
        }
        Ok(())
    }
}

impl Applier {
    pub(crate) fn new(backend: Arc<dyn StateBackend>, budget: &MemoryBudget) -> Result<Self> {
        let (orders, ordered) = sync_channel::<Order>(UNDER_WAY);
        let (report, done) = sync_channel(UNDER_WAY + 1);
        let writes_to = Arc::clone(&backend);
        let write = move || {
            for order in ordered {
                if report.send((order.at.epoch, order.carry_out(&*writes_to))).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("firesteel-backend".to_owned()).spawn(write);
        let thread = thread.map_err(|error| Error::Thread {
            what: format!("the thread that writes to the backend could not be started: {error}"),
        })?;
        let (under_way, reservation) = (VecDeque::new(), budget.reserve());
        Ok(Self { backend, orders: Some(orders), done, under_way, reservation, thread: Some(thread) })
    }

    pub(crate) fn backend(&self) -> &dyn StateBackend {
        &*self.backend
    }

    /// Has the backend take the changes of a committed epoch, and tells the stores of those that it has taken.
    pub(crate) fn apply(
        &mut self,
        at: Marker,
        frames: Vec<Frame>,
        times: Times,
        flush: bool,
        stores: &[&dyn StateStore],
    ) -> Result<()> {
        let changed: BTreeSet<Shard> = frames.iter().map(Frame::shard).collect();
        let unchanged = shards_of(stores).filter(|shard| !changed.contains(shard)).collect();
        self.wait(UNDER_WAY - 1, stores)?;
        let bytes = frames.iter().map(|frame| frame.bytes().len() as u64).sum();
        let order = Order { at, frames, unchanged, times, flush };
        if self.orders.as_ref().is_none_or(|orders| orders.send(order).is_err()) {
            return Err(gone());
        }
        self.under_way.push_back(bytes);
        self.account();
        self.wait(UNDER_WAY, stores)
    }

    /// Waits until no more than this many epochs are under way; takes note of all that are done.
    pub(crate) fn wait(&mut self, at_most: usize, stores: &[&dyn StateStore]) -> Result<()> {
        while !self.under_way.is_empty() {
            let (epoch, applied) = if self.under_way.len() > at_most {
                self.done.recv().map_err(|_| gone())?
            } else {
                match self.done.try_recv() {
                    Ok(done) => done,
                    Err(_) => return Ok(()),
                }
            };
            self.under_way.pop_front();
            self.account();
            applied?;
            stores.iter().for_each(|store| store.applied(epoch));
        }
        Ok(())
    }

    fn account(&mut self) {
        self.reservation.set(self.under_way.iter().sum());
    }
}

fn gone() -> Error {
    Error::Thread { what: "the thread that writes to the backend has died".to_owned() }
}

impl Drop for Applier {
    /// What is under way is written to its end: the backend is not closed in the middle of it.
    fn drop(&mut self) {
        self.orders = None;
        while self.done.recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell that has not been told.
            _ = thread.join();
        }
    }
}
