//! Looks that skip what the system says has not changed.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firesteel_connect::{Discovery, Result};
use firesteel_window::{Duration, Timestamp, seconds};

use super::{Catalog, Looked, Presence, Stamp, WAIT, ends};
use crate::source::watch::News;

/// How long files may be written to before it is found out which of them are newer pieces of others.
const NEWER: Duration = seconds(1);

impl Catalog {
    /// Looks, at what may have changed.
    pub(crate) fn refresh(&mut self, now: Timestamp) -> Result<()> {
        if self.looked && !self.policy.follow {
            return if self.intake.is_waiting() { self.admit_listed(now) } else { Ok(()) };
        }
        if self.looked && self.intake.is_waiting() && self.room() > 0 {
            return self.look(now);
        }
        match self.watch.news(now) {
            News::None => self.pass(now),
            News::Written(paths) if self.touch(&paths, now) => self.pass(now),
            News::Written(_) | News::Unknown => self.look(now),
        }
    }

    /// Takes in what was written to some files. Tells whether that is all that there is to do.
    fn touch(&mut self, paths: &BTreeSet<PathBuf>, now: Timestamp) -> bool {
        let files = &self.files;
        let by_path = self.by_path.get_or_insert_with(|| {
            let named = files.iter().enumerate().filter(|(_, file)| file.presence == Presence::Here);
            named.map(|(index, file)| (Arc::clone(&file.path), index)).collect::<HashMap<Arc<Path>, usize>>()
        });
        let mut touched = Vec::new();
        for path in paths {
            match by_path.get(&**path) {
                Some(index) => touched.push(*index),
                // One that is in the way of others, or that could not be read.
                None if self.held.contains_key(path) || self.telling.is_troubled(path) || self.intake.knows(path) => {
                    return false;
                }
                None => {}
            }
        }
        for index in touched {
            let file = &mut self.files[index];
            let path = Arc::clone(&file.path);
            // Without a text that is known, more than this file may have changed.
            if file.is_aside || !file.has_evidence() || self.telling.is_troubled(&path) {
                return false;
            }
            let looked = File::open(&path).and_then(|opened| opened.metadata()).and_then(|metadata| {
                let is_it = Stamp::of(&metadata).is_same_file(&file.stamp) && metadata.len() >= file.stamp.size;
                if is_it { file.look_again(&path, &metadata, true) } else { Ok(Looked::Other) }
            });
            match looked {
                Ok(Looked::Same) => {}
                Ok(Looked::Changed) => {
                    (file.changed_at, file.is_unnoted) = (Some(now), true);
                    self.telling.continued(file);
                    self.touched.push(index);
                    self.next_at = Some(now);
                    self.supersede_at.get_or_insert(now.saturating_add(NEWER));
                }
                Ok(Looked::Other) | Err(_) => return false,
            }
        }
        true
    }

    /// What the engine is told where nothing has changed but what is known of some files.
    pub(super) fn answer_touched(&mut self, now: Timestamp) -> Discovery {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let mut splits = Vec::with_capacity(touched.len());
        for index in touched {
            let Some(file) = self.files.get_mut(index).filter(|file| !file.is_given_up) else { continue };
            let split = file.split(&self.policy, now);
            if split.available.is_none() {
                self.unended.push(split.id.clone());
            }
            file.told = Some(split.clone());
            splits.push(split);
        }
        Discovery::changes(splits, []).more(self.intake.has_more())
    }

    /// What time alone brings about.
    fn pass(&mut self, now: Timestamp) -> Result<()> {
        if self.next_at.is_none_or(|at| now < at) {
            return Ok(());
        }
        let mut is_held_for_long = false;
        for held in self.held.values_mut().filter(|held| !held.is_told && now.since(held.since) >= WAIT) {
            (held.is_told, is_held_for_long) = (true, true);
        }
        if is_held_for_long {
            return self.look(now);
        }
        if self.supersede_at.is_some_and(|at| now >= at) {
            ends::supersede(&mut self.files);
            self.supersede_at = None;
        }
        self.forget(now);
        self.conclude(now)
    }

    /// Finishes files, and decides what becomes of those that are gone.
    pub(super) fn conclude(&mut self, now: Timestamp) -> Result<()> {
        let finished = ends::finish(&mut self.files, &self.policy, now);
        self.may_dispose |= self.has_changed || !finished.is_empty();
        self.touched.extend(finished);
        let checked = self.check_missing(now);
        self.next_at = self.next_time(now);
        checked
    }

    /// When the next thing happens without a change of any file.
    fn next_time(&self, now: Timestamp) -> Option<Timestamp> {
        let of_file = |file: &super::FileEntry| match file.presence {
            // What is left is that it is committed, for which there is no time.
            Presence::Missing(since) => Some(since.min(now)),
            Presence::Here if !file.is_closed => {
                let finished = file.changed_at.map(|changed| changed.saturating_add(self.policy.finish_after));
                if file.is_superseded {
                    file.changed_at.map(|changed| changed.saturating_add(ends::SETTLED))
                } else {
                    finished
                }
            }
            _ => None,
        };
        let told = self.held.values().filter(|held| !held.is_told).map(|held| held.since.saturating_add(WAIT));
        self.files.iter().filter_map(of_file).chain(told).chain(self.supersede_at).min()
    }
}
