//! How a source wakes the engine.

use std::fmt;
use std::sync::Arc;

/// A call that tells the engine of new data, so that a waiting job need not poll. Cheap to clone, callable anywhere.
#[derive(Clone)]
pub struct Wake(Arc<dyn Fn() + Send + Sync>);

impl Wake {
    /// A wake-up call that runs `call`.
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    /// A wake-up call that nobody hears, for tests and for reading without an engine.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|| ())
    }

    /// Tells the engine that there is something to read.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}
