//! A join says what becomes of records without a partner.
//! expect: inner, left_outer, right_outer, full_outer, left_semi or left_anti

#![deny(unused_must_use)]

use firesteel::memory::MemorySource;
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("payments").build()?;
    let numbers = || {
        job.read(MemorySource::new(vec![1i64, 2, 3]))
            .event_time(|second| Timestamp::from_secs(*second), Watermark::bounded(seconds(1)))
            .key_by(|number| number % 2)
    };
    numbers().interval_join(numbers(), -minutes(5)..=minutes(15));
    job.run(Trigger::Once)
}
