//! W3 as a careful engineer would write it for this one job, without durability: a hash map per worker.

use hashbrown::HashMap;

use super::assignment::{Assignment, Phases, Run};
use super::batches::{self, Hashed, Owner};
use super::reference::{Total, Totals};

/// The keys are their own hash map's: hashed once more, by the same function that routed them.
type Map = HashMap<u64, Total, firesteel_core::hash::BuildKeyHasher>;

/// Runs W3.
#[must_use]
pub fn run(assignment: &Assignment, phases: &mut Phases) -> Run {
    let mut owners: Vec<Map> = vec![Map::default(); assignment.threads];
    batches::run(assignment, phases, &mut owners);
    let (events, seconds) = phases.end(assignment.count);
    let mut totals = Totals::default();
    owners.into_iter().flatten().for_each(|(key, total)| totals.add(key, total));
    Run {
        system: "hand-written".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        events,
        seconds,
        all_events: assignment.count,
        totals,
        note: "not durable".to_owned(),
    }
}

impl Owner for Map {
    fn take(&mut self, events: &[Hashed]) {
        for event in events {
            let (count, sum) = self.entry(event.key).or_default();
            *count += 1;
            *sum += event.value;
        }
    }

    fn end_epoch(&mut self, _: u64) {}
}
