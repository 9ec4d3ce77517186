//! Beginning a checkpoint, or going on from one.

use std::sync::Arc;

use firesteel_connect::{Epoch, Guarantee};
use firesteel_core::Clock;
use firesteel_state::changelog::{Changelog, ChangelogOptions, ChangelogReader, EpochRecord};
use firesteel_state::snapshot::recover;
use firesteel_state::{
    Catalog, CheckpointLock, JobDescription, KeyGroups, Manifest, MemoryBudget, Snapshots, StateBackend, StateError,
    StateStore, StoreSetup,
};

use crate::checkpoint::applier::Applier;
use crate::checkpoint::durable::{BACKEND, CHANGELOG, SNAPSHOTS};
use crate::checkpoint::frames::shards_of;
use crate::checkpoint::snapshotting::Snapshotting;
use crate::checkpoint::{Checkpoint, Cursor, Durable};
use crate::error::{Error, Result};
use crate::faults::{fail_point, has_fault};
use crate::progress::{StartDurations, micros};
use crate::state::StateCell;

/// A checkpoint that has been opened, with the job's state in the program's stores.
pub(crate) struct Opened {
    pub(crate) durable: Durable,
    /// The last epoch that is restored.
    pub(crate) epoch: u64,
    /// The epoch behind it, if it was prepared and has to be run again.
    pub(crate) again: Option<Again>,
    /// Whether there was nothing to go on from.
    pub(crate) is_new: bool,
    pub(crate) durations: StartDurations,
}

/// An epoch that was prepared before the restart, and that not every sink has.
pub(crate) struct Again {
    pub(crate) record: EpochRecord,
    pub(crate) cursor: Cursor,
    /// For each output, whether it has the epoch already.
    pub(crate) has: Vec<bool>,
}

/// What an output knows of the epochs it has.
pub(crate) struct SinkAt {
    pub(crate) name: Arc<str>,
    pub(crate) guarantee: Guarantee,
    pub(crate) last: Option<Epoch>,
}

/// What the program brings along.
pub(crate) struct Program<'a> {
    pub(crate) job: &'a str,
    pub(crate) states: Vec<&'a dyn StateCell>,
    pub(crate) description: JobDescription,
    pub(crate) sinks: Vec<SinkAt>,
    /// How many threads bring back its state.
    pub(crate) threads: usize,
}

/// What is stored: the folder's parts, opened.
struct Stored {
    log: Changelog,
    snapshots: Snapshots,
    backend: Option<Arc<dyn StateBackend>>,
}

/// Opens the checkpoint, compares it with the program and restores the program's state.
pub(crate) fn open(settings: &Checkpoint, program: &Program<'_>, clock: &dyn Clock) -> Result<Opened> {
    let started = clock.monotonic();
    let lock = CheckpointLock::acquire(&settings.folder)?;
    fail_point!("open.locked");
    let mut options = ChangelogOptions::default().threads(program.threads);
    if let Some(bytes) = settings.segment_bytes {
        options = options.segment_bytes(bytes);
    }
    let log = Changelog::open(&settings.folder.join(CHANGELOG), options)?;
    let snapshots = match &settings.snapshots {
        Some(place) => Snapshots::new(Arc::clone(place)),
        None => Snapshots::in_folder(&settings.folder.join(SNAPSHOTS))?,
    };
    let snapshots = snapshots.threads(program.threads);
    let budget = settings.memory.map_or_else(MemoryBudget::unlimited, MemoryBudget::new);
    let backend = match &settings.backend {
        Some(backend) => Some(backend.open(&settings.folder.join(BACKEND), &budget)?),
        None => None,
    };
    let mut stored = Stored { log, snapshots, backend };
    let opened = clock.monotonic();
    let is_new = stored.is_new()?;
    if is_new {
        warn_of_older_results(settings, program);
        stored.begin(settings, program)?;
    }
    fail_point!("open.begun");
    let manifests = stored.manifests()?;
    let held = stored.held(&manifests)?;
    let at_end = stored.cursor(&manifests, u64::MAX)?;
    let (last, again) = decide(&stored.log, held, settings, program, &at_end)?;
    if again.is_none() && stored.log.last_epoch().is_some() {
        stored.log.mark(last)?;
    }
    let is_end = stored.log.last_epoch().is_none_or(|end| end <= last);
    let mut cursor = if is_end { at_end } else { stored.cursor(&manifests, last)? };
    let catalog = manifests.last().map(|manifest| manifest.catalog.clone());
    let known = catalog.unwrap_or(Catalog::new(KeyGroups::default()));
    cursor.is_described(&known, &stored.snapshots.place())?;
    let catalog = compare(&known, &cursor, settings, program, is_new)?;
    // What was dropped is nothing that the next start would have to know.
    cursor.keys.retain(|operator, _| catalog.store(operator).is_some());
    let setup = StoreSetup { catalog: &catalog, backend: stored.backend.clone(), budget: budget.clone() };
    if manifests.is_empty() && is_new {
        stored.begin_empty(&setup, program)?;
    } else {
        stored.restore(last, &setup, program)?;
    }
    let durations = StartDurations {
        open_us: micros(opened.saturating_sub(started)),
        restore_us: micros(clock.monotonic().saturating_sub(opened)),
    };
    fail_point!("open.restored");
    let stores: Vec<&dyn StateStore> = program.states.iter().map(|cell| cell.store()).collect();
    for cell in program.states.iter().filter(|cell| known.store(&cell.declared().operator).is_none()) {
        cell.initialise()?;
        stored.settle_initial(cell.store(), last)?;
        cursor.keys.insert(cell.declared().operator, cell.keys());
    }
    let newest = manifests.into_iter().next_back();
    let mut snapshotting =
        Snapshotting::new(stored.snapshots, settings.snapshot_after, settings.keep_snapshots, newest);
    let mut durable = None;
    if is_new || catalog != known {
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
        interval: std::time::Duration::try_from(settings.interval).unwrap_or_default(),
        changed_bytes: 0,
        prepared: None,
        lock,
    };
    if again.is_none() {
        durable_checkpoint.truncate(durable.take())?;
    }
    Ok(Opened { durable: durable_checkpoint, epoch: last, again, is_new, durations })
}

/// A new checkpoint knows nothing of what is in the sinks already.
fn warn_of_older_results(settings: &Checkpoint, program: &Program<'_>) {
    if settings.start_from.is_some() {
        return;
    }
    for (sink, Epoch(epoch)) in program.sinks.iter().filter_map(|sink| Some((sink, sink.last?))) {
        tracing::warn!(
            job = program.job,
            sink = %sink.name,
            epoch,
            "a new checkpoint begins, and the sink has results already: the sources are read from their beginnings, and \
             what comes of them is written behind those"
        );
    }
}

impl Stored {
    /// Whether no checkpoint was ever begun here, or one was and not completed.
    fn is_new(&self) -> Result<bool> {
        if !self.snapshots.list()?.is_empty() {
            return Ok(false);
        }
        let (first, last) = (self.log.first_epoch(), self.log.last_epoch());
        let Some(record) = first.and_then(|epoch| self.log.records(epoch).next()) else { return Ok(last.is_none()) };
        Ok(first == last && record?.batches.is_empty())
    }

    /// Begins the changelog, at the epoch of the savepoint or behind those that sinks have.
    fn begin(&mut self, settings: &Checkpoint, program: &Program<'_>) -> Result<()> {
        if let Some(from) = &settings.start_from {
            return self.begin_from(from);
        }
        if let Some(epoch) = self.log.first_epoch()
            && self.cursor(&[], epoch)?.batch > 0
        {
            let reason = "it was begun from a savepoint, and ended before it had the savepoint's state: name the \
                          savepoint again with Checkpoint::start_from, or use an empty folder";
            return Err(StateError::NothingGood { folder: settings.folder.clone(), reason: reason.to_owned() }.into());
        }
        if self.log.last_epoch().is_none() {
            let epoch = program.sinks.iter().filter_map(|sink| sink.last).max().unwrap_or_default().0;
            let cursor = Cursor { begun: epoch, ..Cursor::default() };
            self.log.prepare(&EpochRecord { epoch, extra: cursor.encode()?, ..EpochRecord::default() })?;
            fail_point!("open.first");
            self.log.mark(epoch)?;
            self.log.sync_mark()?;
        }
        Ok(())
    }

    fn begin_from(&mut self, savepoint: &std::path::Path) -> Result<()> {
        let nothing = |reason: String| StateError::NothingGood { folder: savepoint.to_owned(), reason };
        if !savepoint.join(SNAPSHOTS).is_dir() {
            return Err(nothing("it is no savepoint: it has no snapshots".to_owned()).into());
        }
        let from = Snapshots::in_folder(&savepoint.join(SNAPSHOTS))?;
        let id = from.list()?.pop().ok_or_else(|| nothing("it is no savepoint: it has no snapshots".to_owned()))?;
        let manifest = from.manifest(id)?;
        // The snapshot of a savepoint is all there is. That of a checkpoint is the past, which the changelog continues.
        let last = ChangelogReader::open(&savepoint.join(CHANGELOG))?.epochs().last();
        if manifest.replay_from() != manifest.epoch || last != Some(manifest.epoch) {
            let reason = "it is no savepoint, but the checkpoint of a job, whose changelog goes on behind its snapshots: \
                          take a savepoint of that job (Stopper::savepoint), or use a copy of the whole folder as the \
                          checkpoint";
            return Err(nothing(reason.to_owned()).into());
        }
        let (epoch, extra) = (manifest.epoch, manifest.extra.clone());
        if self.log.last_epoch().is_none() {
            self.log.prepare(&EpochRecord { epoch, extra, ..EpochRecord::default() })?;
            self.log.mark(epoch)?;
            self.log.sync_mark()?;
        }
        fail_point!("open.savepoint");
        from.copy_to(&manifest, &self.snapshots)?;
        Ok(())
    }

    /// The manifests that can be read and that the changelog continues, in ascending order.
    fn manifests(&self) -> Result<Vec<Manifest>> {
        let mut manifests = Vec::new();
        for id in self.snapshots.list()? {
            match self.snapshots.manifest(id) {
                Ok(manifest) => manifests.push(manifest),
                Err(error) if error.class() == firesteel_state::Class::Retryable => return Err(error.into()),
                Err(error) => tracing::warn!(snapshot = id, %error, "a snapshot cannot be used"),
            }
        }
        Ok(manifests)
    }

    /// The last epoch of which a snapshot or the backend holds something. They get what all sinks have committed, so it
    /// is as good as marked, also where the mark was not written.
    fn held(&self, manifests: &[Manifest]) -> Result<u64> {
        let images = manifests.iter().flat_map(|manifest| &manifest.images).map(|image| image.through);
        let epochs = manifests.iter().map(|manifest| manifest.epoch);
        let shards = self.backend.as_ref().map_or(Ok(Vec::new()), |backend| backend.shards())?;
        Ok(images.chain(epochs).chain(shards.into_iter().map(|(_, marker)| marker)).max().unwrap_or(0))
    }

    /// Where the job stood at the end of epoch `last`.
    fn cursor(&self, manifests: &[Manifest], last: u64) -> Result<Cursor> {
        Ok(Cursor::at(manifests, &self.log, last)?)
    }

    /// Opens the program's stores where there is nothing to restore. What a backend holds is of another life.
    fn begin_empty(&self, setup: &StoreSetup<'_>, program: &Program<'_>) -> Result<()> {
        if let Some(backend) = &self.backend {
            for (shard, _) in backend.shards()? {
                backend.clear(shard)?;
            }
        }
        Ok(program.states.iter().try_for_each(|cell| cell.open(setup))?)
    }

    /// Brings the program's stores to the end of epoch `last`.
    fn restore(&self, last: u64, setup: &StoreSetup<'_>, program: &Program<'_>) -> Result<()> {
        let last = if has_fault("state-not-rolled-back") { u64::MAX } else { last };
        let recovery = recover(&self.snapshots, &self.log, self.backend.as_deref())?.up_to(last);
        for (snapshot, error) in recovery.skipped() {
            tracing::warn!(snapshot, %error, "a damaged snapshot is passed over in favour of an older one");
        }
        let open = || program.states.iter().try_for_each(|cell| cell.open(setup));
        match &self.backend {
            Some(backend) => {
                recovery.restore_backend(&**backend)?;
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
            for group in store.key_groups().all().iter() {
                let (_, image) = store.image(group)?;
                backend.apply(last, &[image])?;
            }
        }
        store.pass_epoch(last);
        Ok(())
    }
}

/// The epoch to restore, and whether the one behind it has to be run again.
fn decide(
    log: &Changelog,
    held: u64,
    settings: &Checkpoint,
    program: &Program<'_>,
    cursor: &Cursor,
) -> Result<(u64, Option<Again>)> {
    let last = log.last_epoch().unwrap_or(0);
    let is_marked = log.committed().max(held) >= last;
    let folder = || settings.folder.display().to_string();
    for sink in &program.sinks {
        let Some(Epoch(at)) = sink.last else {
            if sink.guarantee == Guarantee::ExactlyOnce && last > cursor.begun {
                tracing::warn!(
                    job = program.job,
                    sink = %sink.name,
                    "the sink has no results, and the job has committed epochs: it is new, or what it had is gone"
                );
            }
            continue;
        };
        if at > last {
            return Err(Error::Epochs {
                sink: sink.name.to_string(),
                reason: format!(
                    "it has epoch {at}, but the checkpoint in {} ends with epoch {last}: the checkpoint is an old copy, or \
                     the results are those of another job. Use the checkpoint that belongs to them, or write elsewhere",
                    folder()
                ),
            });
        }
        let expected = if is_marked { last } else { last.saturating_sub(1) };
        if sink.guarantee == Guarantee::ExactlyOnce && at < expected && at > cursor.begun && !settings.allow_loss {
            return Err(Error::Epochs {
                sink: sink.name.to_string(),
                reason: format!(
                    "it ends with epoch {at}, but the checkpoint in {} has committed epoch {expected}: results have been \
                     lost. Restore them, or say Checkpoint::allow_loss(true) to go on without them",
                    folder()
                ),
            });
        }
    }
    if is_marked {
        return Ok((last, None));
    }
    let has: Vec<bool> = program.sinks.iter().map(|sink| sink.last == Some(Epoch(last))).collect();
    if has.iter().all(|has| *has) {
        tracing::info!(job = program.job, epoch = last, "all sinks have the last epoch: it is rolled forward");
        return Ok((last, None));
    }
    let record = log.records(last).next().transpose()?;
    let Some(record) = record else { return Ok((last, None)) };
    let cursor = Cursor::decode(&record.extra, last)?;
    tracing::info!(job = program.job, epoch = last, "the last epoch was prepared and not committed: it is run again");
    Ok((last.saturating_sub(1), Some(Again { record, cursor, has })))
}

/// The catalogue for the program, unless it does not fit what is stored.
fn compare(
    known: &Catalog,
    cursor: &Cursor,
    settings: &Checkpoint,
    program: &Program<'_>,
    is_new: bool,
) -> Result<Catalog> {
    let declared = &program.description;
    let comparison = declared.compare(known, cursor);
    let report = comparison.to_string();
    if !comparison.fits() || !(comparison.lost().is_empty() || settings.allow_loss) {
        let way_out = if comparison.fits() {
            "give operators and sources the names they had, or say Checkpoint::allow_loss(true) to drop what is lost"
        } else {
            "go back to the types that are stored, or give what has changed another name"
        };
        let folder = settings.folder.display().to_string();
        return Err(Error::Changed { folder, report, way_out });
    }
    if !is_new {
        tracing::info!(job = program.job, "the job goes on from {}\n{report}", settings.folder.display());
    }
    for cell in program.states.iter().filter(|cell| !cell.is_named()) {
        let operator = cell.declared().operator;
        tracing::warn!(
            job = program.job,
            operator,
            "an operator with state has no name of its own: give it one with `named`, so that it is found again when \
             the program changes"
        );
    }
    Ok(known.with(&declared.states, settings.allow_loss)?)
}
