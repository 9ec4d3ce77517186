//! The numbers below a bound as a source: what workloads are made of whose records follow from their number.

use firesteel_connect::{
    ConnectError, Discovery, PositionUnit, ReadRange, Replay, Result, Source, SourceReader, Split, SplitId,
};
use firesteel_window::Timestamp;

/// The numbers below a bound, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Numbers(pub u64);

impl Source for Numbers {
    type Item = u64;
    type Reader = NumberReader;

    fn describe(&self) -> String {
        "numbers".to_owned()
    }
    fn replay(&self) -> Replay {
        Replay::Always
    }
    fn discover(&self, _: Timestamp) -> Result<Discovery> {
        let (id, available) = (SplitId::new("numbers"), Some(self.0));
        let split = Split::new(id, PositionUnit::Records).available(available).divisible(true).finished(true);
        Ok(Discovery::all([split]).complete(true))
    }
    fn open(&self, range: &ReadRange) -> Result<NumberReader> {
        let end = range.to.ok_or_else(|| ConnectError::Setting {
            connector: "numbers",
            setting: "range",
            reason: "its end must be known".to_owned(),
        })?;
        Ok(NumberReader { next: range.from, end })
    }
}

/// Reads a range of [`Numbers`].
#[derive(Debug)]
pub struct NumberReader {
    next: u64,
    end: u64,
}

impl SourceReader for NumberReader {
    type Item = u64;

    #[inline]
    fn next_record(&mut self) -> Result<Option<u64>> {
        let number = self.next;
        self.next += u64::from(number < self.end);
        Ok((number < self.end).then_some(number))
    }
    fn position(&self) -> u64 {
        self.next
    }
    fn at_end(&self) -> bool {
        self.next == self.end
    }
}
