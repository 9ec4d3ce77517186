//! A small job: its state, its changelog and its snapshots, on a disk that crashes.

mod compare;

use std::path::Path;
use std::sync::Arc;

use firesteel_disk::crashing::{CrashingDisk, Loss};
use firesteel_window::{Timestamp, Window, seconds};

use super::contents::{InWindow, Op, TTL};
use super::merging::merge_half;
use super::{Crash, EachGroup, GROUPS, Model, Step, hash};
use crate::backend::StateBackend;
use crate::changelog::{Changelog, ChangelogOptions, EpochRecord};
use crate::snapshot::{FolderStore, Manifest, Snapshots, recover};
use crate::{
    Catalog, Changes, Declaration, Fired, KeyContext, KeyGroup, KeyGroupRange, KeyGroups, KeyedStore, List, Map,
    MemoryBudget, Result, SortedMap, StateOptions, StateStore, StoreSetup, TimeDomain, Timers, Times, Ttl, Value,
    Windows,
};

/// Where the backend is, if there is one, and what of it survives a restart.
pub(crate) trait Home {
    /// Opens it, at first and after each restart; `None` keeps everything in memory. The last one is dropped by then.
    fn open(&mut self) -> Option<Arc<dyn StateBackend>>;
}

/// Everything is in memory.
pub(crate) struct Nowhere;

impl Home for Nowhere {
    fn open(&mut self) -> Option<Arc<dyn StateBackend>> {
        None
    }
}

struct Handles {
    value: Value<u16>,
    mortal: Value<u16>,
    list: List<u16>,
    map: Map<u8, u16>,
    sorted: SortedMap<i16, u16>,
    timers: [Timers; 2],
    windows: Windows<Vec<u16>>,
}

fn declare() -> (Declaration<u8>, Handles) {
    let mut states = Declaration::new("model");
    let handles = Handles {
        value: states.value("value"),
        mortal: states.value_with("mortal", StateOptions::default().ttl(Ttl::after(seconds(TTL)))),
        list: states.list("list"),
        map: states.map("map"),
        sorted: states.sorted_map("sorted"),
        timers: [states.event_timers("false"), states.event_timers("true")],
        windows: states.windows("windows"),
    };
    (states, handles)
}

/// The job, and what survives it.
pub(crate) struct System {
    home: Box<dyn Home>,
    disk: CrashingDisk,
    catalog: Catalog,
    log: Changelog,
    snapshots: Snapshots,
    base: Option<Manifest>,
    backend: Option<Arc<dyn StateBackend>>,
    store: KeyedStore<u8>,
    handles: Handles,
    batch: u64,
    /// The last epoch that stands.
    epoch: u64,
    /// What was done since then, and when: the input, which can be read again.
    input: Vec<(i64, Op)>,
    fired: Vec<(i64, u8, bool)>,
    closed: Vec<(InWindow, Vec<u16>)>,
    /// Keys of windows that have fired in the attempt and were counted as they were read.
    removed: u64,
    /// Keys in all windows, as they have been counted.
    in_windows: u64,
}

impl System {
    pub(crate) fn new(home: impl Home + 'static) -> Self {
        Self::open(Box::new(home), CrashingDisk::default(), None)
    }

    /// Starts the job on what is there. The epoch `dropped` was committed by no sink: it is not resumed from.
    fn open(mut home: Box<dyn Home>, disk: CrashingDisk, dropped: Option<u64>) -> Self {
        let options = ChangelogOptions::default().segment_bytes(300);
        let mut log = Changelog::open_on(disk.shared(), Path::new("log"), options).unwrap();
        if log.last_epoch().is_some() && log.last_epoch() == dropped {
            log.drop_last().unwrap();
        }
        let snapshots = Snapshots::new(Arc::new(FolderStore::open_on(disk.shared(), Path::new("snapshots")).unwrap()));
        let (states, handles) = declare();
        let catalog = Catalog::new(KeyGroups::new(GROUPS).unwrap()).with(&[states.schema()], false).unwrap();
        let backend = home.open();
        let recovery = recover(&snapshots, &log, backend.as_deref()).unwrap();
        assert!(recovery.skipped().is_empty(), "{:?}", recovery.skipped());
        if let Some(backend) = &backend {
            recovery.restore_backend(&**backend).unwrap();
        }
        let setup = StoreSetup { catalog: &catalog, backend: backend.clone(), budget: MemoryBudget::unlimited() };
        let store = KeyedStore::open(states, &setup, hash).unwrap();
        if backend.is_none() {
            recovery.restore_stores(&[&store]).unwrap();
        }
        let (base, epoch) = (recovery.base().cloned(), recovery.epoch());
        Self {
            home,
            disk,
            catalog,
            log,
            snapshots,
            base,
            backend,
            store,
            handles,
            batch: 0,
            epoch,
            input: vec![],
            fired: vec![],
            closed: vec![],
            removed: 0,
            in_windows: 0,
        }
    }

    /// The process ends, and starts again on what a crash left of the files.
    fn restart(&mut self, loss: Loss, dropped: Option<u64>) {
        let committed = self.log.committed();
        // Whatever has the backend open ends before it is opened again.
        self.store = KeyedStore::in_memory(declare().0, self.catalog.groups(), hash).unwrap();
        self.backend = None;
        let home = std::mem::replace(&mut self.home, Box::new(Nowhere));
        *self = Self::open(home, self.disk.after_crash(loss), dropped);
        assert!(self.log.committed() <= committed, "nothing is committed that was not marked");
    }

    fn groups(&self) -> impl Iterator<Item = KeyGroup> + use<> {
        self.catalog.groups().all().iter()
    }

    /// Ends an epoch and prepares it. The state is applied group by group then, as `apply` says.
    fn end_epoch(&mut self, apply: EachGroup) -> Result<()> {
        let epoch = self.epoch + 1;
        let frames = self.store.end_epoch(epoch)?;
        self.log.prepare(&EpochRecord { epoch, frames, ..EpochRecord::default() })?;
        self.epoch = epoch;
        // With the mark, values that have expired by now may go.
        let now = self.input.last().map(|(at, _)| *at);
        for (backend, now) in self.backend.iter().zip(now) {
            backend.expire(&Self::times(now));
        }
        for group in self.groups() {
            let one = KeyGroupRange::new(group.0, group.0 + 1);
            match &self.backend {
                Some(backend) if apply[usize::from(group.0)] => {
                    backend.apply(epoch, &[self.store.lock(group).unapplied()?])?;
                    self.store.applied_in(one, epoch);
                }
                Some(_) => {}
                None => self.store.applied_in(one, epoch),
            }
        }
        self.log.mark(epoch)?;
        self.input.clear();
        Ok(())
    }

    fn crash_in_epoch(&mut self, crash: Crash, stands: bool, apply: EachGroup) {
        let (epoch, input) = (self.epoch + 1, std::mem::take(&mut self.input));
        self.disk.fail_at(crash.at);
        if stands {
            // What comes after the failed call is not seen by anybody.
            _ = self.end_epoch(apply).and_then(|()| self.log.sync_mark());
            self.restart(crash.loss, None);
        } else {
            let frames = self.store.end_epoch(epoch).unwrap();
            // Sinks have not been asked to commit yet.
            _ = self.log.prepare(&EpochRecord { epoch, frames, ..EpochRecord::default() });
            self.restart(crash.loss, Some(epoch));
            assert_eq!(self.epoch, epoch - 1);
        }
        if stands && self.epoch < epoch {
            assert_eq!(self.epoch, epoch - 1);
            self.batch += 1;
            self.store.begin(self.batch);
            input.iter().for_each(|(at, op)| self.run(op, *at));
            self.end_epoch(apply).unwrap();
        }
    }

    /// Images of the groups for which the last snapshot is not good enough, and the removal of what is superfluous.
    fn snapshot(&mut self, images: EachGroup, keep: usize) -> Result<()> {
        let base = self.base.as_ref();
        let mut writer = self.snapshots.begin(self.epoch, &self.catalog, base)?;
        for group in self.groups() {
            let known = base.is_some_and(|base| base.images.iter().any(|image| image.shard.group == group));
            if images[usize::from(group.0)] || !known {
                let (through, image) = self.store.image(group)?;
                writer.add(through, &image)?;
            }
        }
        self.base = Some(writer.finish(vec![])?);
        self.log.truncate(self.snapshots.retain(keep)?)
    }

    fn times(now: i64) -> Times {
        Times::processing(Timestamp::from_secs(now))
    }

    fn run(&mut self, op: &Op, now: i64) {
        let at = |key: &u8| (hash(key), self.store.group_of(hash(key)));
        let h = &self.handles;
        let with = |key: u8, run: &mut dyn FnMut(&mut KeyContext<'_, u8>)| {
            let (hash, group) = at(&key);
            let mut group = self.store.lock(group);
            run(&mut group.key(hash, &key, Self::times(now)));
        };
        match op.clone() {
            Op::Set(key, value) => with(key, &mut |key| h.value.set(key, value).unwrap()),
            Op::Insert(key, value) => with(key, &mut |key| {
                let had = h.value.get(key).unwrap().is_some();
                assert_eq!(h.value.insert(key, value).unwrap(), !had);
            }),
            Op::InsertMortal(key, value) => with(key, &mut |key| _ = h.mortal.insert(key, value).unwrap()),
            Op::Clear(key) => with(key, &mut |key| h.value.clear(key).unwrap()),
            Op::Add(key, more) => with(key, &mut |key| {
                h.value.update(key, |value| *value.get_or_insert(0) ^= more).unwrap();
            }),
            Op::AddMany(keys) => {
                for number in self.catalog.groups().all().iter() {
                    let mut group = self.store.lock(number);
                    let mut mine: Vec<u8> = keys.iter().copied().filter(|key| at(key).1 == number).collect();
                    let times = Self::times(now);
                    merge_half(&h.value, &mut group, &mut mine, times);
                    let done = h.value.update_many(
                        &mut group,
                        &mine,
                        |key| (hash(key), key),
                        times,
                        |value, _| {
                            *value.get_or_insert(0) ^= 7;
                        },
                    );
                    done.unwrap();
                }
            }
            Op::AddMortal(key, more) => with(key, &mut |key| {
                h.mortal.update(key, |value| *value.get_or_insert(0) ^= more).unwrap();
            }),
            Op::Push(key, value) => with(key, &mut |key| h.list.push(key, value).unwrap()),
            Op::Pop(key) => with(key, &mut |key| _ = h.list.pop_front(key).unwrap()),
            Op::Keep(key, least) => with(key, &mut |key| h.list.retain(key, |value| *value >= least).unwrap()),
            Op::Put(key, field, value) => with(key, &mut |key| h.map.put(key, field, value).unwrap()),
            Op::PutAll(key, fields) => with(key, &mut |key| {
                fields.iter().for_each(|field| h.map.put(key, *field, 1).unwrap());
            }),
            Op::Remove(key, field) => with(key, &mut |key| h.map.remove(key, &field).unwrap()),
            Op::AddField(key, field, more) => with(key, &mut |key| {
                h.map.update(key, field, |value| *value.get_or_insert(0) ^= more).unwrap();
            }),
            Op::ClearMap(key) => with(key, &mut |key| h.map.clear(key).unwrap()),
            Op::PutSorted(key, field, value) => with(key, &mut |key| h.sorted.put(key, field, value).unwrap()),
            Op::RemoveSorted(key, field) => with(key, &mut |key| h.sorted.remove(key, &field).unwrap()),
            Op::PopSorted(key, last) => with(key, &mut |key| {
                _ = if last { h.sorted.pop_last(key) } else { h.sorted.pop_first(key) }.unwrap();
            }),
            Op::RemoveRange(key, from, to) => with(key, &mut |key| h.sorted.remove_range(key, from..=to).unwrap()),
            Op::Register(key, which, at) => with(key, &mut |key| {
                h.timers[usize::from(which)].register(key, Timestamp::from_secs(at)).unwrap();
            }),
            Op::Defer(key, which, at) => with(key, &mut |key| {
                key.defer_timers(true);
                h.timers[usize::from(which)].register(key, Timestamp::from_secs(at)).unwrap();
            }),
            Op::Admit => self.groups().for_each(|group| self.store.lock(group).admit_deferred().unwrap()),
            Op::Delete(key, which, at) => with(key, &mut |key| {
                h.timers[usize::from(which)].delete(key, Timestamp::from_secs(at)).unwrap();
            }),
            Op::Fire(until) => {
                let mut fired = vec![];
                for group in self.catalog.groups().all().iter() {
                    let mut group = self.store.lock(group);
                    let before = fired.len();
                    while let Some(timer) = group.pop_due(TimeDomain::Event, Timestamp::from_secs(until)).unwrap() {
                        fired.push(timer);
                    }
                    assert!(fired[before..].is_sorted_by_key(|timer| (timer.time, timer.key)), "{fired:?}");
                }
                // Groups fire one after the other; within a group the order is checked as it is.
                let told = |timer: &Fired<u8>| (timer.time.as_secs(), timer.key, timer.is(&h.timers[1]));
                fired.sort_by_key(|timer| (timer.time, timer.key));
                self.fired = fired.iter().map(told).collect();
            }
            Op::Gather(values, start, length) => {
                let window = Window::new(Timestamp::from_secs(start), Timestamp::from_secs(start + length));
                for number in self.catalog.groups().all().iter() {
                    let mut group = self.store.lock(number);
                    let mut windows = h.windows.of(&mut group).unwrap();
                    for (key, value) in values.iter().filter(|(key, _)| at(key).1 == number) {
                        windows.merge(window, hash(key), *key, vec![*value], |all, more| all.extend(more));
                    }
                    windows.settle(|all, more| all.extend(more)).unwrap();
                }
            }
            Op::Close(until) => {
                let mut closed = vec![];
                for number in self.catalog.groups().all().iter() {
                    let mut group = self.store.lock(number);
                    let mut windows = h.windows.of(&mut group).unwrap();
                    let mut rows = windows.fire(Timestamp::from_secs(until)).unwrap();
                    let before = closed.len();
                    let mut each = |window: Window, key: &u8, all: &Vec<u16>| {
                        closed.push(((window.end().as_secs(), window.start().as_secs(), *key), all.clone()));
                    };
                    let mut slices = 1..;
                    while windows.read(&mut rows, slices.next().unwrap_or(1) % 4, &mut each).unwrap() {}
                    self.removed += rows.counted();
                    assert!(closed[before..].is_sorted_by_key(|(place, _)| (place.0, place.1)), "{closed:?}");
                }
                closed.sort();
                self.closed = closed;
            }
        }
    }

    pub(crate) fn step(mut self, model: &Model, step: &Step) -> Self {
        let now = model.now;
        match step {
            Step::Batch(ops, fails) => {
                self.batch += 1;
                if let Some(until) = fails {
                    self.store.begin(self.batch);
                    ops.iter().take(*until).for_each(|op| self.run(op, now));
                }
                self.store.begin(self.batch);
                self.removed = 0;
                // Makes no difference that can be seen.
                self.groups().for_each(|group| self.store.lock(group).warm_up(ops.len()));
                ops.iter().for_each(|op| self.run(op, now));
                self.input.extend(ops.iter().map(|op| (now, op.clone())));
                let mut changes = Changes::default();
                for group in self.groups() {
                    changes += self.handles.windows.of(&mut self.store.lock(group)).unwrap().changes();
                }
                self.in_windows = self.in_windows + changes.inserted - changes.removed - self.removed;
                assert_eq!(self.in_windows, model.current.windows.len() as u64);
            }
            Step::Epoch { apply, marks } => {
                self.end_epoch(*apply).unwrap();
                if *marks {
                    self.log.sync_mark().unwrap();
                }
            }
            Step::CrashInEpoch { crash, stands, apply } => self.crash_in_epoch(*crash, *stands, *apply),
            Step::Snapshot { images, keep, crash } => {
                self.end_epoch(*images).unwrap();
                match crash {
                    Some(crash) => {
                        self.disk.fail_at(crash.at);
                        _ = self.snapshot(*images, *keep);
                        self.restart(crash.loss, None);
                    }
                    None => self.snapshot(*images, *keep).unwrap(),
                }
            }
            Step::Evict(share) => {
                for group in self.groups() {
                    self.store.lock(group).evict(f64::from(*share) / 4.0);
                }
            }
            Step::Sweep => {
                self.batch += 1;
                self.store.begin(self.batch);
                self.store.sweep(3, Self::times(now));
            }
            Step::Pass(_) => {}
            Step::Restart => self.restart(Loss::All, None),
        }
        assert_eq!(self.epoch, model.epoch);
        self.in_windows = model.current.windows.len() as u64;
        self.compare(model, step);
        self
    }
}
