//! State in RocksDB: more of it than fits into memory, kept on a local disk.
//!
//! [`RocksDbBackend`] is a [`StateBackend`](firesteel_state::StateBackend). Choosing it is one line: hand its
//! [options](RocksDbOptions) to the job's checkpoint. What was stored under one backend can be restored under another through a
//! [snapshot](firesteel_state::snapshot).
//!
//! ```
//! use firesteel_state::{FrameWriter, KeyGroup, Shard, StateBackend, StoreId, TableId};
//! use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};
//! # let folder = std::env::temp_dir().join(format!("firesteel-rocksdb-crate-{}", std::process::id()));
//!
//! let shard = Shard { store: StoreId(0), group: KeyGroup(0) };
//! let backend = RocksDbBackend::open(&folder, RocksDbOptions::default())?;
//! let mut changes = FrameWriter::new();
//! changes.put(b"ann", b"3");
//! backend.apply(1, &[changes.finish(shard)])?;
//! backend.flush()?;
//! drop(backend);
//!
//! let backend = RocksDbBackend::open(&folder, RocksDbOptions::default())?;
//! assert_eq!(backend.marker(shard)?, Some(1));
//! # drop(backend);
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), firesteel_state::StateError>(())
//! ```
//!
//! # How things are stored
//!
//! Each operator's state has a column family. Keys are prefixed by key group and table, so that a group's are together
//! and in order. They are not stored one by one: sorted runs of them, pages of some kilobytes, are the values of the
//! database, and changes are merged into them by a merge operator. RocksDB's log is off, since the changelog is the
//! log; what [`apply`](firesteel_state::StateBackend::apply) has taken survives a crash of the machine only after
//! [`flush`](firesteel_state::StateBackend::flush), and a marker for each key group tells how far that is.
//!
//! # What it does not do
//!
//! It shows no type of RocksDB. It reads no clock: what is over is dropped as of the times it is
//! [told](firesteel_state::StateBackend::expire). It starts no threads of its own, but RocksDB does, for compactions.

#![forbid(unsafe_code)]

mod backend;
mod checkpoint;
mod choice;
mod database;
mod directory;
mod error;
mod expiry;
mod layout;
mod options;
mod page;
mod plan;
mod read;
mod statistics;
mod tuning;
mod write;

pub use backend::RocksDbBackend;
pub use options::{Compression, RocksDbOptions};
pub use statistics::RocksDbStatistics;
