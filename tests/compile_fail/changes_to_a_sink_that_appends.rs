//! Rows that may be corrected are not appended.
//! expect: does not say that it applies changes: it may only append
//! expect: .on_time()
//! expect: .changelog()

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|click| click % 2)
        .window(Tumbling::of(minutes(1)))
        .trigger(Early::every(seconds(10)))
        .count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
