//! What becomes of objects that cannot be read to their ends.

use std::sync::atomic::Ordering;

use firesteel_connect::{Class, ConnectError, ReadRange, Result};
use firesteel_formats::Reading;
use firesteel_frames::RangeFrames;

use super::ObjectReader;

impl<P: Reading> ObjectReader<P> {
    /// Ends the object, or the job. `position` is where it stands.
    #[cold]
    pub(super) fn damaged(&mut self, damaged: ConnectError, position: u64) -> Result<()> {
        if let ConnectError::Mismatch { reason, .. } = &damaged
            && self.bears_damage
            && self.rows.is_some()
        {
            self.object.misfits.note(&self.object.split, reason.clone());
            self.reach();
            let (place, reason) = (self.object.split.to_string(), reason.clone());
            return Err(ConnectError::Later { place, position, reason });
        }
        let is_damage = matches!(damaged, ConnectError::Damaged { .. });
        let is_borne = match damaged {
            ConnectError::Damaged { .. } => self.bears_damage,
            ConnectError::Lost { .. } => self.bears_loss,
            _ => false,
        };
        // Where a part of a merged object ends is known, and what comes after it is others'; so it is with the rows of a table.
        let is_table = self.object.end.get().is_some_and(|_| self.is_table);
        if is_borne && is_damage && (self.shift.is_some() || is_table) {
            self.pass_rest(&damaged.to_string());
            return Ok(());
        }
        if is_borne && self.stop.is_none() {
            // What could be read of it is all that there is.
            self.give_up(&damaged, position);
            return Ok(());
        }
        Err(damaged)
    }

    /// Leaves the object for later, if that is wanted, where the store says that it cannot be read. What passes in a moment is retried by who
    /// reads.
    #[cold]
    pub(super) fn for_now(&self, error: ConnectError, position: u64) -> ConnectError {
        let Some(met) = self.object.met.as_ref().filter(|_| error.class() == Class::Fatal) else { return error };
        self.object.reached.fetch_max(position, Ordering::Relaxed);
        let (split, reason) = (&self.object.split, error.to_string());
        met.note(split, reason.clone());
        ConnectError::Later { place: split.to_string(), position, reason }
    }

    /// Passes over what is left of the object.
    fn give_up(&mut self, damage: &ConnectError, position: u64) {
        self.object.damage.get_or_init(|| damage.to_string());
        self.object.end.get_or_init(|| position);
        self.object.reached.fetch_max(position, Ordering::Relaxed);
        self.frames = RangeFrames::nothing(&ReadRange::starting_at(self.object.split.clone(), position));
        self.rows = None;
    }

    /// Passes over the rest of the range, up to where it or the object ends.
    fn pass_rest(&mut self, reason: &str) {
        let end = self.object.end.get().copied().filter(|_| self.shift.is_none());
        let to = self.stop.into_iter().chain(end).min().unwrap_or(self.there());
        self.pass(self.there(), to, reason);
        self.frames = RangeFrames::nothing(&ReadRange::starting_at(self.object.split.clone(), to));
        self.rows = None;
        self.reach();
    }

    /// Takes note of positions that are passed over.
    pub(super) fn pass(&self, from: u64, to: u64, reason: &str) {
        self.object.gaps.note(&self.object.split, self.own(from), self.own(to), reason);
    }
}
