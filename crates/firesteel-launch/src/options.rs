//! The options that every program wants.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use firesteel_streaming::Trigger;
use firesteel_window::Duration;

// The texts of the fields are what `--help` prints. The type has none for clap, or it would become that of the program.
#[doc = "Options of the command line for running a job: a program's own options take them in with `#[command(flatten)]`."]
#[doc = ""]
#[doc = "Without `--once`, `--available-now` or `--every`, a batch runs as soon as there is something to read. A job whose \
         sources end, such as files that are not followed, runs to their end; any other runs until it is stopped."]
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Running the job", about = None, long_about = None)]
#[non_exhaustive]
pub struct LaunchOptions {
    /// Keep the job's state in this folder, and resume from what is there
    #[arg(long, value_name = "DIR")]
    pub checkpoint: Option<PathBuf>,
    /// With a new checkpoint, write after results that are there already, instead of refusing to
    #[arg(long, requires = "checkpoint")]
    pub after_results: bool,
    /// Start although this is lost, which the refusal has named, such as output:report; may be given several times
    #[arg(long, value_name = "NAME", requires = "checkpoint")]
    pub allow_loss: Vec<String>,
    /// Run on N threads, instead of one per core
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Run one batch of everything that is there, and end
    #[arg(long, conflicts_with_all = ["available_now", "every"])]
    pub once: bool,
    /// Run batch after batch until everything is read that is there now, and end
    #[arg(long, conflicts_with = "every")]
    pub available_now: bool,
    /// Run a batch at every multiple of this time, such as 1s
    #[arg(long, value_name = "TIME")]
    pub every: Option<Duration>,
    /// Stop after N batches, as Ctrl-C does: with a checkpoint, the next start resumes there
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub stop_after: Option<u64>,
    /// Print the job's stages, operators and state, and do not run it: as text, json or mermaid
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, default_missing_value = "text", require_equals = true)]
    pub explain: Option<ExplainFormat>,
    /// Set records aside that a source cannot decode, and tell of them, instead of stopping at the first
    #[arg(long)]
    pub set_aside: bool,
    /// Show progress on standard error like this, instead of a bar on a terminal and plain lines elsewhere
    #[arg(long, value_name = "HOW")]
    pub progress: Option<ProgressMode>,
    /// Print all digits of floats in tables
    #[arg(long)]
    pub precise: bool,
}

/// How a job is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExplainFormat {
    /// Lines of at most 100 columns.
    Text,
    /// One JSON object.
    Json,
    /// A diagram in the language of Mermaid.
    Mermaid,
}

impl std::str::FromStr for ExplainFormat {
    type Err = &'static str;

    fn from_str(format: &str) -> Result<Self, Self::Err> {
        match format {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "mermaid" => Ok(Self::Mermaid),
            _ => Err("it is text, json or mermaid"),
        }
    }
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgressMode {
    /// One line in five seconds at most, and a summary.
    Plain,
    /// One line that changes in place, if standard error is a terminal, and a summary.
    Bar,
    /// One JSON object per line: of the job, of each batch, of each warning, and a summary.
    Json,
    /// None; warnings and errors are printed all the same.
    Off,
}

// Not derived, or each value would have its paragraph in every program's help.
impl ValueEnum for ProgressMode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Plain, Self::Bar, Self::Json, Self::Off]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Plain => "plain",
            Self::Bar => "bar",
            Self::Json => "json",
            Self::Off => "off",
        }))
    }
}

impl LaunchOptions {
    /// The trigger that the command line asks for.
    pub(crate) fn trigger(&self) -> Option<Trigger> {
        match self {
            Self { once: true, .. } => Some(Trigger::Once),
            Self { available_now: true, .. } => Some(Trigger::AvailableNow),
            Self { every: Some(interval), .. } => Some(Trigger::Every(*interval)),
            _ => None,
        }
    }
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least one thread is needed".to_owned()),
        Ok(threads) => Ok(threads),
        Err(error) => Err(error.to_string()),
    }
}
