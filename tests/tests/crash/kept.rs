//! A backend that keeps its values in a file: what survives a process, without a database.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use firesteel_state::backend::BackendMetrics;
use firesteel_state::{
    Frame, Marker, MemoryBackend, MemoryBudget, OpenBackend, Result, Shard, StateBackend, StateError, TableId,
};
use parking_lot::Mutex;

/// Chooses the backend.
pub(crate) struct Kept {
    /// Whether what is applied survives at once, or with the next flush only. A database does the one or the other.
    pub(crate) eager: bool,
}

impl OpenBackend for Kept {
    fn open(&self, folder: &Path, _: &MemoryBudget) -> Result<Arc<dyn StateBackend>> {
        let backend = Arc::new(KeptBackend::open(folder, self.eager)?);
        *OPEN.lock() = Arc::downgrade(&backend);
        Ok(backend)
    }
}

/// The backend that this process's job has opened last.
static OPEN: Mutex<Weak<KeptBackend>> = Mutex::new(Weak::new());

/// The backend of the job that runs in this process.
pub(crate) fn open_now() -> Option<Arc<KeptBackend>> {
    OPEN.lock().upgrade()
}

/// The backend.
pub(crate) struct KeptBackend {
    memory: MemoryBackend,
    folder: PathBuf,
    next: AtomicU64,
    applied: AtomicU64,
    eager: bool,
}

impl KeptBackend {
    /// Opens it with what the newest version in the folder holds.
    pub(crate) fn open(folder: &Path, eager: bool) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let memory = MemoryBackend::new();
        let mut next = 1;
        for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
            let path = entry.map_err(failed(folder))?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
            match number {
                Some(number) => next = next.max(number + 1),
                // One that was not written to its end.
                None => std::fs::remove_dir_all(&path).map_err(failed(&path))?,
            }
        }
        if next > 1 {
            memory.restore(&folder.join((next - 1).to_string()))?;
        }
        Ok(Self { memory, folder: folder.to_owned(), next: AtomicU64::new(next), applied: AtomicU64::new(0), eager })
    }

    /// Writes a version beside the last one, gives it its name and removes that.
    fn keep(&self) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let path = self.folder.join(number.to_string());
        let temporary = self.folder.join(format!("{number}.tmp"));
        self.memory.snapshot(&temporary)?;
        std::fs::rename(&temporary, &path).map_err(failed(&path))?;
        let old = self.folder.join((number - 1).to_string());
        if old.is_dir() {
            std::fs::remove_dir_all(&old).map_err(failed(&old))?;
        }
        Ok(())
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> StateError {
    move |source| StateError::File { action: "use", path: path.to_owned(), source }
}

impl StateBackend for KeptBackend {
    fn describe(&self) -> String {
        format!("a file in {}", self.folder.display())
    }
    fn read(&self, shard: Shard, table: TableId, keys: &[&[u8]], found: &mut dyn FnMut(usize, &[u8])) -> Result<()> {
        self.memory.read(shard, table, keys, found)
    }
    fn scan(
        &self,
        shard: Shard,
        table: TableId,
        prefix: &[u8],
        each: &mut firesteel_state::backend::Each<'_>,
    ) -> Result<()> {
        self.memory.scan(shard, table, prefix, each)
    }
    fn apply_at(&self, at: Marker, frames: &[Frame]) -> Result<()> {
        self.memory.apply_at(at, frames)?;
        // While it is restored, it is given one group after the other.
        let is_due = frames.len() != 1 || self.applied.fetch_add(1, Ordering::SeqCst).is_multiple_of(20);
        if self.eager && is_due { self.keep() } else { Ok(()) }
    }
    fn marker_of(&self, shard: Shard) -> Result<Option<Marker>> {
        self.memory.marker_of(shard)
    }
    fn markers(&self) -> Result<Vec<(Shard, Marker)>> {
        self.memory.markers()
    }
    fn clear(&self, shard: Shard) -> Result<()> {
        self.memory.clear(shard)
    }
    fn flush(&self) -> Result<()> {
        self.keep()
    }
    fn snapshot(&self, folder: &Path) -> Result<()> {
        self.memory.snapshot(folder)
    }
    fn restore(&self, folder: &Path) -> Result<()> {
        self.memory.restore(folder)
    }
    fn memory_used(&self) -> u64 {
        self.memory.memory_used()
    }
    fn metrics(&self) -> BackendMetrics {
        self.memory.metrics()
    }
}
