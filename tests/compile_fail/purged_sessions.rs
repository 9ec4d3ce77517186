//! Sessions become one with others, and so cannot be emptied when they fire.
//! expect: the method `purging` exists for struct `ChangingWindows<i64, i64, firesteel::prelude::Session>`, but its trait bounds were not satisfied

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
        .key_by(|click| click % 2)
        .window(Session::gap(minutes(1)))
        .trigger(Early::every_records(10))
        .purging()
        .count()
        .write(Collector::new());
    job.run(Trigger::Once)
}
