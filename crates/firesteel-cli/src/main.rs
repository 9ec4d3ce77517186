//! The command `firesteel`. See the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    firesteel_cli::main()
}
