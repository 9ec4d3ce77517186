//! Objects that a sink has committed.

use std::collections::{BTreeMap, HashMap};

use firesteel_connect::{ConnectError, Result};
use firesteel_object_store::Bucket;
use firesteel_object_store::object_store::ObjectMeta;
use firesteel_results::{Covered, Entry, Manifest, current};

use crate::error::failed;
use crate::pattern::below;

/// What manifests have said so far; they never change.
#[derive(Debug, Default)]
pub(super) struct Results {
    known: BTreeMap<String, Vec<Entry>>,
}

impl Results {
    /// Of what was listed under a prefix, what a reader may see: all of it, or what is committed, where a sink writes there. `None` if
    /// manifests were merged meanwhile: then it has to be listed again.
    pub(super) fn visible(
        &mut self,
        bucket: &Bucket,
        prefix: &str,
        listed: Vec<ObjectMeta>,
    ) -> Result<Option<Vec<ObjectMeta>>> {
        let manifests = folder(prefix);
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for object in &listed {
            // Those of the parts of a job are in folders of theirs.
            if let Some(below) = below(&manifests, object.location.as_ref()) {
                let (part, name) = below.rsplit_once('/').unwrap_or(("", below));
                names.entry(part).or_default().push(name);
            }
        }
        if names.is_empty() {
            return Ok(Some(listed));
        }
        let mut keys = Vec::new();
        for (part, names) in names {
            let key = |covered: &Covered| match part {
                "" => format!("{manifests}/{}", covered.file_name()),
                part => format!("{manifests}/{part}/{}", covered.file_name()),
            };
            keys.extend(current(&names).iter().map(key));
        }
        // Names of parts of a job do not sort as their folders do.
        keys.sort();
        self.known.retain(|key, _| keys.binary_search(key).is_ok());
        for key in &keys {
            if !self.known.contains_key(key) {
                let text = match bucket.get(key) {
                    Err(error) if error.is_missing() => return Ok(None),
                    text => text.map_err(failed(bucket, || format!("reading the manifest {key}")))?,
                };
                let manifest = std::str::from_utf8(&text).ok().and_then(Manifest::parse);
                let entries = manifest.ok_or_else(|| damaged(key))?.entries;
                self.known.insert(key.clone(), entries);
            }
        }
        let mut there: HashMap<String, ObjectMeta> =
            listed.into_iter().map(|object| (object.location.to_string(), object)).collect();
        let entries = self.known.values().flatten();
        entries.map(|entry| take(bucket, &mut there, prefix, entry)).collect::<Result<_>>().map(Some)
    }
}

/// The object of an entry, which has to be there as the manifest says.
fn take(bucket: &Bucket, there: &mut HashMap<String, ObjectMeta>, prefix: &str, entry: &Entry) -> Result<ObjectMeta> {
    let key = joined(prefix, &entry.name);
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
