//! The steps of an epoch: its record is prepared, snapshots take what they need, the sinks commit, it is marked; then
//! backend and snapshots follow.

use std::path::{Path, PathBuf};

use firesteel_faults::{alterable, fail_point};
use firesteel_state::changelog::{BatchBoundary, Changelog, ChangelogOptions, EpochRecord, OperatorWatermark};
use firesteel_state::cursor::{OwnedRange, SplitName};
use firesteel_state::{
    Catalog, CheckpointLock, CommitLog, Frame, KeySpace, Marker, MemoryBudget, RunId, Snapshots, StateStore,
};
use firesteel_window::{Duration, PartitionWatermarks, Timestamp};

use crate::checkpoint::applier::Applier;
use crate::checkpoint::snapshotting::Snapshotting;
use crate::checkpoint::{Cursor, Unfinished};
use crate::error::Result;

/// A checkpoint in use.
pub(crate) struct Durable {
    pub(crate) folder: PathBuf,
    pub(crate) log: Box<dyn CommitLog>,
    pub(crate) backend: Option<Applier>,
    pub(crate) budget: MemoryBudget,
    pub(crate) catalog: Catalog,
    pub(crate) snapshotting: Snapshotting,
    /// Where the job stood at the end of the last committed epoch.
    pub(crate) cursor: Cursor,
    /// Between the end of a batch and the next epoch, at least.
    pub(crate) interval: Duration,
    /// Bytes of what the last epoch changed.
    pub(crate) changed_bytes: u64,
    /// The epoch that is prepared and not yet marked: what changed, and where the job then stood.
    pub(crate) prepared: Option<Prepared>,
    pub(crate) lock: CheckpointLock,
}

/// An epoch on its way.
pub(crate) struct Prepared {
    record: EpochRecord,
    changed: Cursor,
    bytes: u64,
    /// Whether the backend is to make it durable.
    flush: bool,
}

/// What an epoch is made of.
pub(crate) struct EpochEnd {
    pub(crate) epoch: u64,
    pub(crate) boundaries: Vec<BatchBoundary>,
    pub(crate) changed: Cursor,
    pub(crate) frames: Vec<Frame>,
}

impl Durable {
    /// Step one: the record of the epoch is on disk.
    pub(crate) fn prepare(&mut self, ending: EpochEnd) -> Result<()> {
        let EpochEnd { epoch, boundaries, changed, frames } = ending;
        let (watermarks, extra) = (watermarks_of(&changed), changed.encode()?);
        let record = alterable("epoch.record", EpochRecord { epoch, batches: boundaries, watermarks, extra, frames });
        self.lock.check()?;
        let before = self.log.bytes();
        self.log.prepare(&record)?;
        let bytes = self.log.bytes().saturating_sub(before);
        self.prepared = Some(Prepared { record, changed, bytes, flush: false });
        Ok(())
    }

    /// Step one for an epoch that was prepared before a restart and has been run again. Where a sink has it, what was
    /// prepared then stands; where none has, what came out now counts.
    pub(crate) fn prepare_again(&mut self, ending: EpochEnd, again: Unfinished) -> Result<()> {
        let Unfinished { record, cursor, has } = again;
        if !has.contains(&true) {
            self.log.drop_last()?;
            fail_point!("again.dropped");
            return self.prepare(ending);
        }
        if record.frames != ending.frames {
            tracing::warn!(
                epoch = record.epoch,
                "an epoch that was run again has changed state differently: the program depends on more than its input"
            );
        }
        self.prepared = Some(Prepared { record, changed: cursor, bytes: 0, flush: false });
        Ok(())
    }

    /// Step two: takes what snapshots need of the state at the end of the prepared epoch. By the time that it is marked, the
    /// next one may have changed it.
    pub(crate) fn collect(&mut self, stores: &[&dyn StateStore]) -> Result<()> {
        let Some(Prepared { record, bytes, flush, .. }) = &mut self.prepared else { return Ok(()) };
        self.changed_bytes = record.frames.iter().map(|frame| frame.bytes().len() as u64).sum();
        self.snapshotting.note(*bytes, record.frames.iter().map(Frame::shard));
        // What the changelog may lose when this snapshot is done, the backend has for good.
        *flush = self.snapshotting.is_due();
        let collected = self.snapshotting.collect(record.epoch, *bytes, &self.catalog, stores);
        Ok(collected.inspect_err(|_| self.snapshotting.give_up())?)
    }

    /// Step four, after the commits of all sinks: the epoch is marked, and no restart runs it again. What follows may
    /// fail and be made up for later: the changelog holds everything.
    pub(crate) fn mark(&mut self, time: Timestamp, stores: &[&dyn StateStore]) -> Result<()> {
        let Some(Prepared { record, changed, flush, .. }) = self.prepared.take() else { return Ok(()) };
        let epoch = record.epoch;
        self.log.mark(epoch)?;
        fail_point!("epoch.marked");
        self.cursor.advance(changed);
        self.apply(epoch, record.frames, time, flush, stores)?;
        fail_point!("epoch.applied");
        let durable = self.snapshotting.complete(&self.cursor);
        let durable = durable.inspect_err(|_| self.snapshotting.give_up())?;
        self.truncate(alterable("epoch.durable", durable))
    }

    /// Hands the epoch's changes to the backend, so that they may leave memory.
    fn apply(
        &mut self,
        epoch: u64,
        frames: Vec<Frame>,
        time: Timestamp,
        flush: bool,
        stores: &[&dyn StateStore],
    ) -> Result<()> {
        let Some(backend) = &mut self.backend else {
            stores.iter().for_each(|store| store.applied(epoch));
            return Ok(());
        };
        let at = Marker { epoch, commit: self.cursor.commit };
        backend.apply(at, frames, self.cursor.times(time), flush, stores)?;
        // What is too much can leave memory only when the backend has it.
        if self.budget.is_exceeded() { backend.wait(0, stores) } else { Ok(()) }
    }

    /// Where keys are, as the checkpoint has it.
    pub(crate) fn key_space(&self) -> Result<KeySpace> {
        Ok(OwnedRange::space(self.cursor.owned, self.catalog.groups())?)
    }

    /// Writes down, after `epoch`, that other key groups are the job's own, with all of its state: what was before is no part
    /// of what is restored from here on, so no older snapshot is kept.
    pub(crate) fn own(&mut self, space: KeySpace, epoch: u64, stores: &[&dyn StateStore]) -> Result<()> {
        self.cursor.owned = Some(OwnedRange::from(space));
        if let Some(backend) = &mut self.backend {
            backend.backend().flush()?;
        }
        self.log.sync_mark()?;
        let durable = self.snapshotting.take_alone(epoch, &self.catalog, &self.cursor, stores)?;
        self.truncate(durable)
    }

    /// Lets go of what snapshots hold.
    pub(crate) fn truncate(&mut self, durable: Option<u64>) -> Result<()> {
        let Some(durable) = durable else { return Ok(()) };
        Ok(self.log.truncate(durable)?)
    }

    /// Writes the last mark, so that the next start need not ask the sinks.
    pub(crate) fn close(&mut self, stores: &[&dyn StateStore]) -> Result<()> {
        if let Some(backend) = &mut self.backend {
            backend.wait(0, stores)?;
            backend.backend().flush()?;
        }
        Ok(self.log.sync_mark()?)
    }

    /// Writes a copy that stands alone to another folder: a checkpoint of its own.
    pub(crate) fn savepoint(&self, folder: &Path, epoch: u64, stores: &[&dyn StateStore]) -> Result<()> {
        let run = RunId::in_scope(self.cursor.checkpoint.scope());
        let snapshots = Snapshots::in_folder(&folder.join(SNAPSHOTS))?.written_by(run);
        let mut log = Changelog::open(&folder.join(CHANGELOG), ChangelogOptions::default())?;
        if log.last_epoch().is_some() || !snapshots.list()?.is_empty() {
            return Err(crate::Error::Setting {
                what: format!("savepoint {}", folder.display()),
                reason: "there is a checkpoint in it already: choose an empty folder".to_owned(),
            });
        }
        let extra = self.cursor.encode()?;
        let mut taking = Snapshotting::new(snapshots, u64::MAX, 1, None);
        log.prepare(&EpochRecord { epoch, extra, ..EpochRecord::default() })?;
        log.mark(epoch)?;
        log.sync_mark()?;
        fail_point!("savepoint.begun");
        // The manifest comes last: without it, the folder is no checkpoint.
        taking.take(epoch, &self.catalog, &self.cursor, stores)?;
        fail_point!("savepoint.done");
        Ok(())
    }
}

/// The folder of the changelog in that of a checkpoint.
pub(crate) const CHANGELOG: &str = "changelog";
/// The folder of the snapshots in that of a checkpoint.
pub(crate) const SNAPSHOTS: &str = "snapshots";
/// The folder of key groups that are released in that of a checkpoint.
pub(crate) const HANDOVERS: &str = "handovers";
/// The folder of the tables that epochs have met in that of a checkpoint.
pub(crate) const TABLES: &str = "tables";
/// The folder of the backend in that of a checkpoint.
pub(crate) const BACKEND: &str = "state";

/// The operators' watermarks, for who reads the changelog without the program.
pub(crate) fn watermarks_of(cursor: &Cursor) -> Vec<OperatorWatermark> {
    let named = |(operator, marks): (&String, &PartitionWatermarks<SplitName>)| OperatorWatermark {
        operator: operator.clone(),
        split: String::new(),
        watermark: marks.current(),
    };
    cursor.watermarks.iter().map(named).collect()
}
