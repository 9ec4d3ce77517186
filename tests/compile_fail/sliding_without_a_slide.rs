//! Of sliding windows it has to be said how often one begins.
//! expect: `SlidingSize` does not say which windows there are
//! expect: .every(minutes(1))

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|click| click % 2)
        .window(Sliding::of(minutes(5)))
        .count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
