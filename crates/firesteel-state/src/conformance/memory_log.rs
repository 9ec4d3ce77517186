//! A log of epochs in memory.

use crate::changelog::{CommitLog, EpochLog, EpochRecord};
use crate::error::{Result, StateError};

/// A log of epochs in memory, for tests: what a crash would lose is lost by [`crash`](Self::crash).
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    records: Vec<EpochRecord>,
    committed: u64,
    /// The mark that survives a crash.
    marked: u64,
}

impl MemoryLog {
    /// As it is found after a crash: with all records, and with the marks that were written.
    #[must_use]
    pub fn crash(self) -> Self {
        Self { committed: self.marked, ..self }
    }

    fn invalid(doing: &str, epoch: u64, reason: impl Into<String>) -> StateError {
        StateError::InvalidState { what: format!("{doing} epoch {epoch} in a log in memory"), reason: reason.into() }
    }
}

impl EpochLog for MemoryLog {
    fn first_epoch(&self) -> Option<u64> {
        self.records.first().map(|record| record.epoch)
    }

    fn last_epoch(&self) -> Option<u64> {
        self.records.last().map(|record| record.epoch)
    }

    fn committed(&self) -> u64 {
        self.committed
    }

    fn records_from(&self, epoch: u64) -> Box<dyn Iterator<Item = Result<EpochRecord>> + Send> {
        let from = self.records.partition_point(|record| record.epoch < epoch);
        let records = self.records[from..].to_vec();
        Box::new(records.into_iter().map(Ok))
    }
}

impl CommitLog for MemoryLog {
    fn prepare(&mut self, record: &EpochRecord) -> Result<()> {
        if let Some(last) = self.last_epoch().filter(|last| record.epoch != last + 1) {
            return Err(Self::invalid("preparing", record.epoch, format!("epoch {} comes next", last + 1)));
        }
        self.records.push(record.clone());
        self.marked = self.committed;
        Ok(())
    }

    fn mark(&mut self, epoch: u64) -> Result<()> {
        if self.last_epoch().is_none_or(|last| epoch > last) {
            return Err(Self::invalid("marking", epoch, "it was not prepared"));
        }
        self.committed = self.committed.max(epoch);
        Ok(())
    }

    fn sync_mark(&mut self) -> Result<()> {
        self.marked = self.committed;
        Ok(())
    }

    fn drop_last(&mut self) -> Result<()> {
        match self.last_epoch() {
            Some(last) if last > self.committed => _ = self.records.pop(),
            last => {
                let reason = "only an epoch that is not committed can be";
                return Err(Self::invalid("dropping", last.unwrap_or(0), reason));
            }
        }
        Ok(())
    }

    fn truncate(&mut self, durable: u64) -> Result<()> {
        let durable = durable.min(self.committed);
        self.records.drain(..self.records.partition_point(|record| record.epoch < durable));
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let size = |record: &EpochRecord| {
            record.extra.len() + record.frames.iter().map(|frame| frame.bytes().len()).sum::<usize>()
        };
        self.records.iter().map(|record| size(record) as u64).sum()
    }
}
