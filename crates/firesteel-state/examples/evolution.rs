//! What it takes to read values: of the declared type, of an earlier one, through a migration.
//!
//! ```text
//! cargo run --release -p firesteel-state --example evolution
//! ```
//!
//! Each is the lower decile of many runs over the same bytes: what it takes when no other program is in the way.

#![allow(clippy::disallowed_methods, reason = "it measures the time that passes")]
#![allow(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::hint::black_box;
use std::time::Instant;

use firesteel_state::schema::Earlier;
use firesteel_state::{Migrations, StateValue, TableCodec, TableId, TableKind, TableSchema, TypeTag};
use serde::{Deserialize, Serialize};

const VALUES: usize = 10_000;
const RUNS: usize = 300;

#[derive(Clone, Serialize, Deserialize)]
struct Payment {
    card: u64,
    amount: f64,
    note: Option<String>,
}

mod then {
    use super::*;

    #[derive(Clone, Serialize, Deserialize)]
    pub(super) struct Payment {
        pub(super) card: u32,
        pub(super) amount: f64,
    }
}

/// Reads values of `Old`, stored under an earlier number, as `New`; and of `New` under the newest.
fn measure<Old: StateValue, New: StateValue>(
    what: &str,
    version: u32,
    migrations: &Migrations,
    old: impl Fn(u32) -> Old,
    new: impl Fn(u32) -> New,
) {
    let named = |tag: TypeTag, version| TypeTag { name: "Value".into(), version, ..tag };
    let mut stored = TableSchema::new("v", TableKind::Value, named(TypeTag::of::<New>(), version));
    stored.id = TableId(1);
    stored.earlier = vec![Earlier { id: TableId(0), value: named(TypeTag::of::<Old>(), 0), ttl: None, changed: None }];
    let codec = TableCodec::<New>::new("op", &TypeTag::of::<u64>(), &stored, migrations).unwrap();
    let mut before = vec![];
    let mut after = vec![];
    for number in 0..VALUES as u32 {
        before.push(postcard::to_allocvec(&old(number)).unwrap());
        after.push(postcard::to_allocvec(&new(number)).unwrap());
    }
    let nanos = |table: u16, values: &[Vec<u8>]| {
        let mut runs: Vec<f64> = (0..RUNS)
            .map(|_| {
                let began = Instant::now();
                for value in values {
                    black_box(codec.decode(TableId(table), b"", black_box(value)).unwrap());
                }
                began.elapsed().as_secs_f64() * 1e9 / values.len() as f64
            })
            .collect();
        runs.sort_by(f64::total_cmp);
        runs[RUNS / 10]
    };
    let bytes = |values: &[Vec<u8>]| values.iter().map(Vec::len).sum::<usize>() as f64 / values.len() as f64;
    println!(
        "{what:<34} declared type {:>5.1} ns, {:>5.2} bytes   earlier type {:>6.1} ns, {:>5.2} bytes",
        nanos(1, &after),
        bytes(&after),
        nanos(0, &before),
        bytes(&before)
    );
}

fn main() {
    let none = Migrations::new();
    measure("u32 widened to u64", 0, &none, |n| n * 7, |n| u64::from(n) * 7);
    let old = |n: u32| then::Payment { card: n * 7, amount: f64::from(n) };
    let new = |n: u32| Payment { card: u64::from(n) * 7, amount: f64::from(n), note: None };
    measure("struct, field added and widened", 0, &none, old, new);
    let list = |n: u32| (0..10).map(|at| old(n + at)).collect::<Vec<_>>();
    measure("ten of them", 0, &none, list, |n| (0..10).map(|at| new(n + at)).collect::<Vec<_>>());
    let migrate = |old: then::Payment| Ok::<_, &str>(Payment { card: old.card.into(), amount: old.amount, note: None });
    measure("struct, migrated", 1, &Migrations::new().and(0, migrate), old, new);
}
