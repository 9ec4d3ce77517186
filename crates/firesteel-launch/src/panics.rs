//! Panics of user code are told once.

use std::collections::BTreeSet;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

use firesteel_core::note_panic;
use parking_lot::Mutex;

/// Leaves panics inside of tasks to the job, which tells each of them once, with its place: in its error, or with the
/// record that is set aside. The hook that was there tells of all others.
///
/// Whoever sets `RUST_BACKTRACE` wants the stack, which only that hook prints: it gets the first panic of each place.
pub(crate) fn tell_once() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        let wants_stack = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
        let seen = Mutex::new(BTreeSet::new());
        set_hook(Box::new(move |info| {
            let is_told = note_panic(info);
            if !is_told || (wants_stack && seen.lock().insert(info.location().map(ToString::to_string))) {
                before(info);
            }
        }));
    });
}
