//! Joins over time go by keys, on both sides.
//! expect: the records of this stream, `i64`, have no key
//! expect: .key_by(

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("payments").build()?;
    let times = || Watermark::bounded(seconds(1));
    let orders = job
        .read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), times())
        .key_by(|order| order % 2);
    let payments =
        job.read(MemorySource::new(vec![1i64, 2, 3])).event_time(|second| Timestamp::from_secs(*second), times());
    orders
        .interval_join(payments, -minutes(5)..=minutes(15))
        .inner(|order, payment| order + payment)
        .write(Collector::new());
    job.run(Trigger::Once)
}
