//! Where a job stood, as its snapshots and its changelog have it.

use super::Manifest;
use crate::changelog::EpochLog;
use crate::cursor::Cursor;
use crate::error::{Result, StateError};
use crate::schema::Catalog;

impl Cursor {
    /// Where the job stood at the end of epoch `last`: in the newest of the manifests that the changelog continues, and
    /// the records after it.
    ///
    /// # Errors
    /// When a record cannot be read, or the engine's part of one.
    pub fn at(manifests: &[Manifest], log: &dyn EpochLog, last: u64) -> Result<Self> {
        let first = log.first_epoch();
        let continued = |manifest: &&Manifest| {
            manifest.epoch <= last && first.is_none_or(|first| first <= manifest.replay_from() + 1)
        };
        let base = manifests.iter().rev().find(continued);
        let (mut cursor, from) = match base {
            Some(base) => (Self::decode(&base.extra, base.epoch)?, base.replay_from()),
            None => (Self::default(), first.unwrap_or(0)),
        };
        // What the snapshot has taken in is not taken in again: it may have been dropped meanwhile.
        let known = base.map_or(0, |_| cursor.epoch);
        for record in log.heads_from(from) {
            let record = record?;
            if record.epoch > last {
                break;
            }
            if record.epoch <= known && base.is_some() {
                continue;
            }
            cursor.advance(Self::decode(&record.extra, record.epoch)?);
        }
        cursor.plans.clear();
        cursor.planned.clear();
        Ok(cursor)
    }

    /// That a catalog knows every operator whose state the epoch has. If it does not, the manifest that it is from is
    /// older than one that was lost: what numbers that one has given to operators and states, nobody can tell.
    ///
    /// # Errors
    /// [`StateError::NoUsableSnapshot`] for the `place` of the manifests.
    pub fn is_described(&self, catalog: &Catalog, place: &str) -> Result<()> {
        let Some(operator) = self.keys.keys().find(|operator| catalog.store(operator).is_none()) else { return Ok(()) };
        let reason = format!("there is state of operator {operator:?}, but no snapshot that is left says what it is");
        Err(StateError::NoUsableSnapshot { folder: place.into(), reason })
    }
}
