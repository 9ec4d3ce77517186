//! State is written down.
//! expect: `Session` cannot cross a shuffle

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

#[derive(Clone)]
struct Session;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3]))
        .key_by(|click| click % 2)
        .map_with_state(|_, _, session: &mut KeyState<Session>| {
            session.update(Session);
            None::<i64>
        })
        .write(Collector::new());
    job.run(Trigger::Once)
}
