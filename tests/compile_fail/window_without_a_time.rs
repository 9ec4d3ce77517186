//! Windows are of event time.
//! expect: this stream has no event time
//! expect: .event_time(

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .key_by(|click| click % 2)
        .window(Tumbling::of(minutes(1)))
        .count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
