//! W3 as a Firesteel job with a checkpoint folder, written as a user would write it.
//!
//! When the measured job has ended, another one is started on its checkpoint and gets one more event for each key, of
//! value zero. So the totals are put out, and come from what the checkpoint has.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firesteel_budget::Memory;
use firesteel_connect::{Epoch, Guarantee, Result, Sink, WriteTask};
use firesteel_streaming::{
    BatchLimits, BatchProgress, Checkpoint, StreamingContext, StreamingListener, Summary, Trigger,
};
use firesteel_window::{Count, Duration, Sum};

use super::assignment::{Assignment, Phases, Run};
use super::events::KeyedEvents;
use super::reference::{Total, Totals};
use crate::keys::OwnedKey;
use crate::numbers::Numbers;
use crate::stopwatch::Stopwatch;

/// Runs W3 with state in memory.
#[must_use]
pub fn run_in_memory<K: OwnedKey>(assignment: &Assignment, phases: &mut Phases) -> Run {
    run::<K>("firesteel-memory", assignment, phases, |checkpoint| checkpoint)
}

/// Runs W3 with state in RocksDB.
#[cfg(feature = "rocksdb")]
#[must_use]
pub fn run_in_rocksdb<K: OwnedKey>(assignment: &Assignment, phases: &mut Phases) -> Run {
    run::<K>("firesteel-rocksdb", assignment, phases, |checkpoint| {
        checkpoint.backend(firesteel_state_rocksdb::RocksDbOptions::default())
    })
}

fn run<K: OwnedKey>(
    system: &str,
    assignment: &Assignment,
    phases: &mut Phases,
    backend: impl Fn(Checkpoint) -> Checkpoint,
) -> Run {
    let epoch = Duration::micros((assignment.epoch * 1e6) as i64);
    let checkpoint = backend(Checkpoint::in_folder(&assignment.folder).interval(epoch));
    let watched = Watched::new(mem::take(phases));
    watched.lock().0.start(assignment.warm_up);
    let rows = start::<K>(assignment, &checkpoint, 0, watched.clone(), Rows);
    let (mut watched_phases, done) = mem::take(&mut *watched.lock());
    assert_eq!(done, assignment.count, "the job reads all events");
    let (events, seconds) = watched_phases.end(done);
    *phases = watched_phases;

    let (watch, resumed) = (Stopwatch::start(), Watched::default());
    let totals = FinalTotals::default();
    start::<K>(assignment, &checkpoint, assignment.events.keys, resumed, totals.clone());
    let totals = *totals.lock();
    Run {
        system: system.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        events,
        seconds,
        all_events: assignment.count,
        totals,
        note: format!(
            "{} batches, {} rows out, resumed and read back in {:.1} s",
            rows.batches,
            rows.rows_out,
            watch.seconds()
        ),
    }
}

/// Runs the job over the events and this many more; it resumes where it stood if it has run already.
fn start<K: OwnedKey>(
    assignment: &Assignment,
    checkpoint: &Checkpoint,
    more: u64,
    listener: impl StreamingListener,
    sink: impl Sink<(K, Total)>,
) -> Summary {
    let (events, count) = (assignment.events, assignment.count);
    let job = StreamingContext::builder("keyed-totals")
        .threads(assignment.threads)
        .limits(BatchLimits::default().records(assignment.batch))
        .checkpoint(checkpoint.clone())
        .memory(assignment.memory.map_or_else(Memory::default, |bytes| Memory::default().state(bytes)))
        .listener(listener)
        .build()
        .expect("the executors start");
    job.read(Numbers(count + more))
        .named("numbers")
        .map(move |number| {
            if number < count {
                (K::of(events.key(number)), KeyedEvents::value(number))
            } else {
                (K::of(number - count), 0)
            }
        })
        .running_aggregate((Count, Sum))
        .named("totals")
        .write(sink);
    job.run_to_summary(Trigger::AvailableNow).expect("the job runs")
}

/// The phases of a run, told by the job's progress: an event is done when its epoch is committed.
#[derive(Clone, Default)]
struct Watched(Arc<Mutex<(Phases, u64)>>);

impl Watched {
    fn new(phases: Phases) -> Self {
        Self(Arc::new(Mutex::new((phases, 0))))
    }

    fn lock(&self) -> MutexGuard<'_, (Phases, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamingListener for Watched {
    fn on_batch(&self, progress: &BatchProgress) {
        let (phases, done) = &mut *self.lock();
        *done += progress.rows_in;
        if progress.ends_epoch {
            phases.reached(*done);
        }
    }
}

/// A sink that counts nothing: the job does.
pub(super) struct Rows;

impl<T> Sink<T> for Rows {
    type Pending = ();

    fn describe(&self) -> String {
        "nowhere".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = T>) -> Result<()> {
        records.for_each(drop);
        Ok(())
    }
    fn commit(&self, _: Epoch, _: &mut Vec<()>) -> Result<()> {
        Ok(())
    }
}

/// A sink of the totals that one more event for each key has brought out; that event is taken off.
#[derive(Clone, Default)]
struct FinalTotals(Arc<Mutex<Totals>>);

impl FinalTotals {
    fn lock(&self) -> MutexGuard<'_, Totals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: OwnedKey> Sink<(K, Total)> for FinalTotals {
    type Pending = Totals;

    fn describe(&self) -> String {
        "final totals".to_owned()
    }
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }
    fn write(&self, _: WriteTask, records: impl Iterator<Item = (K, Total)>) -> Result<Totals> {
        Ok(records.filter(|(_, (count, _))| *count > 1).fold(Totals::default(), |mut totals, (key, (count, sum))| {
            totals.add(key.number(), (count - 1, sum));
            totals
        }))
    }
    fn commit(&self, _: Epoch, pending: &mut Vec<Totals>) -> Result<()> {
        pending.drain(..).for_each(|totals| self.lock().merge(&totals));
        Ok(())
    }
}
