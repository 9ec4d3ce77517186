//! The store of snapshots.

use std::path::PathBuf;
use std::sync::Arc;

use firesteel_object_store::{Bucket, StoreError};
use firesteel_state::snapshot::part_of;
use firesteel_state::{Class, Result, SnapshotStore, StateError};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// The files of snapshots as objects under a prefix. See the [crate](crate).
#[derive(Debug)]
pub struct ObjectSnapshots {
    bucket: Bucket,
    prefix: Path,
}

impl ObjectSnapshots {
    /// Objects in `store` whose names are `prefix`, a slash, and the name of a file; an empty prefix is the root of the
    /// store. What else is under the prefix is left alone.
    ///
    /// The store is used on a thread of its own, with an async runtime that lives as long as this.
    ///
    /// # Errors
    /// [`StateError::Backend`] when the prefix is no path, or the thread or its runtime cannot be had.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        let bucket = Bucket::new(Arc::clone(&store)).map_err(|error| StateError::Backend {
            backend: format!("{store}/{prefix}"),
            action: "start a thread for it".into(),
            class: Class::Retryable,
            source: error.into(),
        })?;
        Self::in_bucket(&bucket, prefix)
    }

    /// As [`new`](Self::new), on the thread of a bucket that is used for objects as well.
    ///
    /// # Errors
    /// [`StateError::Backend`] when the prefix is no path.
    pub fn in_bucket(bucket: &Bucket, prefix: &str) -> Result<Self> {
        let parsed = Path::parse(prefix).map_err(|error| StateError::Backend {
            backend: format!("{bucket}/{prefix}"),
            action: "use this prefix".into(),
            class: Class::Fatal,
            source: error.into(),
        })?;
        Ok(Self { bucket: bucket.clone(), prefix: parsed })
    }

    fn object(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// The outcome of a call of the store.
    fn told<T>(&self, action: impl FnOnce() -> String, outcome: std::result::Result<T, StoreError>) -> Result<T> {
        outcome.map_err(|error| {
            let class = if error.is_passing() { Class::Retryable } else { Class::Fatal };
            StateError::Backend { backend: self.describe(), action: action(), class, source: error.into() }
        })
    }
}

impl SnapshotStore for ObjectSnapshots {
    fn describe(&self) -> String {
        PathBuf::from(self.bucket.to_string()).join(self.prefix.as_ref()).display().to_string()
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let put = self.bucket.put_new(self.object(name).as_ref(), bytes.to_vec());
        if self.told(|| format!("store {name}"), put)? {
            return Ok(());
        }
        Err(StateError::Exists { place: self.describe(), name: name.to_owned() })
    }

    fn get(&self, name: &str) -> Result<Vec<u8>> {
        Ok(self.told(|| format!("fetch {name}"), self.bucket.get(self.object(name).as_ref()))?.into())
    }

    fn get_part(&self, name: &str, from: u64, length: u64) -> Result<Vec<u8>> {
        let (object, to) = (self.object(name), from.saturating_add(length));
        let part = self.bucket.call(|store| async move { store.get_range(&object, from..to).await });
        if let Ok(bytes) = part {
            return Ok(bytes.into());
        }
        // Stores differ in what they say where a file ends before the part does. What the whole object says holds.
        Ok(part_of(self.get(name)?, from, length))
    }

    fn list(&self) -> Result<Vec<String>> {
        let prefix = self.prefix.clone();
        let listed = self.bucket.call(|store| async move { store.list_with_delimiter(Some(&prefix)).await });
        let found = self.told(|| "list what is there".into(), listed)?;
        let mut names: Vec<String> =
            found.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.told(|| format!("delete {name}"), self.bucket.delete(self.object(name).as_ref()))
    }
}
