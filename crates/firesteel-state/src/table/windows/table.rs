//! What every table does, for windows.

use std::any::Any;
use std::collections::{BTreeMap, HashSet};

use firesteel_window::Window;

use super::pane::Pane;
use super::stored::{FIRST, numbers, parse, prefix};
use super::{NONE, WindowTable};
use crate::changes::Changes;
use crate::codec::{self, StateKey, StateValue};
use crate::error::Result;
use crate::frame::{Change, FrameWriter, Sections, TableId};
use crate::table::eviction::threshold;
use crate::table::{Stamps, Table, TableOf, reuse};
use crate::ttl::Times;

impl<K: StateKey, A: StateValue> WindowTable<K, A> {
    /// Writes one slot of a pane: what it holds, or that it is gone.
    fn write(&self, pane: &Pane<K, A>, at: usize, is_gone: bool, out: &mut FrameWriter) -> Result<()> {
        let slot = pane.slots.at(at);
        let key = |out: &mut Vec<u8>| {
            out.extend_from_slice(&prefix(pane.window));
            codec::encode(&slot.key, out)
        };
        let value = Some(|out: &mut Vec<u8>| codec::encode(&slot.value, out)).filter(|_| !is_gone);
        out.encode(key, value).map_err(|source| self.setup.unencodable(source))
    }

    /// Writes that everything is gone that was written of a window which has fired.
    fn write_fired(&self, pane: &Pane<K, A>, number: TableId, out: &mut FrameWriter) -> Result<()> {
        (0..pane.saved).try_for_each(|at| self.write(pane, at, true, out))?;
        if pane.complete {
            return Ok(());
        }
        let is_told = |bytes: &[u8]| {
            let (_, _, key) = self.decode_key(bytes)?;
            Ok(pane.slots.find((self.hasher)(&key), &key).is_some_and(|at| at < pane.saved))
        };
        self.write_gone(pane.window, number, &is_told, out)
    }

    /// Takes up a key that was written before.
    fn take(&mut self, window: Window, key: K, value: A) -> (usize, u32) {
        let at = self.position(window).unwrap_or_else(|at| {
            self.open.insert(at, Box::new(Pane::new(window, true)));
            at
        });
        let pane = &mut self.open[at];
        let place = match pane.slots.add((self.hasher)(&key), key, value, 0) {
            Some((place, value)) => {
                pane.slots.at_mut(place).value = value;
                place
            }
            None => pane.slots.len() - 1,
        };
        pane.set_saved();
        (at, place as u32)
    }

    /// Drops the slots of a pane that `keep` does not want, and the pane with its last one.
    fn retain(&mut self, at: usize, keep: &dyn Fn(usize, u64) -> bool) {
        self.open[at].retain(keep);
        if self.open[at].slots.len() == 0 {
            self.bytes -= self.open.remove(at).map_or(0, |pane| pane.bytes());
        } else {
            self.account_pane(at);
        }
    }

    fn load_some<'a>(&mut self, next: &mut dyn FnMut() -> Option<Change<'a>>) -> Result<()> {
        // Keys that are gone go together: a window loses all that it has.
        let mut gone: BTreeMap<Window, HashSet<u32>> = BTreeMap::new();
        while let Some(change) = next() {
            let (window, key_bytes, key) = self.decode_key(change.key)?;
            if let Some(value) = change.value {
                self.size.add(1, (change.key.len() + value.len()) as u64);
                let value = self.decode_value(change.table, key_bytes, value)?;
                let (_, place) = self.take(window, key, value);
                gone.get_mut(&window).map(|gone| gone.remove(&place));
            } else if let Ok(at) = self.position(window)
                && let Some(place) = self.open[at].slots.find((self.hasher)(&key), &key)
            {
                gone.entry(window).or_default().insert(place as u32);
            }
        }
        for (window, gone) in gone {
            if let Ok(at) = self.position(window) {
                self.retain(at, &|place, _| !gone.contains(&(place as u32)));
            }
        }
        (0..self.open.len()).for_each(|at| self.account_pane(at));
        Ok(())
    }
}

impl<K: StateKey, A: StateValue> Table for WindowTable<K, A> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn begin(&mut self) {
        if self.attempt == NONE && self.fired.is_empty() {
            return;
        }
        (self.attempt, self.changes, self.failed) = (NONE, Changes::default(), None);
        // What panes remember of the attempt is forgotten when the next one comes to them, or the epoch ends.
        self.touched.0 = None;
        reuse(&mut self.touched.1);
        while let Some(pane) = self.fired.pop() {
            if pane.saved > 0 || !pane.complete {
                self.gone.push(pane);
            } else {
                self.drop_pane(pane);
            }
        }
    }

    fn changes(&self) -> Changes {
        self.changes
    }

    fn roll_back(&mut self) {
        let (attempt, (first, others)) = (self.attempt, std::mem::take(&mut self.touched));
        for window in first.into_iter().chain(others) {
            let Ok(at) = self.position(window) else { continue };
            if self.open[at].roll_back(attempt) {
                self.account_pane(at);
            } else if let Some(pane) = self.open.remove(at) {
                self.leave(pane);
            }
        }
        for mut pane in std::mem::take(&mut self.fired) {
            let stays = pane.roll_back(attempt);
            match self.position(pane.window) {
                Err(at) if stays => {
                    self.open.insert(at, pane);
                    self.account_pane(at);
                }
                _ => self.leave(pane),
            }
        }
        (self.attempt, self.changes, self.failed) = (NONE, Changes::default(), None);
    }

    fn end_epoch(&mut self, stamps: Stamps, out: &mut FrameWriter) -> Result<()> {
        for number in self.setup.older.iter().copied() {
            out.begin_table(number);
            self.gone.iter().try_for_each(|pane| self.write_fired(pane, number, out))?;
            for pane in self.open.iter().filter(|pane| pane.attempt >= stamps.epoch_start) {
                pane.changed(stamps).try_for_each(|at| self.write(pane, at, true, out))?;
            }
        }
        out.begin_table(self.setup.table);
        self.gone.iter().try_for_each(|pane| self.write_fired(pane, self.setup.table, out))?;
        let (mut keys, before) = (0, out.len());
        for at in 0..self.open.len() {
            let pane = &self.open[at];
            if pane.attempt < stamps.epoch_start {
                continue;
            }
            for place in pane.changed(stamps) {
                self.write(pane, place, false, out)?;
                keys += 1;
            }
            self.open[at].set_saved();
            self.open[at].keep();
            self.account_pane(at);
        }
        self.size.add(keys, (out.len() - before) as u64);
        for pane in std::mem::take(&mut self.gone) {
            if self.setup.backend.is_some() {
                self.closed.push((pane.window, stamps.attempt));
            }
            self.drop_pane(pane);
        }
        Ok(())
    }

    fn pass_epoch(&mut self) {
        for pane in std::mem::take(&mut self.gone) {
            self.drop_pane(pane);
        }
        // Without a backend nobody will ever ask.
        if self.setup.backend.is_some() {
            self.open.iter_mut().for_each(|pane| pane.set_saved());
        }
    }

    fn write_unapplied(&self, stamps: Stamps, out: &mut FrameWriter) -> Result<()> {
        let nothing = |_: &[u8]| Ok(false);
        let closed = || self.closed.iter().filter(|(_, attempt)| *attempt > stamps.applied);
        let gone = || closed().map(|(window, _)| *window).chain(self.gone.iter().map(|pane| pane.window));
        let changed = |pane: &Pane<K, A>, is_gone: bool, out: &mut FrameWriter| {
            let changed = |at: &usize| pane.slots.at(*at).stamp > stamps.applied;
            (0..pane.slots.len()).filter(changed).try_for_each(|at| self.write(pane, at, is_gone, out))
        };
        for number in self.setup.older.iter().copied() {
            out.begin_table(number);
            gone().try_for_each(|window| self.write_gone(window, number, &nothing, out))?;
            self.open.iter().try_for_each(|pane| changed(pane, true, out))?;
        }
        out.begin_table(self.setup.table);
        gone().try_for_each(|window| self.write_gone(window, self.setup.table, &nothing, out))?;
        self.open.iter().try_for_each(|pane| changed(pane, false, out))
    }

    fn write_all(&self, out: &mut FrameWriter) -> Result<()> {
        out.begin_table(self.setup.table);
        for pane in &self.open {
            (0..pane.slots.len()).try_for_each(|at| self.write(pane, at, false, out))?;
        }
        Ok(())
    }

    fn is_gone(&self, table: TableId, key: &[u8], stamps: Stamps) -> bool {
        let has_fired = |window| {
            let closed = self.closed.iter().any(|(closed, attempt)| *closed == window && *attempt > stamps.applied);
            closed || self.gone.iter().any(|pane| pane.window == window)
        };
        (!self.closed.is_empty() || !self.gone.is_empty())
            && numbers(&self.setup).any(|number| number == table)
            && parse(key).is_some_and(|(window, _)| has_fired(window))
    }

    fn load(&mut self, change: Change<'_>) -> Result<()> {
        let mut change = Some(change);
        self.load_some(&mut || change.take())
    }

    fn load_all(&mut self, changes: &mut Sections<'_>) -> Result<()> {
        self.load_some(&mut || changes.next_change())
    }

    fn tidy(&mut self, stamps: Stamps) {
        if !self.closed.is_empty() {
            self.closed.retain(|(_, attempt)| *attempt > stamps.applied);
        }
    }

    fn warm_up(&self, _: usize) {}

    fn evict(&mut self, share: f64, stamps: Stamps) {
        if self.setup.backend.is_none() {
            return;
        }
        self.drop_spares();
        for pane in self.open.iter_mut().filter(|pane| pane.attempt != self.attempt) {
            pane.keep();
        }
        // Of what has fired, only keys are needed, and those that the backend has can be had from there.
        for pane in &mut self.gone {
            let (before, saved) = (pane.bytes(), pane.saved);
            pane.complete = false;
            pane.retain(&|at, stamp| at < saved && stamp > stamps.applied);
            self.bytes = self.bytes + pane.account(&self.size, false) - before;
        }
        let mut wanted = (share * self.len() as f64).ceil() as usize;
        for at in (0..self.open.len()).rev() {
            if wanted == 0 {
                return;
            }
            let (window, slots) = (self.open[at].window, &self.open[at].slots);
            let all = slots.len();
            let mut clean = slots.iter().map(|slot| slot.stamp).filter(|stamp| *stamp <= stamps.applied);
            let last = threshold(&mut clean, all, wanted as f64 / all as f64);
            drop(clean);
            let Some(last) = last else { continue };
            self.open[at].complete = false;
            self.retain(at, &|_, stamp| stamp > last);
            let left = self.position(window).map_or(0, |at| self.open[at].slots.len());
            if left == 0 {
                self.set_away(window);
            }
            wanted = wanted.saturating_sub(all - left);
        }
    }

    fn sweep(&mut self, _: usize, _: &Times, _: Stamps) -> usize {
        0
    }

    fn memory_used(&self) -> u64 {
        self.bytes
    }

    fn len(&self) -> usize {
        self.open.iter().map(|pane| pane.slots.len()).sum()
    }

    fn open(&mut self) -> Result<()> {
        self.setup.find_older(self.codec.older())
    }

    fn is_complete(&self) -> bool {
        self.away.is_none() && self.open.iter().all(|pane| pane.complete)
    }

    fn set_complete(&mut self, complete: bool) {
        self.away = if complete || self.setup.backend.is_none() { None } else { Some(FIRST) };
    }
}

impl<K: StateKey, A: StateValue> WindowTable<K, A> {
    /// A pane is not in memory any more, though its window has not fired.
    fn leave(&mut self, pane: Box<Pane<K, A>>) {
        if !pane.complete {
            self.set_away(pane.window);
        }
        self.drop_pane(pane);
    }
}

impl<K: StateKey, A: StateValue> TableOf<K> for WindowTable<K, A> {
    fn prefetch(&mut self, _: &[(u64, &K)], _: Stamps) -> Result<()> {
        // What is missing is read when it is known for which windows.
        Ok(())
    }
}
