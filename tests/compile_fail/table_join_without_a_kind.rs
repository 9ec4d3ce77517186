//! A join has to say what becomes of records whose key is not in the table.
//! expect: no method named `write` found for struct `TableJoin

use firesteel::memory::{Collector, MemorySource};
use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let zones = Table::of([(4, "Alphabet City".to_owned())]);
    let job = StreamingContext::builder("trips").build()?;
    job.read(MemorySource::new(vec![1, 2, 3])).join_table(&zones, |zone| *zone).write(Collector::new());
    job.run(Trigger::Once)
}
