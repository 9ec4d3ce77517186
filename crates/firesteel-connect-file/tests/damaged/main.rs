//! Files of which a part is damaged: it is told and counted, and everything else is read, unless that is to end the job.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/follower.rs"]
mod followers;

#[cfg(unix)]
mod later;
mod merged;
mod tables;

use firesteel_connect::{Counters, Source, SourceContext};

use followers::{Checkpoint, Follower};

/// A record that does not compress, so that damage hits some.
#[derive(Debug, Clone, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
#[serde(rename = "Row")]
struct Row {
    number: i64,
    text: String,
}

fn row(number: i64) -> Row {
    let mut chance = followers::Chance(number as u64 + 1);
    let text = (0..20).map(|_| char::from(b'a' + chance.below(26) as u8)).collect();
    Row { number, text }
}

/// A job that begins where this checkpoint says, and what its source counts.
fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters) {
    let counters = Counters::default();
    (Follower::counting(source, kept, &counters), counters)
}

fn count(counters: &Counters, name: &str) -> u64 {
    counters.values().into_iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| value)
}

/// What starting and reading all splits fails with.
fn failure(source: &impl Source) -> String {
    if let Err(error) = source.start(&SourceContext::default()) {
        return error.to_string();
    }
    let splits = common::discover(source).unwrap().splits;
    let failed = splits.iter().find_map(|split| common::read(source, &common::from(&split.id, 0)).err());
    failed.map(|error| error.to_string()).unwrap_or_default()
}
