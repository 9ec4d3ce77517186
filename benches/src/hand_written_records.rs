//! W2 as a loop: every thread parses, filters, maps and sums its share of every
//! batch, and the sums are added at the end.

use std::thread;

use crate::measured::{Measured, Outcome};
use crate::stopwatch::Stopwatch;
use crate::text_records::{Sale, TextRecords};
use crate::workload::Setting;

/// Runs W2.
#[must_use]
pub fn run(data: &TextRecords, setting: Setting) -> Measured {
    let watch = Stopwatch::start();
    let mut outcome = Outcome::default();
    thread::scope(|scope| {
        let others: Vec<_> = (1..setting.threads)
            .map(|index| {
                thread::Builder::new()
                    .name(format!("hand-written-{index}"))
                    .spawn_scoped(scope, move || sum(data, setting, index))
                    .expect("the system refuses another thread")
            })
            .collect();
        outcome += sum(data, setting, 0);
        for other in others {
            outcome += other.join().expect("a worker panicked");
        }
    });
    Measured { events: data.len(), seconds: watch.seconds(), outcome }
}

/// The work of thread `index`.
fn sum(data: &TextRecords, setting: Setting, index: usize) -> Outcome {
    let mut outcome = Outcome::default();
    for batch in setting.batches(data.len()) {
        for line in data.lines(setting.share(&batch, index)) {
            if let Some(sale) = Sale::parse(line).filter(Sale::is_kept) {
                outcome.add_value(sale.value());
            }
        }
    }
    outcome
}
