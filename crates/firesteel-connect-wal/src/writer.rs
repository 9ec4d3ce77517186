//! The thread that writes: one group after the other, each synced before its receivers hear of it.

use firesteel_connect::{Class, ConnectError};
use firesteel_window::Duration;

use crate::files::Files;
use crate::group::Group;
use crate::shared::Shared;

/// How to try again.
pub(crate) struct Patience<P, H> {
    /// The pause before the attempt of this number.
    pub(crate) pause: P,
    /// Told of an error and of the pause after it.
    pub(crate) hook: H,
}

/// Says that the writer has ended, however it does.
struct EndGuard<'a, T>(&'a Shared<T>);

impl<T> Drop for EndGuard<'_, T> {
    fn drop(&mut self) {
        self.0.closed();
        if std::thread::panicking() {
            self.0.fail(ConnectError::Other {
                context: "writing to the log".into(),
                class: Class::Fatal,
                source: "a callback for an error or new records panicked".into(),
            });
        }
    }
}

/// Writes until there is nothing more to write, or writing fails for good.
pub(crate) fn write<T, P, H>(shared: &Shared<T>, mut files: Files, patience: &Patience<P, H>)
where
    P: Fn(u32) -> Duration,
    H: Fn(&ConnectError, Duration),
{
    let guard = EndGuard(shared);
    let mut spare = vec![];
    while let Some(group) = shared.next_group(spare) {
        match append(shared, &mut files, &group, patience) {
            Ok(()) => files.remove(shared.superfluous()),
            Err(error) => {
                shared.fail(error);
                break;
            }
        }
        spare = group.frame;
    }
    drop(guard);
}

/// Writes a group, as often as it takes and can help.
fn append<T, P, H>(
    shared: &Shared<T>,
    files: &mut Files,
    group: &Group,
    patience: &Patience<P, H>,
) -> Result<(), ConnectError>
where
    P: Fn(u32) -> Duration,
    H: Fn(&ConnectError, Duration),
{
    for attempt in 0.. {
        let error = match files.append(group) {
            Ok(placed) => {
                shared.written(group, placed);
                return Ok(());
            }
            Err(error) => error,
        };
        let pause = (patience.pause)(attempt);
        if error.class() != Class::Retryable {
            return Err(error);
        }
        shared.stuck();
        (patience.hook)(&error, pause);
        if shared.pause(pause) {
            return Err(error);
        }
        // Where there is no room, that makes some.
        files.remove(shared.superfluous());
    }
    unreachable!("the attempts do not end by themselves")
}
