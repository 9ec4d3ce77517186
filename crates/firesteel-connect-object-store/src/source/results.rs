//! Objects that a sink has committed.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map};

use firesteel_connect::{ConnectError, Result};
use firesteel_object_store::Bucket;
use firesteel_object_store::object_store::ObjectMeta;
use firesteel_results::{Covered, Entry, Manifest, PartName, current};

use crate::error::failed;
use crate::pattern::{Pattern, below};

/// What manifests have said so far, by the prefixes of results. A manifest never changes, but others may be stored in the place of those of
/// results that were removed.
#[derive(Debug, Default)]
pub(super) struct Results {
    known: HashMap<String, Manifests>,
}

/// What manifests say, by their keys, with what the store said of each when it was read.
type Manifests = BTreeMap<String, (Version, Vec<Entry>)>;

/// Tells an object from another one that is stored under its key later.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    tag: Option<String>,
    modified: i64,
    size: u64,
}

impl Version {
    fn of(object: &ObjectMeta) -> Self {
        Self { tag: object.e_tag.clone(), modified: object.last_modified.timestamp_micros(), size: object.size }
    }
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
        let folders: BTreeSet<&str> =
            listed.iter().filter_map(|object| folder_of_part(object.location.as_ref())).collect();
        let mut found: BTreeMap<String, Option<Listed>> = BTreeMap::new();
        let mut results: HashMap<String, String> = HashMap::new();
        if let Some(prefix) = whole {
            found.insert(prefix.to_owned(), manifests(bucket, pattern, prefix, &listed)?);
        }
        for of_part in folders {
            for prefix in candidates(of_part) {
                if !found.contains_key(prefix) {
                    found.insert(prefix.to_owned(), manifests(bucket, pattern, prefix, &listed)?);
                }
                if found.get(prefix).is_some_and(Option::is_some) {
                    results.insert(of_part.to_owned(), prefix.to_owned());
                    break;
                }
            }
        }
        self.known.retain(|prefix, _| found.contains_key(prefix));
        let mut committed = Vec::new();
        for (prefix, keys) in found {
            let Some(keys) = keys else { continue };
            let known = self.known.entry(prefix.clone()).or_default();
            if !read(bucket, known, keys)? {
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
            for entry in self.known.get(prefix).into_iter().flat_map(BTreeMap::values).flat_map(|(_, entries)| entries)
            {
                let key = joined(prefix, &entry.name);
                if pattern.has(&key) {
                    visible.push(take(bucket, &mut there, key, entry)?);
                }
            }
        }
        // What others have stored beside results is theirs, but under the prefix itself it is nobody's.
        if !whole.is_some_and(|whole| committed.iter().any(|prefix| prefix == whole)) {
            let is_ours = |key: &str| folder_of_part(key).is_some_and(|folder| results.contains_key(folder));
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
            manifests.values().flat_map(|(_, entries)| entries).find_map(|entry| {
                let parts = entry.parts.iter().map(|part| joined(prefix, &part.name));
                parts.into_iter().find(|key| is_known(key)).map(|part| (joined(prefix, &entry.name), part))
            })
        })
    }
}

/// The folder in which an object is that has the name of a part of results.
fn folder_of_part(key: &str) -> Option<&str> {
    let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
    PartName::parse(name).map(|_| folder)
}

/// Of which results the parts in a folder may be: what is between is called like values of columns. The outermost first, which all folders
/// of values have in common.
fn candidates(folder: &str) -> Vec<&str> {
    let mut found: Vec<&str> = std::iter::successors(Some(folder), |folder| {
        let (above, last) = folder.rsplit_once('/').unwrap_or(("", folder));
        last.contains('=').then_some(above)
    })
    .collect();
    found.reverse();
    found
}

/// The keys of manifests in ascending order.
type Listed = BTreeMap<String, Version>;

/// The keys of the manifests that count of the results under a prefix; `None` where no sink writes.
fn manifests(bucket: &Bucket, pattern: &Pattern, prefix: &str, listed: &[ObjectMeta]) -> Result<Option<Listed>> {
    let folder = folder(prefix);
    let elsewhere = match below(&pattern.prefix, &folder) {
        Some(_) => vec![],
        None => bucket.list(&folder).map_err(failed(bucket, || format!("listing {folder}")))?.objects,
    };
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut versions: HashMap<&str, Version> = HashMap::new();
    for object in listed.iter().chain(&elsewhere) {
        // Those of the parts of a job are in folders of theirs.
        if let Some(below) = below(&folder, object.location.as_ref()) {
            let (part, name) = below.rsplit_once('/').unwrap_or(("", below));
            names.entry(part).or_default().push(name);
            versions.insert(object.location.as_ref(), Version::of(object));
        }
    }
    if names.is_empty() {
        return Ok(None);
    }
    // Names of parts of a job do not sort as their folders do.
    let mut keys = Listed::new();
    for (part, names) in names {
        let key = |covered: &Covered| match part {
            "" => format!("{folder}/{}", covered.file_name()),
            part => format!("{folder}/{part}/{}", covered.file_name()),
        };
        keys.extend(current(&names).iter().map(key).filter_map(|key| {
            let version = versions.remove(key.as_str())?;
            Some((key, version))
        }));
    }
    Ok(Some(keys))
}

/// Reads the manifests that are not known as they are; `false` if one is gone.
fn read(bucket: &Bucket, known: &mut Manifests, keys: Listed) -> Result<bool> {
    known.retain(|key, (version, _)| keys.get(key) == Some(&*version));
    for (key, version) in keys {
        if let btree_map::Entry::Vacant(vacant) = known.entry(key) {
            let text = match bucket.get(vacant.key()) {
                Err(error) if error.is_missing() => return Ok(false),
                text => text.map_err(failed(bucket, || format!("reading the manifest {}", vacant.key())))?,
            };
            let entries = Manifest::parse(&text).ok_or_else(|| damaged(vacant.key()))?.entries;
            vacant.insert((version, entries));
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
