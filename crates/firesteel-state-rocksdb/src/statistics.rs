//! What RocksDB does and takes.

use crate::database::Database;
use crate::tuning::Tuning;

/// What RocksDB does and takes at the moment, for metrics and for those who tune it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RocksDbStatistics {
    /// Bytes of all files with values.
    pub file_bytes: u64,
    /// Bytes in the cache: blocks, indexes, filters and write buffers.
    pub cache_bytes: u64,
    /// Of those, bytes in write buffers.
    pub write_buffer_bytes: u64,
    /// Bytes that compactions have to rewrite until all levels are as they should be, estimated.
    pub compaction_debt_bytes: u64,
    /// Compactions that run.
    pub compactions: u64,
    /// Flushes that run.
    pub flushes: u64,
    /// Errors of work in the background, such as of a disk that is full.
    pub background_errors: u64,
    /// Column families whose writes wait for compactions.
    pub stalled: u64,
    /// Expired values that were dropped, together with the page they were in. Those that were
    /// dropped when a page was rewritten for another reason are not counted.
    pub values_dropped: u64,
}

impl RocksDbStatistics {
    pub(crate) fn of(database: &Database, tuning: &Tuning) -> Self {
        Self {
            file_bytes: database.property("rocksdb.total-sst-files-size"),
            cache_bytes: tuning.cache.get_usage() as u64,
            write_buffer_bytes: database.property("rocksdb.cur-size-all-mem-tables"),
            compaction_debt_bytes: database.property("rocksdb.estimate-pending-compaction-bytes"),
            compactions: database.property("rocksdb.num-running-compactions"),
            flushes: database.property("rocksdb.num-running-flushes"),
            background_errors: database.property("rocksdb.background-errors"),
            stalled: database.property("rocksdb.is-write-stopped"),
            values_dropped: database.stores().iter().map(|(_, store)| store.expiry.dropped()).sum(),
        }
    }
}
