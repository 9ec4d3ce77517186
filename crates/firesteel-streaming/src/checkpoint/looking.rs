//! Looking at a checkpoint before anything of it is changed: what can refuse a program is read here.
//!
//! A start that is refused leaves the folder as it was, byte for byte: no lock file is made, no unfinished write is cut
//! off, no backend is opened. `docs/checkpoint-rules.md` has the rules.

use std::path::Path;
use std::sync::Arc;

use firesteel_faults::fail_point;
use firesteel_state::changelog::ChangelogReader;
use firesteel_state::cursor::CheckpointId;
use firesteel_state::snapshot::reaches;
use firesteel_state::{
    Catalog, CheckpointLock, Comparison, EpochLog, JobDescription, KeyGroups, Manifest, Snapshots, StateError, Verdict,
};
use firesteel_window::Timestamp;

use crate::checkpoint::durable::{CHANGELOG, SNAPSHOTS};
use crate::checkpoint::{Checkpoint, Cursor, Program};
use crate::error::{Error, Result};

/// A checkpoint as it was found, which fits the program as far as can be told without its sinks.
pub(crate) struct Looked {
    /// Nobody else has the folder; `None` where it has never been locked.
    pub(super) lock: Option<CheckpointLock>,
    pub(super) log: ChangelogReader,
    pub(super) snapshots: Snapshots,
    /// Those that can be read, in ascending order.
    pub(super) manifests: Vec<Manifest>,
    /// Whether there is nothing to resume from.
    pub(super) is_new: bool,
    /// What a new checkpoint begins with.
    pub(super) savepoint: Option<Savepoint>,
    pub(super) known: Catalog,
    /// Where the job stood at the end of the last record.
    pub(super) at_end: Cursor,
    pub(super) comparison: Comparison,
    /// The checkpoint's id: of one that is new, the one that it gets.
    pub(super) id: CheckpointId,
}

/// A savepoint that has been checked.
pub(super) struct Savepoint {
    pub(super) snapshots: Snapshots,
    pub(super) manifest: Manifest,
    pub(super) cursor: Cursor,
}

impl Looked {
    /// Looks at the checkpoint and compares it with the program.
    pub(crate) fn look(settings: &Checkpoint, program: &Program<'_>) -> Result<Self> {
        Self::look_locked(CheckpointLock::acquire_existing(&settings.folder)?, settings, program)
    }

    /// As [`look`](Self::look), with the lock that has been taken.
    pub(super) fn look_locked(
        lock: Option<CheckpointLock>,
        settings: &Checkpoint,
        program: &Program<'_>,
    ) -> Result<Self> {
        if lock.is_some() {
            fail_point!("open.locked");
        }
        check_permissions(&settings.allow_loss)?;
        let groups = settings.new_groups()?;
        let log = ChangelogReader::open_with(&settings.folder.join(CHANGELOG), program.threads)?;
        let snapshots = settings.look_at_snapshots();
        let manifests = manifests_of(&snapshots)?;
        let is_new = is_new(&snapshots, &log)?;
        let savepoint = match &settings.start_from {
            Some(folder) if is_new => Some(Savepoint::check(folder)?),
            _ => None,
        };
        let (known, at_end) = match &savepoint {
            Some(savepoint) => (savepoint.manifest.catalog.clone(), savepoint.cursor.clone()),
            None => {
                let catalog = manifests.last().map(|manifest| manifest.catalog.clone());
                (catalog.unwrap_or(Catalog::new(groups)), Cursor::at(&manifests, &log, u64::MAX)?)
            }
        };
        if is_new && savepoint.is_none() && at_end.batch > 0 {
            let reason = "it was begun from a savepoint, and ended before it had the savepoint's state: name the \
                          savepoint again with Checkpoint::start_from, or use an empty folder";
            return Err(
                StateError::NoUsableSnapshot { folder: settings.folder.clone(), reason: reason.to_owned() }.into()
            );
        }
        if savepoint.is_none() {
            reaches(&snapshots, &log, manifests.iter().map(|manifest| manifest.epoch).max())?;
        }
        at_end.is_described(&known, &snapshots.place())?;
        let comparison = program.description.compare(&known, &at_end).permitting(&settings.allow_loss, &known);
        if comparison.verdict() != Verdict::Resumes {
            let (folder, comparison) = (settings.folder.display().to_string(), Box::new(comparison));
            return Err(Error::Changed { folder, comparison });
        }
        // A declaration that makes no sense is refused, too.
        known.resumed_by(&program.description, &comparison, (0, &at_end.times(Timestamp::EPOCH)))?;
        // A start that did not come far has left one.
        let id = match log.first_epoch() {
            _ if !is_new => at_end.checkpoint,
            None => CheckpointId::from_bits(firesteel_connect::CheckpointId::random().to_bits()),
            Some(_) => Cursor::at(&[], &log, u64::MAX)?.checkpoint,
        };
        Ok(Self { lock, log, snapshots, manifests, is_new, savepoint, known, at_end, comparison, id })
    }

    /// The checkpoint's id.
    pub(crate) fn id(&self) -> CheckpointId {
        self.id
    }

    /// Whether there is something to resume from, a savepoint included.
    pub(crate) fn resumes(&self) -> bool {
        !self.is_new || self.savepoint.is_some()
    }

    /// Where the job stood at the end of the last record.
    pub(crate) fn at_end(&self) -> &Cursor {
        &self.at_end
    }

    /// Where the last record says that the job stood.
    pub(super) fn log_cursor(&self) -> Result<Cursor> {
        Ok(Cursor::at(&[], &self.log, u64::MAX)?)
    }

    /// The epoch of the last record; 0 if there is none.
    pub(super) fn last(&self) -> u64 {
        self.log.last_epoch().unwrap_or(0)
    }

    /// The last epoch of which a snapshot holds something. It gets what all sinks have committed, so the epoch is as
    /// good as marked, also where the mark was not written.
    pub(super) fn held(&self) -> u64 {
        let images = self.manifests.iter().flat_map(|manifest| &manifest.images).map(|image| image.through);
        images.chain(self.manifests.iter().map(|manifest| manifest.epoch)).max().unwrap_or(0)
    }

    /// Tells what the program finds.
    pub(super) fn tell(&self, settings: &Checkpoint, program: &Program<'_>) {
        let (job, folder) = (program.job, settings.folder.display());
        if !self.is_new || self.savepoint.is_some() {
            tracing::info!(job, "the job resumes from {folder}\n{}", self.comparison);
            // Whether a split has lost something, only its source knows.
            let unused = self.comparison.unused_permissions().iter().filter(|name| !name.starts_with(SPLIT));
            for name in unused {
                tracing::warn!(job, permission = %name, "a permission to lose something names nothing that would be lost");
            }
        }
        for dropped in self.comparison.dropped() {
            tracing::warn!(job, member = %dropped.member, what = %dropped.text, "dropped, as is permitted");
        }
        for finding in self.comparison.findings() {
            if let Some(epoch) = finding.dropped_after {
                tracing::warn!(
                    job,
                    member = %finding.member,
                    epoch,
                    "it starts empty: what it was before has been dropped after this epoch, with permission"
                );
            }
        }
        for cell in program.states.iter().filter(|cell| !cell.is_named()) {
            let operator = cell.declared().operator;
            tracing::warn!(
                job,
                operator,
                "an operator with state has no name of its own: give it one with `named`, so that it is found again when \
                 the program changes"
            );
        }
    }
}

/// Permissions name members as reports do.
fn check_permissions(names: &[String]) -> Result<()> {
    const KINDS: [&str; 5] = ["input:", "watermark:", "state:", "output:", SPLIT];
    let wrong = names.iter().find(|name| !KINDS.iter().any(|kind| name.starts_with(kind)));
    let Some(wrong) = wrong else { return Ok(()) };
    Err(Error::Setting {
        what: format!("permission to lose {wrong:?}"),
        reason: "it names no member of a program: write input:NAME, watermark:NAME, state:NAME or output:NAME, as the \
                 report of the comparison does, or split:INPUT/SPLIT"
            .to_owned(),
    })
}

/// How a permission begins to lose what is gone of a split.
const SPLIT: &str = "split:";

impl Checkpoint {
    /// The splits of an input of which that is given up which is lost.
    pub(crate) fn losable_splits(&self, input: &str) -> Vec<String> {
        let names = self.allow_loss.iter().filter_map(|name| name.strip_prefix(SPLIT)?.strip_prefix(input));
        names.filter_map(|name| name.strip_prefix('/')).map(str::to_owned).collect()
    }

    /// The snapshots, to be read.
    fn look_at_snapshots(&self) -> Snapshots {
        match &self.snapshots {
            Some(place) => Snapshots::new(Arc::clone(place)),
            None => Snapshots::look_in(&self.folder.join(SNAPSHOTS)),
        }
    }

    /// The key groups that a start would find, or begin with.
    ///
    /// # Errors
    /// As the start: when there are others, or the number cannot be.
    pub(crate) fn groups(&self) -> Result<KeyGroups> {
        let wanted = self.new_groups()?;
        let Some(Manifest { catalog, .. }) = manifests_of(&self.look_at_snapshots())?.pop() else { return Ok(wanted) };
        let program = JobDescription { key_groups: self.key_groups, ..JobDescription::default() };
        let known = Catalog::new(catalog.groups());
        let comparison = program.compare(&known, &Cursor::default());
        if comparison.verdict() != Verdict::Resumes {
            let (folder, comparison) = (self.folder.display().to_string(), Box::new(comparison));
            return Err(Error::Changed { folder, comparison });
        }
        Ok(known.groups())
    }
}

/// The manifests that can be read.
pub(super) fn manifests_of(snapshots: &Snapshots) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for id in snapshots.list()? {
        match snapshots.manifest(id) {
            Ok(manifest) => manifests.push(manifest),
            Err(error) if error.class() == firesteel_state::Class::Retryable => return Err(error.into()),
            Err(error) => tracing::warn!(snapshot = %id, %error, "a snapshot cannot be used"),
        }
    }
    Ok(manifests)
}

/// Whether no checkpoint was ever begun here, or one was and not completed.
fn is_new(snapshots: &Snapshots, log: &ChangelogReader) -> Result<bool> {
    if !snapshots.list()?.is_empty() {
        return Ok(false);
    }
    let (first, last) = (log.first_epoch(), log.last_epoch());
    let Some(record) = first.and_then(|epoch| log.records(epoch).next()) else { return Ok(last.is_none()) };
    Ok(first == last && record?.batches.is_empty())
}

impl Savepoint {
    /// The savepoint in a folder, all of which can be read.
    fn check(folder: &Path) -> Result<Self> {
        let nothing =
            |reason: &str| StateError::NoUsableSnapshot { folder: folder.to_owned(), reason: reason.to_owned() };
        let snapshots = Snapshots::look_in(&folder.join(SNAPSHOTS));
        let id = snapshots.list()?.pop().ok_or_else(|| nothing("it is no savepoint: it has no snapshots"))?;
        let manifest = snapshots.manifest(id)?;
        // The snapshot of a savepoint is all there is. That of a checkpoint is the past, which the changelog continues.
        let last = ChangelogReader::open(&folder.join(CHANGELOG))?.epochs().last();
        if manifest.replay_from() != manifest.epoch || last != Some(manifest.epoch) {
            let reason = "it is no savepoint, but a job's checkpoint, whose changelog continues after its snapshots: \
                          take a savepoint of that job (Stopper::savepoint), or use a copy of the whole folder as the \
                          checkpoint";
            return Err(nothing(reason).into());
        }
        snapshots.verify(&manifest)?;
        let cursor = Cursor::decode(&manifest.extra, manifest.epoch)?;
        Ok(Self { snapshots, manifest, cursor })
    }
}
