//! Trying again what failed for a passing reason.

use firesteel_connect::{Class, ConnectError};
use firesteel_window::Duration;

use crate::error::{Error, Result};
use crate::run::{Control, Stop};

/// How often a source is asked or a commit is tried when the connector says that trying again may help.
pub(super) const ATTEMPTS: u32 = 5;

/// Repeats what failed for a passing reason, unless the job is to stop that way or harder.
pub(super) fn ask<T>(control: &Control, give_up: Stop, mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let mut attempt = 0;
    loop {
        match call() {
            Err(Error::Source { source, name }) if is_retryable(&source) && attempt < ATTEMPTS => {
                attempt += 1;
                tracing::warn!(source = %name, error = %source, attempt, "a source failed and is retried");
                control.wait_for_stop(give_up, pause(attempt));
                if control.stopping() >= Some(give_up) {
                    return Err(Error::Source { source, name });
                }
            }
            other => return other,
        }
    }
}

pub(super) fn is_retryable(error: &ConnectError) -> bool {
    error.class() == Class::Retryable
}

/// The pause before an attempt: 100 ms, doubling.
pub(super) fn pause(attempt: u32) -> Duration {
    Duration::millis(50 << attempt.min(8))
}
