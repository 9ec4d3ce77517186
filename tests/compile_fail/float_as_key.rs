//! A floating-point number is no key.
//! expect: `f64` cannot be a key
//! expect: round it to an integer first

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("temperatures").build()?;
    job.read(MemorySource::new(vec![(1i64, 21.5f64), (2, 22.0)]))
        .event_time(|reading| Timestamp::from_secs(reading.0), Watermark::bounded(seconds(1)))
        .key_by(|reading| reading.1)
        .window(Tumbling::of(minutes(1)))
        .count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
