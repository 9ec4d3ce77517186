//! Open windows: what the keys of a key group have gathered in each window, until the window fires.
//!
//! Windows that hold something in memory stand in the order of their ends, each a [dense table](Pane) of its own; so a
//! rising watermark looks at nothing but what it closes, and what is needed last leaves memory first. The backend holds
//! the same order: keys begin with their window.
//!
//! A key that comes to a window of which parts have left memory is taken as new, and noted. When the batch's records are
//! all here, one call reads what the backend has of those keys, and what was gathered meanwhile is merged into it: so
//! records never wait, and whatever is in memory is handled as if everything were.

mod looked_at;
mod pane;
mod rows;
mod stored;
mod table;

use std::collections::VecDeque;
use std::sync::Arc;

use firesteel_window::{Timestamp, Window};

use self::pane::Pane;
pub use self::rows::FiredRows;
use super::eviction::MeanSize;
use super::values::Hasher;
use super::{Setup, Stamps};
use crate::changes::Changes;
use crate::codec::{StateKey, StateValue};
use crate::error::{Result, StateError};
use crate::evolved::TableCodec;

/// The open windows of one key group.
// What every merge looks at stands together.
#[repr(C)]
#[expect(clippy::vec_box, reason = "a pane goes from list to list, and its box stays where it is")]
pub(crate) struct WindowTable<K, A> {
    /// Those that hold something in memory, in the order of their ends.
    open: VecDeque<Box<Pane<K, A>>>,
    /// Where in `open` the last merge went; mostly the next one goes there too. The window found there decides.
    recent: usize,
    /// The attempt, if something was merged; otherwise a number that none has.
    attempt: u64,
    /// The window merged into first in this attempt, and the others; one that fired and was opened again stands here twice.
    touched: (Option<Window>, Vec<Window>),
    /// Fired in this attempt, in the order of firing.
    fired: Vec<Box<Pane<K, A>>>,
    /// Bytes of all panes, as each was accounted last, and as they were when somebody asked last.
    bytes: u64,
    told: u64,
    changes: Changes,
    /// Fired in the open epoch, and written by the end of an epoch before.
    gone: Vec<Box<Pane<K, A>>>,
    /// Fired in an epoch that has ended, with its last attempt: until that is applied, the backend may hold their keys.
    closed: Vec<(Window, u64)>,
    /// Of windows that are not in memory, the backend holds none before this one; `None`: it holds none.
    away: Option<Window>,
    /// What kept a window from being opened.
    failed: Option<Box<StateError>>,
    /// The buffers of windows that are done, for the next ones: as many as were opened between two firings.
    spares: Vec<Box<Pane<K, A>>>,
    /// How many windows have been opened since some fired, and how many before.
    opened: (usize, usize),
    size: MeanSize,
    setup: Setup,
    codec: Arc<TableCodec<A>>,
    hasher: Hasher<K>,
}

/// The number of no attempt.
const NONE: u64 = u64::MAX;

impl<K: StateKey, A: StateValue> WindowTable<K, A> {
    pub(crate) fn new(setup: Setup, hasher: Hasher<K>, codec: Arc<TableCodec<A>>) -> Self {
        let away = setup.backend.as_ref().map(|_| stored::FIRST);
        Self {
            setup,
            codec,
            hasher,
            open: VecDeque::new(),
            recent: 0,
            fired: Vec::new(),
            attempt: NONE,
            touched: (None, Vec::new()),
            gone: Vec::new(),
            closed: Vec::new(),
            away,
            spares: Vec::new(),
            opened: (0, 0),
            size: MeanSize::default(),
            bytes: 0,
            told: 0,
            changes: Changes::default(),
            failed: None,
        }
    }

    /// Where the pane of a window is, or where it would have to be inserted.
    fn position(&self, window: Window) -> Result<usize, usize> {
        if self.open.get(self.recent).is_some_and(|pane| pane.window == window) {
            return Ok(self.recent);
        }
        self.open.binary_search_by(|pane| pane.window.cmp(&window))
    }

    /// Takes `acc` into what a key has gathered in a window.
    #[inline]
    pub(crate) fn merge(
        &mut self,
        window: Window,
        (hash, key): (u64, K),
        acc: A,
        stamps: Stamps,
        combine: impl FnOnce(&mut A, A),
    ) {
        let at = match self.open.get(self.recent) {
            Some(pane) if pane.window == window => self.recent,
            _ => self.open_pane(window),
        };
        self.enter(at, stamps).merge(hash, key, acc, stamps, combine);
    }

    /// The pane, for changes by the attempt.
    #[inline]
    fn enter(&mut self, at: usize, stamps: Stamps) -> &mut Pane<K, A> {
        let pane = &mut self.open[at];
        if pane.attempt != stamps.attempt {
            pane.enter(stamps.attempt);
            self.attempt = stamps.attempt;
            match &mut self.touched {
                (first @ None, _) => *first = Some(pane.window),
                (_, others) => others.push(pane.window),
            }
        }
        pane
    }

    /// Whether it takes another amount of memory than when this was asked last.
    pub(crate) fn has_other_size(&mut self) -> bool {
        std::mem::replace(&mut self.told, self.bytes) != self.bytes
    }

    /// The same for many keys of one window, front to back.
    pub(crate) fn merge_all(
        &mut self,
        window: Window,
        entries: &mut Vec<(u64, K, A)>,
        stamps: Stamps,
        combine: impl FnMut(&mut A, A),
    ) {
        if entries.is_empty() {
            return;
        }
        let at = self.open_pane(window);
        self.enter(at, stamps).merge_all(entries, stamps, combine);
    }

    /// The position of the window's pane, which becomes the recent one.
    fn open_pane(&mut self, window: Window) -> usize {
        self.recent = self.position(window).unwrap_or_else(|at| {
            let complete = !self.is_stored(window).unwrap_or_else(|error| {
                // Reading what is there is retried, and told, when all records are here.
                self.failed.get_or_insert_with(|| Box::new(error));
                true
            });
            self.opened.0 += 1;
            let mut pane = self.spares.pop().unwrap_or_else(|| Box::new(Pane::new(window, complete)));
            // The bytes of a spare one are counted.
            pane.reuse_for(window, complete);
            self.open.insert(at, pane);
            at
        });
        self.recent
    }

    /// All records of the attempt are here: reads what the backend has of their keys, and merges what was gathered
    /// meanwhile into it.
    pub(crate) fn settle(&mut self, stamps: Stamps, mut merge: impl FnMut(&mut A, A)) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(*error);
        }
        let Some(first) = self.touched.0 else { return Ok(()) };
        self.settle_window(first, stamps, &mut merge)?;
        (0..self.touched.1.len()).try_for_each(|other| self.settle_window(self.touched.1[other], stamps, &mut merge))
    }

    fn settle_window(&mut self, window: Window, stamps: Stamps, merge: &mut impl FnMut(&mut A, A)) -> Result<()> {
        let Ok(at) = self.position(window) else { return Ok(()) };
        let pane = &mut self.open[at];
        if !pane.complete && !pane.unread.is_empty() {
            self.read(at, stamps, merge)?;
        }
        self.changes += self.open[at].count();
        self.account_pane(at);
        Ok(())
    }

    /// Fires the windows that `watermark` closes; which they are stands in `fired` from the returned position on.
    pub(crate) fn fire(&mut self, watermark: Timestamp) -> Result<usize> {
        let first = self.fired.len();
        if self.next_end().is_none_or(|end| end > watermark) {
            return Ok(first);
        }
        let away = self.away_until(watermark)?;
        let count = self.open.partition_point(|pane| pane.window.is_closed_by(watermark));
        self.fired.extend(self.open.drain(..count));
        self.opened = (0, self.opened.0);
        if !away.is_empty() {
            self.fired.extend(away.into_iter().map(|window| Box::new(Pane::new(window, false))));
            self.fired[first..].sort_by_key(|pane| pane.window);
        }
        // What the backend holds is counted as it is read.
        for pane in self.fired[first..].iter().filter(|pane| pane.complete) {
            self.changes.removed += pane.slots.len() as u64;
        }
        Ok(first)
    }

    /// When the next window is due, as far as that can be told without reading the backend: no later than that.
    pub(crate) fn next_end(&self) -> Option<Timestamp> {
        let first = self.open.front().map(|pane| pane.window.end());
        let away = self.away.map(|window| window.end());
        if self.fired.is_empty() { first.into_iter().chain(away).min() } else { Some(Timestamp::MIN) }
    }

    /// The windows that have fired in this attempt, from one of them on.
    pub(crate) fn fired_from(&self, first: usize) -> impl Iterator<Item = Window> {
        self.fired[first..].iter().map(|pane| pane.window)
    }

    /// Finds out anew what a pane takes.
    fn account_pane(&mut self, at: usize) {
        let pane = &mut self.open[at];
        let before = pane.bytes();
        let after = pane.account(&self.size, self.setup.backend.is_some() || pane.saved > 0);
        self.bytes = self.bytes + after - before;
    }

    /// Lets go of a pane, and keeps its buffers for the next one if they are worth it.
    fn drop_pane(&mut self, mut pane: Box<Pane<K, A>>) {
        self.bytes -= pane.bytes();
        if !pane.recycle() {
            return;
        }
        self.bytes += pane.account(&self.size, false);
        self.spares.push(pane);
        let most = self.opened.0.max(self.opened.1).max(1);
        while self.spares.len() > most {
            // The smallest is the one to lose.
            let smallest = (0..self.spares.len()).min_by_key(|at| self.spares[*at].slots.room()).unwrap_or_default();
            self.bytes -= self.spares.swap_remove(smallest).bytes();
        }
    }

    fn drop_spares(&mut self) {
        self.bytes -= self.spares.drain(..).map(|spare| spare.bytes()).sum::<u64>();
    }
}
