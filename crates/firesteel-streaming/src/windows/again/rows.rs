//! Rows of windows that fire for some of their keys: early, or again.

use std::collections::BTreeMap;

use firesteel_core::{Exchange, Key, TaskContext};
use firesteel_state::{OpenWindows, Result};
use firesteel_window::{Aggregator, Change, Early, Firing, Timestamp, Window};

use crate::windows::again::counted::Counted;
use crate::windows::again::parts::OfParts;

/// What a batch has brought for a key in a stored window.
pub(super) struct Brought<K> {
    pub(super) part: Window,
    pub(super) hash: u64,
    pub(super) key: K,
    pub(super) records: u64,
}

/// How far windows have come in a batch.
#[derive(Clone, Copy)]
pub(super) struct Passed {
    /// Up to when they are gone.
    pub(super) gone: Timestamp,
    /// Up to when they had fired before the batch.
    pub(super) before: Timestamp,
    /// Up to when they have fired with it.
    pub(super) reached: Timestamp,
}

impl Passed {
    /// Whether a window has fired, and stays.
    pub(super) fn has_fired(&self, window: Window) -> bool {
        window.end() > self.gone && window.end() <= self.before
    }

    /// Whether it is open after the batch.
    pub(super) fn is_open(&self, window: Window) -> bool {
        window.end() > self.reached
    }
}

/// The keys that fire in some windows, whichever of a window's parts are the reason: by window and hash, with how many
/// records the batch has brought.
pub(super) struct Wanted<K> {
    rows: BTreeMap<(Window, u64), Vec<(K, Firing, u64)>>,
}

impl<K: Key> Wanted<K> {
    pub(super) fn new() -> Self {
        Self { rows: BTreeMap::new() }
    }

    /// Takes in what the batch has brought for windows that have fired, and with `early` for those that are open.
    pub(super) fn add(&mut self, brought: &Brought<K>, passed: Passed, early: bool, parts: impl OfParts) {
        parts.windows_of(brought.part, &mut |window| {
            if passed.has_fired(window) {
                self.add_one(window, brought.hash, &brought.key, Firing::Late, brought.records);
            } else if early && passed.is_open(window) {
                self.add_one(window, brought.hash, &brought.key, Firing::Early, brought.records);
            }
        });
    }

    /// Takes in what changed earlier, for the windows that are open.
    pub(super) fn add_due(&mut self, part: Window, hash: u64, key: &K, passed: Passed, parts: impl OfParts) {
        parts.windows_of(part, &mut |window| {
            if passed.is_open(window) {
                self.add_one(window, hash, key, Firing::Early, 0);
            }
        });
    }

    fn add_one(&mut self, window: Window, hash: u64, key: &K, firing: Firing, records: u64) {
        let rows = self.rows.entry((window, hash)).or_default();
        match rows.iter_mut().find(|row| row.0 == *key) {
            Some(row) => row.2 += records,
            None => rows.push((key.clone(), firing, records)),
        }
    }

    /// Makes the rows: those that are early where `early` says so, by how many records there were before the batch and are now.
    pub(super) fn make<V, A, T>(
        self,
        opened: &OpenWindows<'_, K, (A::Acc, u64)>,
        parts: impl OfParts,
        early: &dyn Fn(u64, u64) -> bool,
        (aggregator, present): (&Counted<A>, fn(A::Out) -> Option<T>),
        rows: &mut Vec<(Timestamp, Change<K, T>)>,
        task: &TaskContext,
    ) -> Result<()>
    where
        A: Aggregator<V, Acc: Exchange>,
    {
        let mut made_of: Option<(Window, Vec<Window>)> = None;
        for ((window, hash), keys) in self.rows {
            if made_of.as_ref().is_none_or(|(of, _)| *of != window) {
                task.check_cancelled();
                made_of = Some((window, parts.parts_of(window, opened)?));
            }
            let stored = made_of.as_ref().map_or(&[][..], |(_, stored)| stored);
            for (key, firing, brought) in keys {
                let mut gathered: Option<(A::Acc, u64)> = None;
                for part in stored {
                    opened.look_up(*part, hash, &key, &mut |more| match &mut gathered {
                        Some(gathered) => Aggregator::<V>::merge(aggregator, gathered, more.clone()),
                        none => *none = Some(more.clone()),
                    })?;
                }
                let Some(gathered) = gathered else { continue };
                let count = gathered.1;
                if firing == Firing::Early && !early(count.saturating_sub(brought), count) {
                    continue;
                }
                if let Some(value) = present(Aggregator::<V>::finish_owned(aggregator, gathered)) {
                    rows.push((window.last_instant(), Change::put(window, key, firing, value)));
                }
            }
        }
        Ok(())
    }
}

/// How an early firing is asked for, where it is not by the clock.
pub(super) fn by_number(early: Option<Early>) -> impl Fn(u64, u64) -> bool {
    move |before, now| early.is_some_and(|early| early.is_passed(before, now))
}
