//! Sources and sinks that fail when a test wants them to, and count what is asked of them.
//!
//! ```
//! use firesteel_connect::Class;
//! use firesteel_connect_memory::{Collector, MemorySource};
//! use firesteel_streaming::{StreamingContext, Trigger};
//! use firesteel_testkit::faults::{At, FaultySource};
//!
//! let (source, faults) = FaultySource::new(MemorySource::new(vec![1, 2, 3]));
//! faults.fail(At::Record(2), 1, Class::Retryable); // before the third record is handed out, once
//! let (job, results) = (StreamingContext::builder("shaky").threads(1).build()?, Collector::new());
//! job.read(source).write(results.clone());
//! job.run(Trigger::AvailableNow)?;
//! assert_eq!(results.records(), [1, 2, 3]);
//! assert_eq!(faults.opens(), 2);
//! # Ok::<(), firesteel_streaming::Error>(())
//! ```
//!
//! Instead of failing, a call may [hang](SinkFaults::hang) until a test opens a [`Gate`].

mod sink;
mod source;

use std::sync::Arc;

use firesteel_connect::{Class, ConnectError, Result};
use parking_lot::Mutex;

use crate::Gate;

pub use sink::{FaultySink, SinkAt, SinkCall, SinkFaults};
pub use source::{At, FaultyReader, FaultySource, SourceFaults};

/// Which calls are to fail how often.
struct Planned<P> {
    faults: Arc<Mutex<Vec<Fault<P>>>>,
}

struct Fault<P> {
    at: P,
    skip: u32,
    times: u32,
    then: Then,
}

/// What happens to a call.
#[derive(Clone)]
enum Then {
    Fails(Class),
    Hangs(Gate),
}

impl<P> Clone for Planned<P> {
    fn clone(&self) -> Self {
        Self { faults: Arc::clone(&self.faults) }
    }
}

impl<P: PartialEq + std::fmt::Debug> Planned<P> {
    fn new() -> Self {
        Self { faults: Arc::default() }
    }

    fn add(&self, at: P, skip: u32, times: u32, class: Class) {
        self.faults.lock().push(Fault { at, skip, times, then: Then::Fails(class) });
    }

    fn hang(&self, at: P, skip: u32, gate: &Gate) {
        self.faults.lock().push(Fault { at, skip, times: 1, then: Then::Hangs(gate.clone()) });
    }

    /// Whether anything is planned for this place: cheap enough to be asked for each record.
    fn strike(&self, at: &P) -> Result<()> {
        let mut faults = self.faults.lock();
        let Some(fault) = faults.iter_mut().find(|fault| fault.at == *at && fault.times > 0) else { return Ok(()) };
        if fault.skip > 0 {
            fault.skip -= 1;
            return Ok(());
        }
        fault.times -= 1;
        let then = fault.then.clone();
        drop(faults);
        let class = match then {
            Then::Fails(class) => class,
            Then::Hangs(gate) => {
                gate.pass();
                return Ok(());
            }
        };
        Err(ConnectError::Other { context: format!("{at:?}"), class, source: "the test wants it to fail".into() })
    }
}
