//! Objects as a source and as a sink: S3, Google Cloud Storage, Azure, a folder, memory, by the crate [`object_store`].
//!
//! [`Objects`] reads what is under a prefix or matches a glob, in any [`Format`](firesteel_formats::Format); [`ObjectSink`] writes
//! results exactly once. Both are given a [`Bucket`], which is a store of that crate and a thread on which it is asked.
//!
//! ```
//! use std::sync::Arc;
//! use firesteel_connect_object_store::{Bucket, ObjectSink, Objects, object_store::memory::InMemory};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Click {
//!     user: String,
//!     ad: u32,
//! }
//!
//! // Where it is S3: `Bucket::paged(Arc::new(AmazonS3Builder::from_env().with_bucket_name("lake").build()?))`.
//! let lake = Bucket::new(Arc::new(InMemory::new()))?;
//! let clicks = Objects::json::<Click>(&lake, "logs/2026/*/*.ndjson.gz").follow();
//! let results = ObjectSink::json::<Click>(&lake, "results").partitioned_by("user", |click| click.user.clone());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! For S3 the crate `object_store` has the feature `aws`, whose TLS needs a C compiler and cmake; its features `aws-base`, `ring` and
//! `reqwest` do with a C compiler.

#![forbid(unsafe_code)]

mod compaction;
mod error;
mod pattern;
mod sink;
mod source;

pub use compaction::Compaction;
pub use firesteel_object_store::{Bucket, object_store};
pub use firesteel_results::{ByColumn, CompactionReport, LeftFiles, Partitions, Unpartitioned, WhyLeft};
pub use sink::{ObjectSink, PendingObjects};
pub use source::{AfterReading, ObjectReader, Objects, OnMissing, OnUnreadable, Order};
