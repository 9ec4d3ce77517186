//! Sessions close by timers, which fire in the order of keys.
//! expect: `std::ops::Range<i64>: Ord`
//! expect: Session: WindowKind<std::ops::Range<i64>>`

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|click| 0..click % 2)
        .window(Session::gap(minutes(5)))
        .count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
