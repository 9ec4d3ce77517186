//! What is reduced by key crosses a shuffle, too.
//! expect: `Visit` cannot cross a shuffle
//! expect: required for `Visit` to implement `Exchange`
//! expect: derive `Clone`, `serde::Serialize` and `serde::Deserialize` for it

use firesteel::prelude::*;

#[derive(Clone)]
struct Visit {
    pages: u32,
}

fn main() {
    let context = firesteel::scheduler::local(1).expect("threads can be started");
    let visits = context.parallelize([(1u32, 3u32), (2, 4)]).map(|(client, pages)| (client, Visit { pages }));
    let longest = visits.reduce_by_key(|a, b| if a.pages > b.pages { a } else { b });
    println!("{}", longest.count().expect("nothing fails"));
}
