//! What a running aggregate yields has no event time, and each of its rows takes the place of one before: windows of it would count it
//! again and again.
//! expect: has no event time
//! expect: event_time

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|click| click % 2)
        .running_count()
        .window(Tumbling::of(hours(1)))
        .count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
