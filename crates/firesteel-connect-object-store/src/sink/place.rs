//! The place of the results: who writes there, and what is committed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use firesteel_connect::{ConnectError, Epoch, Mark, Result, RunId, Scope};
use firesteel_object_store::Bucket;
use firesteel_results::{Covered, Manifest, PartName, singles, split_merged};

use crate::error::failed;
use crate::pattern::below;
use crate::source::results::{folder, joined};

/// A place that a start of a job has claimed.
#[derive(Debug)]
pub(super) struct Claimed {
    /// Where the manifests of the scope are.
    manifests: String,
    prefix: String,
    /// Which start it is, counted in this place.
    run: u64,
    /// What earlier starts have left of epochs after the last one that is committed.
    leftovers: BTreeMap<Epoch, Vec<String>>,
}

impl Claimed {
    /// Claims the place: whoever wrote for the scope before is shut out from then on. Removes what a crash has left, and returns the
    /// manifests that count.
    pub(super) fn claim(bucket: &Bucket, prefix: &str, scope: &Scope, run: RunId) -> Result<(Self, Vec<Covered>)> {
        let all = folder(prefix);
        let manifests = scope.part().map_or_else(|| all.clone(), |part| joined(&all, part));
        let mut claimed = Self { manifests, prefix: prefix.to_owned(), run: 0, leftovers: BTreeMap::new() };
        let before = keys(bucket, prefix)?;
        let names = claimed.names(&before);
        let newest = names.iter().filter_map(|name| claim_number(name)).max();
        if newest.is_none() && split_merged(&names).0.is_empty() && *scope == Scope::whole() {
            claimed.refuse_foreign(bucket, &before)?;
        }
        // Claims may have been cleaned up, as by a rule of the bucket; objects tell as well who was there.
        let written = claimed.parts(&before, scope).filter_map(|(part, _)| part.run).map(|(run, _)| run).max();
        claimed.run = newest.max(written).unwrap_or(0);
        loop {
            claimed.run += 1;
            let (key, text) = (claimed.claim_key(claimed.run), format!("run {run}\n"));
            if bucket.put_new(&key, text.into_bytes()).map_err(|error| no_conditions(bucket, error))? {
                break;
            }
        }
        // What was committed right before the claim is there now.
        let keys = keys(bucket, prefix)?;
        let current = claimed.remove_merged(bucket, &keys)?;
        claimed.clean(bucket, scope, &keys, &current)?;
        Ok((claimed, current))
    }

    pub(super) fn run(&self) -> u64 {
        self.run
    }

    /// Removes manifests that were merged into another one; returns those that count.
    fn remove_merged(&self, bucket: &Bucket, keys: &[String]) -> Result<Vec<Covered>> {
        let (current, merged) = split_merged(&self.names(keys));
        merged.into_iter().try_for_each(|covered| self.delete(bucket, &self.manifest_key(covered)))?;
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

    fn claim_key(&self, run: u64) -> String {
        format!("{}/run-{run:010}", self.manifests)
    }

    fn manifest_key(&self, covered: Covered) -> String {
        format!("{}/{}", self.manifests, covered.file_name())
    }

    fn delete(&self, bucket: &Bucket, key: &str) -> Result<()> {
        bucket.delete(key).map_err(failed(bucket, || format!("deleting {key}")))
    }

    /// Refuses a prefix under which objects look like ours and are not.
    fn refuse_foreign(&self, bucket: &Bucket, keys: &[String]) -> Result<()> {
        let is_part = |key: &&String| below(&self.prefix, key).and_then(PartName::parse).is_some();
        let Some(key) = keys.iter().find(is_part) else { return Ok(()) };
        let reason = format!("{key} of {bucket} was not written by this sink; give the job a prefix of its own");
        Err(ConnectError::Setting { connector: "ObjectSink", setting: "prefix", reason })
    }

    /// Removes the objects of the scope that no manifest lists: their commit was cut short, and the job writes them again. In epochs that
    /// are committed there are some only where another process has written them, too. In those that are not, the process that has written
    /// them may be about to put their manifest, which is prevented only by our own: they stay until then.
    fn clean(&mut self, bucket: &Bucket, scope: &Scope, keys: &[String], current: &[Covered]) -> Result<()> {
        let mut epochs: BTreeMap<Epoch, (BTreeSet<Option<u64>>, Vec<&String>)> = BTreeMap::new();
        for (part, key) in self.parts(keys, scope) {
            let (runs, keys) = epochs.entry(part.epoch).or_default();
            runs.insert(part.run.map(|(run, _)| run));
            keys.push(key);
        }
        let last = current.last().map(|covered| covered.last);
        for (epoch, (runs, keys)) in epochs {
            if last.is_none_or(|last| epoch > last) {
                self.leftovers.insert(epoch, keys.into_iter().cloned().collect());
                continue;
            }
            let listed: HashSet<String> = match current.iter().find(|covered| covered.contains(epoch)) {
                Some(_) if runs.len() == 1 => continue,
                Some(covered) => {
                    let entries = self.read(bucket, *covered)?.entries;
                    entries.into_iter().map(|entry| joined(&self.prefix, &entry.name)).collect()
                }
                None => HashSet::new(),
            };
            for key in keys.into_iter().filter(|key| !listed.contains(*key)) {
                self.delete(bucket, key)?;
            }
        }
        Ok(())
    }

    /// The manifest of an epoch is put: nobody else can commit what was left of it.
    pub(super) fn remove_leftovers(&mut self, bucket: &Bucket, epoch: Epoch) {
        for key in self.leftovers.remove(&epoch).unwrap_or_default() {
            if let Err(error) = bucket.delete(&key) {
                tracing::warn!(%error, object = key, "an object that no manifest names stays behind");
            }
        }
    }

    fn read(&self, bucket: &Bucket, covered: Covered) -> Result<Manifest> {
        let key = self.manifest_key(covered);
        let bytes = bucket.get(&key).map_err(failed(bucket, || format!("reading the manifest {key}")))?;
        Manifest::parse(&bytes).ok_or_else(|| {
            let reason =
                "the manifest is damaged; restore it, or remove it together with the epoch's objects".to_owned();
            ConnectError::Damaged { path: key.into(), position: 0, reason }
        })
    }

    /// The mark of the newest epoch.
    pub(super) fn last(&self, bucket: &Bucket, current: &[Covered]) -> Result<Option<Mark>> {
        let Some(newest) = current.last() else { return Ok(None) };
        let Manifest { checkpoint, .. } = self.read(bucket, *newest)?;
        Ok(Some(Mark { epoch: newest.last, checkpoint }))
    }

    /// Whether nobody has claimed the place since.
    pub(super) fn check(&self, bucket: &Bucket) -> Result<()> {
        let key = self.claim_key(self.run + 1);
        if bucket.head(&key).map_err(failed(bucket, || format!("looking for {key}")))?.is_some() {
            return Err(self.fenced(bucket, &format!("it has claimed it: {key}")));
        }
        Ok(())
    }

    fn fenced(&self, bucket: &Bucket, by: &str) -> ConnectError {
        ConnectError::Fenced { place: format!("{bucket}/{}", self.prefix), by: by.to_owned() }
    }

    /// Puts a manifest: after this call, and not before, what it tells of is committed. A repeated call finds that it is.
    pub(super) fn put(&self, bucket: &Bucket, covered: Covered, manifest: &Manifest) -> Result<()> {
        let key = self.manifest_key(covered);
        let put = bucket.put_new(&key, manifest.to_string().into_bytes());
        if put.map_err(failed(bucket, || format!("putting the manifest {key}")))? {
            return Ok(());
        }
        if self.read(bucket, covered)? == *manifest {
            // An answer was lost.
            return Ok(());
        }
        Err(self.fenced(bucket, &format!("it has committed epoch {}: {key}", covered.last)))
    }

    /// Merges what has been merged equally often, wherever that is `most` manifests, and removes what it takes the place of.
    /// Returns how many are left that were never merged.
    pub(super) fn merge(&self, bucket: &Bucket, most: usize) -> Result<usize> {
        let found = split_merged(&self.names(&keys(bucket, &self.manifests)?)).0;
        let (read, put) =
            (|covered| self.read(bucket, covered), |covered, manifest: &_| self.put(bucket, covered, manifest));
        firesteel_results::merge(found, most, read, put)?;
        Ok(singles(&self.remove_merged(bucket, &keys(bucket, &self.manifests)?)?))
    }
}

/// The keys under a prefix.
fn keys(bucket: &Bucket, prefix: &str) -> Result<Vec<String>> {
    let listed = bucket.list(prefix).map_err(failed(bucket, || format!("listing {prefix}")))?;
    Ok(listed.objects.into_iter().map(|object| object.location.to_string()).collect())
}

fn claim_number(name: &str) -> Option<u64> {
    name.strip_prefix("run-")?.parse().ok()
}

/// The error of the first object that is put where none is.
fn no_conditions(bucket: &Bucket, error: firesteel_object_store::StoreError) -> ConnectError {
    failed(bucket, || "claiming the place by an object that is put where none is".to_owned())(error)
}
