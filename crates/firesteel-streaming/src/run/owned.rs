//! Key groups that move from one job to another, between two epochs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use firesteel_connect::Epoch;
use firesteel_faults::{alterable, fail_point, in_order};
use firesteel_state::backend::replace;
use firesteel_state::{Frame, Handovers, KeyGroupRange, KeySpace, Marker, ReleasedRange, ReleasedState, TableId};
use firesteel_window::Timestamp;

use crate::checkpoint::{Durable, HANDOVERS};
use crate::error::{Error, Result};
use crate::run::batch_loop::JobRun;

/// A range of key groups on its way from one job to another: what [`JobRun::release`] gives and [`JobRun::adopt`] takes.
///
/// It is kept in the checkpoint of the job that has released it until that is [told](JobRun::taken) that somebody has it: after
/// a crash in between, [`JobRun::released`] has it.
#[derive(Clone, PartialEq)]
#[must_use = "nobody owns the state that is in it"]
pub struct Handover(ReleasedRange);

impl Handover {
    /// The key groups.
    #[must_use]
    pub fn range(&self) -> KeyGroupRange {
        self.0.range
    }

    /// The term in which they were owned.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.0.term
    }

    /// As bytes, for a job in another process.
    ///
    /// # Errors
    /// When something in it has no form.
    pub fn encode(&self) -> Result<Vec<u8>> {
        Ok(self.0.encode()?)
    }

    /// What [`encode`](Self::encode) has written.
    ///
    /// # Errors
    /// When the bytes are not as they were written, or a newer release has written them.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self(ReleasedRange::decode(Path::new("handover"), bytes)?))
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("range", &self.0.range).field("term", &self.0.term).finish_non_exhaustive()
    }
}

/// What a job does to let go of a range.
#[derive(Clone, Copy)]
enum Release {
    /// The range is in a file, which survives a crash.
    Keep,
    /// The checkpoint says that it is not the job's any more.
    Disown,
}

/// What a job does to get a range.
#[derive(Clone, Copy)]
enum Adopt {
    /// Backend and memory have its state.
    Bring,
    /// The checkpoint says that it is the job's.
    Own,
}

impl JobRun {
    /// The key groups, and which of them are the job's own.
    #[must_use]
    pub fn key_space(&self) -> KeySpace {
        self.program.key_space()
    }

    /// The last epoch that is committed: two jobs over the same input have come equally far only where these are equal.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.last_epoch
    }

    /// Commits what there is, and gives away a range of key groups at either end of those that the job owns. On return, its
    /// checkpoint restores nothing of their state any more, and keeps the handover until it is told that it was [taken](Self::taken).
    ///
    /// This and [`adopt`](Self::adopt) are for who embeds several jobs of one program, each with a
    /// [checkpoint of its own](crate::Checkpoint::owning) and all of the input; who owns what is theirs to say. Whoever may have
    /// ended in between looks at each start for what is [released](Self::released), before a batch runs, and has it adopted: then
    /// every range has one owner, wherever a process has ended.
    ///
    /// # Errors
    /// When the job has no checkpoint, has left due timers to the next batch, or does not own the range; those of the end of an
    /// epoch, and of the snapshot that says what it owns now: the job is over then, and has what its checkpoint says.
    pub fn release(&mut self, range: KeyGroupRange) -> Result<Handover> {
        self.pause("release")?;
        let space = self.key_space();
        let next = space.releasing(range)?;
        let mut released = place(self.settled()?, range, space.term());
        let mut left = Vec::new();
        for (cell, _) in &self.parts.states {
            let store = cell.store();
            let images = range.iter().map(|group| Ok(store.image(group)?.1)).collect::<Result<Vec<_>>>()?;
            let keys = images.iter().map(entries).sum();
            left.push(cell.keys().saturating_sub(keys));
            released.states.push(ReleasedState::of(store.schema(), &images, keys));
        }
        fail_point!("release.begin");
        for step in in_order("release.steps", [Release::Keep, Release::Disown]) {
            match step {
                Release::Keep => {
                    self.handovers()?.keep(&released)?;
                    fail_point!("release.kept");
                }
                Release::Disown => {
                    self.parts.states.iter().zip(&left).for_each(|((cell, _), keys)| cell.set_keys(*keys));
                    self.own(next)?;
                    fail_point!("release.disowned");
                }
            }
        }
        let stores = self.parts.stores().iter().map(|store| store.schema().id).collect::<Vec<_>>();
        if let Some(backend) = self.settled()?.backend.as_ref() {
            for (shard, _) in
                backend.backend().shards_in(range)?.iter().filter(|(shard, _)| stores.contains(&shard.store))
            {
                backend.backend().clear(*shard)?;
            }
        }
        fail_point!("release.done");
        Ok(Handover(released))
    }

    /// What the job has released and of which it does not know that somebody has it, in the order of terms: after a crash, to be
    /// [adopted](Self::adopt) before a batch runs.
    ///
    /// # Errors
    /// When the job has no checkpoint, or what is kept there cannot be read.
    pub fn released(&mut self) -> Result<Vec<Handover>> {
        let (handovers, owned) = (self.handovers()?, self.key_space().owned());
        let mut released = Vec::new();
        for kept in handovers.all()? {
            // What the job has was not given away to the end, or has come back.
            if alterable("released.is_own", !owned.intersection(kept.range).is_empty()) {
                handovers.remove(kept.range, kept.term)?;
            } else {
                released.push(Handover(kept));
            }
        }
        Ok(released)
    }

    /// Somebody has what this job has released: it is kept no longer. Told again, nothing happens.
    ///
    /// # Errors
    /// When the job has no checkpoint, or the file cannot be removed.
    pub fn taken(&mut self, handover: &Handover) -> Result<()> {
        fail_point!("release.taken");
        Ok(self.handovers()?.remove(handover.range(), handover.term())?)
    }

    /// Takes over key groups that another job of the same program has released, next to those that this one owns. On return,
    /// its checkpoint has their state; before that, the handover is all there is. What was adopted before, in a process that has
    /// ended since, is not adopted again.
    ///
    /// # Errors
    /// As [`release`](Self::release); when the other job has read further than this one, or less far; when its program has
    /// other state.
    pub fn adopt(&mut self, handover: &Handover) -> Result<()> {
        self.pause("adopt")?;
        let Handover(released) = handover;
        let refused =
            |reason: String| Error::Setting { what: format!("adopting key groups {}", released.range), reason };
        let space = self.key_space();
        // They have one owner, so it is by this handover, or by a later one, that they are this job's.
        if space.term() > released.term && space.owned().intersection(released.range) == released.range {
            return Ok(());
        }
        let next = alterable("adopt.space", space.gaining_after(released.range, released.term)?);
        let epoch = self.last_epoch.0;
        let here = place(self.settled()?, released.range, released.term);
        if (&here.positions, &here.watermarks) != (&released.positions, &released.watermarks) {
            let reason = "the job that had them has read other records: let both come equally far, in their input and in event time";
            return Err(refused(reason.to_owned()));
        }
        let mut adopted = Vec::new();
        for (cell, _) in &self.parts.states {
            let schema = cell.store().schema();
            let found = released.states.iter().find(|state| state.fits(schema));
            let Some((images, keys)) = found.and_then(|state| Some((state.images(schema)?, state.keys))) else {
                let operator = &schema.operator;
                return Err(refused(format!(
                    "the job that had them has no such state as {operator:?}: run one program as both"
                )));
            };
            adopted.push((images, cell.keys() + keys));
        }
        fail_point!("adopt.begin");
        for step in in_order("adopt.steps", [Adopt::Bring, Adopt::Own]) {
            match step {
                Adopt::Bring => self.bring(&adopted, next, epoch)?,
                Adopt::Own => {
                    self.own(next)?;
                    fail_point!("adopt.owned");
                }
            }
        }
        // What it has given away of them before is of another term.
        self.released().map(drop)
    }

    /// Backend and memory get the images of key groups that are to be the job's.
    fn bring(&mut self, adopted: &[(Vec<Frame>, u64)], next: KeySpace, epoch: u64) -> Result<()> {
        if let Some(backend) = self.settled()?.backend.as_ref() {
            let at = Marker { epoch, commit: self.settled()?.cursor.commit };
            // What it has of them, from a time when they were this job's, is not believed.
            for image in adopted.iter().flat_map(|(images, _)| images) {
                replace(backend.backend(), at, image)?;
                fail_point!("adopt.replaced");
            }
        }
        let has_backend = self.settled()?.backend.is_some();
        for ((cell, _), (images, keys)) in self.parts.states.iter().zip(adopted) {
            cell.store().own(next)?;
            if !has_backend {
                images.iter().try_for_each(|image| cell.store().restore(epoch, image))?;
            }
            cell.set_keys(*keys);
        }
        fail_point!("adopt.brought");
        Ok(())
    }

    fn handovers(&self) -> Result<Handovers> {
        Ok(Handovers::in_folder(&self.settled()?.folder.join(HANDOVERS)))
    }

    /// Owns other key groups, in memory and by the checkpoint.
    fn own(&mut self, space: KeySpace) -> Result<()> {
        let stores = self.parts.stores();
        stores.iter().try_for_each(|store| store.own(space))?;
        self.program.place_keys(space);
        let epoch = self.last_epoch.0;
        let keys = self.parts.states.iter().map(|(cell, _)| (cell.declared().operator, cell.keys())).collect();
        if let Some(durable) = &mut self.durable {
            durable.cursor.keys = keys;
            durable.own(space, epoch, &stores)?;
        }
        Ok(())
    }

    /// Brings the job between two epochs, of which all is stored.
    fn pause(&mut self, doing: &str) -> Result<()> {
        let refused =
            |reason: &str| Error::Setting { what: format!("{doing} of key groups"), reason: reason.to_owned() };
        if self.durable.is_none() {
            return Err(refused("the job has no checkpoint: give its builder one with `checkpoint`"));
        }
        if self.left.is_some() {
            return Err(refused(
                "due timers are left to the next batch: run batches until none is (BatchProgress::timers_left)",
            ));
        }
        self.end_epoch()?;
        self.finish_commit()?;
        let stores = self.parts.stores();
        match self.durable.as_mut().and_then(|durable| durable.backend.as_mut()) {
            Some(backend) => backend.wait(0, &stores),
            None => Ok(()),
        }
    }

    fn settled(&self) -> Result<&Durable> {
        self.durable.as_ref().ok_or_else(|| Error::Setting {
            what: "key groups".to_owned(),
            reason: "the job has no checkpoint".to_owned(),
        })
    }
}

/// How far the job has come at the end of the last epoch, as a range says it that is released there.
fn place(durable: &Durable, range: KeyGroupRange, term: u64) -> ReleasedRange {
    let inputs = durable.cursor.inputs.iter();
    let positions = inputs
        .map(|(name, input)| (name.clone(), input.splits.iter().map(|(split, at)| (split.clone(), at.next)).collect()));
    let watermarks = durable.cursor.watermarks.iter().map(|(name, marks)| (name.clone(), marks.current()));
    let (positions, watermarks) = (positions.collect(), watermarks.collect::<BTreeMap<String, Timestamp>>());
    ReleasedRange { range, term, positions, watermarks, states: Vec::new() }
}

/// About how many entries there are in an image, timers aside.
fn entries(image: &Frame) -> u64 {
    image.changes().filter(|change| change.table < TableId::RESERVED).count() as u64
}
