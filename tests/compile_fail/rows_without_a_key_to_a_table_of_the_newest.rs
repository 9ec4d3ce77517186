//! A table of the newest rows has one for each key: records without one have no place in it.
//! expect: does not take records of type
//! expect: `Console::table().latest()` has one row for each key
//! expect: key_by

use firesteel::memory::MemorySource;
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let job = StreamingContext::builder("lines").build()?;
    job.read(MemorySource::new(vec!["a line"])).map(str::to_owned).write(Console::table().latest());
    job.run(Trigger::Once)
}
