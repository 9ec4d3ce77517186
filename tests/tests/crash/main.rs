//! Crashes: a job's process is ended at every point of the protocol by which epochs are committed, and at any moment;
//! started again, it resumes as if nothing had happened.
//!
//! The points are listed in `docs/fail-points.md`. A case is a chain of processes over one folder, of which the last
//! reads everything; [`invariants`] says what must hold after each of them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod altered;
mod archives;
mod backends;
mod carried;
mod cases;
mod damage;
mod input;
mod invariants;
mod kept;
mod kills;
mod ledger;
mod matrix;
mod moves;
mod mutants;
mod owners;
mod points;
mod process;
mod program;
mod restarts;
mod results;
mod room;

/// The program that the tests start. By itself it runs once through.
#[test]
#[ignore = "it is the program that the other tests start"]
fn program() {
    if let Ok(fault) = std::env::var(process::FAULT) {
        altered::install(&fault);
    }
    match std::env::var(program::SETTINGS) {
        Ok(settings) => {
            let run: program::Run = serde_json::from_str(&settings).expect("the settings can be read");
            if run.beside {
                altered::beside();
            }
            program::main(&run)
        }
        Err(_) => {
            let folder = process::folder();
            input::write(folder.path());
            let run = program::Run::new(folder.path());
            assert_eq!(process::start(&run, None), process::Ended::Drained);
            assert_eq!(invariants::at_the_end(&run), Ok(()));
        }
    }
}
