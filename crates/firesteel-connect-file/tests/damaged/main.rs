//! Files of which a part is damaged: it is told and counted, and everything else is read, unless that is to end the job.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/damaged.rs"]
mod damage;
#[path = "../common/follower.rs"]
mod followers;
#[path = "../common/misfits.rs"]
mod misfit;

#[cfg(unix)]
mod later;
mod merged;
mod misfits;
mod tables;

use firesteel_connect::{Counters, Source, SourceContext};

use followers::{Checkpoint, Follower};

/// A job that begins where this checkpoint says, and what its source counts.
fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters) {
    let counters = Counters::default();
    (Follower::counting(source, kept, &counters), counters)
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
