//! Objects that a sink has committed.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map};

use firesteel_connect::{ConnectError, Result};
use firesteel_object_store::object_store::ObjectMeta;
use firesteel_object_store::{Bucket, Pin};
use firesteel_results::{Covered, Entry, Manifest, PartName, current, hash};

use super::merged::{Listed, Merged};
use crate::error::failed;
use crate::pattern::{Pattern, below};

/// What manifests have said so far, by the prefixes of results. A manifest never changes, but others may be stored in the place of those of
/// results that were removed.
#[derive(Debug, Default)]
pub(super) struct Results {
    known: HashMap<String, Manifests>,
}

/// What manifests say, by their keys, with what the store said of each when it was read.
type Manifests = BTreeMap<String, (Version, Vec<Committed>)>;

/// An object that is committed.
#[derive(Debug)]
struct Committed {
    key: String,
    bytes: u64,
    merged: Option<Merged>,
}

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
    /// manifests or objects were merged meanwhile: then it has to be listed again, unless this is the last attempt.
    pub(super) fn visible(
        &mut self,
        bucket: &Bucket,
        pattern: &Pattern,
        listed: Vec<ObjectMeta>,
        is_last: bool,
    ) -> Result<Option<Vec<Listed>>> {
        let whole = pattern.is_prefix().then_some(pattern.prefix.as_str());
        let folders: BTreeSet<&str> =
            listed.iter().filter_map(|object| folder_of_part(object.location.as_ref())).collect();
        let mut found: BTreeMap<String, Option<Keys>> = BTreeMap::new();
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
            let is_news = known.len() != keys.len() || !keys.keys().all(|key| known.contains_key(key));
            if is_news && !is_whole(bucket, &prefix, &keys)? || !read(bucket, &prefix, known, keys)? {
                return Ok(None);
            }
            committed.push(prefix);
        }
        if committed.is_empty() {
            return Ok(Some(listed.into_iter().map(Listed::alone).collect()));
        }
        let mut there: HashMap<String, ObjectMeta> =
            listed.into_iter().map(|object| (object.location.to_string(), object)).collect();
        let mut visible = Vec::new();
        for prefix in &committed {
            let committed =
                self.known.get(prefix).into_iter().flat_map(BTreeMap::values).flat_map(|(_, objects)| objects);
            for object in committed.filter(|object| pattern.has(&object.key)) {
                match take(bucket, &mut there, object) {
                    // It may have been merged, and deleted, since the manifests were listed.
                    Err(ConnectError::Lost { .. }) if !is_last => return Ok(None),
                    taken => {
                        let (bytes, object, merged) = (object.bytes, taken?, object.merged.clone());
                        let wanted = Some(bytes).filter(|bytes| object.size != *bytes);
                        visible.push(Listed { object, is_result: true, wanted, merged, part: None });
                    }
                }
            }
        }
        // What others have stored beside results is theirs, but under the prefix itself it is nobody's.
        if !whole.is_some_and(|whole| committed.iter().any(|prefix| prefix == whole)) {
            let is_ours = |key: &str| folder_of_part(key).is_some_and(|folder| results.contains_key(folder));
            visible.extend(there.into_iter().filter(|(key, _)| !is_ours(key)).map(|(_, object)| Listed::alone(object)));
            visible.sort_by(|one, other| one.object.location.cmp(&other.object.location));
        }
        Ok(Some(visible))
    }
}

impl Results {
    /// Whether results are under the prefix itself.
    pub(super) fn is_under(&self, prefix: &str) -> bool {
        self.known.contains_key(prefix)
    }

    /// A merged object, and one of those that it stands for, which is known and of which is not told what it was in a store.
    pub(super) fn merged_of_known(&self, is_known: impl Fn(&str) -> bool) -> Option<(&str, String)> {
        let objects = self.known.values().flat_map(BTreeMap::values).flat_map(|(_, objects)| objects);
        objects.filter_map(|object| Some((object, object.merged.as_ref()?))).find_map(|(object, merged)| {
            let parts = merged.parts.iter().filter(|part| part.tag.is_none());
            let mut keys = parts.map(|part| joined(&merged.prefix, &part.name));
            keys.find(|key| is_known(key)).map(|part| (object.key.as_str(), part))
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
type Keys = BTreeMap<String, Version>;

/// The keys of the manifests that count of the results under a prefix; `None` where no sink writes.
fn manifests(bucket: &Bucket, pattern: &Pattern, prefix: &str, listed: &[ObjectMeta]) -> Result<Option<Keys>> {
    let folder = folder(prefix);
    let elsewhere = match below(&pattern.prefix, &folder) {
        Some(_) => vec![],
        None => bucket.list(&folder).map_err(failed(bucket, || format!("listing {folder}")))?.objects,
    };
    let names = by_part(&folder, listed.iter().chain(&elsewhere));
    if names.is_empty() {
        return Ok(None);
    }
    let is_here = |object: &&ObjectMeta| below(&folder, object.location.as_ref()).is_some();
    let here = listed.iter().chain(&elsewhere).filter(is_here);
    let mut versions: HashMap<&str, Version> =
        here.map(|object| (object.location.as_ref(), Version::of(object))).collect();
    // Names of parts of a job do not sort as their folders do.
    let mut keys = Keys::new();
    for (part, names) in names {
        keys.extend(current(&names).into_iter().filter_map(|covered| {
            let key = manifest_key(&folder, part, covered);
            let version = versions.remove(key.as_str())?;
            Some((key, version))
        }));
    }
    Ok(Some(keys))
}

/// The names in the folder of manifests: those of the parts of a job are in folders of theirs.
fn by_part<'a>(folder: &str, listed: impl Iterator<Item = &'a ObjectMeta>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for below in listed.filter_map(|object| below(folder, object.location.as_ref())) {
        let (part, name) = below.rsplit_once('/').unwrap_or(("", below));
        names.entry(part).or_default().push(name);
    }
    names
}

fn manifest_key(folder: &str, part: &str, covered: Covered) -> String {
    let name = covered.file_name();
    if part.is_empty() { joined(folder, &name) } else { format!("{folder}/{part}/{name}") }
}

/// Whether nothing was merged while these manifests were listed, which takes several calls: some may be missing then that were put before.
/// Epochs that are committed meanwhile are for the next look.
fn is_whole(bucket: &Bucket, prefix: &str, keys: &Keys) -> Result<bool> {
    let folder = folder(prefix);
    let now = bucket.list(&folder).map_err(failed(bucket, || format!("listing {folder}")))?.objects;
    let now = by_part(&folder, now.iter());
    let mut merged = now.iter().flat_map(|(part, names)| {
        let merged = current(names).into_iter().filter(|covered| covered.merged > 0);
        merged.map(|covered| manifest_key(&folder, part, covered))
    });
    Ok(merged.all(|key| keys.contains_key(&key)))
}

/// Reads the manifests that are not known as they are; `false` if one is gone.
fn read(bucket: &Bucket, prefix: &str, known: &mut Manifests, keys: Keys) -> Result<bool> {
    known.retain(|key, (version, _)| keys.get(key) == Some(&*version));
    for (key, version) in keys {
        if let btree_map::Entry::Vacant(vacant) = known.entry(key) {
            let text = match bucket.get(vacant.key()) {
                Err(error) if error.is_missing() => return Ok(false),
                text => text.map_err(failed(bucket, || format!("reading the manifest {}", vacant.key())))?,
            };
            let entries = Manifest::parse(&text).ok_or_else(|| damaged_manifest(vacant.key()))?.entries.into_iter();
            let committed = entries.map(|Entry { name, bytes, parts, .. }| {
                let merged = Merged { prefix: prefix.into(), parts: parts.into() };
                let merged = Some(merged).filter(|merged| !merged.parts.is_empty());
                Committed { key: joined(prefix, &name), bytes, merged }
            });
            let committed = committed.collect();
            vacant.insert((version, committed));
        }
    }
    Ok(true)
}

/// The object of an entry, which has to be there.
fn take(bucket: &Bucket, there: &mut HashMap<String, ObjectMeta>, committed: &Committed) -> Result<ObjectMeta> {
    let Committed { key, .. } = committed;
    let lost = |reason: String| ConnectError::Lost { place: key.clone(), position: 0, reason };
    let object = match there.remove(key) {
        None => {
            // A listing takes several calls: this one may have been stored after its page, and before that of its manifest.
            bucket.head(key).map_err(failed(bucket, || format!("looking for {key}")))?
        }
        object => object,
    };
    object.ok_or_else(|| {
        lost("the manifest names it, and it is gone; restore it, or remove the epoch's manifest".to_owned())
    })
}

/// The error of a manifest that makes no sense: for who reads results, and for who writes there.
pub(crate) fn damaged_manifest(key: &str) -> ConnectError {
    let reason = "the manifest is damaged; restore it, or remove it together with the epoch's objects".to_owned();
    ConnectError::Damaged { path: key.into(), position: 0, reason }
}

/// Where the manifests of results are.
pub(crate) fn folder(prefix: &str) -> String {
    joined(prefix, "_committed")
}

/// The key of a path below a prefix.
pub(crate) fn joined(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
}

/// What tells an object from others that had its key: a hash of its tag, or of the second at which it was stored where it has none.
pub(crate) fn tag_of(pin: &Pin) -> u64 {
    match &pin.e_tag {
        Some(tag) => hash(tag.as_bytes()),
        None => hash(&pin.modified.div_euclid(1_000_000).to_le_bytes()),
    }
}
