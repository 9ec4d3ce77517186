//! What the command line says of it.

use std::path::Path;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use firesteel_state::{MemoryBackend, MemoryBudget, OpenBackend, StateBackend};

use super::{Setting, run};
use crate::options::positive;

/// What can be chosen.
#[derive(Debug, Args)]
pub struct Options {
    /// Keys, each with an open window.
    #[arg(long, default_value_t = 2_000_000, value_parser = positive)]
    keys: usize,

    /// Mebibytes for state.
    #[arg(long, default_value_t = 16, value_parser = positive)]
    memory: usize,

    /// Where windows are kept [default: each of them in turn].
    #[arg(long)]
    only: Option<Store>,

    /// Records of a micro-batch.
    #[arg(long, default_value_t = 100_000, value_parser = positive)]
    batch: usize,

    /// Worker threads.
    #[arg(long, default_value_t = 2, value_parser = positive)]
    threads: usize,
}

/// Where windows are kept that do not fit into the memory for state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    /// In the memory of a backend, which is not bounded: whatever is read from it is written in bytes first.
    Memory,
    /// In RocksDB.
    #[cfg(feature = "rocksdb")]
    Rocksdb,
}

impl OpenBackend for Store {
    fn open(&self, folder: &Path, budget: &MemoryBudget) -> firesteel_state::Result<Arc<dyn StateBackend>> {
        match self {
            Self::Memory => {
                let _ = (folder, budget);
                Ok(Arc::new(MemoryBackend::new()))
            }
            #[cfg(feature = "rocksdb")]
            Self::Rocksdb => {
                // A quarter for itself, its write buffers included.
                let own = budget.limit() / 4;
                let options = firesteel_state_rocksdb::RocksDbOptions::default().memory(own).write_buffer(own / 4);
                options.open(folder, budget)
            }
        }
    }
}

impl Options {
    /// Opens a window for each of many keys, with checkpoints in this folder; whether all came out right.
    ///
    /// # Errors
    /// If the folder cannot be removed afterwards.
    pub fn measure(&self, folder: &Path) -> std::io::Result<bool> {
        let &Self { keys, memory, only, batch, threads } = self;
        let (keys, batch, bytes) = (keys as u64, batch as u64, (memory << 20) as u64);
        let setting = Setting { keys, memory: bytes, batch, threads };
        println!("{keys} keys in open windows, {memory} MiB for state, {threads} threads, batches of {batch}");
        println!("backend    M records/s  state, at most  process, at most  batches  epochs ended early  result");
        let mut right = true;
        for store in Store::value_variants().iter().filter(|store| only.is_none_or(|only| only == **store)) {
            let row = run(setting, folder, |checkpoint| checkpoint.backend(*store));
            std::fs::remove_dir_all(folder)?;
            println!(
                "{:<10} {:>11.2} {:>11.1} MiB {:>13.1} MiB {:>8} {:>19}  {}",
                store.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
                2.0 * keys as f64 / 1e6 / row.seconds,
                row.held as f64 / f64::from(1 << 20),
                row.resident as f64 / f64::from(1 << 20),
                row.batches,
                row.early,
                if row.right { "right" } else { "wrong" },
            );
            right &= row.right;
        }
        Ok(right)
    }
}
