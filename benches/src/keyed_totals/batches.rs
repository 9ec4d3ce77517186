//! Workers that make events, hand each to the worker that owns its key, and meet once per micro-batch: what the
//! hand-written sides of W3 have in common.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::vec::Drain;

use firesteel_core::hash::hash_key;
use firesteel_state::{KeyGroupRange, KeyGroups};

use super::assignment::{Assignment, Phases};
use super::events::KeyedEvents;
use crate::keys::OwnedKey;
use crate::stopwatch::Stopwatch;

/// An event with the hash of its key.
#[derive(Debug, Clone)]
pub struct Hashed<K> {
    /// The hash, by which it was routed.
    pub hash: u64,
    /// The key.
    pub key: K,
    /// The value.
    pub value: i64,
}

/// What a worker does with the events of its keys.
pub trait Owner<K>: Send {
    /// Takes events of a micro-batch; called once per sender and batch.
    fn take(&mut self, events: Drain<'_, Hashed<K>>);

    /// The batch is complete, and so is an epoch: the same for all workers.
    fn end_epoch(&mut self, epoch: u64);
}

/// The key groups that each worker owns.
#[must_use]
pub fn ranges(threads: usize) -> Vec<KeyGroupRange> {
    KeyGroups::default().split(threads)
}

/// Runs a worker for each owner until all events are taken and the last epoch is ended.
///
/// Each makes its share of every micro-batch. They meet at the end of a batch, so a batch is as slow as its slowest
/// worker, as in an engine that commits by batch.
pub fn run<K: OwnedKey, O: Owner<K>>(assignment: &Assignment, phases: &mut Phases, owners: &mut [O]) {
    let meeting = Meeting::new(owners.len());
    phases.start(assignment.warm_up);
    thread::scope(|scope| {
        let mut owners = owners.iter_mut().enumerate();
        let first = owners.next();
        for (index, owner) in owners {
            let meeting = &meeting;
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn_scoped(scope, move || work(assignment, index, meeting, owner, None))
                .expect("the system refuses another thread");
        }
        if let Some((index, owner)) = first {
            work(assignment, index, &meeting, owner, Some(phases));
        }
    });
}

fn work<K: OwnedKey, O: Owner<K>>(
    assignment: &Assignment,
    index: usize,
    meeting: &Meeting<K>,
    taker: &mut O,
    mut phases: Option<&mut Phases>,
) {
    let groups = KeyGroups::default();
    let ranges = ranges(meeting.threads);
    let owns = |group| ranges.iter().position(|range| range.contains(group)).expect("each group has an owner");
    let owners: Vec<usize> = groups.all().iter().map(owns).collect();
    let mut outgoing: Vec<Vec<Hashed<K>>> = vec![Vec::new(); meeting.threads];
    let (mut start, mut batch, mut epoch) = (0, 0, 1);
    let mut watch = Stopwatch::start();
    while start < assignment.count {
        let end = assignment.count.min(start + assignment.batch);
        let bound = |index: usize| start + (end - start) * index as u64 / meeting.threads as u64;
        for number in bound(index)..bound(index + 1) {
            let key = K::of(assignment.events.key(number));
            let hash = hash_key(&key);
            outgoing[owners[usize::from(groups.group_of(hash).0)]].push(Hashed {
                hash,
                key,
                value: KeyedEvents::value(number),
            });
        }
        let over = end == assignment.count || watch.seconds() >= assignment.epoch;
        let over = meeting.exchange(batch, index, &mut outgoing, (index == 0).then_some(over), |events| {
            taker.take(events);
        });
        if over {
            taker.end_epoch(epoch);
            epoch += 1;
            watch = Stopwatch::start();
        }
        (start, batch) = (end, batch + 1);
        if let Some(phases) = &mut phases {
            phases.reached(end);
        }
    }
}

/// Where the workers meet at the end of each batch. There are two sets of everything, used in turn: a worker that is
/// ahead fills one while another still reads the other, so one barrier per batch is enough.
struct Meeting<K> {
    threads: usize,
    barrier: Barrier,
    over: [AtomicBool; 2],
    boxes: [Vec<Mutex<Vec<Hashed<K>>>>; 2],
}

impl<K> Meeting<K> {
    fn new(threads: usize) -> Self {
        let boxes = || (0..threads * threads).map(|_| Mutex::default()).collect();
        Self { threads, barrier: Barrier::new(threads), over: Default::default(), boxes: [boxes(), boxes()] }
    }

    /// Hands `outgoing` over, takes what has come for worker `index`, and returns whether the one worker that gave
    /// `over` says that an epoch is over.
    fn exchange(
        &self,
        batch: u64,
        index: usize,
        outgoing: &mut [Vec<Hashed<K>>],
        over: Option<bool>,
        mut take: impl FnMut(Drain<'_, Hashed<K>>),
    ) -> bool {
        let turn = (batch % 2) as usize;
        let open = |sender: usize, owner: usize| {
            self.boxes[turn][sender * self.threads + owner].lock().unwrap_or_else(PoisonError::into_inner)
        };
        for (owner, letters) in outgoing.iter_mut().enumerate() {
            mem::swap(&mut *open(index, owner), letters);
        }
        if let Some(over) = over {
            self.over[turn].store(over, Ordering::Release);
        }
        self.barrier.wait();
        for sender in 0..self.threads {
            take(open(sender, index).drain(..));
        }
        self.over[turn].load(Ordering::Acquire)
    }
}
