//! Key groups that move from one job to another, between two epochs.

use std::collections::BTreeMap;
use std::fmt;

use firesteel_state::backend::replace;
use firesteel_state::{Frame, KeyGroupRange, KeySpace, Shard, StoreSchema, TableId};
use firesteel_window::Timestamp;

use crate::checkpoint::Durable;
use crate::error::{Error, Result};
use crate::run::batch_loop::JobRun;

/// A range of key groups on its way from one job to another: what [`JobRun::release`] gives and [`JobRun::adopt`] takes.
///
/// From the one to the other, nobody else has it: keep it until `adopt` has returned.
#[derive(Clone)]
#[must_use = "nobody else has the state that is in it"]
pub struct Handover {
    range: KeyGroupRange,
    /// The term in which the range was owned.
    term: u64,
    at: Place,
    states: Vec<Moved>,
}

/// How far a job has come: two jobs exchange state only where they have come equally far.
#[derive(Clone, PartialEq)]
struct Place {
    positions: BTreeMap<String, BTreeMap<String, u64>>,
    watermarks: BTreeMap<String, Timestamp>,
}

/// The state of one operator.
#[derive(Clone)]
struct Moved {
    schema: StoreSchema,
    images: Vec<Frame>,
    keys: u64,
}

impl Handover {
    /// The key groups.
    #[must_use]
    pub fn range(&self) -> KeyGroupRange {
        self.range
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("range", &self.range).field("term", &self.term).finish_non_exhaustive()
    }
}

impl JobRun {
    /// The key groups, and which of them are the job's own.
    #[must_use]
    pub fn key_space(&self) -> KeySpace {
        self.program.key_space()
    }

    /// Commits what there is, and gives away a range of key groups at either end of those that the job owns. On return, its
    /// checkpoint knows nothing of their state any more.
    ///
    /// This and [`adopt`](Self::adopt) are for who embeds several jobs of one program, each with a
    /// [checkpoint of its own](crate::Checkpoint::owning) and all of the input; who owns what is theirs to say.
    ///
    /// # Errors
    /// When the job has no checkpoint, has left due timers to the next batch, or does not own the range; those of the end of an
    /// epoch, and of the snapshot that says what it owns now: the job is over then, and has what its checkpoint says.
    pub fn release(&mut self, range: KeyGroupRange) -> Result<Handover> {
        self.pause("release")?;
        let space = self.key_space();
        let next = space.releasing(range)?;
        let at = place(self.settled()?);
        let mut states = Vec::new();
        for (cell, _) in &self.parts.states {
            let store = cell.store();
            let images = range.iter().map(|group| Ok(store.image(group)?.1)).collect::<Result<Vec<_>>>()?;
            let keys = images.iter().map(entries).sum();
            cell.set_keys(cell.keys().saturating_sub(keys));
            states.push(Moved { schema: store.schema().clone(), images, keys });
        }
        self.own(next)?;
        let stores = self.parts.stores().iter().map(|store| store.schema().id).collect::<Vec<_>>();
        if let Some(backend) = self.settled()?.backend.as_ref() {
            for (shard, _) in
                backend.backend().shards_in(range)?.iter().filter(|(shard, _)| stores.contains(&shard.store))
            {
                backend.backend().clear(*shard)?;
            }
        }
        Ok(Handover { range, term: space.term(), at, states })
    }

    /// Takes over key groups that another job of the same program has released, next to those that this one owns. On return,
    /// its checkpoint has their state; before that, the handover is all there is.
    ///
    /// # Errors
    /// As [`release`](Self::release); when the other job has read further than this one, or less far; when its program has
    /// other state.
    pub fn adopt(&mut self, handover: &Handover) -> Result<()> {
        self.pause("adopt")?;
        let refused =
            |reason: String| Error::Setting { what: format!("adopting key groups {}", handover.range), reason };
        let next = self.key_space().gaining_after(handover.range, handover.term)?;
        let epoch = self.last_epoch.0;
        if place(self.settled()?) != handover.at {
            let reason = "the job that had them has read other records: let both come equally far, in their input and in event time";
            return Err(refused(reason.to_owned()));
        }
        let mut adopted = Vec::new();
        for (cell, _) in &self.parts.states {
            let store = cell.store();
            let found = handover.states.iter().find(|moved| is_same(&moved.schema, store.schema()));
            let Some(Moved { images, keys, .. }) = found else {
                let operator = &store.schema().operator;
                return Err(refused(format!(
                    "the job that had them has no such state as {operator:?}: run one program as both"
                )));
            };
            let id = store.schema().id;
            let own = |image: &Frame| Frame::from_bytes(Shard { store: id, ..image.shard() }, image.bytes().to_vec());
            adopted.push((images.iter().filter_map(own).collect::<Vec<_>>(), cell.keys() + keys));
        }
        if let Some(backend) = self.settled()?.backend.as_ref() {
            // What it has of them, from a time when they were this job's, is not believed.
            adopted
                .iter()
                .flat_map(|(images, _)| images)
                .try_for_each(|image| replace(backend.backend(), epoch, image))?;
        }
        let has_backend = self.settled()?.backend.is_some();
        for ((cell, _), (images, keys)) in self.parts.states.iter().zip(&adopted) {
            cell.store().own(next)?;
            if !has_backend {
                images.iter().try_for_each(|image| cell.store().restore(epoch, image))?;
            }
            cell.set_keys(*keys);
        }
        self.own(next)
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

/// How far the job has come at the end of the last epoch.
fn place(durable: &Durable) -> Place {
    let inputs = durable.cursor.inputs.iter();
    let positions = inputs
        .map(|(name, input)| (name.clone(), input.splits.iter().map(|(split, at)| (split.clone(), at.next)).collect()));
    let watermarks = durable.cursor.watermarks.iter().map(|(name, marks)| (name.clone(), marks.current()));
    Place { positions: positions.collect(), watermarks: watermarks.collect() }
}

/// Whether the bytes of one store are those of the other, under the same numbers of states.
fn is_same(one: &StoreSchema, other: &StoreSchema) -> bool {
    let parts = |schema: &StoreSchema| (schema.operator.clone(), schema.key.clone(), schema.tables.clone());
    parts(one) == parts(other)
}

/// About how many entries there are in an image, timers aside.
fn entries(image: &Frame) -> u64 {
    image.changes().filter(|change| change.table < TableId::RESERVED).count() as u64
}
