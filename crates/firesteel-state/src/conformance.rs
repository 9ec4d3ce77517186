//! The suites that check a backend against the contract of [`StateBackend`], a place for snapshots against that of
//! [`SnapshotStore`], and a log of epochs against that of [`CommitLog`].
//!
//! A backend's own tests call it with a way to make the backend. Each check has a number, and a failure panics with
//! the number, the rule and what was seen, as a test wants it.
//!
//! ```
//! use firesteel_state::conformance;
//! use firesteel_state::backend::MemoryBackend;
//!
//! let folder = std::env::temp_dir().join(format!("firesteel-conformance-{}", std::process::id()));
//! conformance::backend(MemoryBackend::new, &folder);
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A backend that survives the end of its process also passes [`backend_survives`]. The suites cannot see what it does
//! when its disk fails or fills: that remains for its own tests.

mod evolution;
mod log;
mod memory_log;
mod model;
mod rules;
mod snapshots;
mod ttl;

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

pub use self::memory_log::MemoryLog;
use crate::backend::StateBackend;
use crate::changelog::CommitLog;
use crate::snapshot::SnapshotStore;

/// One demand on a backend.
#[derive(Clone, Copy)]
struct Rule(&'static str, &'static str);

impl Rule {
    /// Ends the test with the rule and what was seen instead.
    #[track_caller]
    fn broken(self, seen: impl Display) -> ! {
        panic!("rule {} is broken ({}): {seen}", self.0, self.1)
    }

    #[track_caller]
    fn check(self, holds: bool, seen: impl FnOnce() -> String) {
        if !holds {
            self.broken(seen());
        }
    }

    #[track_caller]
    fn ok<T, E: Display>(self, result: Result<T, E>, doing: impl FnOnce() -> String) -> T {
        match result {
            Ok(value) => value,
            Err(error) => self.broken(format!("{}: {error}", doing())),
        }
    }
}

/// Checks a backend against the contract of [`StateBackend`].
///
/// `make` yields a fresh, empty backend each time. `folder` is a place for snapshots: it is created if need be, and
/// what the suite writes to it stays there.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn backend<B: StateBackend>(make: impl Fn() -> B, folder: &Path) {
    rules::empty(&make());
    rules::reads(&make());
    rules::order(&make());
    rules::prefixes(&make());
    rules::tables_and_shards(&make());
    rules::removals(&make());
    rules::markers(&make());
    rules::atomic(&make());
    rules::clears(&make());
    rules::odd_bytes(&make());
    rules::large(&make());
    rules::errors_of_the_caller(&make());
    rules::parallel(&make());
    rules::numbers(&make());
    rules::ranges(&make());
    rules::snapshots(&make, folder);
    rules::names(&make, folder);
    for seed in 1..=8 {
        model::random(&make, folder, seed);
    }
    let shared = || Arc::new(make()) as Arc<dyn StateBackend>;
    for seed in 1..=8 {
        evolution::random(shared, seed);
    }
    evolution::migrations_run_once(&shared());
    for seed in 1..=16 {
        ttl::random(shared, seed);
    }
}

/// Checks that what a backend has flushed is there when it is opened again.
///
/// `make` yields a fresh, empty backend, and `reopen` ends it and opens another one at the same place.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn backend_survives<B: StateBackend>(make: impl Fn() -> B, reopen: impl Fn(B) -> B) {
    rules::survives(make(), &reopen);
    rules::names_survive(make(), &reopen);
    for seed in 1..=4 {
        model::survives(make(), &reopen, seed);
    }
}

/// Checks a log of epochs against the contract of [`CommitLog`].
///
/// `make` yields a new log each time, and `crash` ends one, as a crash would, and opens it again.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn commit_log<L: CommitLog>(make: impl Fn() -> L, crash: impl Fn(L) -> L) {
    log::life(&make, &crash);
    log::truncates(&make, &crash);
    for seed in 1..=3 {
        log::random(&make, &crash, seed);
    }
}

/// Checks a place for snapshots against the contract of [`SnapshotStore`].
///
/// `make` yields a fresh, empty place each time, and `reopen` ends one and opens it again.
///
/// # Panics
/// With the number of the rule that does not hold.
pub fn snapshot_store<S: SnapshotStore>(make: impl Fn() -> S, reopen: impl Fn(S) -> S) {
    snapshots::files(make(), &reopen);
    snapshots::parallel(&make());
    snapshots::life(make(), make(), &reopen);
    snapshots::cut_short(make());
    snapshots::damage(make());
    snapshots::races(&make());
    snapshots::writers(make());
}
