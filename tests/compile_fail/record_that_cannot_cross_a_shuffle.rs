//! What crosses a shuffle can be written down.
//! expect: `Visit` cannot cross a shuffle
//! expect: derive `Clone`, `serde::Serialize` and `serde::Deserialize`

use firesteel::prelude::*;

#[derive(Clone)]
struct Visit {
    pages: u32,
}

fn main() {
    let context = firesteel::scheduler::local(1).expect("threads can be started");
    let visits = context.parallelize([(1u32, 3u32), (2, 4)]).map(|(client, pages)| (client, Visit { pages }));
    let of_each = visits.group_by_key().map_values(|visits| visits.iter().map(|visit| visit.pages).sum::<u32>());
    println!("{}", of_each.count().expect("nothing fails"));
}
