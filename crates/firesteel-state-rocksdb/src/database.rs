//! A database that is open: its column families, its options, and what is known of each shard.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use firesteel_state::{KeyGroup, Marker, Result, Shard, StateError, StoreId, StoreSchema, TableId, Times};
use parking_lot::{RwLock, RwLockReadGuard};
use rocksdb::{
    BottommostLevelCompaction, BoundColumnFamily, ColumnFamilyDescriptor, CompactOptions, DBPinnableSlice,
    DBWithThreadMode, FlushOptions, MultiThreaded, Options, ReadOptions, WriteBatch, WriteOptions,
};

use crate::directory::Directory;
use crate::error::{failed, malformed};
use crate::expiry::Expiry;
use crate::layout;
use crate::tuning::Tuning;

pub(crate) type Db = DBWithThreadMode<MultiThreaded>;

/// This many pages are asked for at once.
const PAGES_AT_ONCE: usize = 64;

/// A database that is open.
pub(crate) struct Database {
    pub(crate) db: Db,
    pub(crate) folder: PathBuf,
    tuning: Arc<Tuning>,
    stores: RwLock<BTreeMap<StoreId, Arc<Store>>>,
    files: AtomicU64,
    /// Whether nothing is compacted yet of what was there when it was opened.
    waiting: AtomicBool,
}

/// The state of one operator.
pub(crate) struct Store {
    pub(crate) family: String,
    pub(crate) expiry: Arc<Expiry>,
    options: Options,
    /// The options of files that are to become part of the column family.
    pub(crate) file_options: Options,
    shards: RwLock<BTreeMap<KeyGroup, Arc<RwLock<Tables>>>>,
    /// Whether something is in the write buffers only.
    pub(crate) unflushed: AtomicBool,
}

/// What is known of a shard.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) marker: Option<Marker>,
    /// Whether nothing of it may be in the database that is not known here.
    is_new: bool,
    /// The directories of tables, once they have been read; those with one page are not stored.
    directories: Option<BTreeMap<TableId, Arc<Directory>>>,
}

impl Tables {
    /// Of a shard that holds nothing.
    pub(crate) fn empty() -> Self {
        Self { marker: None, is_new: true, directories: Some(BTreeMap::new()) }
    }

    /// Where the table's pages are.
    pub(crate) fn directory(&self, table: TableId) -> Arc<Directory> {
        match self.known(table) {
            Some(directory) => directory.clone(),
            None if self.is_new => Arc::default(),
            None => Arc::new(Directory::of_unknown_size()),
        }
    }

    /// Where the table's pages are, if that has been noted.
    pub(crate) fn known(&self, table: TableId) -> Option<&Arc<Directory>> {
        self.directories.as_ref()?.get(&table)
    }

    pub(crate) fn put_directory(&mut self, table: TableId, directory: Arc<Directory>) {
        self.directories.get_or_insert_default().insert(table, directory);
    }

    fn memory_used(&self) -> u64 {
        self.directories.iter().flat_map(BTreeMap::values).map(|directory| directory.memory_used()).sum()
    }
}

impl Database {
    /// Makes an empty database in a new folder, and closes it again.
    pub(crate) fn create(folder: &Path, tuning: &Tuning) -> Result<()> {
        let mut options = tuning.database();
        options.create_if_missing(true);
        options.set_error_if_exists(true);
        let db = Db::open(&options, folder).map_err(failed(folder, "create the database"))?;
        db.put(layout::FORMAT_KEY, layout::FORMAT.to_le_bytes()).map_err(failed(folder, "write the format"))?;
        db.flush().map_err(failed(folder, "write the format"))
    }

    /// Opens an existing database.
    pub(crate) fn open(folder: &Path, tuning: Arc<Tuning>) -> Result<Self> {
        let options = tuning.database();
        let names = Db::list_cf(&options, folder).map_err(failed(folder, "open the database"))?;
        let mut stores = BTreeMap::new();
        let mut families = vec![ColumnFamilyDescriptor::new("default", tuning.family(&Arc::default()))];
        for name in names.iter().filter(|name| *name != "default") {
            let id = layout::parse_family(name).ok_or_else(|| malformed(folder, &format!("column family {name}")))?;
            let mut store = Store::new(id, &tuning);
            store.options.set_disable_auto_compactions(true);
            families.push(ColumnFamilyDescriptor::new(name, store.options.clone()));
            stores.insert(id, Arc::new(store));
        }
        let db = Db::open_cf_descriptors(&options, folder, families).map_err(failed(folder, "open the database"))?;
        let database = Self {
            db,
            folder: folder.to_owned(),
            tuning,
            stores: RwLock::new(stores),
            files: AtomicU64::new(0),
            waiting: AtomicBool::new(true),
        };
        database.check_format()?;
        let stores: Vec<_> = database.stores.read().values().cloned().collect();
        for store in &stores {
            database.demand_compression(store)?;
            database.load_markers(store)?;
        }
        Ok(database)
    }

    fn check_format(&self) -> Result<()> {
        let found = self.db.get(layout::FORMAT_KEY).map_err(self.failed("read the format"))?;
        let found = found.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
        match found {
            Some(layout::FORMAT) => Ok(()),
            // From here on, earlier releases would not know the markers.
            Some(layout::EPOCHS_ALONE) => {
                let format = layout::FORMAT.to_le_bytes();
                self.db.put(layout::FORMAT_KEY, format).map_err(self.failed("write the format"))
            }
            Some(found) => Err(StateError::Version { path: self.folder.clone(), found, supported: layout::FORMAT }),
            None => Err(malformed(&self.folder, "the number of the format")),
        }
    }

    /// A block is stored compressed only if that halves it: what gains less costs more to read than to keep. No setter
    /// knows of this option.
    fn demand_compression(&self, store: &Store) -> Result<()> {
        let family = self.family(store)?;
        let options = [("compression_opts", "{max_compressed_bytes_per_kb=512}")];
        self.db.set_options_cf(&family, &options).map_err(self.failed("set an option"))
    }

    /// Lets RocksDB compact what it found when it was opened.
    pub(crate) fn begin_compactions(&self) -> Result<()> {
        if self.waiting.swap(false, Ordering::AcqRel) {
            for (_, store) in self.stores() {
                let family = self.family(&store)?;
                let set = self.db.set_options_cf(&family, &[("disable_auto_compactions", "false")]);
                if set.is_err() {
                    self.waiting.store(true, Ordering::Release);
                }
                set.map_err(self.failed("begin to compact"))?;
            }
        }
        Ok(())
    }

    fn load_markers(&self, store: &Store) -> Result<()> {
        let family = self.family(store)?;
        let mut iterator = self.db.raw_iterator_cf(&family);
        let mut shards = store.shards.write();
        iterator.seek_to_first();
        while let Some(key) = iterator.key() {
            let group = layout::parse_marker(key).ok_or_else(|| malformed(&self.folder, "a key without a marker"))?;
            let marker = iterator.value().and_then(Marker::decode);
            let marker = marker.ok_or_else(|| malformed(&self.folder, "a marker"))?;
            let tables = Tables { marker: Some(marker), is_new: false, directories: None };
            shards.insert(group, Arc::new(RwLock::new(tables)));
            // Everything else of the group is after its marker.
            iterator.seek(layout::after(group));
        }
        iterator.status().map_err(self.failed("read the markers"))
    }

    /// What turns an error of this database into one of state.
    pub(crate) fn failed(&self, action: &'static str) -> impl FnOnce(rocksdb::Error) -> StateError + use<'_> {
        failed(&self.folder, action)
    }

    pub(crate) fn malformed(&self, what: &str) -> StateError {
        malformed(&self.folder, what)
    }

    /// The handle of a store's column family.
    pub(crate) fn family(&self, store: &Store) -> Result<Arc<BoundColumnFamily<'_>>> {
        self.db.cf_handle(&store.family).ok_or_else(|| self.malformed(&format!("column family {}", store.family)))
    }

    pub(crate) fn store(&self, id: StoreId) -> Option<Arc<Store>> {
        self.stores.read().get(&id).cloned()
    }

    pub(crate) fn stores(&self) -> Vec<(StoreId, Arc<Store>)> {
        self.stores.read().iter().map(|(id, store)| (*id, store.clone())).collect()
    }

    /// A store, made if there is none.
    pub(crate) fn make_store(&self, id: StoreId) -> Result<Arc<Store>> {
        if let Some(store) = self.store(id) {
            return Ok(store);
        }
        let mut stores = self.stores.write();
        if let Some(store) = stores.get(&id) {
            return Ok(store.clone());
        }
        let store = Arc::new(Store::new(id, &self.tuning));
        self.db.create_cf(&store.family, &store.options).map_err(self.failed("make a column family"))?;
        self.demand_compression(&store)?;
        stores.insert(id, store.clone());
        Ok(store)
    }

    /// Notes which values have a TTL.
    pub(crate) fn declare(&self, schema: &StoreSchema) {
        self.tuning.told.lock().declare(schema);
        if let Some(store) = self.store(schema.id) {
            store.expiry.declare(schema);
        }
    }

    /// Notes what time it is.
    pub(crate) fn expire(&self, times: &Times) {
        self.tuning.told.lock().advance(times);
        self.stores.read().values().for_each(|store| store.expiry.advance(times));
    }

    /// The directories of a shard, read if need be.
    pub(crate) fn load<'a>(
        &self,
        store: &Store,
        group: KeyGroup,
        shard: &'a RwLock<Tables>,
    ) -> Result<RwLockReadGuard<'a, Tables>> {
        loop {
            let tables = shard.read();
            if tables.directories.is_some() {
                return Ok(tables);
            }
            drop(tables);
            let mut tables = shard.write();
            if tables.directories.is_none() {
                tables.directories = Some(self.read_directories(store, group)?);
            }
        }
    }

    fn read_directories(&self, store: &Store, group: KeyGroup) -> Result<BTreeMap<TableId, Arc<Directory>>> {
        let family = self.family(store)?;
        let mut iterator = self.db.raw_iterator_cf(&family);
        let mut directories = BTreeMap::new();
        iterator.seek(layout::directories(group));
        while let Some((key, value)) = iterator.item() {
            let Some(table) = layout::parse_directory(key).filter(|_| key.starts_with(&layout::group(group))) else {
                break;
            };
            let directory = Directory::decode(value).map_err(|_| self.malformed("a directory"))?;
            directories.insert(table, Arc::new(directory));
            iterator.next();
        }
        iterator.status().map_err(self.failed("read a directory"))?;
        Ok(directories)
    }

    /// Reads pages by their keys, which ascend, and hands each to `each` with its position; those that do not exist
    /// are empty.
    pub(crate) fn read_pages(
        &self,
        store: &Store,
        keys: &[Vec<u8>],
        keep_in_cache: bool,
        mut each: impl FnMut(usize, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let family = self.family(store)?;
        let mut options = ReadOptions::default();
        options.fill_cache(keep_in_cache);
        let failed = |error| self.failed("read a page")(error);
        if let [key] = keys {
            let page = self.db.get_pinned_cf_opt(&family, key, &options).map_err(failed)?;
            return each(0, page.as_deref().unwrap_or_default());
        }
        for (chunk, keys) in keys.chunks(PAGES_AT_ONCE).enumerate() {
            let pages = self.db.batched_multi_get_cf_opt(&family, keys, true, &options);
            for (at, page) in pages.into_iter().enumerate() {
                let page: Option<DBPinnableSlice<'_>> = page.map_err(failed)?;
                each(chunk * PAGES_AT_ONCE + at, page.as_deref().unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Writes without RocksDB's log: the changelog is the log.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<()> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(batch, &options).map_err(self.failed("write"))
    }

    /// Writes what is in the write buffers to files.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        for (_, store) in self.stores() {
            if store.unflushed.swap(false, Ordering::AcqRel) {
                let family = self.family(&store)?;
                let flushed = self.db.flush_cf_opt(&family, &options);
                if flushed.is_err() {
                    store.unflushed.store(true, Ordering::Release);
                }
                flushed.map_err(self.failed("flush"))?;
            }
        }
        Ok(())
    }

    /// Rewrites all files.
    pub(crate) fn compact(&self) -> Result<()> {
        let mut options = CompactOptions::default();
        // Also the lowest files, in which nothing changed: values in them may have expired.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for (_, store) in self.stores() {
            let family = self.family(&store)?;
            self.db.compact_range_cf_opt(&family, None::<&[u8]>, None::<&[u8]>, &options);
        }
        Ok(())
    }

    /// A name for a file that is to become part of the database.
    pub(crate) fn next_file(&self) -> PathBuf {
        self.folder.join(format!("ingest-{}.sst", self.files.fetch_add(1, Ordering::Relaxed)))
    }

    /// The sum of a property over all column families.
    pub(crate) fn property(&self, name: &str) -> u64 {
        let of = |store: &Store| {
            let family = self.db.cf_handle(&store.family)?;
            self.db.property_int_value_cf(&family, name).ok().flatten()
        };
        self.stores().iter().filter_map(|(_, store)| of(store)).sum()
    }

    /// Bytes of memory outside of the cache.
    pub(crate) fn memory_used(&self) -> u64 {
        let of = |store: &Store| store.shards.read().values().map(|shard| shard.read().memory_used()).sum::<u64>();
        self.stores().iter().map(|(_, store)| of(store)).sum::<u64>()
            + self.property("rocksdb.estimate-table-readers-mem")
    }
}

impl Store {
    fn new(id: StoreId, tuning: &Tuning) -> Self {
        let expiry = Arc::new(tuning.told.lock().expiry(id));
        let (options, file_options) = (tuning.family(&expiry), tuning.file(&expiry));
        Self {
            family: layout::family(id),
            expiry,
            options,
            file_options,
            shards: RwLock::default(),
            unflushed: AtomicBool::new(false),
        }
    }

    pub(crate) fn shard(&self, group: KeyGroup) -> Option<Arc<RwLock<Tables>>> {
        self.shards.read().get(&group).cloned()
    }

    /// A shard, made if there is none.
    pub(crate) fn make_shard(&self, group: KeyGroup) -> Arc<RwLock<Tables>> {
        if let Some(shard) = self.shard(group) {
            return shard;
        }
        self.shards.write().entry(group).or_insert_with(|| Arc::new(RwLock::new(Tables::empty()))).clone()
    }

    /// All shards that have a marker.
    pub(crate) fn markers(&self, id: StoreId) -> Vec<(Shard, Marker)> {
        let shards = self.shards.read();
        let marker = |(group, tables): (&KeyGroup, &Arc<RwLock<Tables>>)| {
            Some((Shard { store: id, group: *group }, tables.read().marker?))
        };
        shards.iter().filter_map(marker).collect()
    }
}
