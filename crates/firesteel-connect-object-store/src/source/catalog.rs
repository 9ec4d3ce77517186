//! Which objects are known, and what the engine is told of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use firesteel_connect::{Class, ConnectError, Discovery, PositionUnit, Result, SourceContext, SplitId, SplitNote};
use firesteel_frames::{Compression, Gaps, Met, Misfits};
use firesteel_object_store::object_store::ObjectMeta;
use firesteel_object_store::{Bucket, Pin};
use firesteel_window::Timestamp;

use super::entry::Object;
use super::merged::{KnownObjects, Listed, View, resolve};
use super::results::Results;
use super::rows::ObjectBytes;
use super::telling::Telling;
use super::{OnMissing, Order, Policy};
use crate::error::failed;
use crate::pattern::Pattern;

/// Objects of at least this size are looked into when they are found, since it pays to read them in parallel.
const LARGE: u64 = 16 << 20;
/// How many of them are looked into at a time.
const AT_ONCE: usize = 32;

/// The objects of a source.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) bucket: Bucket,
    pub(super) pattern: Pattern,
    pub(super) policy: Policy,
    context: SourceContext,
    pub(super) objects: HashMap<SplitId, Object>,
    /// Which splits have the objects of a key.
    by_key: HashMap<String, Vec<SplitId>>,
    /// Found, and not taken in yet.
    pub(super) waiting: VecDeque<Listed>,
    pub(super) results: Results,
    /// Splits that the engine has to be told of.
    pub(super) untold: Vec<SplitId>,
    gone: Vec<SplitId>,
    /// Splits whose end only reading can tell, and of whose end the engine has not been told.
    unended: Vec<SplitId>,
    /// Splits whose end was found when the checkpoint knew their positions.
    pub(super) unnoted: Vec<SplitId>,
    pub(super) telling: Telling,
    /// What of objects was passed over, and has not been told.
    pub(super) gaps: Arc<Gaps>,
    /// What readers cannot read for now, and the splits that are left alone or were since they were read on.
    pub(super) met: Met<String>,
    pub(super) withheld: Vec<SplitId>,
    /// What readers find that does not fit, and whether anything was read and is gone.
    pub(super) misfits: Misfits,
    pub(super) has_read: bool,
    /// Whether there may be something to be deleted or archived, and when what has failed is retried.
    pub(super) may_dispose: bool,
    pub(super) dispose_again: Option<Timestamp>,
    pub(super) has_looked: bool,
    has_answered: bool,
}

impl Catalog {
    pub(super) fn new(bucket: Bucket, pattern: Pattern, policy: Policy) -> Self {
        Self {
            bucket,
            pattern,
            policy,
            context: SourceContext::default(),
            objects: HashMap::new(),
            by_key: HashMap::new(),
            waiting: VecDeque::new(),
            results: Results::default(),
            untold: Vec::new(),
            gone: Vec::new(),
            unended: Vec::new(),
            unnoted: Vec::new(),
            telling: Telling::default(),
            gaps: Arc::default(),
            met: Met::default(),
            withheld: Vec::new(),
            misfits: Misfits::default(),
            has_read: false,
            may_dispose: true,
            dispose_again: None,
            has_looked: false,
            has_answered: false,
        }
    }

    /// Begins where a job stood before a restart.
    pub(super) fn start(&mut self, context: &SourceContext) -> Result<()> {
        self.context = context.clone();
        self.telling = Telling::new(context);
        let unit = self.unit();
        for resumed in context.resumed() {
            let known = resumed
                .note
                .as_ref()
                .and_then(|note| Object::resumed(resumed.split.clone(), resumed.position, note, unit));
            match known {
                Some(object) => self.add(object),
                None if resumed.position == 0 => {}
                None => {
                    return Err(ConnectError::Lost {
                        place: resumed.split.to_string(),
                        position: resumed.position,
                        reason: "the checkpoint does not say which object it was; start without the old positions"
                            .into(),
                    });
                }
            }
        }
        self.look()?;
        self.check_disposal()
    }

    pub(super) fn object(&self, split: &SplitId) -> Option<&Object> {
        self.objects.get(split)
    }

    fn add(&mut self, mut object: Object) {
        (object.is_consumed, object.gaps) = (!self.policy.after_reading.keeps(), Arc::clone(&self.gaps));
        object.misfits = self.misfits.clone();
        object.met = self.policy.leaves_for_later().then(|| self.met.clone());
        self.by_key.entry(object.pin.key.to_string()).or_default().push(object.split.clone());
        self.untold.push(object.split.clone());
        self.objects.insert(object.split.clone(), object);
    }

    pub(super) fn committed(&mut self, positions: &[(SplitId, u64)]) {
        for (split, position) in positions {
            if let Some(object) = self.objects.get_mut(split) {
                (object.committed, object.forgotten) = (*position, *position);
            }
        }
        self.may_dispose = true;
    }

    pub(super) fn notes(&mut self, moved: &[(SplitId, u64)]) -> Result<Vec<(SplitId, SplitNote)>> {
        let mut notes = Vec::new();
        let ended = std::mem::take(&mut self.unnoted);
        for split in moved.iter().map(|(split, _)| split).chain(&ended) {
            let Some(object) = self.objects.get_mut(split) else { continue };
            notes.extend(object.note()?.map(|note| (split.clone(), note)));
        }
        Ok(notes)
    }

    /// Looks at what is in the store. Unless it is followed, the first look is the only one.
    pub(super) fn look(&mut self) -> Result<()> {
        if self.has_looked && !self.policy.follow {
            return Ok(());
        }
        let visible = self.visible()?;
        self.refuse_merged()?;
        // An empty object has no records; most are markers of folders.
        let is_read = |listed: &Listed| {
            let key = listed.object.location.as_ref();
            listed.object.size > 0 && self.pattern.has(key) && !self.is_archived(key)
        };
        let found: Vec<Listed> = visible.into_iter().filter(is_read).collect();
        if found.is_empty() && self.objects.is_empty() {
            if !self.policy.follow && !self.has_looked && self.context.resumed().is_empty() {
                let reason = format!("no object is under {} in {}, or matches it", self.pattern, self.bucket);
                return Err(ConnectError::Setting { connector: "Objects", setting: "path", reason });
            }
            self.telling.awaited(&self.pattern.to_string());
        }
        let there: HashMap<String, (ObjectMeta, bool)> = found
            .iter()
            .map(|listed| (listed.object.location.to_string(), (listed.object.clone(), listed.is_result)))
            .collect();
        let mut found = self.look_through(found);
        self.leave_out_cut(&mut found)?;
        self.compare(&there)?;
        if self.policy.order == Order::Time {
            let time = |listed: &Listed| listed.object.last_modified;
            found.sort_by(|one, other| (time(one), one.key()).cmp(&(time(other), other.key())));
        }
        self.waiting = found.into_iter().filter(|listed| !self.is_known(listed)).collect();
        self.has_looked = true;
        Ok(())
    }

    /// What is in the store, as far as a reader may see it.
    pub(super) fn visible(&mut self) -> Result<Vec<Listed>> {
        const ATTEMPTS: usize = 10;
        let (bucket, prefix) = (self.bucket.clone(), self.pattern.prefix.clone());
        for attempt in 1..=ATTEMPTS {
            let listed = bucket.list(&prefix).map_err(failed(&bucket, || format!("listing {prefix}")))?;
            listed.odd.iter().for_each(|key| self.telling.odd(key));
            if self.pattern.is_prefix() && listed.objects.is_empty() && !prefix.is_empty() {
                // It may be the key of an object.
                let object = bucket.head(&prefix).map_err(failed(&bucket, || format!("looking for {prefix}")))?;
                return Ok(object.into_iter().map(Listed::alone).collect());
            }
            if let Some(visible) = self.results.visible(&bucket, &self.pattern, listed.objects, attempt == ATTEMPTS)? {
                return Ok(visible);
            }
        }
        let (context, source) =
            (format!("reading the manifests of {prefix} ({bucket})"), "they change all the time".into());
        Err(ConnectError::Other { context, class: Class::Retryable, source })
    }

    /// Refuses results that were merged where they come from, if a part of them was read before: what was read of them would be read again.
    fn refuse_merged(&self) -> Result<()> {
        let is_known = |key: &str| self.by_key.get(key).is_some_and(|splits| !splits.is_empty());
        let Some((merged, part)) = self.results.merged_of_known(is_known) else { return Ok(()) };
        let reason = format!(
            "it was merged into {merged}, of which its records cannot be told apart in a store; put the objects back as they were, or start \
             without the old positions"
        );
        Err(ConnectError::Lost { place: part, position: 0, reason })
    }

    fn is_known(&self, listed: &Listed) -> bool {
        let splits = self.by_key.get(listed.object.location.as_ref()).filter(|_| listed.part.is_none());
        splits.is_some_and(|splits| splits.iter().any(|split| self.objects[split].is_same(&listed.object)))
    }

    /// Takes note of which known objects stand in others that they were merged into, and leaves the rest of these in the list.
    fn look_through(&mut self, listed: Vec<Listed>) -> Vec<Listed> {
        let (kept, claimed) = resolve(listed, &KnownObjects { objects: &self.objects, by_key: &self.by_key });
        for (split, view) in claimed {
            if let Some(object) = self.objects.get_mut(&split) {
                object.look_through(view);
            }
        }
        kept
    }

    /// Looks where an object is that a reader has found gone: it may have been merged. One that was not is no result any more.
    pub(super) fn find_again(&mut self, split: &SplitId) -> Result<()> {
        let visible = self.visible()?;
        self.look_through(visible);
        if let Some(object) = self.objects.get_mut(split).filter(|object| object.is_missed.load(Ordering::Relaxed)) {
            object.is_result = false;
        }
        Ok(())
    }

    /// Leaves out objects of results that are not as large as their manifest says, which is told, or ends the job.
    fn leave_out_cut(&mut self, found: &mut Vec<Listed>) -> Result<()> {
        let mut lost = None;
        found.retain(|listed| {
            // Of parts of one it is found out when they are read.
            let Some(bytes) = listed.wanted.filter(|_| listed.part.is_none()) else { return true };
            let (key, size) = (listed.object.location.to_string(), listed.object.size);
            let reason = format!("the manifest says {bytes} bytes, the object has {size}; restore it");
            if self.policy.bears_damage() {
                self.telling.damaged(&key, &reason);
            } else {
                lost = Some(ConnectError::Lost { place: key, position: 0, reason });
            }
            false
        });
        lost.map_or(Ok(()), Err)
    }

    /// Finds which of the known objects are not there any more, or not in their version.
    fn compare(&mut self, there: &HashMap<String, (ObjectMeta, bool)>) -> Result<()> {
        let (mut dropped, mut lost) = (Vec::new(), None);
        for (split, object) in &mut self.objects {
            let now = there.get(object.pin.key.as_ref());
            if let Some((_, is_result)) = now.filter(|(now, _)| object.is_same(now)) {
                // One that was merged may have been put back.
                (object.view, object.is_result) = (None, *is_result);
                continue;
            }
            let merged = object.view.as_ref().and_then(|view| Some((view, &there.get(view.pin.key.as_ref())?.0)));
            if merged.is_some_and(|(view, merged)| view.is_of(merged)) {
                continue;
            }
            if object.is_done() {
                dropped.push(split.clone());
                continue;
            }
            let is_readable = object.pin.version.is_some() || object.is_read();
            let is_given_up = self.policy.on_missing == OnMissing::Skip || self.context.gives_up(split);
            if !is_readable && is_given_up {
                self.telling.given_up(object.pin.key.as_ref(), object.committed);
                dropped.push(split.clone());
            } else if !is_readable && lost.is_none() {
                lost = Some(vanished(self.context.name(), object, now.is_some()));
            }
        }
        for split in dropped {
            // Its name is free only when the engine has been told that it is gone.
            let removed = self.objects.remove(&split);
            self.has_read |= removed.as_ref().is_some_and(|object| object.committed > 0);
            if let Some(object) = removed
                && let Some(splits) = self.by_key.get_mut(object.pin.key.as_ref())
            {
                splits.retain(|other| *other != split);
            }
            self.gone.push(split);
        }
        self.by_key.retain(|_, splits| !splits.is_empty());
        lost.map_or(Ok(()), Err)
    }

    /// Takes in objects that are new, as many as are wanted at a time.
    pub(super) fn take_in(&mut self) -> Result<()> {
        let most = self.policy.most_at_once.unwrap_or(usize::MAX);
        let count = most.min(self.waiting.len());
        let new: Vec<Listed> = self.waiting.drain(..count).collect();
        let taken: HashSet<SplitId> = self.gone.iter().cloned().collect();
        let mut objects = Vec::with_capacity(new.len());
        for listed in new {
            let key = listed.key().to_owned();
            let is_free = |split: &SplitId| !self.objects.contains_key(split) && !taken.contains(split);
            let numbered = (2..).map(|number| SplitId::new(format!("{key}#{number}")));
            let Some(split) = std::iter::once(SplitId::new(key.as_str())).chain(numbered).find(is_free) else {
                continue;
            };
            if split.as_str() != key {
                self.telling.replaced(&key, split.as_str());
            }
            let object = match &listed.part {
                None => Some(Object::new(split, Pin::of(&listed.object), self.unit())),
                Some((_, part)) => Object::of_part(split, &key, part, self.unit()),
            };
            let mut object = object.ok_or_else(|| unreadable(&key, listed.object.location.as_ref()))?;
            object.is_result = listed.is_result;
            if listed.is_result {
                self.tell_kept(&key);
            }
            if let Some((_, part)) = &listed.part {
                object.look_through(View::of(&listed.object, part));
            }
            objects.push(object);
        }
        self.look_into(&mut objects)?;
        objects.into_iter().for_each(|object| self.add(object));
        Ok(())
    }

    /// What positions count.
    pub(super) fn unit(&self) -> PositionUnit {
        match (self.policy.rows, self.policy.picks_rows) {
            (None, _) => PositionUnit::Bytes,
            (Some(_), false) => PositionUnit::Records,
            (Some(_), true) => PositionUnit::Sequence,
        }
    }

    /// Finds out of large objects whether they can be read in parallel.
    fn look_into(&self, objects: &mut [Object]) -> Result<()> {
        let mut large: Vec<&mut Object> =
            objects.iter_mut().filter(|object| object.pin.size >= LARGE && object.view.is_none()).collect();
        if let Some(count) = self.policy.rows {
            for object in large {
                // One that cannot be counted is told of when it is read.
                if let Ok(rows) = count(ObjectBytes::of(&self.bucket, &object.pin)) {
                    (object.is_divisible, object.end) = (true, Arc::new(rows.into()));
                }
            }
            return Ok(());
        }
        if !self.policy.by_lines {
            return Ok(());
        }
        for some in large.chunks_mut(AT_ONCE) {
            let heads: Vec<_> =
                some.iter().map(|object| self.bucket.begin_part(&object.pin, 0, Compression::MAGIC)).collect();
            for (object, head) in some.iter_mut().zip(heads) {
                let key = &object.pin.key;
                let head = match head.wait() {
                    // What has become of it is told when it is read.
                    Err(error) if error.is_missing() => continue,
                    head => head.map_err(failed(&self.bucket, || format!("reading {key}")))?,
                };
                if Compression::refused(&head).is_some() {
                    // It is told of when it is read.
                    continue;
                }
                let compression = Compression::of(&head).unwrap_or(Compression::Plain);
                object.compression = Arc::new(compression.into());
                if compression == Compression::Plain {
                    object.is_divisible = true;
                    object.end = Arc::new(object.pin.size.into());
                }
            }
        }
        Ok(())
    }

    /// Tells of what was passed over.
    pub(super) fn tell_gaps(&mut self) {
        let is_table = self.policy.rows.is_some();
        for gap in self.gaps.take_untold() {
            if let Some(object) = self.objects.get(&gap.split) {
                self.telling.gap(object.pin.key.as_ref(), &gap, is_table);
            }
        }
    }

    /// What the engine is told.
    pub(super) fn answer(&mut self) -> Result<Discovery> {
        self.take_in()?;
        self.tell_gaps();
        self.pass_misfits();
        let Self { objects, unended, untold, .. } = self;
        let has_ended = |split: &SplitId| objects.get(split).is_none_or(|object| object.end.get().is_some());
        let (ended, rest): (Vec<SplitId>, Vec<SplitId>) = unended.drain(..).partition(has_ended);
        *unended = rest;
        let mut told: Vec<SplitId> = std::mem::take(untold);
        unended.extend(told.iter().filter(|split| !has_ended(split)).cloned());
        for object in ended.iter().filter_map(|split| self.objects.get(split)) {
            if let Some(reason) = object.damage.get() {
                self.telling.damaged(object.pin.key.as_ref(), reason);
            }
        }
        self.unnoted.extend(ended.iter().cloned());
        told.extend(ended);
        let splits: Vec<_> = told.iter().filter_map(|split| self.objects.get(split)).map(Object::as_split).collect();
        let gone = std::mem::take(&mut self.gone);
        let is_complete = !self.policy.follow && self.waiting.is_empty();
        let found = if std::mem::replace(&mut self.has_answered, true) {
            Discovery::changes(splits, gone)
        } else {
            Discovery::all(splits)
        };
        Ok(found.complete(is_complete))
    }
}

/// The error of a part of a merged object that cannot be told from others.
fn unreadable(part: &str, merged: &str) -> ConnectError {
    let reason = format!("{merged}, into which it was merged, does not say which object it was; restore its manifest");
    ConnectError::Lost { place: part.to_owned(), position: 0, reason }
}

/// The error of an object that is gone, or another one under its key.
pub(super) fn vanished(source: &str, object: &Object, is_replaced: bool) -> ConnectError {
    let what = if is_replaced { "another object was stored under its key" } else { "the object is gone" };
    let reason = format!(
        "{what} before all of it was read; put it back, or give up what is lost of it: Objects::on_missing(OnMissing::Skip), or \
         `--allow-loss 'split:{source}/{}'`",
        object.split
    );
    ConnectError::Lost { place: object.pin.key.to_string(), position: object.committed, reason }
}
