//! Rows that may be corrected are counted twice by what takes all of them: windows follow those on time.
//! expect: no method named `window` found for struct `firesteel::Changes

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|click| click % 2)
        .window(Tumbling::of(minutes(1)))
        .allow_late(minutes(10))
        .count()
        .window(Tumbling::of(hours(1)))
        .count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
