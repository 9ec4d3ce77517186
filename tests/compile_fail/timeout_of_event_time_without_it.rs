//! A timeout of event time needs a stream that has one.
//! expect: no method named `set_timeout_at`

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .key_by(|click| click % 2)
        .flat_map_with_state(|_, clicks, last: &mut KeyState<i64, firesteel::ProcessingTimeout>| {
            last.set_timeout_at(Timestamp::from_secs(clicks[0]));
            None::<i64>
        })
        .write(Collector::new());
    job.run(Trigger::Once)
}
