//! W1 with many keys, as a careful engineer would write it for this one job.
//!
//! Every thread owns a part of the campaigns. It counts those itself and hands
//! the counted events of the others over at the end of the batch, where the
//! threads meet. Nothing is counted twice, no maps are merged, and a window is
//! emitted in parts by the owners.

use std::mem;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;

use crate::ad_events::{AdEvents, COUNTED_KIND, DELAY};
use crate::keys::OwnedKey;
use crate::measured::{Measured, Outcome};
use crate::open_windows::OpenWindows;
use crate::stopwatch::Stopwatch;
use crate::workload::Setting;

/// A counted event on its way to the owner of its campaign.
type Counted<K> = (K, i64);

/// Runs W1.
#[must_use]
pub fn run<K: OwnedKey>(data: &AdEvents<K>, setting: Setting) -> Measured {
    let watch = Stopwatch::start();
    let meeting = Meeting::new(setting.threads);
    let mut outcome = Outcome::default();
    thread::scope(|scope| {
        let others: Vec<_> = (1..setting.threads)
            .map(|index| {
                let meeting = &meeting;
                thread::Builder::new()
                    .name(format!("hand-written-{index}"))
                    .spawn_scoped(scope, move || count(data, setting, index, meeting))
                    .expect("the system refuses another thread")
            })
            .collect();
        outcome += count(data, setting, 0, &meeting);
        for other in others {
            outcome += other.join().expect("a worker panicked");
        }
    });
    Measured { events: data.events.len(), seconds: watch.seconds(), outcome }
}

/// The work of thread `index`.
fn count<K: OwnedKey>(data: &AdEvents<K>, setting: Setting, index: usize, meeting: &Meeting<K>) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(first) = data.events.first() else {
        return outcome;
    };
    let mut open = OpenWindows::from(first.ts - DELAY);
    let mut latest = i64::MIN;
    let mut outgoing: Vec<Vec<Counted<K>>> = vec![Vec::new(); setting.threads];
    for (number, batch) in setting.batches(data.events.len()).enumerate() {
        for event in &data.events[setting.share(&batch, index)] {
            latest = latest.max(event.ts);
            if event.kind == COUNTED_KIND {
                let campaign = data.campaign(event.ad);
                let owner = owner(&campaign, setting.threads);
                if owner == index {
                    *open.counts(event.ts).entry(campaign).or_insert(0) += 1;
                } else {
                    outgoing[owner].push((campaign, event.ts));
                }
            }
        }
        if setting.threads > 1 {
            latest = meeting.exchange(number, index, latest, &mut outgoing, |campaign, ts| {
                *open.counts(ts).entry(campaign).or_insert(0) += 1;
            });
        }
        while let Some((start, counts)) = open.close(latest.saturating_sub(DELAY)) {
            for (campaign, &count) in &counts {
                outcome.add_window(campaign, start, count);
            }
            open.recycle(counts);
        }
    }
    while let Some((start, counts)) = open.pop() {
        for (campaign, count) in counts {
            outcome.add_window(&campaign, start, count);
        }
    }
    outcome
}

/// The thread that counts `campaign`.
#[inline]
fn owner<K: OwnedKey>(campaign: &K, threads: usize) -> usize {
    ((u64::from(campaign.spread()) * threads as u64) >> 32) as usize
}

/// Where the threads meet at the end of each batch.
///
/// There are two sets of everything, used in turn: a thread that is ahead fills
/// the one while another still reads the other, so one barrier per batch is
/// enough.
#[derive(Debug)]
struct Meeting<K> {
    threads: usize,
    barrier: Barrier,
    latest: [AtomicI64; 2],
    boxes: [Vec<Mutex<Vec<Counted<K>>>>; 2],
}

impl<K> Meeting<K> {
    fn new(threads: usize) -> Self {
        let boxes = || (0..threads * threads).map(|_| Mutex::default()).collect();
        Self {
            threads,
            barrier: Barrier::new(threads),
            latest: [AtomicI64::new(i64::MIN), AtomicI64::new(i64::MIN)],
            boxes: [boxes(), boxes()],
        }
    }

    /// Hands `outgoing` over, takes what has come for thread `index`, and
    /// returns the largest timestamp that any thread has read.
    fn exchange(
        &self,
        number: usize,
        index: usize,
        latest: i64,
        outgoing: &mut [Vec<Counted<K>>],
        mut count: impl FnMut(K, i64),
    ) -> i64 {
        let (boxes, all_latest) = (&self.boxes[number % 2], &self.latest[number % 2]);
        for (owner, letters) in outgoing.iter_mut().enumerate() {
            let mut target = boxes[index * self.threads + owner].lock().unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut *target, letters);
        }
        all_latest.fetch_max(latest, Ordering::AcqRel);
        self.barrier.wait();
        for sender in 0..self.threads {
            let mut letters = boxes[sender * self.threads + index].lock().unwrap_or_else(PoisonError::into_inner);
            for (campaign, ts) in letters.drain(..) {
                count(campaign, ts);
            }
        }
        all_latest.load(Ordering::Acquire)
    }
}
