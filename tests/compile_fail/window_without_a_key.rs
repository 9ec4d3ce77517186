//! Windows gather the values of keys.
//! expect: the records of this stream, `i64`, have no key
//! expect: .key_by(

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .window(Tumbling::of(minutes(1)))
        .count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
