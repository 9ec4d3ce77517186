//! Objects that a sink has committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use firesteel_connect::{ConnectError, Result};
use firesteel_object_store::Bucket;
use firesteel_object_store::object_store::ObjectMeta;
use firesteel_results::{Covered, Entry, Manifest, PartName, current};

use crate::error::failed;
use crate::pattern::{Pattern, below};

/// What manifests have said so far, by the prefixes of results; they never change.
#[derive(Debug, Default)]
pub(super) struct Results {
    known: HashMap<String, BTreeMap<String, Vec<Entry>>>,
}

impl Results {
    /// Of what was listed for a pattern, what a reader may see: all of it, but where a sink writes, what is committed. `None` if
    /// manifests were merged meanwhile: then it has to be listed again.
    pub(super) fn visible(
        &mut self,
        bucket: &Bucket,
        pattern: &Pattern,
        listed: Vec<ObjectMeta>,
    ) -> Result<Option<Vec<ObjectMeta>>> {
        let whole = pattern.is_prefix().then_some(pattern.prefix.as_str());
        let mut prefixes: BTreeSet<String> =
            listed.iter().filter_map(|object| results_of(object.location.as_ref())).map(str::to_owned).collect();
        prefixes.extend(whole.map(str::to_owned));
        self.known.retain(|prefix, _| prefixes.contains(prefix));
        let mut committed = Vec::new();
        for prefix in prefixes {
            let Some(keys) = manifests(bucket, pattern, &prefix, &listed)? else { continue };
            let known = self.known.entry(prefix.clone()).or_default();
            if !read(bucket, known, &keys)? {
                return Ok(None);
            }
            committed.push(prefix);
        }
        if committed.is_empty() {
            return Ok(Some(listed));
        }
        let mut there: HashMap<String, ObjectMeta> =
            listed.into_iter().map(|object| (object.location.to_string(), object)).collect();
        let mut visible = Vec::new();
        for prefix in &committed {
            for entry in self.known.get(prefix).into_iter().flat_map(BTreeMap::values).flatten() {
                let key = joined(prefix, &entry.name);
                if pattern.has(&key) {
                    visible.push(take(bucket, &mut there, key, entry)?);
                }
            }
        }
        // What others have stored beside results is theirs, but under the prefix itself it is nobody's.
        if !whole.is_some_and(|whole| committed.iter().any(|prefix| prefix == whole)) {
            let is_ours = |key: &str| results_of(key).is_some_and(|prefix| committed.iter().any(|one| one == prefix));
            visible.extend(there.into_iter().filter(|(key, _)| !is_ours(key)).map(|(_, object)| object));
            visible.sort_by(|one, other| one.location.cmp(&other.location));
        }
        Ok(Some(visible))
    }
}

impl Results {
    /// A merged object, and one of those that it stands for, which is known.
    pub(super) fn merged_of_known(&self, is_known: impl Fn(&str) -> bool) -> Option<(String, String)> {
        self.known.iter().find_map(|(prefix, manifests)| {
            manifests.values().flatten().find_map(|entry| {
                let parts = entry.parts.iter().map(|part| joined(prefix, &part.name));
                parts.into_iter().find(|key| is_known(key)).map(|part| (joined(prefix, &entry.name), part))
            })
        })
    }
}

/// The prefix of the results to which an object belongs that has the name of a part of such.
fn results_of(key: &str) -> Option<&str> {
    let (mut folder, name) = key.rsplit_once('/').unwrap_or(("", key));
    PartName::parse(name)?.run?;
    while let (above, last) = folder.rsplit_once('/').unwrap_or(("", folder))
        && last.contains('=')
    {
        folder = above;
    }
    Some(folder)
}

/// The keys of the manifests that count of the results under a prefix, in ascending order; `None` where no sink writes.
fn manifests(bucket: &Bucket, pattern: &Pattern, prefix: &str, listed: &[ObjectMeta]) -> Result<Option<Vec<String>>> {
    let folder = folder(prefix);
    let elsewhere = match below(&pattern.prefix, &folder) {
        Some(_) => vec![],
        None => bucket.list(&folder).map_err(failed(bucket, || format!("listing {folder}")))?.objects,
    };
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for object in listed.iter().chain(&elsewhere) {
        // Those of the parts of a job are in folders of theirs.
        if let Some(below) = below(&folder, object.location.as_ref()) {
            let (part, name) = below.rsplit_once('/').unwrap_or(("", below));
            names.entry(part).or_default().push(name);
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    let mut keys = Vec::new();
    for (part, names) in names {
        let key = |covered: &Covered| match part {
            "" => format!("{folder}/{}", covered.file_name()),
            part => format!("{folder}/{part}/{}", covered.file_name()),
        };
        keys.extend(current(&names).iter().map(key));
    }
    // Names of parts of a job do not sort as their folders do.
    keys.sort();
    Ok(Some(keys))
}

/// Reads the manifests that are not known; `false` if one is gone.
fn read(bucket: &Bucket, known: &mut BTreeMap<String, Vec<Entry>>, keys: &[String]) -> Result<bool> {
    known.retain(|key, _| keys.binary_search(key).is_ok());
    for key in keys {
        if !known.contains_key(key) {
            let text = match bucket.get(key) {
                Err(error) if error.is_missing() => return Ok(false),
                text => text.map_err(failed(bucket, || format!("reading the manifest {key}")))?,
            };
            known.insert(key.clone(), Manifest::parse(&text).ok_or_else(|| damaged(key))?.entries);
        }
    }
    Ok(true)
}

/// The object of an entry, which has to be there as the manifest says.
fn take(bucket: &Bucket, there: &mut HashMap<String, ObjectMeta>, key: String, entry: &Entry) -> Result<ObjectMeta> {
    let lost = |reason: String| ConnectError::Lost { place: key.clone(), position: 0, reason };
    let object = match there.remove(&key) {
        None => {
            // A listing takes several calls: this one may have been stored after its page, and before that of its manifest.
            bucket.head(&key).map_err(failed(bucket, || format!("looking for {key}")))?
        }
        object => object,
    };
    let Some(object) = object else {
        return Err(lost(
            "the manifest names it, and it is gone; restore it, or remove the epoch's manifest".to_owned(),
        ));
    };
    if object.size == entry.bytes {
        Ok(object)
    } else {
        Err(lost(format!("the manifest says {} bytes, the object has {}; restore it", entry.bytes, object.size)))
    }
}

fn damaged(key: &str) -> ConnectError {
    let reason = "the manifest is damaged; restore it, or remove it together with the epoch's objects".to_owned();
    ConnectError::Lost { place: key.to_owned(), position: 0, reason }
}

/// Where the manifests of results are.
pub(crate) fn folder(prefix: &str) -> String {
    joined(prefix, "_committed")
}

/// The key of a path below a prefix.
pub(crate) fn joined(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
}
