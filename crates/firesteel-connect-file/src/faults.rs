//! Points at which a test ends the process.
//!
//! Each has a name, listed in `docs/fail-points.md`. Without the feature `failpoints`, nothing of them is compiled.

/// A place where a test may end the process.
macro_rules! fail_point {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}
pub(crate) use fail_point;
