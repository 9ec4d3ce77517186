//! Windows that are looked at without being fired: those that share what they hold with others.

use firesteel_window::{Duration, Timestamp, Window};

use super::WindowTable;
use super::pane::Pane;
use super::rows::FiredRows;
use super::stored::{PREFIX, after as after_window, prefix};
use crate::codec::{self, StateKey, StateValue};
use crate::error::Result;
use crate::table::wanted::Wanted;

impl<K: StateKey, A: StateValue> WindowTable<K, A> {
    /// The windows that hold something, or did until they fired in this attempt, and lie within a span, in their order.
    pub(crate) fn within(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Window>> {
        let lies_within = |window: &Window| window.start() >= from && window.end() <= to;
        let open = self.open.partition_point(|pane| pane.window.end() <= from);
        let open = self.open.range(open..).take_while(|pane| pane.window.end() <= to);
        let mut found: Vec<Window> =
            self.fired.iter().chain(open).map(|pane| pane.window).filter(lies_within).collect();
        if let Some(first) = self.away.filter(|first| first.end() <= to) {
            let mut next = self.first_stored(&prefix(first.max(Window::new(from, from))))?;
            while let Some(window) = next.filter(|window| window.end() <= to) {
                if lies_within(&window) && self.position(window).is_err() && !self.has_fired(window) {
                    found.push(window);
                }
                next = match after_window(window) {
                    Some(from) => self.first_stored(&from)?,
                    None => None,
                };
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The windows that hold something and end after one instant and no later than another, in their order; those that have
    /// fired in this attempt are not among them.
    pub(crate) fn ended(&self, after: Timestamp, until: Timestamp) -> Result<Vec<Window>> {
        let open = self.open.partition_point(|pane| pane.window.end() <= after);
        let open = self.open.range(open..).take_while(|pane| pane.window.end() <= until);
        let mut found: Vec<Window> = open.map(|pane| pane.window).collect();
        let in_memory = found.len();
        if self.away.is_some_and(|first| first.end() <= until) {
            let mut next = self.stored_after(after)?;
            while let Some(window) = next.filter(|window| window.end() <= until) {
                if self.position(window).is_err() && !self.has_fired(window) {
                    found.push(window);
                }
                next = match after_window(window) {
                    Some(from) => self.first_stored(&from)?,
                    None => None,
                };
            }
        }
        if found.len() > in_memory {
            found.sort();
        }
        Ok(found)
    }

    /// No window that holds something ends between this instant and the one that is returned.
    pub(crate) fn next_end_after(&self, after: Timestamp) -> Result<Option<Timestamp>> {
        let open = self.open.partition_point(|pane| pane.window.end() <= after);
        let open = self.open.get(open).map(|pane| pane.window.end());
        let away = match self.away {
            Some(first) if first.end() <= after => self.stored_after(after)?,
            away => away,
        };
        Ok(open.into_iter().chain(away.map(|window| window.end())).min())
    }

    /// The first window that the backend holds and that ends after an instant.
    fn stored_after(&self, after: Timestamp) -> Result<Option<Window>> {
        let Some(next) = after.checked_add(Duration::micros(1)) else { return Ok(None) };
        let first = Window::new(Timestamp::MIN, next);
        self.first_stored(&prefix(self.away.map_or(first, |away| first.max(away))))
    }

    /// Hands what a key has gathered in a window that has not fired to `each`; `false` if it has nothing there.
    pub(crate) fn look_up(&self, window: Window, hash: u64, key: &K, each: &mut dyn FnMut(&A)) -> Result<bool> {
        let pane = self.position(window).ok().map(|at| &self.open[at]);
        if let Some(pane) = pane
            && let Some(at) = pane.slots.find(hash, key)
        {
            each(&pane.slots.at(at).value);
            return Ok(true);
        }
        if pane.map_or_else(|| self.has_fired(window), |pane| pane.complete) {
            return Ok(false);
        }
        let mut wanted = Wanted::default();
        let encoded = wanted.add(|bytes| {
            bytes.extend_from_slice(&prefix(window));
            codec::encode(key, bytes)
        });
        encoded.map_err(|source| self.setup.unencodable(source))?;
        let mut found = None;
        _ = wanted.read(&self.setup, &mut |_, table, key, value| {
            found = Some(self.decode_value(table, &key[PREFIX..], value));
        })?;
        match found {
            Some(value) => each(&value?),
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Hands out what a window holds, or held until it fired in this attempt: hash, key and accumulator.
    pub(crate) fn look_into(&self, window: Window, each: &mut dyn FnMut(u64, &K, &A)) -> Result<()> {
        if let Ok(at) = self.fired.binary_search_by(|pane| pane.window.cmp(&window)) {
            return self.look_into_pane(&self.fired[at], each);
        }
        match self.position(window) {
            Ok(at) => self.look_into_pane(&self.open[at], each),
            Err(_) => self.look_into_pane(&Pane::new(window, false), each),
        }
    }

    fn look_into_pane(&self, pane: &Pane<K, A>, each: &mut dyn FnMut(u64, &K, &A)) -> Result<()> {
        let mut rows = FiredRows::default();
        let hasher = &self.hasher;
        if !pane.complete {
            self.read_stored(pane, &mut rows, usize::MAX, &mut |_, key, acc| each(hasher(key), key, acc))?;
        }
        for place in 0..pane.slots.len() {
            if !rows.has_seen(place) {
                let slot = pane.slots.at(place);
                each(hasher(&slot.key), &slot.key, &slot.value);
            }
        }
        Ok(())
    }
}
