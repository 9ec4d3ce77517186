//! A pattern is one of the records of a key.
//! expect: the records of this stream, `i64`, have no key
//! expect: .key_by(

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("readings").build()?;
    let slow = Pattern::begin("slow", |speed: &i64| *speed < 30).times(3).within(minutes(5));
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .match_pattern(slow)
        .matches(|found| found.len())
        .write(Collector::new());
    job.run(Trigger::Once)
}
