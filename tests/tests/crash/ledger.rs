//! A sink that trusts the engine: it keeps epochs in one file, and notes down when it is given one that it has.

use std::path::PathBuf;
use std::time::Duration;

use firesteel_connect::{CheckpointId, ConnectError, Epoch, Guarantee, Mark, Result, Sink, SinkContext, WriteTask};
use parking_lot::{Condvar, Mutex};

/// Writes lines into one file, each after its epoch. Unlike other sinks it does not forgive an engine that commits an
/// epoch to it which it had when it was started.
pub(crate) struct Ledger {
    folder: PathBuf,
    checkpoint: Mutex<CheckpointId>,
    /// How many partitions it lets be written while it commits, and how many have been since that began.
    meanwhile: usize,
    written: Mutex<usize>,
    writes: Condvar,
}

/// How long a commit waits for writes that do not come any more.
const AT_MOST: Duration = Duration::from_millis(100);

impl Ledger {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            checkpoint: Mutex::new(CheckpointId::from_bits(0)),
            meanwhile: 0,
            written: Mutex::new(0),
            writes: Condvar::new(),
        }
    }

    /// Takes so long to commit that this many partitions of the next epoch are written meanwhile.
    pub(crate) fn beside(self, meanwhile: usize) -> Self {
        Self { meanwhile, ..self }
    }

    fn failed(&self, source: std::io::Error) -> ConnectError {
        ConnectError::File { action: "write", path: self.folder.clone(), source }
    }
}

impl Sink<String> for Ledger {
    type Pending = Vec<String>;

    fn describe(&self) -> String {
        "the ledger".to_owned()
    }

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn start(&self, context: &SinkContext) -> Result<()> {
        *self.checkpoint.lock() = context.checkpoint();
        std::fs::create_dir_all(&self.folder).map_err(|error| self.failed(error))
    }

    fn write(&self, _: WriteTask, records: impl Iterator<Item = String>) -> Result<Vec<String>> {
        *self.written.lock() += 1;
        self.writes.notify_all();
        Ok(records.collect())
    }

    fn commit(&self, epoch: Epoch, pending: &mut Vec<Vec<String>>) -> Result<()> {
        let commit = || {
            let path = self.folder.join("ledger");
            let mut text = std::fs::read_to_string(&path).unwrap_or_default();
            if self.last_committed().is_ok_and(|last| last.is_some_and(|last| last.epoch >= epoch)) {
                text += &format!("{epoch} again\n");
            }
            for line in pending.iter().flatten() {
                text += &format!("{epoch} {line}\n");
            }
            text += &format!("{epoch} end {}\n", self.checkpoint.lock());
            let temporary = self.folder.join("ledger.tmp");
            std::fs::write(&temporary, text)?;
            std::fs::rename(&temporary, &path)
        };
        let mut written = self.written.lock();
        *written = 0;
        self.writes.wait_while_for(&mut written, |written| *written < self.meanwhile, AT_MOST);
        drop(written);
        commit().map_err(|error| self.failed(error))?;
        pending.clear();
        Ok(())
    }

    fn last_committed(&self) -> Result<Option<Mark>> {
        let text = std::fs::read_to_string(self.folder.join("ledger")).unwrap_or_default();
        let mark = |line: &str| {
            let (epoch, checkpoint) = line.split_once(" end ")?;
            Some(Mark { epoch: Epoch(epoch.parse().ok()?), checkpoint: checkpoint.parse().ok()? })
        };
        Ok(text.lines().last().and_then(mark))
    }
}
