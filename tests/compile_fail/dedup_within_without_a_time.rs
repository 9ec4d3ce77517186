//! A span of event time needs a stream that has one.
//! expect: this stream has no event time
//! expect: .event_time(

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3])).dedup_by(|click| *click).within(hours(1)).write(Collector::new());
    job.run(Trigger::Once)
}
