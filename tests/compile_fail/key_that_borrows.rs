//! A key is stored and sent, so it owns what it is made of.
//! expect: Deserialize

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    let clicks = job.read(MemorySource::new(vec![1i64, 2, 3]));
    clicks.map(|_| ("ann", 1u64)).running_count().write(Collector::new());
    job.run(Trigger::Once)
}
