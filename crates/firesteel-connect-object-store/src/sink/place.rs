//! The place of the results: who writes there, and what is committed.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};

use firesteel_connect::{ConnectError, Epoch, Mark, Result, Scope};
use firesteel_object_store::Bucket;
use firesteel_results::{Covered, Manifest, PartName, singles, split_merged};

use super::step::{Merging, Step};
use crate::error::failed;
use crate::pattern::below;
use crate::source::results::{damaged_manifest, folder, joined};

/// A place that a start of a job has claimed.
#[derive(Debug)]
pub(crate) struct Claimed {
    bucket: Bucket,
    /// Where the manifests of the scope are.
    manifests: String,
    prefix: String,
    /// Which start it is: the number of its claim.
    run: u64,
    /// The number of its last step: that of its claim, or of a merging after that. Whoever claims the place takes the next one.
    step: Cell<u64>,
    /// The last step, while what it is to change may not be changed.
    unsettled: RefCell<Option<Merging>>,
    /// What earlier starts have left of epochs after the last one that is committed.
    leftovers: BTreeMap<Epoch, Vec<String>>,
}

/// Where the manifests of this part of a job are.
fn folder_of(prefix: &str, scope: &Scope) -> String {
    let all = folder(prefix);
    scope.part().map_or_else(|| all.clone(), |part| joined(&all, part))
}

impl Claimed {
    /// Claims the place: whoever wrote for the scope before is shut out from then on. Finishes a merging that was cut short, removes what
    /// a crash has left, and returns the manifests that count.
    pub(crate) fn claim(bucket: &Bucket, prefix: &str, scope: &Scope, by: &str) -> Result<(Self, Vec<Covered>)> {
        let mut claimed = Self {
            bucket: bucket.clone(),
            manifests: folder_of(prefix, scope),
            prefix: prefix.to_owned(),
            run: 0,
            step: Cell::new(0),
            unsettled: RefCell::new(None),
            leftovers: BTreeMap::new(),
        };
        loop {
            let before = keys(bucket, prefix)?;
            let names = claimed.names(&before);
            let newest = names.iter().filter_map(|name| step_number(name)).max();
            if newest.is_none() && split_merged(&names).0.is_empty() && *scope == Scope::whole() {
                claimed.refuse_foreign(&before)?;
            }
            if let Some(newest) = newest {
                // Whoever takes the next number has seen to it that the step before is done.
                claimed.settle_before(newest, &before)?;
            }
            // Claims may have been cleaned up, as by a rule of the bucket; objects tell as well who was there.
            let written = claimed.parts(&before, scope).filter_map(|(part, _)| part.run).map(|(run, _)| run).max();
            claimed.run = newest.max(written).unwrap_or(0) + 1;
            if claimed.put_step(claimed.run, format!("{by}\n"))? {
                break;
            }
        }
        claimed.step.set(claimed.run);
        // What was committed right before the claim is there now.
        let keys = keys(bucket, prefix)?;
        let current = claimed.remove_merged(&keys)?;
        claimed.clean(scope, &keys, &current)?;
        Ok((claimed, current))
    }

    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// Removes manifests that were merged into another one; returns those that count.
    fn remove_merged(&self, keys: &[String]) -> Result<Vec<Covered>> {
        let (current, merged) = split_merged(&self.names(keys));
        self.delete(merged.into_iter().map(|covered| self.manifest_key(covered)).collect())?;
        Ok(current)
    }

    /// The objects that the scope has written, listed or not.
    fn parts<'a>(&self, keys: &'a [String], scope: &Scope) -> impl Iterator<Item = (PartName, &'a String)> {
        let parts = keys.iter().filter_map(|key| Some((PartName::parse(below(&self.prefix, key)?)?, key)));
        parts.filter(|(part, _)| part.scope == *scope)
    }

    /// The names in the folder of the manifests.
    fn names<'a>(&self, keys: &'a [String]) -> Vec<&'a str> {
        keys.iter().filter_map(|key| below(&self.manifests, key)).filter(|name| !name.contains('/')).collect()
    }

    fn step_key(&self, step: u64) -> String {
        format!("{}/run-{step:010}", self.manifests)
    }

    fn manifest_key(&self, covered: Covered) -> String {
        format!("{}/{}", self.manifests, covered.file_name())
    }

    fn delete(&self, keys: Vec<String>) -> Result<()> {
        let deleted = self.bucket.delete_all(keys);
        deleted.map_err(failed(&self.bucket, || format!("deleting objects under {}", self.prefix)))
    }

    /// Takes a number for a step, unless somebody has it.
    fn put_step(&self, step: u64, text: String) -> Result<bool> {
        let doing = || "claiming the place by an object that is put where none is".to_owned();
        self.bucket.put_new(&self.step_key(step), text.into_bytes()).map_err(failed(&self.bucket, doing))
    }

    /// Refuses a prefix under which objects look like ours and are not.
    fn refuse_foreign(&self, keys: &[String]) -> Result<()> {
        let is_part = |key: &&String| below(&self.prefix, key).and_then(PartName::parse).is_some();
        let Some(key) = keys.iter().find(is_part) else { return Ok(()) };
        let reason = format!("{key} of {} was not written by this sink; give the job a prefix of its own", self.bucket);
        Err(ConnectError::Setting { connector: "ObjectSink", setting: "prefix", reason })
    }

    /// Removes the objects of the scope that no manifest lists: their commit, or their merging, was cut short. In epochs that are committed
    /// there are some only where several processes have written, or objects were merged. In those that are not, the process that has written
    /// them may be about to put their manifest, which is prevented only by our own: they stay until then. What is of later starts is theirs.
    fn clean(&mut self, scope: &Scope, keys: &[String], current: &[Covered]) -> Result<()> {
        let last = current.last().map(|covered| covered.last);
        let mut by_manifest: BTreeMap<Option<Covered>, Vec<(PartName, &String)>> = BTreeMap::new();
        let parts: Vec<_> = self.parts(keys, scope).collect();
        for (part, key) in parts {
            if last.is_none_or(|last| part.epoch > last) {
                self.leftovers.entry(part.epoch).or_default().push(key.clone());
            } else if part.run.is_none_or(|(run, _)| run < self.run) {
                let covered = current.iter().find(|covered| covered.contains(part.epoch)).copied();
                by_manifest.entry(covered).or_default().push((part, key));
            }
        }
        for (covered, parts) in by_manifest {
            let mut runs: BTreeMap<Epoch, BTreeSet<Option<u64>>> = BTreeMap::new();
            parts
                .iter()
                .for_each(|(part, _)| _ = runs.entry(part.epoch).or_default().insert(part.run.map(|(run, _)| run)));
            let are_merged = parts.iter().any(|(part, _)| part.until.is_some());
            let listed: HashSet<String> = match covered {
                Some(_) if !are_merged && runs.values().all(|runs| runs.len() == 1) => continue,
                Some(covered) => {
                    let entries = self.read(covered)?.entries;
                    entries.into_iter().map(|entry| joined(&self.prefix, &entry.name)).collect()
                }
                None => HashSet::new(),
            };
            let unlisted = parts.into_iter().map(|(_, key)| key).filter(|key| !listed.contains(*key));
            self.delete(unlisted.cloned().collect())?;
        }
        Ok(())
    }

    /// The manifest of an epoch is put: nobody else can commit what was left of it.
    pub(super) fn remove_leftovers(&mut self, epoch: Epoch) {
        for key in self.leftovers.remove(&epoch).unwrap_or_default() {
            if let Err(error) = self.bucket.delete(&key) {
                tracing::warn!(%error, object = key, "an object that no manifest names stays behind");
            }
        }
    }

    /// What the manifest says.
    pub(super) fn read(&self, covered: Covered) -> Result<Manifest> {
        let key = self.manifest_key(covered);
        let bytes = self.get(&key, "the manifest")?;
        Manifest::parse(&bytes).ok_or_else(|| damaged_manifest(&key))
    }

    fn get(&self, key: &str, what: &str) -> Result<bytes::Bytes> {
        self.bucket.get(key).map_err(failed(&self.bucket, || format!("reading {what} {key}")))
    }

    /// The mark of the newest epoch.
    pub(super) fn last(&self, current: &[Covered]) -> Result<Option<Mark>> {
        let Some(newest) = current.last() else { return Ok(None) };
        let Manifest { checkpoint, .. } = self.read(*newest)?;
        Ok(Some(Mark { epoch: newest.last, checkpoint }))
    }

    /// The manifests that count, when the last merging is done.
    pub(super) fn current_settled(&self) -> Result<Vec<Covered>> {
        self.settle()?;
        Ok(split_merged(&self.names(&keys(&self.bucket, &self.manifests)?)).0)
    }

    /// Whether nobody has claimed the place since.
    pub(super) fn check(&self) -> Result<()> {
        loop {
            let key = self.step_key(self.step.get() + 1);
            let found = self.bucket.head(&key).map_err(failed(&self.bucket, || format!("looking for {key}")))?;
            if found.is_none() {
                return Ok(());
            }
            self.adopt()?;
        }
    }

    /// The next number is taken: by a merging of our own whose answer was lost, or by somebody else.
    fn adopt(&self) -> Result<()> {
        let step = self.step.get() + 1;
        match self.read_step(step)? {
            Step::Merging(merging) if merging.run == self.run => {
                self.step.set(step);
                self.unsettled.replace(Some(*merging));
                Ok(())
            }
            _ => Err(self.fenced(&format!("it has claimed it: {}", self.step_key(step)))),
        }
    }

    fn read_step(&self, step: u64) -> Result<Step> {
        let key = self.step_key(step);
        let reason = "it is damaged; restore it, or remove it if all objects that it names are there";
        Step::parse(&self.get(&key, "the step")?).ok_or_else(|| damaged(&key, reason))
    }

    fn fenced(&self, by: &str) -> ConnectError {
        ConnectError::Fenced { place: format!("{}/{}", self.bucket, self.prefix), by: by.to_owned() }
    }

    /// Puts the manifest of an epoch: after this call, and not before, what it tells of is committed. A repeated call finds that it is.
    pub(super) fn put(&self, covered: Covered, manifest: &Manifest) -> Result<()> {
        let key = self.manifest_key(covered);
        let put = self.bucket.put_new(&key, manifest.to_string().into_bytes());
        if put.map_err(failed(&self.bucket, || format!("putting the manifest {key}")))? {
            return Ok(());
        }
        if self.read(covered)? == *manifest {
            // An answer was lost.
            return Ok(());
        }
        Err(self.fenced(&format!("it has committed epoch {}: {key}", covered.last)))
    }

    /// Puts a manifest in the place of all that it covers, and removes objects that it does not list any more. It has to be made of what
    /// [`current_settled`](Self::current_settled) has returned. From the moment on at which it has its number it is decided, and whoever
    /// comes next finishes it. Who was shut out gets no number, so that nothing of it is ever seen.
    pub(super) fn replace(&self, covered: Covered, manifest: &Manifest, removed: Vec<String>) -> Result<()> {
        let merging = Merging { run: self.run, covered, manifest: manifest.clone(), removed };
        let step = self.step.get() + 1;
        if self.unsettled.borrow().is_some() {
            return Err(self.interrupted());
        }
        if self.put_step(step, merging.to_string())? {
            self.step.set(step);
            self.unsettled.replace(Some(merging));
            return self.settle();
        }
        // One of ours whose answer was lost may be this one, or one before it, which this one knows nothing of.
        self.adopt()?;
        let is_it = self.unsettled.borrow().as_ref() == Some(&merging);
        self.settle()?;
        if is_it { Ok(()) } else { Err(self.interrupted()) }
    }

    /// The error of a merging in whose place an earlier one of ours was found.
    fn interrupted(&self) -> ConnectError {
        let context = format!("merging results under {} ({})", self.prefix, self.bucket);
        let source = "one that was given up has arrived late".into();
        ConnectError::Other { context, class: firesteel_connect::Class::Retryable, source }
    }

    /// Does what the last step is to do, if that is not certain.
    fn settle(&self) -> Result<()> {
        if let Some(merging) = self.unsettled.borrow().as_ref() {
            self.carry_out(merging, None)?;
        }
        self.unsettled.replace(None);
        Ok(())
    }

    /// Does what the step of this number is to do, as far as the listing shows that it is not done.
    fn settle_before(&self, step: u64, listed: &[String]) -> Result<()> {
        match self.read_step(step)? {
            Step::Claim => Ok(()),
            Step::Merging(merging) => self.carry_out(&merging, Some(listed)),
        }
    }

    /// Whenever somebody does it, and however often, it leads to the same: what takes the place of this manifest covers it, and was merged more
    /// often; and no object has a name that another one had.
    fn carry_out(&self, merging: &Merging, listed: Option<&[String]>) -> Result<()> {
        let is_there = |key: &String| listed.is_none_or(|listed| listed.binary_search(key).is_ok());
        let key = self.manifest_key(merging.covered);
        if listed.is_none() || !is_there(&key) {
            let put = self.bucket.put_new(&key, merging.manifest.to_string().into_bytes());
            put.map_err(failed(&self.bucket, || format!("putting the manifest {key}")))?;
        }
        let keep: HashSet<&str> = merging.manifest.entries.iter().map(|entry| entry.name.as_str()).collect();
        let removed = merging.removed.iter().filter(|path| !keep.contains(path.as_str()));
        self.delete(removed.map(|path| joined(&self.prefix, path)).filter(|key| is_there(key)).collect())?;
        self.remove_merged(&keys(&self.bucket, &self.manifests)?).map(|_| ())
    }

    /// Merges what has been merged equally often, wherever that is `most` manifests, and removes what it takes the place of.
    /// Returns how many are left that were never merged.
    pub(super) fn merge(&self, most: usize) -> Result<usize> {
        let found = self.current_settled()?;
        let replace = |covered, manifest: &Manifest| self.replace(covered, manifest, vec![]);
        let left = firesteel_results::merge(found, most, |covered| self.read(covered), replace)?;
        Ok(singles(&left))
    }
}

fn damaged(key: &str, reason: &str) -> ConnectError {
    ConnectError::Damaged { path: key.into(), position: 0, reason: reason.to_owned() }
}

/// The keys under a prefix, in ascending order.
pub(crate) fn keys(bucket: &Bucket, prefix: &str) -> Result<Vec<String>> {
    let listed = bucket.list(prefix).map_err(failed(bucket, || format!("listing {prefix}")))?;
    let mut keys: Vec<String> = listed.objects.into_iter().map(|object| object.location.to_string()).collect();
    keys.sort_unstable();
    Ok(keys)
}

fn step_number(name: &str) -> Option<u64> {
    name.strip_prefix("run-")?.parse().ok()
}
