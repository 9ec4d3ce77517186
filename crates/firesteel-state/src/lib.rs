//! Durable keyed state for stream processing: typed values, lists, maps and timers, a changelog and snapshots, over
//! small backends.
//!
//! An operator [declares](Declaration) its state by name and gets [handles](handle). A [store](KeyedStore) holds the
//! values, by [key group](KeyGroups). A task takes a key group, begins a batch, and uses the handles with one
//! [key](KeyContext) after another; if it fails, beginning the batch again rolls everything back.
//!
//! At the end of an epoch, the store yields [frames](Frame) of what changed. The [changelog] makes them durable, a
//! [backend] may hold them in place of memory, and [snapshots](snapshot) make sure that the changelog need not be kept
//! forever. Recovery goes the same way backwards.
//!
//! # What it does not do
//!
//! It knows nothing of RDDs or streams, reads no source and no clock, starts no thread, and computes no hash.

#![forbid(unsafe_code)]

pub mod backend;
pub mod changelog;
mod changes;
mod codec;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod context;
pub mod cursor;
mod declaration;
mod error;
mod evolved;
mod files;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod group;
pub mod handle;
mod handover;
mod key_group;
mod key_space;
mod lock;
mod marker;
#[cfg(test)]
mod model;
#[cfg(test)]
mod model_tests;
mod parallel;
pub mod schema;
pub mod snapshot;
mod sorted;
mod store;
mod table;
mod table_copies;
mod timers_by_key;
mod ttl;
mod wire;

pub use backend::{BackendMetrics, MemoryBackend, OpenBackend, StateBackend};
pub use changelog::{Changelog, ChangelogOptions, ChangelogReader, CommitLog, EpochLog, EpochRecord};
pub use changes::Changes;
pub use codec::{StateField, StateKey, StateValue};
pub use context::KeyContext;
pub use cursor::Cursor;
pub use declaration::{Declaration, StateOptions};
pub use error::{Result, StateError};
pub use evolved::{Migrations, TableCodec};
pub use firesteel_budget::{MemoryBudget, Reservation};
pub use firesteel_error::Class;
pub use frame::{Change, Frame, FrameWriter, Shard, StoreId, TableId};
pub use group::GroupState;
pub use handle::{Fired, FiredRows, List, Map, OpenWindows, SortedMap, Timers, Value, Windows};
pub use handover::{Handovers, ReleasedRange, ReleasedState};
pub use key_group::{KeyGroup, KeyGroupRange, KeyGroups};
pub use key_space::KeySpace;
pub use lock::CheckpointLock;
pub use marker::{CommitName, Marker};
pub use schema::{
    Catalog, Comparison, Dropped, Evolution, Fate, Finding, InputSchema, JobDescription, OlderValues, OnChange,
    OutputSchema, Setting, StoreSchema, TableKind, TableSchema, TypeTag, Verdict, WatermarkSchema,
};
pub use snapshot::{FolderStore, Manifest, RunId, SnapshotId, SnapshotStore, Snapshots};
pub use sorted::SortedField;
pub use store::{KeyedStore, StateStore, StoreSetup};
pub use table_copies::TableCopies;
pub use ttl::{StoredTtl, TimeDomain, Times, Ttl, TtlChange};
