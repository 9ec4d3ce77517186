//! The backend.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_state::backend::{BackendMetrics, Each, EachUntil, KeyRange, StateBackend};
use firesteel_state::{CheckpointLock, Frame, Marker, Reservation, Result, Shard, StoreSchema, TableId, Times};
use parking_lot::{Mutex, RwLock};

use crate::checkpoint::{self, Files};
use crate::database::Database;
use crate::error;
use crate::options::RocksDbOptions;
use crate::statistics::RocksDbStatistics;
use crate::tuning::Tuning;

/// State in RocksDB, in a folder of the local disk.
///
/// One backend holds the state of all operators of a process, and one process at a time has the folder.
///
/// ```
/// use std::sync::Arc;
///
/// use firesteel_state::{
///     Catalog, Declaration, KeyGroups, KeyedStore, MemoryBudget, StateBackend, StateStore, StoreSetup, Times,
/// };
/// use firesteel_state_rocksdb::{RocksDbBackend, RocksDbOptions};
/// use firesteel_window::Timestamp;
/// # let folder = std::env::temp_dir().join(format!("firesteel-rocksdb-{}", std::process::id()));
///
/// let budget = MemoryBudget::new(512 << 20);
/// let options = RocksDbOptions::default().budget(budget.clone());
/// let backend: Arc<dyn StateBackend> = Arc::new(RocksDbBackend::open(&folder, options)?);
///
/// let mut states = Declaration::<u64>::new("totals");
/// let total = states.value::<u64>("total");
/// let catalog = Catalog::new(KeyGroups::default()).with(&[states.schema()], false)?;
/// let setup = StoreSetup { catalog: &catalog, backend: Some(backend.clone()), budget };
/// let store = KeyedStore::open(states, &setup, |key| key.wrapping_mul(0x9E37_79B9_7F4A_7C15))?;
///
/// let times = Times::processing(Timestamp::EPOCH);
/// let group = store.group_of(store.hash(&7));
/// store.begin(1);
/// total.set(&mut store.lock(group).key(store.hash(&7), &7, times), 100)?;
/// let frames = store.end_epoch(1)?; // to the changelog first, in a job
/// backend.apply(1, &frames)?;
/// store.applied(1);
/// assert_eq!(backend.marker(frames[0].shard())?, Some(1));
/// # drop((store, setup, backend));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), firesteel_state::StateError>(())
/// ```
pub struct RocksDbBackend {
    path: PathBuf,
    tuning: Arc<Tuning>,
    database: RwLock<Database>,
    /// The checksums of files that were part of a snapshot.
    files: Mutex<Files>,
    reservation: Mutex<Reservation>,
    counters: Counters,
    /// Held as long as the backend is open.
    _lock: CheckpointLock,
}

/// Files that a job left behind uncompacted are compacted only when it resumes, as its first committed epoch shows, or
/// this many bytes that were written: reading what the first batch needs would have to share the processors and the
/// disk.
const COMPACT_FROM: u64 = 64 << 20;

#[derive(Default)]
struct Counters {
    keys_read: AtomicU64,
    keys_found: AtomicU64,
    bytes_read: AtomicU64,
    changes_applied: AtomicU64,
    bytes_applied: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

impl RocksDbBackend {
    /// Opens the backend in a folder, which is made if need be.
    ///
    /// # Errors
    /// [`Locked`](firesteel_state::StateError::Locked) while another process, or another part of this one, has the
    /// folder; [`File`](firesteel_state::StateError::File) when it cannot be used;
    /// [`Version`](firesteel_state::StateError::Version) when a newer release has written it;
    /// [`Backend`](firesteel_state::StateError::Backend) when RocksDB cannot open what is there.
    pub fn open(path: impl AsRef<Path>, options: RocksDbOptions) -> Result<Self> {
        let path = path.as_ref();
        let lock = CheckpointLock::acquire(path)?;
        let mut reservation = options.budget.reserve();
        reservation.set(options.memory);
        let tuning = Arc::new(Tuning::new(options));
        checkpoint::remove(&checkpoint::unfinished(path))?;
        let mut generations = checkpoint::generations(path)?;
        let folder = match generations.pop() {
            Some((_, folder)) => folder,
            None => {
                Database::create(&checkpoint::unfinished(path), &tuning)?;
                checkpoint::adopt(path, 1)?
            }
        };
        let database = Database::open(&folder, tuning.clone())?;
        database.remove_leftovers()?;
        // Only now, when the newest is known to be sound.
        generations.iter().try_for_each(|(_, folder)| checkpoint::remove(folder))?;
        Ok(Self {
            path: path.to_owned(),
            tuning,
            database: RwLock::new(database),
            files: Mutex::default(),
            reservation: Mutex::new(reservation),
            counters: Counters::default(),
            _lock: lock,
        })
    }

    /// What RocksDB does and takes at the moment.
    #[must_use]
    pub fn statistics(&self) -> RocksDbStatistics {
        RocksDbStatistics::of(&self.database.read(), &self.tuning)
    }

    /// Rewrites all files now, for once: what is removed or over is gone from the disk then, and reads find everything
    /// in one place. Takes as long as reading and writing all of the state.
    ///
    /// # Errors
    /// When what is in the write buffers cannot be written.
    pub fn compact(&self) -> Result<()> {
        let database = self.database.read();
        database.flush()?;
        database.compact()
    }

    fn account(&self, database: &Database) {
        let used = self.tuning.cache.get_usage() as u64 + database.memory_used();
        self.reservation.lock().set(used.max(self.tuning.chosen.memory));
    }
}

impl StateBackend for RocksDbBackend {
    fn describe(&self) -> String {
        error::describe(&self.path)
    }

    fn read(&self, shard: Shard, table: TableId, keys: &[&[u8]], found: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        let (mut hits, mut bytes) = (0, 0);
        let read = self.database.read().read(shard, table, keys, &mut |at, value| {
            hits += 1;
            bytes += value.len() as u64;
            found(at, value);
        });
        Counters::add(&self.counters.keys_read, keys.len() as u64);
        Counters::add(&self.counters.keys_found, hits);
        Counters::add(&self.counters.bytes_read, bytes);
        read
    }

    fn scan(&self, shard: Shard, table: TableId, prefix: &[u8], each: &mut Each<'_>) -> Result<()> {
        let mut bytes = 0;
        let scanned = self.database.read().scan(shard, table, prefix, &mut |key, value| {
            bytes += value.len() as u64;
            each(key, value)
        });
        Counters::add(&self.counters.bytes_read, bytes);
        scanned
    }

    fn range(&self, shard: Shard, table: TableId, range: KeyRange<'_>, each: &mut EachUntil<'_>) -> Result<()> {
        let mut bytes = 0;
        let ranged = self.database.read().range(shard, table, range, &mut |key, value| {
            bytes += value.len() as u64;
            each(key, value)
        });
        Counters::add(&self.counters.bytes_read, bytes);
        ranged
    }

    fn apply_at(&self, at: Marker, frames: &[Frame]) -> Result<()> {
        let database = self.database.read();
        let options = &self.tuning.chosen;
        let (changes, bytes) = database.apply(at, frames, options.page, options.ingest_from)?;
        Counters::add(&self.counters.changes_applied, changes);
        Counters::add(&self.counters.bytes_applied, bytes);
        if self.counters.bytes_applied.load(Ordering::Relaxed) >= COMPACT_FROM {
            database.begin_compactions()?;
        }
        self.account(&database);
        Ok(())
    }

    fn marker_of(&self, shard: Shard) -> Result<Option<Marker>> {
        let database = self.database.read();
        let tables = database.store(shard.store).and_then(|store| store.shard(shard.group));
        Ok(tables.and_then(|tables| tables.read().marker))
    }

    fn markers(&self) -> Result<Vec<(Shard, Marker)>> {
        let stores = self.database.read().stores();
        Ok(stores.iter().flat_map(|(id, store)| store.markers(*id)).collect())
    }

    fn clear(&self, shard: Shard) -> Result<()> {
        self.database.read().clear(shard)
    }

    fn declare(&self, schema: &StoreSchema) {
        self.database.read().declare(schema);
    }

    fn expire(&self, times: &Times) {
        let database = self.database.read();
        database.expire(times);
        // An epoch is committed: the job has resumed. What fails is retried with the next one.
        _ = database.begin_compactions();
    }

    fn flush(&self) -> Result<()> {
        let database = self.database.read();
        database.flush()?;
        self.account(&database);
        Ok(())
    }

    fn snapshot(&self, folder: &Path) -> Result<()> {
        let database = self.database.read();
        database.checkpoint(folder, &mut self.files.lock())
    }

    fn restore(&self, folder: &Path) -> Result<()> {
        let unfinished = checkpoint::unfinished(&self.path);
        checkpoint::remove(&unfinished)?;
        let brought = checkpoint::bring(folder, &unfinished)
            // What cannot be opened is found out before anything is given up.
            .and_then(|()| Database::open(&unfinished, self.tuning.clone()).map(drop));
        if let Err(error) = brought {
            checkpoint::remove(&unfinished)?;
            return Err(error);
        }
        // No call is under way from here on.
        let mut current = self.database.write();
        let last = checkpoint::generations(&self.path)?.last().map_or(0, |(number, _)| *number);
        let path = checkpoint::adopt(&self.path, last + 1)?;
        let database = match Database::open(&path, self.tuning.clone()) {
            Ok(database) => database,
            Err(error) => {
                // The largest number is the one in use: the old one stays that.
                checkpoint::remove(&path)?;
                return Err(error);
            }
        };
        self.files.lock().clear();
        let old = std::mem::replace(&mut *current, database);
        let old_folder = old.folder.clone();
        drop(old);
        // What cannot be removed now is when the backend is opened again.
        let _ = checkpoint::remove(&old_folder);
        Ok(())
    }

    fn memory_used(&self) -> u64 {
        self.tuning.cache.get_usage() as u64 + self.database.read().memory_used()
    }

    fn metrics(&self) -> BackendMetrics {
        let mut metrics = BackendMetrics::default();
        metrics.keys_read = self.counters.keys_read.load(Ordering::Relaxed);
        metrics.keys_found = self.counters.keys_found.load(Ordering::Relaxed);
        metrics.bytes_read = self.counters.bytes_read.load(Ordering::Relaxed);
        metrics.changes_applied = self.counters.changes_applied.load(Ordering::Relaxed);
        metrics.bytes_applied = self.counters.bytes_applied.load(Ordering::Relaxed);
        metrics
    }
}

impl fmt::Debug for RocksDbBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksDbBackend").field("path", &self.path).field("options", &self.tuning.chosen).finish()
    }
}
