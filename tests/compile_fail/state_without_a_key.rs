//! State is kept by key.
//! expect: the records of this stream, `i64`, have no key
//! expect: .key_by(

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .running_count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
