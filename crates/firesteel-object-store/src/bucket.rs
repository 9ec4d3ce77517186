//! A store and the thread on which it is asked.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::list::PaginatedListStore;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::error::StoreError;
use crate::list::{self, Listed};
use crate::worker::Worker;

/// The result of a call.
pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// How often an object is put that is refused and not there.
const ATTEMPTS: usize = 5;

/// A store and the thread on which it is asked. Clones share both.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    pages: Option<Arc<dyn PaginatedListStore>>,
    worker: Arc<Worker>,
}

impl Bucket {
    /// A store, which is used on a thread of its own, with an async runtime that lives as long as this.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be had.
    pub fn new(store: Arc<dyn ObjectStore>) -> io::Result<Self> {
        Ok(Self { store, pages: None, worker: Arc::new(Worker::start()?) })
    }

    /// As [`new`](Self::new), of a store that can be listed page by page, as S3, Google Cloud Storage and Azure can. A key that the
    /// client library cannot take, as one with two slashes in a row, ends the listing of other stores.
    ///
    /// # Errors
    /// As those of [`new`](Self::new).
    pub fn paged<S: ObjectStore + PaginatedListStore>(store: Arc<S>) -> io::Result<Self> {
        let pages: Arc<dyn PaginatedListStore> = Arc::clone(&store) as _;
        Ok(Self { pages: Some(pages), ..Self::new(store)? })
    }

    /// Runs a call of the store, and waits for it.
    ///
    /// # Errors
    /// That of the call, or that it panicked.
    pub fn call<T, F, W>(&self, call: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<dyn ObjectStore>) -> W,
        W: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        self.begin(call).wait()
    }

    /// Begins a call of the store.
    pub fn begin<T, F, W>(&self, call: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<dyn ObjectStore>) -> W,
        W: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        Pending { outcome: self.worker.begin(call(Arc::clone(&self.store))) }
    }

    /// All objects under a prefix, by their keys in ascending order.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub fn list(&self, prefix: &str) -> Result<Listed> {
        let (pages, prefix) = (self.pages.clone(), prefix.to_owned());
        self.call(|store| list::all(store, pages, prefix))
    }

    /// Begins to read the bytes `[from, to)` of an object, in the version that is pinned.
    pub fn begin_part(&self, object: &Pin, from: u64, to: u64) -> Pending<Bytes> {
        let object = object.clone();
        self.begin(|store| async move { read_part(&*store, &object, from, to).await })
    }

    /// Begins to read the first bytes of an object, as many as it has of these, in whatever version it is, and tells which.
    pub fn begin_first(&self, key: &str, length: u64) -> Pending<(ObjectMeta, Bytes)> {
        let key = Path::parse(key);
        self.begin(|store| async move {
            let key = key?;
            let options = GetOptions { range: Some(GetRange::Bounded(0..length.max(1))), ..GetOptions::default() };
            let found = store.get_opts(&key, options).await?;
            Ok((found.meta.clone(), found.bytes().await?))
        })
    }

    /// All of an object, whatever version it is in.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    pub fn get(&self, key: &str) -> Result<Bytes> {
        let key = Path::parse(key).map_err(object_store::Error::from)?;
        self.call(|store| async move { store.get(&key).await?.bytes().await })
    }

    /// Puts an object where none is; `false`, and what is there stays, if there is one. Of several that try at the same time, one
    /// succeeds.
    ///
    /// # Errors
    /// When that is not certain.
    pub fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool> {
        let key = Path::parse(key).map_err(object_store::Error::from)?;
        let payload = PutPayload::from(bytes);
        self.call(|store| async move { put_where_none(&*store, &key, payload).await })
    }

    /// The object of this key, if there is one.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        let key = Path::parse(key).map_err(object_store::Error::from)?;
        self.call(|store| async move {
            match store.head(&key).await {
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                other => other.map(Some),
            }
        })
    }

    /// Deletes an object; nothing happens if there is none.
    ///
    /// # Errors
    /// When it cannot be deleted.
    pub fn delete(&self, key: &str) -> Result<()> {
        let key = Path::parse(key).map_err(object_store::Error::from)?;
        self.call(|store| async move {
            match store.delete(&key).await {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        })
    }
}

impl Bucket {
    /// Deletes these objects, as far as they are there, in as few calls as the store needs.
    ///
    /// # Errors
    /// When one cannot be deleted; the others are all the same, if they can be.
    pub fn delete_all(&self, keys: Vec<String>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let keys = keys.into_iter().map(|key| Path::parse(key).map_err(object_store::Error::from));
        let keys = futures_util::stream::iter(keys.collect::<Vec<_>>()).boxed();
        self.call(|store| async move {
            let mut deleted = store.delete_stream(keys);
            let mut outcome = Ok(());
            while let Some(one) = deleted.next().await {
                match one {
                    Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => outcome = outcome.and(Err(error)),
                }
            }
            outcome
        })
    }
}

impl fmt::Display for Bucket {
    /// As the store shows itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.store)
    }
}

/// The bytes `[from, to)` of an object, in the version that is pinned: within a call of a [`Bucket`].
///
/// # Errors
/// When it is not there in this version, or cannot be read.
pub async fn read_part(store: &dyn ObjectStore, object: &Pin, from: u64, to: u64) -> object_store::Result<Bytes> {
    let options = GetOptions { range: Some(GetRange::Bounded(from..to)), ..object.options() };
    let found = store.get_opts(&object.key, options).await?;
    // Not every store heeds conditions.
    if !object.is(&found.meta) {
        let path = object.key.to_string();
        return Err(object_store::Error::Precondition { path, source: "it is another version now".into() });
    }
    let bytes = found.bytes().await?;
    if bytes.len() as u64 == to - from {
        return Ok(bytes);
    }
    let reason = format!("of bytes {from} to {to} of {} came {}", object.key, bytes.len());
    Err(object_store::Error::Generic { store: "bucket", source: reason.into() })
}

/// Puts an object where none is, within a call of a [`Bucket`]; `false`, and what is there stays, if there is one.
///
/// # Errors
/// When that is not certain.
pub async fn put_where_none(store: &dyn ObjectStore, key: &Path, payload: PutPayload) -> object_store::Result<bool> {
    for _ in 0..ATTEMPTS {
        match store.put_opts(key, payload.clone(), PutMode::Create.into()).await {
            Ok(_) => return Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
        // S3 says the same where calls have hindered each other and none has succeeded.
        match store.head(key).await {
            Err(object_store::Error::NotFound { .. }) => {}
            found => return found.map(|_| false),
        }
    }
    let reason = format!("{key} is said to be there, and is not");
    Err(object_store::Error::Generic { store: "bucket", source: reason.into() })
}

/// A call that is under way.
pub struct Pending<T> {
    outcome: std::sync::mpsc::Receiver<object_store::Result<T>>,
}

impl<T> Pending<T> {
    /// Waits for its outcome.
    ///
    /// # Errors
    /// That of the call, or that it panicked.
    pub fn wait(self) -> Result<T> {
        self.outcome.recv().map_or(Err(StoreError::Panicked), |outcome| outcome.map_err(StoreError::Store))
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}

/// An object in one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its key.
    pub key: Path,
    /// What the store calls its content.
    pub e_tag: Option<String>,
    /// The version, where the store keeps several: that one can be read when there is a newer one.
    pub version: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// When it was stored, in microseconds since 1970: tells contents apart where the store has no tags.
    pub modified: i64,
}

impl Pin {
    /// As it was listed.
    #[must_use]
    pub fn of(object: &ObjectMeta) -> Self {
        let ObjectMeta { location, e_tag, version, size, .. } = object.clone();
        Self { key: location, e_tag, version, size, modified: object.last_modified.timestamp_micros() }
    }

    /// Whether what was found is this version. Times are compared by the second: answers to reads have no more.
    #[must_use]
    pub fn is(&self, found: &ObjectMeta) -> bool {
        let is_same_time = self.modified.div_euclid(1_000_000) == found.last_modified.timestamp();
        found.e_tag == self.e_tag && found.size == self.size && (self.e_tag.is_some() || is_same_time)
    }

    fn options(&self) -> GetOptions {
        let if_match = if self.version.is_none() { self.e_tag.clone() } else { None };
        GetOptions { if_match, version: self.version.clone(), ..GetOptions::default() }
    }
}
