//! An object store, for callers that have no async runtime.
//!
//! [`Bucket`] is whatever implements `ObjectStore` of the crate [`object_store`], with a thread of its own on which it is asked:
//! S3, Google Cloud Storage and Azure with that crate's features of these names, a folder, memory.
//!
//! | | |
//! |---|---|
//! | [`Bucket::list`] | all objects under a prefix; a key that the client library cannot take costs itself |
//! | [`Stretch`] | the bytes of an object in one version of it, a few ranges ahead |
//! | [`Upload`] | an object that is there whole, or not at all |
//!
//! ```
//! use std::io::{Read, Write};
//! use std::sync::Arc;
//! use firesteel_object_store::{Bucket, Pin, Stretch, Upload, object_store::memory::InMemory};
//!
//! let bucket = Bucket::new(Arc::new(InMemory::new()))?;
//! let mut upload = Upload::to(&bucket, "logs/a.txt")?;
//! upload.write_all(b"one line\n")?;
//! upload.finish()?.complete()?;
//! let listed = bucket.list("logs")?;
//! let mut text = String::new();
//! Stretch::of(&bucket, &Pin::of(&listed.objects[0]), 4, 9).read_to_string(&mut text)?;
//! assert_eq!(text, "line\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! It retries nothing itself: the stores of [`object_store`] do, with what their `RetryConfig` says.

#![forbid(unsafe_code)]

mod bucket;
mod error;
mod list;
mod stretch;
mod upload;
mod worker;

pub use bucket::{Bucket, Pending, Pin, put_where_none, read_part};
pub use error::{StoreError, is_missing, is_passing};
pub use list::Listed;
pub use object_store;
pub use stretch::Stretch;
pub use upload::{Upload, Uploaded};
