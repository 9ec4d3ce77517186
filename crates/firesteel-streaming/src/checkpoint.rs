//! Checkpoints: what makes a job survive its process.
//!
//! With a checkpoint folder, a job's micro-batches are gathered in **epochs**. At the end of an epoch, what changed in
//! state, how far the sources were read and how far event time had come go into a changelog, in one write and one sync;
//! then the sinks commit; then the epoch is marked as committed. A job that is started again resumes from the last epoch
//! that was written, whatever happened in between.

mod applier;
mod deciding;
mod describe;
mod durable;
mod frames;
mod looking;
mod opening;
mod snapshotting;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use firesteel_connect::Scope;
use firesteel_state::{KeyGroupRange, KeyGroups, KeySpace, OpenBackend, SnapshotStore};
use firesteel_window::{Duration, seconds};

use crate::error::Result;

pub(crate) use deciding::{SinkAt, Unfinished, commit_id};
pub(crate) use durable::{Durable, EpochEnd, HANDOVERS, TABLES};
pub(crate) use firesteel_state::cursor::{Cursor, InputCursor, Plan, SplitCursor};
pub(crate) use frames::gather;
pub(crate) use looking::Looked;
pub(crate) use opening::{Opened, Program, check, open};

/// Where and how a job is made to survive its process.
///
/// ```no_run
/// use firesteel_streaming::{Checkpoint, StreamingContext};
/// use firesteel_window::seconds;
///
/// let job = StreamingContext::builder("totals")
///     .checkpoint(Checkpoint::in_folder("checkpoint/totals").interval(seconds(5)))
///     .build()?;
/// # Ok::<(), firesteel_streaming::Error>(())
/// ```
///
/// A job with a checkpoint folder starts a checkpoint there, or resumes from the one it finds. Inputs, watermarks, state
/// and outputs are found again by the names of their operators ([`Stream::named`](crate::Stream::named)); what has no
/// name is found by its path, the inputs that it reads and the kinds of what keeps something between. A program in which
/// two would have the same is refused. A program that has changed is compared with the checkpoint first: what is new
/// begins empty, types of state evolve, what differs otherwise is refused, and what would be lost is lost only if
/// [`allow_loss`](Self::allow_loss) names it. A start that is refused changes nothing. `docs/checkpoint-rules.md` of the
/// repository has the rules.
///
/// A job whose sources have all ended has closed its windows, and event time is over for its checkpoint, too: what is
/// added to the sources later is late. Sources that are to be added to say so, as files do with `follow`.
///
/// The folder belongs to one process at a time; a lock sees to that.
#[derive(Clone)]
#[must_use]
pub struct Checkpoint {
    pub(crate) folder: PathBuf,
    pub(crate) interval: Duration,
    pub(crate) backend: Option<Arc<dyn OpenBackend>>,
    pub(crate) snapshots: Option<Arc<dyn SnapshotStore>>,
    pub(crate) snapshot_after: u64,
    pub(crate) keep_snapshots: usize,
    pub(crate) segment_bytes: Option<u64>,
    pub(crate) allow_loss: Vec<String>,
    pub(crate) after_results: bool,
    pub(crate) start_from: Option<PathBuf>,
    pub(crate) key_groups: Option<u16>,
    pub(crate) owning: Option<KeyGroupRange>,
    pub(crate) part: Option<String>,
}

impl Checkpoint {
    /// A checkpoint in this folder, which is made if need be.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            interval: seconds(1),
            backend: None,
            snapshots: None,
            snapshot_after: 64 << 20,
            keep_snapshots: 2,
            segment_bytes: None,
            allow_loss: Vec::new(),
            after_results: false,
            start_from: None,
            key_groups: None,
            owning: None,
            part: None,
        }
    }

    /// How much time passes from one epoch to the next, at least; one second unless set. Results become visible with
    /// the end of an epoch. The first batch after a pause that was longer ends its epoch at once.
    ///
    /// A sink that takes long to commit does so beside the batches of the next epoch, which lasts until it is done: so it
    /// costs no throughput, and epochs are as long as it needs.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Every micro-batch is an epoch of its own: the least delay, and a sync of the disk for each.
    pub fn every_batch(self) -> Self {
        self.interval(Duration::ZERO)
    }

    /// Keeps state in this backend instead of memory. What of it is in memory all the same, the backend's own caches
    /// included, is limited by the [part for state](firesteel_budget::Part::State) of
    /// [`Builder::memory`](crate::Builder::memory). A job may be started again with another backend.
    pub fn backend(self, backend: impl OpenBackend) -> Self {
        Self { backend: Some(Arc::new(backend)), ..self }
    }

    /// Puts snapshots into this place instead of the folder `snapshots` of the checkpoint: an object store, say.
    pub fn snapshots_in(self, place: impl SnapshotStore) -> Self {
        Self { snapshots: Some(Arc::new(place)), ..self }
    }

    /// Takes a snapshot when the changelog has grown by this many bytes since the last one, and by as much as that one
    /// has; 64 MiB unless set. Fewer snapshots cost less while the job runs, and more when it is started again.
    pub fn snapshot_after(self, bytes: u64) -> Self {
        Self { snapshot_after: bytes.max(1), ..self }
    }

    /// Keeps this many snapshots, and the changelog after the oldest of them; 2 unless set, at least 1. With more than
    /// one, a damaged snapshot loses nothing.
    pub fn keep_snapshots(self, count: usize) -> Self {
        Self { keep_snapshots: count.max(1), ..self }
    }

    /// The size at which a file of the changelog is followed by the next, in bytes; 64 MiB unless set. The changelog
    /// shrinks by whole files.
    pub fn segment_bytes(self, bytes: u64) -> Self {
        Self { segment_bytes: Some(bytes.max(1)), ..self }
    }

    /// Permits a changed program to lose what is stored under these names, which are those of the report that it is
    /// refused with: `input:clicks`, `watermark:by time`, `state:totals` with all its states, `state:totals/sum` for one
    /// of them, `output:report` where results are gone. What is declared under such a name starts empty.
    /// `split:clicks//var/log/a.log` gives up what is lost of one split of a source, `split:clicks/*` of any: a log that was
    /// removed before it was read, say.
    ///
    /// ```
    /// use firesteel_streaming::Checkpoint;
    /// let checkpoint = Checkpoint::in_folder("totals").allow_loss(["state:totals"]);
    /// # drop(checkpoint);
    /// ```
    ///
    /// A permission is good for one loss. It may stay in the program: the checkpoint records what was dropped under it,
    /// and a later loss of the same name takes another one, `state:totals#2`, which the report names. What was dropped
    /// and comes back is told, since it starts empty. A permission for what is not lost does nothing, and is told if it
    /// has never been used; one that is of none of these kinds is an error.
    pub fn allow_loss<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.allow_loss.extend(names.into_iter().map(Into::into));
        self
    }

    /// Where the folder holds no checkpoint yet and sinks have results already, writes after those. The sources are read
    /// from their beginnings: what the results come of is written a second time, unless other data are read. Without this,
    /// a new checkpoint over the results of an exactly-once sink is refused: mostly it is the name of the folder that is
    /// wrong.
    pub fn after_results(self) -> Self {
        Self { after_results: true, ..self }
    }

    /// Where the folder holds no checkpoint yet, begins with the state of this savepoint
    /// ([`Stopper::savepoint`](crate::Stopper::savepoint)). The savepoint is only read.
    pub fn start_from(self, savepoint: impl Into<PathBuf>) -> Self {
        Self { start_from: Some(savepoint.into()), ..self }
    }

    /// How many key groups a new checkpoint gets, from 1 to 32,768; 128 unless set.
    ///
    /// A key group is the unit in which keys are placed: state is locked, written to snapshots and moved by key group, and
    /// as many tasks as there are groups can work on the state of one operator. A batch costs some ten nanoseconds for each
    /// group and operator, whether it has records there or not. Any number costs the same per record.
    ///
    /// The number is recorded and holds for the life of the checkpoint, and of what begins with its savepoints, since keys
    /// have their places. A job that is started again without it takes the recorded one; with another, it is refused.
    pub fn key_groups(self, count: u16) -> Self {
        Self { key_groups: Some(count), ..self }
    }

    /// A new checkpoint owns these key groups only: for programs that run as several jobs, each with a checkpoint of its own.
    ///
    /// Every job reads all of the input, and leaves at the shuffle what belongs to others' key groups. Ranges move between two
    /// jobs by [`JobRun::release`](crate::JobRun::release) and [`JobRun::adopt`](crate::JobRun::adopt). A checkpoint that has
    /// been begun knows what it owns.
    pub fn owning(self, groups: KeyGroupRange) -> Self {
        Self { owning: Some(groups), ..self }
    }

    /// The name of the job among those that share the key groups: letters, digits, `-` and `_`, 64 at most. Sources and sinks are
    /// told it as their [scope](firesteel_connect::Scope), so that all parts may write to one place: each sink has its mark,
    /// its lock and its leftovers for itself, and touches nothing of another part.
    ///
    /// Give each part a name of its own and let it keep that: results that were written under another one are missed at the next
    /// start, which is refused. Without a name, a job has its places for itself.
    pub fn part(self, name: impl Into<String>) -> Self {
        Self { part: Some(name.into()), ..self }
    }

    /// What sources and sinks are told of which part of the job they work for.
    pub(crate) fn scope(&self) -> Result<Scope> {
        Ok(self.part.as_deref().map_or(Ok(Scope::whole()), Scope::of_part)?)
    }

    /// The key groups of a new checkpoint.
    pub(crate) fn new_groups(&self) -> Result<KeyGroups> {
        let groups = self.key_groups.map_or(Ok(KeyGroups::default()), KeyGroups::new)?;
        if let Some(owning) = self.owning {
            KeySpace::part_of(groups, owning, 0)?;
        }
        Ok(groups)
    }
}

impl<P: Into<PathBuf>> From<P> for Checkpoint {
    fn from(folder: P) -> Self {
        Self::in_folder(folder)
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("folder", &self.folder)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
