//! W3 as a careful engineer would write it for this one job, without durability: a hash map per worker.

use std::vec::Drain;

use hashbrown::HashMap;

use super::assignment::{Assignment, Phases, Run};
use super::batches::{self, Hashed, Owner};
use super::reference::{Total, Totals};
use crate::keys::OwnedKey;

/// The keys are their own hash map's: hashed once more, by the same function that routed them.
type Map<K> = HashMap<K, Total, firesteel_core::hash::BuildKeyHasher>;

/// Runs W3.
#[must_use]
pub fn run<K: OwnedKey>(assignment: &Assignment, phases: &mut Phases) -> Run {
    let mut owners: Vec<Map<K>> = vec![Map::default(); assignment.threads];
    batches::run(assignment, phases, &mut owners);
    let (events, seconds) = phases.end(assignment.count);
    let mut totals = Totals::default();
    owners.into_iter().flatten().for_each(|(key, total)| totals.add(key.number(), total));
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

impl<K: OwnedKey> Owner<K> for Map<K> {
    fn take(&mut self, events: Drain<'_, Hashed<K>>) {
        for event in events {
            let (count, sum) = self.entry(event.key).or_default();
            *count += 1;
            *sum += event.value;
        }
    }

    fn end_epoch(&mut self, _: u64) {}
}
