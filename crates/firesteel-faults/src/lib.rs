//! Where tests end a process, or break the protocol on purpose.
//!
//! Two things stand in the code that commits epochs and resumes jobs, and both are nothing unless a test builds it with
//! the feature of that name:
//!
//! - [`fail_point!`] (feature `failpoints`) is a place at which a test ends the process.
//! - [`alterable`] (feature `mutants`) hands a value on: a name that is looked up, the epoch to be restored; [`in_order`] hands
//!   on some steps. A test can change them there with `alter`. What breaks the protocol is then in the test, and the code
//!   that it breaks has no branch for it.
//!
//! ```
//! #[derive(Clone, Copy)]
//! enum Step {
//!     Write,
//!     Sync,
//! }
//!
//! let mut done = vec![];
//! for step in firesteel_faults::in_order("example.steps", [Step::Write, Step::Sync]) {
//!     match step {
//!         Step::Write => done.push("written"),
//!         Step::Sync => done.push("synced"),
//!     }
//!     firesteel_faults::fail_point!("example.step");
//! }
//! assert_eq!(done, ["written", "synced"]);
//! ```
//!
//! All names stand in `docs/fail-points.md`. The crate is part of no other one's API.

#![forbid(unsafe_code)]

#[cfg(feature = "mutants")]
mod altered;

#[cfg(feature = "mutants")]
pub use altered::{alter, alterable};

#[cfg(feature = "failpoints")]
#[doc(hidden)]
pub use fail;

/// A place where a test may end the process.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {
        $crate::fail::fail_point!($name)
    };
}

/// A place where a test may end the process: here nothing, since the feature `failpoints` is off.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {};
}

/// Whether fail points are there.
pub const FAIL_POINTS: bool = cfg!(feature = "failpoints");

/// The steps one after the other, in an order that a test may change: `alter` is then given their positions.
#[inline(always)]
pub fn in_order<T: Copy, const N: usize>(name: &'static str, steps: [T; N]) -> impl Iterator<Item = T> {
    #[cfg(feature = "mutants")]
    let steps = alterable(name, (0..N).collect::<Vec<usize>>()).into_iter().map(move |place| steps[place]);
    #[cfg(not(feature = "mutants"))]
    let _ = name;
    steps.into_iter()
}

/// Hands a value on, which a test may change: here as it is, since the feature `mutants` is off.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub fn alterable<T: 'static>(_: &'static str, value: T) -> T {
    value
}
