//! The log as a source.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use firesteel_connect::{
    Class, ConnectError, Discovery, Pool, PositionUnit, ReadRange, Receiver, ReceiverThread, Replay, Result, Source,
    SourceContext, Split, SplitId, Store,
};
use firesteel_disk::{Disk, Lock, OsDisk};
use firesteel_window::{Duration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::failed;
use crate::files::Files;
use crate::reader::LogReader;
use crate::scan;
use crate::shared::{Limits, Shared};
use crate::writer::{self, Patience};

/// A [`Receiver`] with a log on disk in front of the engine: a source that can be read again, also after a restart.
///
/// Records are numbered in the order in which they come, from 0 on for the life of the log, and kept until they are
/// committed. The log is opened, and looked through for damage, when the job starts.
///
/// ```
/// use firesteel_connect_socket::SocketText;
/// use firesteel_connect_wal::WriteAheadLog;
///
/// let lines = WriteAheadLog::new("wal", SocketText::connect("localhost:9999"))
///     .segment_bytes(16 << 20)
///     .capacity(8 << 30)
///     .on_retry(|error, pause| eprintln!("{error}; again in {pause}"));
/// ```
///
/// A receiver that pushes record by record from one thread pays a sync for each: let it push what is there at once, or
/// from several threads, whose records share their syncs (`cargo run --release --example log_throughput`).
///
/// Records are kept in a format that does not describe itself (postcard): types that need one, such as those with
/// serde's `untagged`, `flatten` or `skip_serializing_if`, cannot be read back.
pub struct WriteAheadLog<R: Receiver> {
    thread: ReceiverThread<R>,
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    split: SplitId,
    segment_bytes: u64,
    skip_damage: bool,
    limits: Limits,
    described: String,
    /// The memory for what is not on disk yet.
    pool: Mutex<Option<Pool>>,
    running: Mutex<Option<Running<R::Item>>>,
}

/// What runs between start and stop.
struct Running<T> {
    shared: Arc<Shared<T>>,
    writer: Option<JoinHandle<()>>,
    /// The folder is ours as long as this is here.
    _lock: Lock,
}

impl<R: Receiver> WriteAheadLog<R> {
    /// A log in `folder`, which is made if it does not exist, of what `receiver` receives.
    pub fn new(folder: impl Into<PathBuf>, receiver: R) -> Self {
        let (folder, thread) = (folder.into(), ReceiverThread::new(receiver));
        let described = format!("{}, logged in {}", thread.describe(), folder.display());
        Self {
            thread,
            folder,
            disk: OsDisk::shared(),
            split: SplitId::new("log"),
            segment_bytes: 64 << 20,
            skip_damage: false,
            limits: Limits { group: 1 << 20, held: u64::MAX },
            described,
            pool: Mutex::default(),
            running: Mutex::new(None),
        }
    }

    #[cfg(test)]
    pub(crate) fn on_disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }

    /// Waits until the disk knows what is committed; tells whether it does.
    #[cfg(test)]
    pub(crate) fn settled(&self) -> bool {
        self.shared().is_ok_and(|shared| shared.settled())
    }

    /// Waits until the records before `position` have been handed over.
    #[cfg(test)]
    pub(crate) fn until_taken(&self, position: u64) {
        self.shared().unwrap().until_taken(position);
    }

    /// A file that has this many bytes gets no further record; 64 MiB by default. The unit of what can be removed.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// How many bytes of records that are not committed the log holds, at least 1; beyond that the receiver waits. By
    /// default there is no limit but the disk's.
    #[must_use]
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.limits.held = bytes;
        self
    }

    /// How many bytes of records are collected in memory, at least 1, while those before them are being written: about
    /// what one sync makes durable. 1 MiB by default; memory holds two such groups at most, each with the record that crosses
    /// the limit (a batch that is [offered](firesteel_connect::Store::offer) and larger is a group by itself), and no more than the job has [for buffers](Pool), where a record that is larger goes through alone.
    #[must_use]
    pub fn group_bytes(mut self, bytes: usize) -> Self {
        self.limits.group = bytes;
        self
    }

    /// How long to wait before the receiver is started again, or a write repeated, after a retryable error: `first`,
    /// then twice as long each time, up to `longest`. The default is 100 ms to 30 s.
    #[must_use]
    pub fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.thread.set_pauses(first, longest);
        self
    }

    /// How long the end of the job waits for the receiver's thread to end; 5 s by default. A receiver that neither
    /// returns nor pushes within that time is left behind, with a warning.
    #[must_use]
    pub fn stop_within(mut self, at_most: Duration) -> Self {
        self.thread.set_stop_within(at_most);
        self
    }

    /// What to do when the receiver fails and starts again, and when the log cannot be written and tries again: given
    /// the error and the pause that follows. The default is a warning through `tracing`.
    #[must_use]
    pub fn on_retry(mut self, call: impl Fn(&ConnectError, Duration) + Send + Sync + 'static) -> Self {
        self.thread.set_on_retry(call);
        self
    }

    /// Gives up records that damage has made unreadable, instead of refusing to start. What is given up is told through
    /// `tracing`, as an error.
    #[must_use]
    pub fn skip_damage(mut self) -> Self {
        self.skip_damage = true;
        self
    }

    /// The folder of the log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn check(&self) -> Result<()> {
        let settings = [("capacity", self.limits.held == 0), ("group bytes", self.limits.group == 0)];
        for (setting, wrong) in settings {
            if wrong {
                let reason = "it is 0; a log needs room for one record at least".into();
                return Err(ConnectError::Setting { connector: "WriteAheadLog", setting, reason });
            }
        }
        self.thread.check("WriteAheadLog")
    }

    fn lock_folder(&self) -> Result<Lock> {
        self.disk.make_folder(&self.folder).map_err(failed)?;
        let lock = self.disk.lock(&self.folder.join("LOCK")).map_err(failed)?;
        lock.ok_or_else(|| ConnectError::Setting {
            connector: "WriteAheadLog",
            setting: "folder",
            reason: format!("{} is in use: stop the other job, or choose another folder", self.folder.display()),
        })
    }

    fn running(&self) -> MutexGuard<'_, Option<Running<R::Item>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shared(&self) -> Result<Arc<Shared<R::Item>>> {
        self.running()
            .as_ref()
            .map(|running| Arc::clone(&running.shared))
            .ok_or_else(|| self.unusable("it is not open"))
    }

    fn unusable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
        let context = format!("using the log in {}", self.folder.display());
        ConnectError::Other { context, class: Class::Fatal, source: source.into() }
    }

    fn check_split(&self, split: &SplitId) -> Result<()> {
        if *split == self.split { Ok(()) } else { Err(ConnectError::unknown_split(&self.described, split)) }
    }

    /// Tells the receiver to stop, waits for it, writes what is left and gives the folder free.
    fn end(&self) {
        let Some(mut running) = self.running().take() else { return };
        running.shared.stop();
        self.thread.join();
        running.shared.close();
        if let Some(writer) = running.writer.take()
            && writer.join().is_err()
        {
            tracing::warn!(log = %self.described, "a callback of the log panicked on the writer's thread");
        }
    }
}

impl<R> Source for WriteAheadLog<R>
where
    R: Receiver,
    R::Item: Serialize + DeserializeOwned,
{
    type Item = R::Item;
    type Reader = LogReader<R::Item>;

    fn describe(&self) -> String {
        self.described.clone()
    }

    fn replay(&self) -> Replay {
        Replay::Always
    }

    fn forgets(&self) -> bool {
        true
    }

    fn buffer_within(&self, pool: &Pool) {
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = Some(pool.clone());
    }

    fn start(&self, context: &SourceContext) -> Result<()> {
        self.check()?;
        let lock = self.lock_folder()?;
        let found = scan::look(&*self.disk, &self.folder, self.skip_damage)?;
        let files = Files::open(Arc::clone(&self.disk), &self.folder, self.segment_bytes, &found)?;
        let shared = Arc::new(Shared::new(found, self.limits, self.described.clone(), context));
        if let Some(pool) = &*self.pool.lock().unwrap_or_else(PoisonError::into_inner) {
            shared.buffer_within(pool);
        }
        let (written, patience) =
            (Arc::clone(&shared), Patience { pause: self.thread.pause(), hook: self.thread.retry_hook() });
        let writer = std::thread::Builder::new().name("firesteel-wal".into());
        let writer = writer.spawn(move || writer::write(&written, files, &patience));
        let writer = writer.map_err(|error| self.unusable(error))?;
        *self.running() = Some(Running { shared: Arc::clone(&shared), writer: Some(writer), _lock: lock });
        let (taken, told) = (Arc::clone(&shared), Arc::clone(&shared));
        let started = self.thread.start(Store::new(shared), move || taken.taken(), move |outcome| told.ended(outcome));
        // Without a receiver there is nothing to write: the folder is given free.
        started.inspect_err(|_| self.end())
    }

    fn discover(&self, _now: Timestamp) -> Result<Discovery> {
        let view = self.shared()?.view()?;
        let split =
            Split::new(self.split.clone(), if view.gaps { PositionUnit::Sequence } else { PositionUnit::Records })
                .starting_at(view.first)
                .available(view.end)
                .divisible(true)
                .finished(view.finished);
        Ok(Discovery::all([split]).complete(true))
    }

    fn open(&self, range: &ReadRange) -> Result<Self::Reader> {
        self.check_split(&range.split)?;
        let (stretches, view) = self.shared()?.stretches(range.from, range.to.unwrap_or(u64::MAX));
        let to = range.to.unwrap_or(view.end);
        if range.from < view.first || range.from > view.end || to > view.end {
            let position = if range.from < view.first || range.from > view.end { range.from } else { to };
            let reason = format!(
                "positions {} to {} are there; committed records are not kept: start without the old positions, or give \
                 the log back its files",
                view.first, view.end
            );
            return Err(ConnectError::Lost { place: self.folder.display().to_string(), position, reason });
        }
        Ok(LogReader::new(Arc::clone(&self.disk), stretches, range, view.end))
    }

    fn committed(&self, positions: &[(SplitId, u64)]) -> Result<()> {
        let shared = self.shared()?;
        for (split, position) in positions {
            self.check_split(split)?;
            shared.committed(*position);
        }
        Ok(())
    }

    fn stop(&self) {
        self.end();
    }
}

impl<R: Receiver> Drop for WriteAheadLog<R> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<R: Receiver> std::fmt::Debug for WriteAheadLog<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteAheadLog")
            .field("folder", &self.folder)
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}
