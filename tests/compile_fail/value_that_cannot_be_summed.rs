//! An aggregator says which values it takes, and how something taken from each value is aggregated.
//! expect: values of type `&str` cannot be summed
//! expect: `of` aggregates something taken from each value

use firesteel::prelude::*;

fn main() -> firesteel::Result<()> {
    let words = firesteel::scheduler::local(1)?.parallelize(["sun", "moon"]);
    let _ = words.aggregate(Sum);
    Ok(())
}
