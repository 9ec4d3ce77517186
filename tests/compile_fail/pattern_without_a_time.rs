//! A pattern needs to know when records happened: they are put in that order.
//! expect: this stream has no event time
//! expect: .event_time(

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("readings").build()?;
    let slow = Pattern::begin("slow", |speed: &i64| *speed < 30).times(3).within(minutes(5));
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .key_by(|speed| speed % 2)
        .match_pattern(slow)
        .matches(|found| found.len())
        .write(Collector::new());
    job.run(Trigger::Once)
}
