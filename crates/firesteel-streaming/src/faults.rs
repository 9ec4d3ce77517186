//! Points at which a test ends the process, and faults that it asks for.
//!
//! Each point has a name, listed in `docs/fail-points.md`. Without the features `failpoints` and `mutants`, nothing of
//! them is compiled.

/// A place where a test may end the process.
macro_rules! fail_point {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}
pub(crate) use fail_point;

/// Whether the program is to have the fault of this name.
#[cfg(feature = "mutants")]
pub(crate) fn has_fault(name: &str) -> bool {
    static CHOSEN: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("FIRESTEEL_MUTANT").ok());
    CHOSEN.as_deref() == Some(name)
}

/// Whether the program is to have the fault of this name: it has none.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn has_fault(_: &str) -> bool {
    false
}
