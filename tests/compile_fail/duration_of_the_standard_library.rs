//! Settings take spans of this project's type, and another one is easily made that.
//! expect: firesteel::prelude::Duration` have similar names
//! expect: help: call `Into::into` on this expression to convert

use std::time;

use firesteel::memory::MemorySource;
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("numbers").build()?;
    job.read(MemorySource::new(vec![1, 2, 3])).print();
    job.run(Trigger::Every(time::Duration::from_secs(1)))
}
