//! What the search for zeros with a sign costs who writes Protobuf: `protobuf_zeros [ROUNDS]`.
//!
//! Writes a thousand records of each kind in that many rounds with the search and without it, and prints nanoseconds for each record.

use std::hint::black_box;

use firesteel_connect::Encode;
use firesteel_formats::Protobuf;
use prost::Message;

/// No floats.
#[derive(Clone, PartialEq, Message)]
struct Click {
    #[prost(string, tag = "1")]
    user: String,
    #[prost(uint32, tag = "2")]
    ad: u32,
    #[prost(string, tag = "3")]
    page: String,
    #[prost(sint64, tag = "4")]
    at: i64,
}

/// Floats in the message and in one within it.
#[derive(Clone, PartialEq, Message)]
struct Measured {
    #[prost(string, tag = "1")]
    sensor: String,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(message, optional, tag = "3")]
    place: Option<Place>,
    #[prost(sint64, tag = "4")]
    at: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Place {
    #[prost(double, tag = "1")]
    latitude: f64,
    #[prost(double, tag = "2")]
    longitude: f64,
}

/// The quickest of many short rounds: what else runs on the machine does not count.
#[allow(clippy::disallowed_methods, reason = "it measures")]
fn nanos<T: Message + Default + std::fmt::Debug + 'static>(format: Protobuf<T>, records: &[T], rounds: usize) -> f64 {
    let mut out = Vec::new();
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let begun = std::time::Instant::now();
        for record in records {
            out.clear();
            let done = format.encode(black_box(record), &mut out);
            assert!(black_box(done).is_ok());
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / records.len() as f64);
    }
    best
}

fn show<T: Message + Default + std::fmt::Debug + 'static>(name: &str, make: impl Fn(usize) -> T, rounds: usize) {
    let records: Vec<T> = (0..1_000).map(make).collect();
    let without = nanos(Protobuf::<T>::new().zeros_have_no_sign(), &records, rounds);
    let with = nanos(Protobuf::<T>::new(), &records, rounds);
    println!("{name}: {without:.1} ns a record without the search, {with:.1} ns with it");
}

fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let click = |n: usize| Click {
        user: format!("user-{n}"),
        ad: n as u32,
        page: format!("/articles/2026/{n}/index.html"),
        at: 1_700_000_000_000 + n as i64,
    };
    show("no floats", click, rounds);
    let place = |n: usize| Place { latitude: 48.0 + n as f64 / 1e4, longitude: 11.0 + n as f64 / 1e4 };
    let measured = |n: usize| Measured {
        sensor: format!("sensor-{n}"),
        value: n as f64 / 7.0 + 0.1,
        place: Some(place(n)),
        at: 1_700_000_000_000 + n as i64,
    };
    show("floats", measured, rounds);
    show(
        "floats, one in ten of them zero",
        |n| Measured { value: if n % 10 == 0 { 0.0 } else { 1.5 }, ..measured(n) },
        rounds,
    );
    show("floats, one of which is always zero", |n| Measured { value: 0.0, ..measured(n) }, rounds);
}
