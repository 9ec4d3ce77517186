//! The life of a receiver's thread: receive, pause after a failure, receive again.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::buffer::{self, Buffer, Outcome};
use crate::{Class, ConnectError, Receiver};

/// Told of each retryable error and of the pause before the next attempt.
pub(crate) type RetryHook = Arc<dyn Fn(&ConnectError, Duration) + Send + Sync>;

/// How long to wait between attempts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pauses {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

/// Runs the receiver until it ends, fails for good or is told to stop.
pub(crate) fn supervise<R>(receiver: R, buffer: &Arc<Buffer<R::Item>>, pauses: Pauses, on_retry: &RetryHook)
where
    R: Receiver,
    R::Item: Sync,
{
    let described = receiver.describe();
    // Also a panic of the callback must end in a known state: a thread that is gone without a word looks alive.
    let outcome = catch_unwind(AssertUnwindSafe(|| attempts(receiver, buffer, pauses, on_retry)));
    buffer.ended(outcome.unwrap_or_else(|panic| Outcome::Failed(panicked(&described, panic.as_ref()))));
}

fn attempts<R>(mut receiver: R, buffer: &Arc<Buffer<R::Item>>, pauses: Pauses, on_retry: &RetryHook) -> Outcome
where
    R: Receiver,
    R::Item: Sync,
{
    let store = buffer::store(buffer);
    let mut pause = pauses.first;
    loop {
        let before = buffer.received();
        let error = match receiver.receive(&store) {
            Ok(()) => return Outcome::Ended,
            Err(_) if store.is_stopped() => return Outcome::Ended,
            Err(error) => error,
        };
        if error.class() != Class::Retryable {
            return Outcome::Failed(error);
        }
        if buffer.received() > before {
            pause = pauses.first;
        }
        on_retry(&error, pause);
        if store.wait_stopped(pause) {
            return Outcome::Ended;
        }
        pause = pause.saturating_mul(2).min(pauses.longest);
    }
}

fn panicked(described: &str, panic: &(dyn Any + Send)) -> ConnectError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into());
    ConnectError::Other {
        context: format!("{described}: the receiver panicked"),
        class: Class::Fatal,
        source: text.into(),
    }
}
