//! Development tasks of the workspace: `cargo xtask <TASK>`.
//!
//! ```text
//! cargo xtask test                      # everything that is tested
//! cargo xtask test -p firesteel-window  # one crate
//! cargo xtask ci                        # what has to pass before a change is merged
//! ```
//!
//! Each task is a list of steps, most of them one call of Cargo. A step that fails does not hide the next: all run, a
//! table of results and durations follows, and the exit code says whether all passed.
//!
//! It has no dependencies, so that it is built in a second or two. What is missing on the machine is named together with
//! the command that brings it; a C++ compiler and libclang, which one crate needs, are installed where apt can do that.
//! The peers of the benchmarks get environments of their own in the user's cache.

mod cargo;
mod command_line;
mod fuzz;
mod house;
mod kafka;
mod peers;
mod python;
mod steps;
mod tasks;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use command_line::{Request, USAGE};
use steps::Steps;

/// The exit code for a command line that makes no sense, as of most Unix programs.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let request = match command_line::parse(std::env::args().skip(1)) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(USAGE_ERROR);
        }
    };
    let mut steps = Steps::default();
    match request {
        Request::Help => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Request::Test(selection) => tasks::test(&mut steps, &selection),
        Request::Lint => tasks::lint(&mut steps),
        Request::Doc => tasks::doc(&mut steps),
        Request::Bench(arguments) => tasks::bench(&mut steps, &arguments),
        Request::Crash(crash) => tasks::crash(&mut steps, &crash),
        Request::Fuzz(seconds) => fuzz::run(&mut steps, seconds),
        Request::Integration => tasks::integration(&mut steps),
        Request::Ci => tasks::ci(&mut steps),
    }
    eprint!("{}", steps.table());
    if steps.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
