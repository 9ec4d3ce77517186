//! How a program ends.

use std::process::{ExitCode, Termination};

use firesteel_streaming::{Class, Error, Summary};

/// How a launched job ended. Returned from `main`, it is the process's exit code:
///
/// | code | means |
/// |---|---|
/// | 0 | the job is done, or was stopped and has finished its running batch; also when nobody reads its results any more, as in `… \| head` |
/// | 1 | the job failed, or could not start: standard error says why |
/// | 2 | the command line makes no sense |
/// | 3 | another process has taken over what this one wrote to: started again, this one would fence the other |
/// | 4 | a source or sink did not return in time, and the job has ended without it: standard error says which call; what it has done the next start finds out |
/// | 130 | a second signal, a Ctrl-C, stopped the job at once: nothing of the running batch is visible |
/// | 143 | the same, and the second signal was a `SIGTERM` |
#[derive(Debug)]
#[must_use = "return it from main, so that the process ends with the right code"]
pub struct Exit {
    code: u8,
    outcome: Result<Summary, Error>,
}

impl Exit {
    /// `forced` is the code for the signal that stopped the job at once, if one did.
    pub(crate) fn new(outcome: Result<Summary, Error>, forced: Option<u8>) -> Self {
        let code = match &outcome {
            Err(error) if error.class() == Class::Fenced => 3,
            Err(Error::Abandoned { .. }) => 4,
            Err(_) => 1,
            Ok(_) => forced.unwrap_or(0),
        };
        Self { code, outcome }
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The run in numbers, or why it failed. The error has been printed already.
    ///
    /// # Errors
    /// Why the job failed.
    pub fn outcome(&self) -> Result<&Summary, &Error> {
        self.outcome.as_ref()
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code)
    }
}
