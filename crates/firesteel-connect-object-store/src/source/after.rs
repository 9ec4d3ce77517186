//! What becomes of objects that were read.

use std::sync::Arc;

use bytes::Bytes;
use firesteel_object_store::object_store::path::Path;
use firesteel_object_store::object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload, Result};
use firesteel_object_store::{Pin, put_where_none, read_part};

/// What becomes of an object when all of it was read and committed: see [`Objects::after_reading`](crate::Objects::after_reading).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AfterReading {
    pub(super) what: What,
    pub(super) is_needed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Keep,
    Delete,
    Archive(String),
}

impl AfterReading {
    /// Nothing: it stays where it is. The default.
    #[must_use]
    pub fn keep() -> Self {
        Self { what: What::Keep, is_needed: false }
    }

    /// It is deleted.
    #[must_use]
    pub fn delete() -> Self {
        Self { what: What::Delete, is_needed: false }
    }

    /// It is copied under this prefix, with what its key has after the prefix, or the beginning of the glob, that is read, and deleted then.
    /// Nothing is replaced: where the key is taken, a number comes after it (`a.log.2`). The archive may be within what is read: a source
    /// does not read its own archive. It is in the same bucket.
    #[must_use]
    pub fn archive(prefix: &str) -> Self {
        Self { what: What::Archive(prefix.trim_matches('/').to_owned()), is_needed: false }
    }

    /// Has the job end where that fails. By default it is told, counted, and retried each minute.
    #[must_use]
    pub fn or_fail(self) -> Self {
        Self { is_needed: true, ..self }
    }

    pub(super) fn keeps(&self) -> bool {
        self.what == What::Keep
    }

    /// The prefix of the archive, if there is one.
    pub(super) fn archive_prefix(&self) -> Option<&str> {
        match &self.what {
            What::Archive(prefix) => Some(prefix),
            _ => None,
        }
    }
}

/// What has become of an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Disposed {
    Deleted,
    /// Under this key.
    Archived(String),
    /// It is gone, or not the version that was read any more.
    Changed,
}

/// Up to this size an object goes through this process to the archive, in the version that was read and where nothing is. The store copies
/// larger ones.
const SMALL: u64 = 8 << 20;

/// Deletes an object in the version that was read, and no other one, after it has been copied to a key, if it is to be. Whenever the process
/// ends while it is at it, doing the same again leads to the same.
pub(super) async fn dispose(store: Arc<dyn ObjectStore>, pin: Pin, archive: Option<String>) -> Result<Disposed> {
    let disposed = match archive {
        None => Disposed::Deleted,
        Some(wanted) => match copy(&*store, &pin, &wanted).await {
            Ok(Some(to)) => Disposed::Archived(to),
            Ok(None) | Err(Error::NotFound { .. } | Error::Precondition { .. }) => return Ok(Disposed::Changed),
            Err(error) => return Err(error),
        },
    };
    // A store cannot delete on a condition: the time between these two calls is as short as it can be.
    if !is_there(&*store, &pin).await? {
        return Ok(Disposed::Changed);
    }
    match store.delete(&pin.key).await {
        Ok(()) | Err(Error::NotFound { .. }) => Ok(disposed),
        Err(error) => Err(error),
    }
}

/// Copies an object to the first key that is free, unless it is there from an attempt that was broken off. Tells where; `None` if another one is
/// there now.
async fn copy(store: &dyn ObjectStore, pin: &Pin, wanted: &str) -> Result<Option<String>> {
    if !is_there(store, pin).await? {
        return Ok(None);
    }
    let small = if pin.size <= SMALL { Some(read_part(store, pin, 0, pin.size).await?) } else { None };
    // It holds the place for a large one until the store has copied it.
    let holds = || Bytes::from(format!("firesteel archives {} here, version {}\n", pin.key, version(pin)));
    let mut number = 1_u64;
    loop {
        let to = if number == 1 { wanted.to_owned() } else { format!("{wanted}.{number}") };
        let key = Path::parse(&to)?;
        let new = small.clone().unwrap_or_else(holds);
        let is_ours = put_where_none(store, &key, PutPayload::from(new)).await?
            || small.is_none() && is(store, &key, &holds()).await?;
        if is_ours && small.is_none() {
            store.copy(&pin.key, &key).await?;
            match head(store, &pin.key).await? {
                // What was copied is not what was read.
                Some(now) if !pin.is(&now) => return store.delete(&key).await.map(|()| None),
                _ => {}
            }
        }
        if is_ours || is_copy(store, pin, small.as_ref(), &key).await? {
            return Ok(Some(to));
        }
        number += 1;
    }
}

/// What tells the version from others.
fn version(pin: &Pin) -> String {
    pin.e_tag.clone().unwrap_or_else(|| pin.modified.div_euclid(1_000_000).to_string())
}

async fn head(store: &dyn ObjectStore, key: &Path) -> Result<Option<ObjectMeta>> {
    match store.head(key).await {
        Err(Error::NotFound { .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// Whether the object is there that was read. One that was stored later is another one, also with the same content; answers of stores tell
/// the second.
async fn is_there(store: &dyn ObjectStore, pin: &Pin) -> Result<bool> {
    let is_it = |now: ObjectMeta| pin.is(&now) && now.last_modified.timestamp() == pin.modified.div_euclid(1_000_000);
    Ok(head(store, &pin.key).await?.is_some_and(is_it))
}

/// Whether the object of this key has these bytes.
async fn is(store: &dyn ObjectStore, key: &Path, bytes: &Bytes) -> Result<bool> {
    match head(store, key).await? {
        Some(found) if found.size == bytes.len() as u64 => Ok(store.get(key).await?.bytes().await? == *bytes),
        _ => Ok(false),
    }
}

/// Whether the object of this key is a copy: stored after the original, and equal to it.
async fn is_copy(store: &dyn ObjectStore, pin: &Pin, small: Option<&Bytes>, key: &Path) -> Result<bool> {
    let Some(found) = head(store, key).await? else { return Ok(false) };
    // Where answers tell the second only, one that was copied within the second is copied once more.
    let is_older = found.last_modified.timestamp_micros() < pin.modified;
    if found.size != pin.size || is_older {
        return Ok(false);
    }
    if let Some(bytes) = small {
        return is(store, key, bytes).await;
    }
    let copy = Pin::of(&found);
    let mut at = 0;
    while at < pin.size {
        let to = pin.size.min(at + SMALL);
        if read_part(store, pin, at, to).await? != read_part(store, &copy, at, to).await? {
            return Ok(false);
        }
        at = to;
    }
    Ok(true)
}
