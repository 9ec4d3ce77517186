//! W1 with few keys, as a careful engineer would write it for this one job.
//!
//! Every thread counts its share of every batch in maps of its own, one per
//! open window, and moves its watermark at the end of the batch. A thread whose
//! watermark passes a window hands its map in; the last to do so merges the
//! maps and emits the window. So the threads meet once per window and never
//! wait for each other.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::ad_events::{AdEvents, COUNTED_KIND, DELAY};
use crate::hasher::Counts;
use crate::keys::{Key, OwnedKey};
use crate::measured::{Measured, Outcome};
use crate::open_windows::OpenWindows;
use crate::stopwatch::Stopwatch;
use crate::workload::Setting;

/// Runs W1.
#[must_use]
pub fn run<K: OwnedKey>(data: &AdEvents<K>, setting: Setting) -> Measured {
    run_by(data, setting, |ad| data.campaign(ad))
}

/// Runs W1 with texts that are borrowed from the data, which outlives the job: no input from outside does.
#[must_use]
pub fn run_borrowed(data: &'static AdEvents<String>, setting: Setting) -> Measured {
    run_by(data, setting, |ad| data.campaigns[ad as usize].as_str())
}

fn run_by<K: Key, T: Sync>(data: &AdEvents<T>, setting: Setting, campaign: impl Fn(u32) -> K + Sync) -> Measured {
    let watch = Stopwatch::start();
    let gathering = Gathering::new(setting.threads);
    let mut outcome = Outcome::default();
    thread::scope(|scope| {
        let others: Vec<_> = (1..setting.threads)
            .map(|index| {
                let (gathering, campaign) = (&gathering, &campaign);
                thread::Builder::new()
                    .name(format!("hand-written-{index}"))
                    .spawn_scoped(scope, move || count(data, setting, index, gathering, campaign))
                    .expect("the system refuses another thread")
            })
            .collect();
        outcome += count(data, setting, 0, &gathering, &campaign);
        for other in others {
            outcome += other.join().expect("a worker panicked");
        }
    });
    outcome += gathering.finish();
    Measured { events: data.events.len(), seconds: watch.seconds(), outcome }
}

/// The work of thread `index`.
fn count<K: Key, T>(
    data: &AdEvents<T>,
    setting: Setting,
    index: usize,
    gathering: &Gathering<K>,
    campaign: &impl Fn(u32) -> K,
) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(first) = data.events.first() else {
        return outcome;
    };
    let mut open = OpenWindows::from(first.ts - DELAY);
    let mut latest = i64::MIN;
    for batch in setting.batches(data.events.len()) {
        for event in &data.events[setting.share(&batch, index)] {
            latest = latest.max(event.ts);
            if event.kind == COUNTED_KIND {
                *open.counts(event.ts).entry(campaign(event.ad)).or_insert(0) += 1;
            }
        }
        while let Some((start, counts)) = open.close(latest.saturating_sub(DELAY)) {
            gathering.hand_in(start, counts, &mut open, &mut outcome);
        }
    }
    while let Some((start, counts)) = open.pop() {
        gathering.hand_in(start, counts, &mut open, &mut outcome);
    }
    outcome
}

/// Where the threads bring the counts of the windows they are done with.
#[derive(Debug)]
struct Gathering<K> {
    threads: usize,
    partial: Mutex<BTreeMap<i64, Vec<Counts<K>>>>,
}

impl<K: Key> Gathering<K> {
    fn new(threads: usize) -> Self {
        Self { threads, partial: Mutex::default() }
    }

    /// Adds a thread's counts to the window that starts at `start`, and emits
    /// the window if no thread is missing.
    fn hand_in(&self, start: i64, counts: Counts<K>, open: &mut OpenWindows<K>, outcome: &mut Outcome) {
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = partial.entry(start).or_default();
        parts.push(counts);
        if parts.len() < self.threads {
            return;
        }
        let parts = partial.remove(&start).unwrap_or_default();
        drop(partial);
        open.recycle(emit(start, parts, outcome));
    }

    /// Emits the windows that some thread never had an event for.
    fn finish(self) -> Outcome {
        let mut outcome = Outcome::default();
        let partial = self.partial.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (start, parts) in partial {
            emit(start, parts, &mut outcome);
        }
        outcome
    }
}

/// Merges the counts of one window, emits its rows and returns the merged map.
fn emit<K: Key>(start: i64, parts: Vec<Counts<K>>, outcome: &mut Outcome) -> Counts<K> {
    let mut parts = parts.into_iter();
    let mut merged = parts.next().unwrap_or_default();
    for part in parts {
        merged.reserve(part.len());
        for (campaign, count) in part {
            *merged.entry(campaign).or_insert(0) += count;
        }
    }
    for (campaign, &count) in &merged {
        outcome.add_window(campaign, start, count);
    }
    merged
}
