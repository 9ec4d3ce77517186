//! A key of one's own needs some derives, and the message names them.
//! expect: `Client` cannot be a key
//! expect: derive `Hash`, `PartialEq`, `Eq`, `Clone`, `serde::Serialize` and `serde::Deserialize`

use firesteel::prelude::*;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Client(String);

fn main() {
    let context = firesteel::scheduler::local(1).expect("threads can be started");
    let clicks = context.parallelize(["ann", "bob"]).map(|name| (Client(name.to_owned()), 1u64));
    let counts = clicks.reduce_by_key(|a, b| a + b);
    println!("{}", counts.count().expect("nothing fails"));
}
