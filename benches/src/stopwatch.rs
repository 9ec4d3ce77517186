//! The one place of the benchmarks that reads the clock.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; an injected clock would measure nothing"
)]

use std::time::Instant;

/// Measures the wall time of one run.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since [`Stopwatch::start`].
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
