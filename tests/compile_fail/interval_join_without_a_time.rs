//! Joins over time need to know when records happened, on both sides.
//! expect: this stream has no event time
//! expect: .event_time(

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("payments").build()?;
    let orders = job
        .read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|order| order % 2);
    let payments = job.read(MemorySource::new(vec![1i64, 2, 3])).key_by(|payment| payment % 2);
    orders
        .interval_join(payments, -minutes(5)..=minutes(15))
        .inner(|order, payment| order + payment)
        .write(Collector::new());
    job.run(Trigger::Once)
}
