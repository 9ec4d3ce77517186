//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::PossibleValuesParser;

use crate::sides::SIDES;
use crate::workload::{Setting, Workload};

/// Runs the throughput workloads on every side in turn and compares them.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Options {
    /// What to compute.
    #[arg(long, value_delimiter = ',', default_value = "W1a,W1b,W1c,W2")]
    pub workload: Vec<Workload>,

    /// Ad events of W1a, W1b and W1c.
    #[arg(long, default_value_t = 20_000_000, value_parser = positive)]
    pub events: usize,

    /// Keys of W1b and W1c, at most ten million [default: a million and 10,000].
    #[arg(long, value_parser = keys)]
    pub keys: Option<u32>,

    /// Text records of W2, 100 bytes each.
    #[arg(long, default_value_t = 4_000_000, value_parser = positive)]
    pub records: usize,

    /// Records of a micro-batch, of all threads together.
    #[arg(long, value_delimiter = ',', default_value = "1000000,100000,10000", value_parser = positive)]
    pub batch: Vec<usize>,

    /// Worker threads.
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_parser = positive)]
    pub threads: Vec<usize>,

    /// Who takes part [default: all but the variants of a side].
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(SIDES.iter().map(|side| side.name)))]
    pub sides: Vec<String>,

    /// Runs of each side in each setting; the median counts.
    #[arg(long, default_value_t = 5, value_parser = positive)]
    pub rounds: usize,

    /// Seed of the generated data.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// File of JSON lines to write [default: bench/results.jsonl in the target
    /// directory of the workspace].
    #[arg(long)]
    pub results: Option<PathBuf>,
}

impl Options {
    /// The settings to run each workload in.
    pub fn settings(&self) -> impl Iterator<Item = Setting> {
        self.threads.iter().flat_map(|&threads| self.batch.iter().map(move |&batch| Setting { threads, batch }))
    }

    /// Where the measurements go.
    #[must_use]
    pub fn results_path(&self) -> PathBuf {
        self.results.clone().unwrap_or_else(|| target_folder().join("bench/results.jsonl"))
    }
}

/// Where Cargo puts what it builds for this workspace, and the benchmarks what they measure.
#[must_use]
pub fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")), PathBuf::from)
}

/// Reads a number of at least 1, in which `_` may stand.
///
/// # Errors
/// What is wrong with it, in words.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.replace('_', "").parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn keys(text: &str) -> Result<u32, String> {
    match positive(text)? {
        keys @ ..=10_000_000 => Ok(keys as u32),
        _ => Err("must be at most ten million".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_takes_lists() {
        Options::command().debug_assert();
        let options = Options::parse_from(["bench", "--workload", "W1a,W2", "--batch", "5,1_000"]);
        assert_eq!(options.workload, [Workload::W1a, Workload::W2]);
        assert_eq!(options.settings().count(), 4);
        assert!(Options::try_parse_from(["bench", "--threads", "0"]).is_err());
        assert!(Options::try_parse_from(["bench", "--keys", "10_000_001"]).is_err());
        assert!(Options::try_parse_from(["bench", "--sides", "nobody"]).is_err());
    }
}
