//! Whether a thread is inside a task, and where a panic in there came from.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::PanicHookInfo;

use super::blame::message;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static NOTED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Whether this thread is computing a task: a panic here is caught and told by the job, with its operator, partition and
/// record.
#[must_use]
pub fn in_task() -> bool {
    INSIDE.get()
}

/// For a program's panic hook: keeps the place of a panic inside a task for the job's report, and tells whether there
/// was one to keep. Where it returns `false`, nobody but the hook tells of the panic.
///
/// ```
/// let default = std::panic::take_hook();
/// std::panic::set_hook(Box::new(move |info| {
///     if !firesteel_core::note_panic(info) {
///         default(info);
///     }
/// }));
/// ```
pub fn note_panic(info: &PanicHookInfo<'_>) -> bool {
    if !in_task() {
        return false;
    }
    let place = info.location().map(ToString::to_string);
    // A panic while another one is being noted is of no interest, and must not become an abort.
    NOTED.with(|noted| noted.try_borrow_mut().map(|mut noted| *noted = place).is_ok())
}

/// Inside a task while it lives.
pub(super) struct Inside(bool);

pub(super) fn enter() -> Inside {
    Inside(INSIDE.replace(true))
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// The text of a panic's payload, and its place if the panic hook has noted it.
pub(super) fn told(payload: &(dyn Any + Send)) -> String {
    let text = message(payload);
    match NOTED.take() {
        Some(place) => format!("{text}, at {place}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::in_task;
    use crate::{TaskContext, TaskIdentity};

    fn task() -> TaskContext {
        TaskContext::new(TaskIdentity { job: 0, stage: 0, partition: 0, attempt: 0 }, false, Arc::default())
    }

    #[test]
    fn a_thread_is_inside_while_an_attempt_runs_and_however_it_ends() {
        assert!(!in_task());
        let inner = |_: &TaskContext| -> crate::TaskOutput { Box::new(in_task()) };
        let outer = move |_: &TaskContext| -> crate::TaskOutput {
            let inside =
                task().run(inner).is_ok_and(|(output, _)| output.downcast::<bool>().is_ok_and(|inside| *inside));
            assert!(inside && in_task());
            panic!("ends it")
        };
        assert!(task().run(outer).is_err());
        assert!(!in_task());
    }
}
