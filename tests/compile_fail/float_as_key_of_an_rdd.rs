//! A floating-point number is no key of an RDD either: the method is there, and says what the key lacks.
//! expect: `f64` cannot be a key
//! expect: round it to an integer first

use firesteel::prelude::*;

fn main() {
    let context = firesteel::scheduler::local(1).expect("threads can be started");
    let readings = context.parallelize([(21.5f64, 1u64), (22.0, 1)]);
    println!("{}", readings.reduce_by_key(|a, b| a + b).count().expect("nothing fails"));
}
