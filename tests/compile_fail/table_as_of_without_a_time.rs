//! Who wants what a table had when something happened has to say when that was, of both: the message names the way out.
//! expect: this stream has no event time
//! expect: say when records happened, and how late they may come, before this

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("orders").build()?;
    let rates = job.read(MemorySource::new(vec![("GBP".to_owned(), 125)]));
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|_| "GBP".to_owned())
        .as_of(rates.as_table())
        .inner(|order, rate| order * rate)
        .write(Collector::new());
    job.run(Trigger::Once)
}
