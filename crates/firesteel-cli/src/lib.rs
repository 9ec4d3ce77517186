//! The command `firesteel`: looks into the checkpoints of jobs.
//!
//! ```text
//! firesteel checkpoint show DIR                       what there is: epochs, files, snapshots, state, positions
//! firesteel checkpoint epochs DIR                     one line for each epoch
//! firesteel checkpoint state DIR --operator NAME      keys and values, as of the last epoch
//! firesteel checkpoint verify DIR                     every checksum, and what a start would make of it
//! firesteel checkpoint diff DIR DESCRIPTION.json      what a changed program would find, miss and lose
//! ```
//!
//! Nothing is ever changed, and the job may be running. What is shown comes from the changelog and the snapshots, which
//! hold everything; the folder of the backend is not looked at. Values are shown without the program: the checkpoint
//! has the shapes of their types.
//!
//! The exit code is 0 if all is well, 1 if something is wrong with the checkpoint or does not fit it, 2 if the command
//! itself could not be carried out.
//!
//! As a library it is for tests, and for tools that show stored bytes: see [`Shape`].

#![forbid(unsafe_code)]

mod args;
mod decode;
mod diff;
mod entries;
mod epochs;
mod error;
mod folder;
mod progress;
mod screen;
mod show;
mod sorted;
mod state;
mod table;
mod text;
mod value;
mod verify;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;
pub use firesteel_state::schema::{NoShape, Shape};

pub use self::decode::Decode;
pub use self::error::CliError;
pub use self::value::Value;
use crate::args::{Area, Args, Checkpoint};
use crate::screen::Screen;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Well,
    /// Something is wrong with the checkpoint, or does not fit it.
    Wrong,
    /// The command could not be carried out.
    Failed,
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = run(std::env::args_os(), &mut out, &mut io::stderr());
    ExitCode::from(outcome as u8)
}

/// Runs a command, given as the words of its command line, the first of which is the program. Results go to `out`,
/// everything else to `err`.
///
/// Whoever reads the results may stop doing so: that is no error.
///
/// ```
/// let (mut out, mut err) = (vec![], vec![]);
/// let words = ["firesteel", "checkpoint", "show", "/no/such/folder"];
/// assert_eq!(firesteel_cli::run(words, &mut out, &mut err), firesteel_cli::Outcome::Failed);
/// assert!(String::from_utf8(err).unwrap().starts_with("FS-C001"));
/// ```
pub fn run(
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Outcome {
    let mut screen = Screen::new(out, err);
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) if error.use_stderr() => {
            screen.note(format_args!("{error}"));
            return Outcome::Failed;
        }
        Err(help) => {
            // Help was asked for. If nobody reads it, there is nobody to tell.
            _ = screen.print(help).and_then(|()| screen.flush());
            return Outcome::Well;
        }
    };
    let Area::Checkpoint { command } = args.area;
    let done = match command {
        Checkpoint::Show(args) => show::run(&args, &mut screen),
        Checkpoint::Epochs(args) => epochs::run(&args, &mut screen),
        Checkpoint::State(args) => state::run(&args, &mut screen),
        Checkpoint::Verify(args) => verify::run(&args, &mut screen),
        Checkpoint::Diff(args) => diff::run(&args, &mut screen),
    };
    match done.and_then(|outcome| screen.flush().map(|()| outcome)) {
        Ok(outcome) => outcome,
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Outcome::Well,
        Err(error) => {
            screen.note(format_args!("{error}"));
            Outcome::Failed
        }
    }
}
