//! The one place that names the hash function of the contenders.
//!
//! The hand-written loop and the timely dataflow hash with what the engine
//! hashes with, so that the comparison is one of engines and not of hash
//! functions. Renoir brings its own hasher and does not let it be replaced.

use firesteel_core::hash::BuildKeyHasher;
use hashbrown::HashMap;

/// Counts by campaign.
pub type Counts<K = u32> = HashMap<K, u64, BuildKeyHasher>;
