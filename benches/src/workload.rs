//! The names of the workloads, and how a run of one is divided.

use std::fmt;
use std::ops::Range;

use clap::ValueEnum;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Keyed tumbling count, 1,000 ads in 100 campaigns.
    #[value(name = "W1a")]
    W1a,
    /// Keyed tumbling count, a million ads in a million campaigns.
    #[value(name = "W1b")]
    W1b,
    /// Keyed tumbling count, 10,000 ads, each its own campaign, whose name of thirty characters is the key.
    #[value(name = "W1c")]
    W1c,
    /// Stateless chain over text records.
    #[value(name = "W2")]
    W2,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::W1a => "W1a",
            Self::W1b => "W1b",
            Self::W1c => "W1c",
            Self::W2 => "W2",
        })
    }
}

/// How a side runs a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Worker threads, at least 1.
    pub threads: usize,
    /// Records of one micro-batch, of all threads together, at least 1.
    pub batch: usize,
}

impl Setting {
    /// The micro-batches of `total` records, as ranges of their positions.
    ///
    /// ```
    /// use firesteel_benches::workload::Setting;
    ///
    /// let setting = Setting { threads: 2, batch: 4 };
    /// assert!(setting.batches(10).eq([0..4, 4..8, 8..10]));
    /// ```
    pub fn batches(self, total: usize) -> impl Iterator<Item = Range<usize>> + Clone {
        (0..total).step_by(self.batch).map(move |start| start..total.min(start + self.batch))
    }

    /// The part of a micro-batch that belongs to the worker `index`: the
    /// workers get contiguous ranges of nearly equal length, in order.
    ///
    /// ```
    /// use firesteel_benches::workload::Setting;
    ///
    /// let setting = Setting { threads: 2, batch: 5 };
    /// assert_eq!(setting.share(&(10..15), 0), 10..12);
    /// assert_eq!(setting.share(&(10..15), 1), 12..15);
    /// ```
    #[must_use]
    pub fn share(self, batch: &Range<usize>, index: usize) -> Range<usize> {
        let bound = |index| batch.start + batch.len() * index / self.threads;
        bound(index)..bound(index + 1)
    }
}
