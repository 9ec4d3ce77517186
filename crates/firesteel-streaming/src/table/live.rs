//! A table that is loaded, as one job has it: the version that batches meet, and those that an epoch may have to meet again.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::Arc;

use firesteel_connect::RunId;
use firesteel_core::{Exchange, Key};
use firesteel_state::TableCopies;
use firesteel_window::{Duration, Timestamp, minutes};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::plan::TableCell;
use crate::progress::TableProgress;
use crate::stream::{Cause, caught};
use crate::table::look::Identity;
use crate::table::rows::Rows;
use crate::table::{LOOK_EVERY, Refresh};

/// What a table is loaded by.
pub(super) struct Loaded<K, V> {
    pub(crate) name: Arc<str>,
    load: Load<K, V>,
    copying: Copying<K, V>,
    pub(crate) refresh: Refresh,
}

pub(super) type Load<K, V> = Arc<dyn Fn() -> std::result::Result<Rows<K, V>, Cause> + Send + Sync>;

/// How rows become a copy, and a copy rows: what needs to know that they have a form.
struct Copying<K, V> {
    keep: fn(&TableCopies, &str, u64, &Rows<K, V>) -> firesteel_state::Result<()>,
    read: fn(&TableCopies, &str, u64) -> firesteel_state::Result<Vec<(K, V)>>,
}

impl<K, V> Clone for Copying<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K, V> Copy for Copying<K, V> {}

impl<K: Key, V: Exchange> Loaded<K, V> {
    pub(super) fn new(name: &str, load: Load<K, V>) -> Self {
        let copying = Copying {
            keep: |copies, table, version, rows| copies.keep(table, version, &rows.iter().collect::<Vec<_>>()),
            read: TableCopies::read,
        };
        Self { name: name.into(), load, copying, refresh: Refresh::default() }
    }
}

impl<K, V> Loaded<K, V> {
    /// Whether it is the same table.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.load, &other.load)
    }

    /// Why it cannot work as it is set, if it cannot.
    pub(super) fn refused(&self) -> Option<String> {
        let every = self.refresh.every.filter(|every| *every <= Duration::ZERO)?;
        Some(format!("table {} is loaded again after {every}: the span has to be above zero", self.name))
    }
}

impl<K, V> Clone for Loaded<K, V> {
    fn clone(&self) -> Self {
        let Self { name, load, copying, refresh } = self;
        Self { name: Arc::clone(name), load: Arc::clone(load), copying: *copying, refresh: refresh.clone() }
    }
}

/// A table of a job.
pub(crate) struct Live<K, V> {
    pub(super) loaded: Loaded<K, V>,
    state: Mutex<State<K, V>>,
}

/// One version of the rows.
struct Version<K, V> {
    /// A number that no other version has, of this run or another.
    number: u64,
    rows: Arc<Rows<K, V>>,
}

struct State<K, V> {
    /// What was loaded last.
    current: Option<Version<K, V>>,
    /// What batches meet that are run again.
    again: Option<Version<K, V>>,
    /// What numbers of versions begin with.
    run: u64,
    /// How often it was loaded, and when last.
    loads: u64,
    at: Timestamp,
    /// The file that it was loaded from, the one that was there at the last look, and the one that could not be loaded.
    from: Option<Identity>,
    seen: Option<Identity>,
    tried: Option<Identity>,
    /// When the file is looked at next, the table is loaded again by the clock, and what failed is retried.
    looks: Timestamp,
    loads_again: Timestamp,
    tries_again: Timestamp,
    failed: Option<String>,
    copies: Option<TableCopies>,
    /// The versions of which there is a copy.
    kept: BTreeSet<u64>,
    /// Those that batches of the open epoch have met, and of the one before it.
    used: BTreeMap<u64, Arc<Rows<K, V>>>,
    ended: BTreeSet<u64>,
}

/// After what time a table that could not be loaded is retried, if it is not loaded more often than that.
const RETRY: Duration = minutes(1);

/// How often a file that changes while it is read is read at once.
const READS: usize = 5;

impl<K, V> State<K, V> {
    fn new() -> Self {
        let never = Timestamp::MIN;
        let (kept, used, ended) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
        Self {
            current: None,
            again: None,
            run: 0,
            loads: 0,
            at: never,
            from: None,
            seen: None,
            tried: None,
            looks: never,
            loads_again: never,
            tries_again: never,
            failed: None,
            copies: None,
            kept,
            used,
            ended,
        }
    }

    fn in_use(&self) -> Option<&Version<K, V>> {
        self.again.as_ref().or(self.current.as_ref())
    }
}

/// Whether a time has come that was set `span` before it. A clock that was set back makes nothing wait.
fn is_due(at: Timestamp, span: Duration, now: Timestamp) -> bool {
    now >= at || at.saturating_sub(span) > now
}

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> Live<K, V> {
    pub(super) fn new(loaded: Loaded<K, V>) -> Arc<Self> {
        Arc::new(Self { loaded, state: Mutex::new(State::new()) })
    }

    /// The rows that the batch at hand meets.
    pub(super) fn rows(&self) -> Result<Arc<Rows<K, V>>> {
        let rows = self.state.lock().in_use().map(|version| Arc::clone(&version.rows));
        rows.ok_or_else(|| self.failed("it has not been loaded".into()))
    }

    fn failed(&self, source: Cause) -> Error {
        Error::Table { name: self.loaded.name.to_string(), source }
    }

    /// Whether it is time to load it again.
    fn is_due(&self, state: &mut State<K, V>, now: Timestamp) -> bool {
        let Refresh { every, file, .. } = &self.loaded.refresh;
        let by_clock = every.is_some_and(|every| is_due(state.loads_again, every, now));
        let Some(file) = file.as_ref().filter(|_| is_due(state.looks, LOOK_EVERY, now)) else { return by_clock };
        state.looks = now.saturating_add(LOOK_EVERY);
        let found = Identity::of(file);
        let is_settled = found == state.seen;
        state.seen = found;
        if !is_settled {
            return by_clock;
        }
        if found.is_none() {
            if state.failed.is_none() {
                self.tell(state, format!("{} is not there, or cannot be looked at", file.display()));
            }
            return by_clock;
        }
        if found == state.from {
            if every.is_none() {
                // What was tried meanwhile is gone, or it was away.
                state.failed = None;
            }
            return by_clock;
        }
        by_clock || found != state.tried || is_due(state.tries_again, RETRY, now)
    }

    /// Warns that the table stays as it is.
    fn tell(&self, state: &mut State<K, V>, reason: String) {
        let (table, since) = (&self.loaded.name, state.at);
        tracing::warn!(%table, reason, "a table could not be loaded again: what was loaded at {since} is used further on");
        state.failed = Some(reason);
    }

    /// Loads it: the rows, and the file that they are of.
    fn load(&self) -> std::result::Result<(Rows<K, V>, Option<Identity>), Cause> {
        let look = || self.loaded.refresh.file.as_deref().and_then(Identity::of);
        for _ in 0..READS {
            let before = look();
            let rows = caught(|| (self.loaded.load)())?;
            if look() == before {
                return Ok((rows, before));
            }
        }
        Err("its file has changed each time while it was read".into())
    }

    /// Takes in what was loaded.
    fn take_in(&self, state: &mut State<K, V>, (rows, from): (Rows<K, V>, Option<Identity>), now: Timestamp) {
        state.loads += 1;
        let number = state.run.wrapping_add(state.loads.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        state.current = Some(Version { number, rows: Arc::new(rows) });
        (state.at, state.from, state.seen, state.failed) = (now, from, from, None);
        state.looks = now.saturating_add(LOOK_EVERY);
        if let Some(every) = self.loaded.refresh.every {
            state.loads_again = now.saturating_add(every);
        }
    }
}

impl<K: Eq + Hash + Send + Sync + 'static, V: Send + Sync + 'static> TableCell for Live<K, V> {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.loaded.name)
    }

    fn live(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn start(&self, now: Timestamp, run: RunId, copies: Option<TableCopies>) -> Result<()> {
        let mut state = self.state.lock();
        let bits = run.to_bits();
        state.run = bits as u64 ^ (bits >> 64) as u64;
        if let Some(copies) = &copies {
            state.kept = copies.versions(&self.loaded.name)?.into_iter().collect();
        }
        state.copies = copies;
        let loaded = self.load().map_err(|error| self.failed(error))?;
        self.take_in(&mut state, loaded, now);
        Ok(())
    }

    fn refresh(&self, now: Timestamp) -> Result<()> {
        let mut state = self.state.lock();
        if !self.is_due(&mut state, now) {
            return Ok(());
        }
        let had = state.current.as_ref().map_or(0, |version| version.rows.len());
        let loaded = self.load().and_then(|(rows, from)| {
            let is_lost = rows.len() == 0 && had > 0 && !self.loaded.refresh.may_become_empty;
            let lost = || format!("it has no row, where it had {had}: if it may, say Table::may_become_empty");
            if is_lost { Err(lost().into()) } else { Ok((rows, from)) }
        });
        match loaded {
            Ok(loaded) => self.take_in(&mut state, loaded, now),
            Err(error) if self.loaded.refresh.stops => return Err(self.failed(error)),
            Err(error) => {
                let retry = self.loaded.refresh.every.map_or(RETRY, |every| every.min(RETRY));
                (state.tried, state.tries_again) = (state.seen, now.saturating_add(retry));
                state.loads_again = state.tries_again;
                self.tell(&mut state, error.to_string());
            }
        }
        Ok(())
    }

    fn note_use(&self) -> u64 {
        let mut state = self.state.lock();
        let used = state.in_use().map(|version| (version.number, Arc::clone(&version.rows)));
        let number = used.as_ref().map_or(0, |(number, _)| *number);
        state.used.extend(used);
        number
    }

    fn bring_back(&self, version: u64) -> Result<()> {
        let mut state = self.state.lock();
        if state.in_use().is_some_and(|in_use| in_use.number == version) {
            return Ok(());
        }
        let Some(copies) = &state.copies else { return Ok(()) };
        let rows = (self.loaded.copying.read)(copies, &self.loaded.name, version).map_err(|error| {
            let reason = format!(
                "an epoch was prepared and has to be run again with the rows that the table had then, of which the copy cannot be \
                 read: {error}. Put it back, or a copy of the whole checkpoint"
            );
            self.failed(reason.into())
        })?;
        let rows = Rows::collect(rows).map_err(|error| self.failed(error.into()))?;
        state.again = Some(Version { number: version, rows: Arc::new(rows) });
        Ok(())
    }

    fn end_again(&self) {
        self.state.lock().again = None;
    }

    fn end_epoch(&self, keeps: bool) -> Result<()> {
        let mut state = self.state.lock();
        let used = std::mem::take(&mut state.used);
        if !keeps {
            return Ok(());
        }
        for (version, rows) in used.iter().filter(|(version, _)| !state.kept.contains(version)) {
            let Some(copies) = &state.copies else { break };
            (self.loaded.copying.keep)(copies, &self.loaded.name, *version, rows)?;
        }
        state.kept.extend(used.keys());
        state.ended = used.into_keys().collect();
        Ok(())
    }

    fn committed(&self) {
        let mut state = self.state.lock();
        let State { copies, kept, ended, .. } = &mut *state;
        let Some(copies) = copies else { return };
        // The last epoch may be run again until the record of the next one is on disk.
        kept.retain(|version| {
            let stays = ended.contains(version);
            if !stays && let Err(error) = copies.remove(&self.loaded.name, *version) {
                tracing::warn!(table = %self.loaded.name, %error, "a copy that is needed no more could not be removed");
            }
            stays
        });
    }

    fn progress(&self) -> TableProgress {
        let state = self.state.lock();
        TableProgress {
            name: Arc::clone(&self.loaded.name),
            rows: state.current.as_ref().map_or(0, |version| version.rows.len() as u64),
            loads: state.loads,
            loaded: state.at,
            failed: state.failed.clone(),
        }
    }
}
