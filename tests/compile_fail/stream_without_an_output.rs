//! A stream that nobody writes anywhere is a mistake.
//! expect: a stream without an output computes nothing

#![deny(unused_must_use)]

use firesteel::memory::MemorySource;
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("clicks").build()?;
    job.read(MemorySource::new(vec![1i64, 2, 3])).map(|n| n + 1);
    job.run(Trigger::Once)
}
