//! The command line.

use std::path::PathBuf;

use clap::{Args as Words, Parser, Subcommand};

/// Looks into what jobs leave behind.
#[derive(Debug, Parser)]
#[command(name = "firesteel", version, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) area: Area,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Area {
    /// Looks into a checkpoint. Nothing is changed, and the job may be running.
    #[command(subcommand_required = true, arg_required_else_help = true)]
    Checkpoint {
        #[command(subcommand)]
        command: Checkpoint,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Checkpoint {
    /// Shows what there is: epochs, files, snapshots, state, positions.
    Show(Show),
    /// Lists epochs: what each of them read and changed.
    Epochs(Epochs),
    /// Shows state by operator and key, as it was at the end of the last epoch.
    State(State),
    /// Checks every checksum, and tells what a job that starts now would do.
    Verify(Verify),
    /// Compares a checkpoint with the description of a program.
    ///
    /// The description is the JSON that a program gets from `StreamingContext::describe`.
    Diff(Diff),
}

/// Which checkpoint, and for whom.
#[derive(Debug, Words)]
pub(crate) struct Target {
    /// The checkpoint's folder.
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Where the snapshots are, if not in `DIR/snapshots`.
    #[arg(long, value_name = "DIR")]
    pub(crate) snapshots: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Words)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Words)]
pub(crate) struct Epochs {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The first epoch to list.
    #[arg(long, value_name = "EPOCH", default_value_t = 0)]
    pub(crate) from: u64,
    /// The last epoch to list.
    #[arg(long, value_name = "EPOCH", default_value_t = u64::MAX, hide_default_value = true)]
    pub(crate) to: u64,
}

#[derive(Debug, Words)]
pub(crate) struct State {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The operator whose state is shown.
    #[arg(long, value_name = "NAME")]
    pub(crate) operator: String,
    /// Only this state of the operator.
    #[arg(long, value_name = "NAME")]
    pub(crate) state: Option<String>,
    /// Only this key, as it is shown or as JSON.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// At most N entries of each state; 50 in tables and all in JSON by default.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Words)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Words)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The program's description.
    #[arg(value_name = "DESCRIPTION.json")]
    pub(crate) description: PathBuf,
    /// As if the program had this permission to lose something, `state:clicks`. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) allow_loss: Vec<String>,
}
