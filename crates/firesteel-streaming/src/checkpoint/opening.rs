//! Beginning a checkpoint, or resuming from one that has been [looked at](super::looking): from here on, the folder is
//! changed.

use std::sync::Arc;

use firesteel_core::Clock;
use firesteel_faults::{alterable, fail_point};
use firesteel_state::changelog::{Changelog, ChangelogOptions, EpochRecord};
use firesteel_state::cursor::MERGED;
use firesteel_state::cursor::{CheckpointId, OwnedRange};
use firesteel_state::snapshot::{Recovery, recover};
use firesteel_state::{
    Catalog, CheckpointLock, CommitLog, EpochLog, JobDescription, KeyGroupRange, KeySpace, Manifest, MemoryBudget,
    RunId, Snapshots, StateBackend, StateError, StateStore, StoreSetup,
};

use crate::checkpoint::applier::Applier;
use crate::checkpoint::deciding::{Last, SinkAt, Unfinished};
use crate::checkpoint::durable::{BACKEND, SNAPSHOTS};
use crate::checkpoint::frames::shards_of;
use crate::checkpoint::looking::{Looked, manifests_of};
use crate::checkpoint::snapshotting::Snapshotting;
use crate::checkpoint::{Checkpoint, Cursor, Durable};
use crate::error::Result;
use crate::memory;
use crate::plan::StateCell;
use crate::progress::{StartDurations, micros};

/// A checkpoint that has been opened, with the job's state in the program's stores.
pub(crate) struct Opened {
    pub(crate) durable: Durable,
    /// The last epoch that is restored.
    pub(crate) epoch: u64,
    /// The epoch after it, if it was prepared and has to be run again.
    pub(crate) again: Option<Unfinished>,
    /// Whether there was nothing to resume from.
    pub(crate) is_new: bool,
    pub(crate) durations: StartDurations,
}

/// What the program brings along.
pub(crate) struct Program<'a> {
    pub(crate) job: &'a str,
    pub(crate) states: Vec<&'a dyn StateCell>,
    pub(crate) description: JobDescription,
    /// How many threads bring back its state.
    pub(crate) threads: usize,
    /// The memory that its state may take.
    pub(crate) budget: MemoryBudget,
}

/// What is stored: the folder's parts, opened.
struct Stored {
    log: Box<dyn CommitLog>,
    snapshots: Snapshots,
    backend: Option<Arc<dyn StateBackend>>,
}

/// Makes sure that sinks and checkpoint belong together: the last of what can refuse a program without a change.
pub(crate) fn check(looked: &mut Looked, settings: &Checkpoint, program: &Program<'_>, sinks: &[SinkAt]) -> Result<()> {
    let held = looked.held();
    looked.decide(held, settings, program, sinks).map(drop)
}

/// Opens the checkpoint and restores the program's state.
pub(crate) fn open(
    mut looked: Looked,
    settings: &Checkpoint,
    program: &Program<'_>,
    sinks: &[SinkAt],
    clock: &dyn Clock,
) -> Result<Opened> {
    let started = clock.monotonic();
    if looked.lock.is_none() {
        // Somebody may have begun a checkpoint since it was looked at.
        let id = looked.id;
        looked = Looked::look_locked(Some(CheckpointLock::acquire(&settings.folder)?), settings, program)?;
        if looked.log.first_epoch().is_none() {
            // The one that the sinks have been told.
            looked.id = id;
        }
    }
    let lock = looked.lock.take().expect("where there was none, it has been taken just now");
    let budget = program.budget.clone();
    let backend = match &settings.backend {
        Some(backend) => {
            let share = budget.part();
            let backend = backend.open(&settings.folder.join(BACKEND), &share)?;
            memory::check_backend(&share)?;
            Some(backend)
        }
        None => None,
    };
    // What a backend has from an epoch tells that all sinks have it.
    let shards = backend.as_ref().map_or(Ok(Vec::new()), |backend| backend.shards())?;
    let held = shards.into_iter().map(|(_, marker)| marker).chain([looked.held()]).max().unwrap_or(0);
    let decision = looked.decide(held, settings, program, sinks)?;
    decision.tell(program.job);
    let (last, fate) = (decision.last, decision.fate);
    let reader = looked.log.clone();
    let (found, is_new) = (looked.snapshots.clone().threads(program.threads), looked.is_new);
    let recovery = if is_new { None } else { Some(recovery(&found, &reader, backend.as_deref(), last)?) };
    looked.tell(settings, program);
    let opened = clock.monotonic();

    let snapshots = match &settings.snapshots {
        Some(_) => found.clone(),
        None => Snapshots::in_folder(&settings.folder.join(SNAPSHOTS))?.threads(program.threads),
    };
    let mut stored =
        Stored { log: Box::new(Changelog::resume(&reader, options(settings, program))?), snapshots, backend };
    if is_new {
        stored.begin(&looked, last, program, sinks)?;
    } else {
        stored.write_as(looked.at_end.checkpoint);
    }
    fail_point!("open.begun");
    if matches!(fate, Last::Stands) {
        stored.log.mark(last)?;
    }
    let manifests = if is_new { manifests_of(&stored.snapshots)? } else { looked.manifests.clone() };
    let is_end = !is_new && looked.last() == last;
    let mut cursor = if is_end { looked.at_end.clone() } else { Cursor::at(&manifests, &*stored.log, last)? };
    let known = &looked.known;
    let times = cursor.times(clock.wall());
    let catalog = known.resumed_by(&program.description, &looked.comparison, (last, &times))?;
    forget(&mut cursor, &looked, &catalog, sinks);
    cursor.program = program.description.fingerprint();
    if is_new && let Some(groups) = settings.owning {
        cursor.owned = Some(OwnedRange { groups, term: 0 });
    }
    let space = OwnedRange::space(cursor.owned, catalog.groups())?;
    let setup = StoreSetup { catalog: &catalog, backend: stored.backend.clone(), budget: budget.clone() };
    match recovery {
        Some(recovery) => stored.restore(&recovery, &setup, program, space)?,
        None if manifests.is_empty() => stored.begin_empty(&setup, program, space)?,
        None => {
            let (snapshots, log) = (stored.snapshots.clone(), &*stored.log);
            let recovery = self::recovery(&snapshots, log, stored.backend.as_deref(), last)?;
            stored.restore(&recovery, &setup, program, space)?;
        }
    }
    let again = match fate {
        Last::RunAgain(again) => Some(*again),
        Last::Stands => None,
        Last::Dropped => {
            stored.log.drop_last()?;
            stored.log.mark(last)?;
            stored.log.sync_mark()?;
            None
        }
    };
    let durations = StartDurations {
        open_us: micros(opened.saturating_sub(started)),
        restore_us: micros(clock.monotonic().saturating_sub(opened)),
    };
    fail_point!("open.restored");
    let stores: Vec<&dyn StateStore> = program.states.iter().map(|cell| cell.store()).collect();
    for cell in &program.states {
        let operator = cell.declared().operator;
        if !is_kept(known, &catalog, &operator) {
            cell.initialize()?;
            stored.settle_initial(cell.store(), last)?;
            cursor.keys.insert(operator, cell.keys());
        }
    }
    let newest = manifests.into_iter().next_back();
    let mut snapshotting =
        Snapshotting::new(stored.snapshots, settings.snapshot_after, settings.keep_snapshots, newest);
    let mut durable = None;
    if is_new || catalog != *known {
        // From now on, the numbers of states stand in a snapshot before they are used.
        durable = snapshotting.take(last, &catalog, &cursor, &stores)?;
        fail_point!("open.snapshot");
    } else {
        // What has changed since the last snapshot is not known any more: the next one takes everything that is there.
        snapshotting.note(stored.log.bytes(), shards_of(&stores));
    }
    let mut durable_checkpoint = Durable {
        folder: settings.folder.clone(),
        log: stored.log,
        backend: stored.backend.map(|backend| Applier::new(backend, &budget)).transpose()?,
        budget,
        catalog,
        snapshotting,
        cursor,
        interval: settings.interval,
        changed_bytes: 0,
        prepared: None,
        lock,
    };
    if again.is_none() {
        durable_checkpoint.truncate(durable.take())?;
    }
    Ok(Opened { durable: durable_checkpoint, epoch: last, again, is_new, durations })
}

fn options(settings: &Checkpoint, program: &Program<'_>) -> ChangelogOptions {
    let options = ChangelogOptions::default().threads(program.threads);
    match settings.segment_bytes {
        Some(bytes) => options.segment_bytes(bytes),
        None => options,
    }
}

/// Whether an operator finds its state again.
fn is_kept(known: &Catalog, catalog: &Catalog, operator: &str) -> bool {
    let id = |catalog: &Catalog| catalog.store(operator).map(|store| store.id);
    id(known).is_some() && id(known) == id(catalog)
}

/// What is dropped is nothing that the job, or its next start, would have to know.
fn forget(cursor: &mut Cursor, looked: &Looked, catalog: &Catalog, sinks: &[SinkAt]) {
    let dropped = |member: String| looked.comparison.dropped().any(|finding| finding.member == member);
    let is_input = |name: &str| catalog.inputs().iter().any(|input| input.name == name);
    cursor.inputs.retain(|name, _| is_input(name) && !dropped(format!("input:{name}")));
    let is_watermark =
        |name: &str| name.starts_with(MERGED) || catalog.watermarks().iter().any(|mark| mark.name == name);
    cursor.watermarks.retain(|name, _| is_watermark(name) && !dropped(format!("watermark:{name}")));
    cursor.keys.retain(|operator, _| is_kept(&looked.known, catalog, operator));
    cursor.gone.retain(|(operator, _)| is_kept(&looked.known, catalog, operator));
    // What is lost of results is lost once.
    for sink in sinks.iter().filter(|sink| dropped(format!("output:{}", sink.name))) {
        match sink.trace() {
            Some(mark) => _ = cursor.sinks.insert(sink.name.to_string(), mark),
            None => _ = cursor.sinks.remove(&*sink.name),
        }
    }
}

/// Opens the program's stores, of which these key groups are its own.
fn open_stores(setup: &StoreSetup<'_>, program: &Program<'_>, space: KeySpace) -> Result<()> {
    program.states.iter().try_for_each(|cell| {
        cell.open(setup)?;
        Ok(cell.store().own(space)?)
    })
}

/// What the state at the end of epoch `last` is restored from.
fn recovery<'a>(
    snapshots: &'a Snapshots,
    log: &'a dyn EpochLog,
    backend: Option<&dyn StateBackend>,
    last: u64,
) -> Result<Recovery<'a>> {
    let recovery = recover(snapshots, log, backend)?.up_to(alterable("restore.last", last));
    for (snapshot, error) in recovery.skipped() {
        tracing::warn!(%snapshot, %error, "a damaged snapshot is skipped for an older one");
    }
    Ok(recovery)
}

impl Stored {
    /// Snapshots get names that no other run gives, and those of this checkpoint's earlier runs are retained.
    fn write_as(&mut self, checkpoint: CheckpointId) {
        self.snapshots = self.snapshots.clone().written_by(RunId::in_scope(checkpoint.scope()));
    }

    /// Begins the changelog with `epoch`: that of the savepoint, or the last that a sink has. The checkpoint gets an id.
    fn begin(&mut self, looked: &Looked, epoch: u64, program: &Program<'_>, sinks: &[SinkAt]) -> Result<()> {
        let mut first = match self.log.first_epoch() {
            // It has one already, from a start that did not come far.
            Some(_) => looked.log_cursor()?,
            None => {
                let base = looked.savepoint.as_ref().map(|savepoint| savepoint.cursor.clone());
                let base = base.unwrap_or_else(|| Cursor { begun: epoch, ..Cursor::default() });
                let marks = sinks.iter().filter_map(|sink| Some((sink.name.to_string(), sink.trace()?)));
                let mut sinks = base.sinks.clone();
                sinks.extend(marks);
                Cursor { checkpoint: looked.id, sinks, ..base }
            }
        };
        self.write_as(first.checkpoint);
        (first.epoch, first.program) = (epoch, program.description.fingerprint());
        let extra = first.encode()?;
        if self.log.last_epoch().is_none() {
            self.log.prepare(&EpochRecord { epoch, extra: extra.clone(), ..EpochRecord::default() })?;
            fail_point!("open.first");
            self.log.mark(epoch)?;
            self.log.sync_mark()?;
        }
        if let Some(savepoint) = &looked.savepoint {
            fail_point!("open.savepoint");
            let manifest = Manifest { extra, ..savepoint.manifest.clone() };
            savepoint.snapshots.copy_to(&manifest, &self.snapshots)?;
        }
        Ok(())
    }

    /// Opens the program's stores where there is nothing to restore. What a backend holds is of an earlier checkpoint.
    fn begin_empty(&self, setup: &StoreSetup<'_>, program: &Program<'_>, space: KeySpace) -> Result<()> {
        if let Some(backend) = &self.backend {
            for (shard, _) in backend.shards()? {
                backend.clear(shard)?;
            }
        }
        open_stores(setup, program, space)
    }

    /// Brings the program's stores to the end of the epoch.
    fn restore(
        &self,
        recovery: &Recovery<'_>,
        setup: &StoreSetup<'_>,
        program: &Program<'_>,
        space: KeySpace,
    ) -> Result<()> {
        if space.term() > 0 && recovery.is_of_log_alone() {
            let reason = format!("the job has gained {space}, and no snapshot since then can be read");
            return Err(StateError::NoUsableSnapshot { folder: self.snapshots.place().into(), reason }.into());
        }
        let open = || open_stores(setup, program, space);
        match &self.backend {
            Some(backend) => {
                recovery.restore_backend(&**backend)?;
                // What it has of others' key groups is of the time when they were this job's.
                let (all, owned) = (space.groups().count(), space.owned());
                backend.clear_in(KeyGroupRange::new(0, owned.start()))?;
                backend.clear_in(KeyGroupRange::new(owned.end(), all))?;
                open()?;
            }
            None => {
                open()?;
                let stores: Vec<&dyn StateStore> = program.states.iter().map(|cell| cell.store()).collect();
                recovery.restore_stores(&stores)?;
            }
        }
        Ok(())
    }

    /// Makes what a new store begins with a part of epoch `last`.
    fn settle_initial(&self, store: &dyn StateStore, last: u64) -> Result<()> {
        if let Some(backend) = &self.backend {
            for group in store.key_space().owned().iter() {
                let (_, image) = store.image(group)?;
                backend.apply(last, &[image])?;
            }
        }
        store.pass_epoch(last);
        Ok(())
    }
}
