//! A pattern says what is wanted of it.
//! expect: a pattern yields nothing by itself: end it with matches, timeouts or outcomes

#![deny(unused_must_use)]

use firesteel::memory::MemorySource;
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("readings").build()?;
    let slow = Pattern::begin("slow", |speed: &i64| *speed < 30).times(3).within(minutes(5));
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|speed| speed % 2)
        .match_pattern(slow);
    job.run(Trigger::Once)
}
