//! Snapshots of keyed state in any object store.
//!
//! [`ObjectSnapshots`] keeps the files of snapshots as objects under a prefix, in whatever implements `ObjectStore` of
//! the crate [`object_store`]: S3, Google Cloud Storage and Azure with that crate's features of these names, a folder,
//! memory.
//!
//! ```
//! use firesteel_state::Snapshots;
//! use firesteel_state_object_store::ObjectSnapshots;
//! use firesteel_state_object_store::object_store::memory::InMemory;
//! use std::sync::Arc;
//!
//! let bucket = Arc::new(InMemory::new());
//! let snapshots = Snapshots::new(Arc::new(ObjectSnapshots::new(bucket, "jobs/clicks/snapshots")?));
//! assert!(snapshots.list()?.is_empty());
//! # Ok::<(), firesteel_state::StateError>(())
//! ```
//!
//! An object appears whole or not at all, and the manifest of a snapshot is written last, so a snapshot that was cut
//! short is none. That an object survives a crash is the store's promise: `LocalFileSystem` makes it only with
//! `with_fsync(true)`.
//!
//! It keeps no lock: two jobs under one prefix are kept apart by the lock of their checkpoint folder, or not at all.
//! It retries nothing itself: the stores of [`object_store`] do, and what they give up on is a retryable error unless
//! only a person can help.

#![forbid(unsafe_code)]

mod store;

pub use object_store;
pub use store::ObjectSnapshots;
