//! RocksDB's options.
//!
//! What was measured for them is in `docs/adr`.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;
use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DataBlockIndexType, LogLevel, MergeOperands, Options,
    WriteBufferManager,
};

use crate::expiry::{Expiry, PageFilters, Told};
use crate::options::{Compression, RocksDbOptions};
use crate::page::{self, Malformed};

/// The options, and what all column families share, also those of a database that takes the place of this one.
pub(crate) struct Tuning {
    pub(crate) chosen: RocksDbOptions,
    pub(crate) cache: Cache,
    buffers: WriteBufferManager,
    pub(crate) told: Mutex<Told>,
}

fn bytes(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Tuning {
    pub(crate) fn new(chosen: RocksDbOptions) -> Self {
        // The size of an entry is not told: write buffers are charged to the cache in pieces of other sizes.
        let cache = Cache::new_hyper_clock_cache(bytes(chosen.memory), 0);
        let buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(bytes(chosen.memory / 2), false, cache.clone());
        Self { chosen, cache, buffers, told: Mutex::default() }
    }

    /// The options of a database.
    pub(crate) fn database(&self) -> Options {
        let mut options = Options::default();
        options.set_max_background_jobs(i32::try_from(self.chosen.background_jobs).unwrap_or(i32::MAX));
        options.set_max_open_files(i32::try_from(self.chosen.open_files).unwrap_or(i32::MAX));
        options.set_write_buffer_manager(&self.buffers);
        // Compactions hold such a buffer for each file they read and write.
        options.set_compaction_readahead_size(256 << 10);
        options.set_writable_file_max_buffer_size(256 << 10);
        options.set_bytes_per_sync(1 << 20);
        options.set_keep_log_file_num(2);
        options.set_max_log_file_size(1 << 20);
        options.set_log_level(LogLevel::Warn);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options.set_skip_stats_update_on_db_open(true);
        options
    }

    /// The options of a file that is to become part of a column family: one that is soon rewritten.
    pub(crate) fn file(&self, expiry: &Arc<Expiry>) -> Options {
        let mut options = self.family(expiry);
        options.set_compression_per_level(&[]);
        options.set_compression_type(DBCompressionType::None);
        options
    }

    /// The options of a column family.
    pub(crate) fn family(&self, expiry: &Arc<Expiry>) -> Options {
        let mut options = Options::default();
        options.set_write_buffer_size(bytes(self.chosen.write_buffer));
        options.set_max_write_buffer_number(2);
        options.set_level_compaction_dynamic_level_bytes(true);
        options.set_level_zero_file_num_compaction_trigger(4);
        options.set_level_zero_slowdown_writes_trigger(24);
        options.set_level_zero_stop_writes_trigger(40);
        options.set_target_file_size_base(32 << 20);
        options.set_max_bytes_for_level_base(128 << 20);
        let compressed = match self.chosen.compression {
            Compression::None => DBCompressionType::None,
            Compression::Lz4 => DBCompressionType::Lz4,
        };
        options.set_compression_type(compressed);
        // What is new is small and soon rewritten.
        options.set_compression_per_level(&[DBCompressionType::None, compressed]);
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        // Most operands stand in one file of level 0 only: a filter tells which.
        table.set_bloom_filter(10.0, false);
        table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        table.set_block_size(4 << 10);
        table.set_format_version(5);
        options.set_block_based_table_factory(&table);

        let pruned = expiry.clone();
        let full = move |key: &[u8], below: Option<&[u8]>, changes: &MergeOperands| {
            let merged = apply(below.unwrap_or_default(), changes).and_then(|page| pruned.prune(key, page));
            merged.ok()
        };
        // RocksDB takes the lack of a result here for "not yet", and at the bottom for damage.
        let partial = |_: &[u8], _: Option<&[u8]>, changes: &MergeOperands| {
            page::combine(changes.iter()).ok().map(Cow::into_owned)
        };
        options.set_merge_operator("firesteel-pages", full, partial);
        options.set_compaction_filter_factory(PageFilters(expiry.clone()));
        options
    }
}

/// A page with all changes made to it.
fn apply(below: &[u8], changes: &MergeOperands) -> Result<Vec<u8>, Malformed> {
    page::merge(below, &page::combine(changes.iter())?, false)
}
