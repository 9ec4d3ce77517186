//! How a backend is set up.

use firesteel_state::MemoryBudget;

/// How blocks are compressed on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// With LZ4, where that halves the size.
    #[default]
    Lz4,
}

/// The settings of a [`RocksDbBackend`](crate::RocksDbBackend). The defaults suit a state of a few gigabytes.
///
/// ```
/// use firesteel_state::MemoryBudget;
/// use firesteel_state_rocksdb::{Compression, RocksDbOptions};
///
/// let budget = MemoryBudget::new(1 << 30);
/// let options = RocksDbOptions::default()
///     .budget(budget.clone())
///     .memory(256 << 20)
///     .background_jobs(4)
///     .compression(Compression::None);
/// # assert_ne!(format!("{options:?}"), format!("{:?}", RocksDbOptions::default()));
/// ```
#[derive(Debug, Clone)]
pub struct RocksDbOptions {
    pub(crate) budget: MemoryBudget,
    pub(crate) memory: u64,
    pub(crate) write_buffer: u64,
    pub(crate) compression: Compression,
    pub(crate) background_jobs: u32,
    pub(crate) open_files: u32,
    pub(crate) page: usize,
    pub(crate) ingest_from: usize,
}

impl Default for RocksDbOptions {
    /// No budget; 64 MiB of memory, of which write buffers of 16 MiB; LZ4; two background jobs; 512 open files.
    fn default() -> Self {
        Self {
            budget: MemoryBudget::unlimited(),
            memory: 64 << 20,
            write_buffer: 16 << 20,
            compression: Compression::default(),
            background_jobs: 2,
            open_files: 512,
            page: 16 << 10,
            ingest_from: 1 << 20,
        }
    }
}

impl RocksDbOptions {
    /// The budget that the memory is taken from: the one that the process's stores share. As much as
    /// [`memory`](Self::memory) says is reserved as long as the backend is open, and more when RocksDB takes more.
    #[must_use]
    pub fn budget(self, budget: MemoryBudget) -> Self {
        Self { budget, ..self }
    }

    /// How much memory the caches may take, in bytes, write buffers, indexes and filters included. At least 4 MiB.
    #[must_use]
    pub fn memory(self, bytes: u64) -> Self {
        Self { memory: bytes.max(4 << 20), ..self }
    }

    /// The size of a write buffer in bytes, at least 64 KiB. All of them together take up to half of the
    /// [memory](Self::memory).
    #[must_use]
    pub fn write_buffer(self, bytes: u64) -> Self {
        Self { write_buffer: bytes.max(64 << 10), ..self }
    }

    /// How blocks are compressed. What is stored already stays as it is until it is rewritten.
    #[must_use]
    pub fn compression(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    /// How many threads write and compact files in the background, at least one. RocksDB shares its threads among all
    /// databases of a process.
    #[must_use]
    pub fn background_jobs(self, jobs: u32) -> Self {
        Self { background_jobs: jobs.max(1), ..self }
    }

    /// How many files are kept open, at least 16.
    #[must_use]
    pub fn open_files(self, files: u32) -> Self {
        Self { open_files: files.max(16), ..self }
    }

    /// About how long a page is, in bytes, between 64 and 1 MiB; 16 KiB by default. Longer pages are cheaper when most
    /// of the keys of a key group are asked for at once, shorter ones when few are.
    #[must_use]
    pub fn page_bytes(self, bytes: usize) -> Self {
        Self { page: bytes.clamp(64, 1 << 20), ..self }
    }

    /// From how many bytes on the changes handed over in one call become a file of their own, instead of going through
    /// the write buffers; 1 MiB by default.
    #[must_use]
    pub fn file_from(self, bytes: usize) -> Self {
        Self { ingest_from: bytes, ..self }
    }
}
