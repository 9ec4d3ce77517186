//! A window without an aggregation yields nothing.
//! expect: method not found
//! expect: WindowedStream

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|click| click % 2)
        .window(Tumbling::of(minutes(1)))
        .write(Collector::new());
    job.run(Trigger::Once)
}
