//! W3 on `firesteel-state` alone, without streams: what the layer under the operators takes.
//!
//! State is in memory; the changes of each epoch are written to a changelog and synced to the disk by a thread of
//! their own, while the workers keep running. At most two epochs are under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::vec::Drain;

use firesteel_core::hash::hash_key;
use firesteel_state::{
    Changelog, ChangelogOptions, Declaration, EpochRecord, Frame, KeyGroupRange, KeyGroups, KeyedStore, StateError,
    StateStore, Times, Value,
};
use firesteel_window::Timestamp;

use super::assignment::{Assignment, Phases, Run};
use super::batches::{self, Hashed, Owner};
use super::reference::{Total, Totals};
use crate::keys::OwnedKey;

/// Epochs that may wait for the disk before the workers do.
const EPOCHS_UNDER_WAY: usize = 1;

/// Runs W3.
///
/// # Panics
/// If the disk fails.
#[must_use]
pub fn run<K: OwnedKey + Default>(assignment: &Assignment, phases: &mut Phases) -> Run {
    let mut declaration = Declaration::new("totals");
    let total = declaration.value("total");
    let groups = KeyGroups::default();
    let store = KeyedStore::in_memory(declaration, groups, hash_key::<K>).expect("the declaration is valid");
    let store = Arc::new(store);
    let log = Changelog::open(&assignment.folder.join("changelog"), ChangelogOptions::default());
    let log = log.expect("the changelog can be made");
    let ranges = batches::ranges(assignment.threads);
    let note = thread::scope(|scope| {
        let (frames, ended) = sync_channel(EPOCHS_UNDER_WAY * assignment.threads);
        let threads = assignment.threads;
        let writer = thread::Builder::new()
            .name("changelog".to_owned())
            .spawn_scoped(scope, move || write(log, threads, &ended))
            .expect("the system refuses another thread");
        let mut owners: Vec<Worker<K>> =
            (ranges.iter()).map(|&groups| Worker::new(Arc::clone(&store), total, groups, frames.clone())).collect();
        drop(frames);
        batches::run(assignment, phases, &mut owners);
        drop(owners);
        writer.join().expect("the changelog's thread panicked").expect("the changelog can be written")
    });
    let (events, seconds) = phases.end(assignment.count);
    Run {
        system: "state-layer".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        events,
        seconds,
        all_events: assignment.count,
        totals: totals(&store, total),
        note,
    }
}

/// The changes of an epoch in a worker's key groups.
type Ended = (u64, Vec<Frame>);

/// Makes each epoch durable when all workers have ended it; what was written, in words.
fn write(mut log: Changelog, workers: usize, ended: &Receiver<Ended>) -> Result<String, StateError> {
    let mut incomplete: BTreeMap<u64, (usize, Vec<Frame>)> = BTreeMap::new();
    for (epoch, frames) in ended {
        let (parts, all) = incomplete.entry(epoch).or_default();
        *parts += 1;
        all.extend(frames);
        if *parts == workers {
            let (_, frames) = incomplete.remove(&epoch).unwrap_or_default();
            log.prepare(&EpochRecord { epoch, frames, ..EpochRecord::default() })?;
            log.mark(epoch)?;
        }
    }
    let megabytes = log.bytes() as f64 / 1e6;
    Ok(format!("{megabytes:.0} MB of changelog in {} epochs", log.last_epoch().unwrap_or_default()))
}

fn totals<K: OwnedKey>(store: &KeyedStore<K>, total: Value<Total>) -> Totals {
    let mut totals = Totals::default();
    for group in store.key_groups().all().iter() {
        let times = Times::processing(Timestamp::EPOCH);
        let each = |key: &K, total: &Total| totals.add(key.number(), *total);
        total.for_each(&mut store.lock(group), times, each).expect("the state is in memory");
    }
    totals
}

/// The owner of a range of key groups.
struct Worker<K> {
    store: Arc<KeyedStore<K>>,
    total: Value<Total>,
    groups: KeyGroupRange,
    frames: SyncSender<Ended>,
    /// What came from each sender is a batch of its own for the store.
    attempt: u64,
    /// The events of a batch, sorted by key group.
    routed: Vec<(u64, (K, i64))>,
}

impl<K> Worker<K> {
    fn new(store: Arc<KeyedStore<K>>, total: Value<Total>, groups: KeyGroupRange, frames: SyncSender<Ended>) -> Self {
        Self { store, total, groups, frames, attempt: 0, routed: Vec::new() }
    }
}

impl<K: OwnedKey + Default> Owner<K> for Worker<K> {
    fn take(&mut self, events: Drain<'_, Hashed<K>>) {
        self.attempt += 1;
        let groups = usize::from(self.store.key_groups().count());
        let part = |event: &Hashed<K>| usize::from(self.store.group_of(event.hash).0);
        let mut bounds = vec![0; groups + 1];
        events.as_slice().iter().for_each(|event| bounds[part(event) + 1] += 1);
        (1..=groups).for_each(|group| bounds[group] += bounds[group - 1]);
        self.routed.resize(events.len(), Default::default());
        let mut next = bounds.clone();
        for event in events {
            let at = &mut next[part(&event)];
            self.routed[*at] = (event.hash, (event.key, event.value));
            *at += 1;
        }
        let times = Times::processing(Timestamp::EPOCH);
        for group in self.groups.iter() {
            let at = usize::from(group.0);
            let mut state = self.store.lock(group);
            state.begin(self.attempt);
            let add = |total: &mut Option<Total>, (_, (_, value)): &(u64, (K, i64))| {
                let (count, sum) = total.get_or_insert((0, 0));
                *count += 1;
                *sum += value;
            };
            let events = &self.routed[bounds[at]..bounds[at + 1]];
            let updated = self.total.update_many(&mut state, events, |(hash, (key, _))| (*hash, key), times, add);
            updated.expect("the state is in memory");
        }
    }

    fn end_epoch(&mut self, epoch: u64) {
        let frames = self.store.end_epoch_in(self.groups, epoch).expect("numbers can be encoded");
        self.store.applied_in(self.groups, epoch);
        // The other end has stopped only if writing has failed, which is reported there.
        let _ = self.frames.send((epoch, frames));
    }
}
