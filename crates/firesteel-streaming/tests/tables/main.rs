//! Joins with tables that are fixed, loaded, and loaded again.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod again;
mod refreshed;
#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "../rules/sink.rs"]
mod sink;

use std::sync::Arc;

use firesteel_streaming::Table;
use parking_lot::Mutex;

/// What a table is loaded from: its rows, or why they cannot be had; and how often that was asked.
#[derive(Clone)]
struct Rows(Arc<Mutex<(Result<Vec<(u8, u32)>, String>, u64)>>);

impl Rows {
    fn new(rows: &[(u8, u32)]) -> Self {
        Self(Arc::new(Mutex::new((Ok(rows.to_vec()), 0))))
    }

    fn set(&self, rows: &[(u8, u32)]) {
        self.0.lock().0 = Ok(rows.to_vec());
    }

    fn fail(&self, reason: &str) {
        self.0.lock().0 = Err(reason.to_owned());
    }

    fn asked(&self) -> u64 {
        self.0.lock().1
    }

    /// The table of them.
    fn table(&self) -> Table<u8, u32> {
        let rows = self.clone();
        Table::load("numbers", move || {
            let mut rows = rows.0.lock();
            rows.1 += 1;
            rows.0.clone()
        })
    }
}
