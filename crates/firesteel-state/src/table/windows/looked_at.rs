//! Windows that are looked at without being fired: those that share what they hold with others.

use firesteel_window::{Timestamp, Window};

use super::WindowTable;
use super::pane::Pane;
use super::rows::FiredRows;
use super::stored::{after, prefix};
use crate::codec::{StateKey, StateValue};
use crate::error::Result;

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
                next = match after(window) {
                    Some(from) => self.first_stored(&from)?,
                    None => None,
                };
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
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
