//! The store of snapshots.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use firesteel_state::snapshot::part_of;
use firesteel_state::{Class, Result, SnapshotStore, StateError};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::worker::Worker;

/// The files of snapshots as objects under a prefix. See the [crate](crate).
#[derive(Debug)]
pub struct ObjectSnapshots {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    worker: Worker,
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
        let place = || format!("{store}/{prefix}");
        let parsed = Path::parse(prefix).map_err(|error| StateError::Backend {
            backend: place(),
            action: "use this prefix".into(),
            class: Class::Fatal,
            source: error.into(),
        })?;
        let worker = Worker::start().map_err(|error| StateError::Backend {
            backend: place(),
            action: "start a thread for it".into(),
            class: Class::Retryable,
            source: error.into(),
        })?;
        Ok(Self { store, prefix: parsed, worker })
    }

    fn object(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// Runs a call of the store.
    fn call<T, F, W>(&self, action: impl FnOnce() -> String, call: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<dyn ObjectStore>) -> W,
        W: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let outcome = self.worker.run(call(Arc::clone(&self.store)));
        let (class, source) = match outcome {
            Some(Ok(value)) => return Ok(value),
            Some(Err(error)) => (class(&error), error.into()),
            None => (Class::Fatal, "the store panicked".into()),
        };
        Err(StateError::Backend { backend: self.describe(), action: action(), class, source })
    }
}

/// Whether trying again can help. What a store gave up on after its own attempts may work later.
fn class(error: &Error) -> Class {
    match error {
        Error::Generic { .. } => Class::Retryable,
        _ => Class::Fatal,
    }
}

impl SnapshotStore for ObjectSnapshots {
    fn describe(&self) -> String {
        PathBuf::from(self.store.to_string()).join(self.prefix.as_ref()).display().to_string()
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (object, payload) = (self.object(name), PutPayload::from(bytes.to_vec()));
        let put = |store: Arc<dyn ObjectStore>| async move {
            match store.put_opts(&object, payload, PutMode::Create.into()).await {
                Ok(_) => Ok(true),
                Err(Error::AlreadyExists { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        };
        if self.call(|| format!("store {name}"), put)? {
            return Ok(());
        }
        Err(StateError::Exists { place: self.describe(), name: name.to_owned() })
    }

    fn get(&self, name: &str) -> Result<Vec<u8>> {
        let object = self.object(name);
        let get = |store: Arc<dyn ObjectStore>| async move { store.get(&object).await?.bytes().await };
        Ok(self.call(|| format!("fetch {name}"), get)?.into())
    }

    fn get_part(&self, name: &str, from: u64, length: u64) -> Result<Vec<u8>> {
        let (object, to) = (self.object(name), from.saturating_add(length));
        let get = |store: Arc<dyn ObjectStore>| async move { store.get_range(&object, from..to).await };
        if let Ok(bytes) = self.call(|| format!("fetch a part of {name}"), get) {
            return Ok(bytes.into());
        }
        // Stores differ in what they say where a file ends before the part does. What the whole object says holds.
        Ok(part_of(self.get(name)?, from, length))
    }

    fn list(&self) -> Result<Vec<String>> {
        let prefix = self.prefix.clone();
        let list = |store: Arc<dyn ObjectStore>| async move { store.list_with_delimiter(Some(&prefix)).await };
        let found = self.call(|| "list what is there".into(), list)?;
        let mut names: Vec<String> =
            found.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let object = self.object(name);
        let delete = |store: Arc<dyn ObjectStore>| async move {
            match store.delete(&object).await {
                Err(Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        };
        self.call(|| format!("delete {name}"), delete)
    }
}
