//! Ranges of the fields of one key.
//!
//! What is read of the backend is remembered as a known stretch. So a range that is read again is not, and who takes the
//! first field again and again reads on from where he stopped: neither passes by what was removed since.

use std::ops::ControlFlow;

use super::Cells;
use super::cell::Field;
use crate::backend::KeyRange;
use crate::codec::StateField;
use crate::codec::{self, StateKey, StateValue};
use crate::error::Result;
use crate::table::Stamps;
use crate::table::cut::{Cut, Span};
use crate::table::fields::Iter;
use crate::ttl::Times;

/// Fields that are read at once, at least, where there are as many: those next to a field are often read after it.
const CHUNK: usize = 32;

/// Which fields of a key are wanted.
pub(crate) struct Wanted<F> {
    pub(crate) span: Span<F>,
    /// How many, from the first or from the last on.
    pub(crate) limit: usize,
    pub(crate) last: bool,
}

impl<K: StateKey, F: StateField, V: StateValue> Cells<K, F, V> {
    /// The wanted fields of the key, in their order; those that are not here are read. More of the span may come than are
    /// wanted, at the end that is not.
    pub(crate) fn range<'a>(
        &'a mut self,
        hash: u64,
        key: &K,
        wanted: &Wanted<F>,
        times: Times,
        stamps: Stamps,
    ) -> Result<impl DoubleEndedIterator<Item = (&'a F, &'a V)> + use<'a, K, F, V>> {
        let at = match self.slots.find(hash, key) {
            Some(at) => Some(at),
            None if self.complete => None,
            None => Some(self.slot(hash, key)),
        };
        if let Some(at) = at {
            self.load_range(at, wanted, &times, stamps)?;
            self.refresh(at, stamps);
            if self.setup.ttl.is_some_and(|ttl| ttl.counts_reads()) {
                for field in self.live_in(at, wanted, &times) {
                    self.read(at, &field, &times, stamps);
                }
            }
        }
        let setup = &self.setup;
        let fields = at.map_or(Iter::Few([].iter()), |at| self.slots.at(at).value.fields.range(&wanted.span));
        Ok(fields.filter_map(move |(field, found)| {
            let value = found.value.as_ref()?;
            (!setup.expired(found.touched, &times)).then_some((field, value))
        }))
    }

    /// The wanted fields that are here and have a value.
    fn live_in(&self, at: usize, wanted: &Wanted<F>, times: &Times) -> Vec<F> {
        let live = |(_, field): &(&F, &Field<V>)| !self.setup.expired(field.touched, times);
        let fields = self.slots.at(at).value.fields.range(&wanted.span);
        if wanted.last {
            fields.rev().filter(live).take(wanted.limit).map(|(field, _)| field.clone()).collect()
        } else {
            fields.filter(live).take(wanted.limit).map(|(field, _)| field.clone()).collect()
        }
    }

    /// Makes sure that the wanted fields are here.
    fn load_range(&mut self, at: usize, wanted: &Wanted<F>, times: &Times, stamps: Stamps) -> Result<()> {
        if !self.setup.older.is_empty() {
            // What stands under earlier numbers is in an order of its own.
            return self.load_all(at, stamps);
        }
        let Wanted { span, limit, last } = wanted;
        while let Some(gap) = self.slots.at(at).value.gap(span, *last) {
            // Is there enough before the gap?
            let before = match last {
                true => Span { from: gap.to.clone(), to: span.to.clone() },
                false => Span { from: span.from.clone(), to: gap.from.clone() },
            };
            let fields = self.slots.at(at).value.fields.range(&before);
            let live = fields.filter(|(_, field)| !self.setup.expired(field.touched, times)).take(*limit).count();
            if live >= *limit {
                return Ok(());
            }
            self.load_gap(at, gap, (limit - live).max(CHUNK), *last, stamps)?;
        }
        Ok(())
    }

    /// Reads up to `count` fields of a gap, from its first or its last on.
    fn load_gap(&mut self, at: usize, gap: Span<F>, count: usize, last: bool, stamps: Stamps) -> Result<()> {
        let Some(backend) = &self.setup.backend else { return Ok(()) };
        let mut prefix = vec![];
        codec::encode(&self.slots.at(at).key, &mut prefix).map_err(|source| self.setup.unencodable(source))?;
        let (from, to) = (self.edge(&prefix, &gap.from)?, self.edge(&prefix, &gap.to)?);
        let mut found: Vec<(F, Field<V>)> = vec![];
        let range = KeyRange { from: from.as_deref().unwrap_or(&prefix), to: to.as_deref(), descends: last };
        backend.range(self.setup.shard, self.setup.table, range, &mut |key, bytes| {
            let field = (self.bytes.decode)(&key[prefix.len()..]).map_err(|source| self.setup.undecodable(source))?;
            if let Some((touched, value)) = self.setup.decode_value(&self.codec, self.setup.table, key, bytes)? {
                found.push((field, Field { value: Some(value), stamp: stamps.applied, touched }));
            }
            Ok(if found.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let known = match found.last() {
            Some((field, _)) if found.len() >= count && last => Span { from: Cut::Before(field.clone()), to: gap.to },
            Some((field, _)) if found.len() >= count => Span { from: gap.from, to: Cut::After(field.clone()) },
            _ => gap,
        };
        let cell = &mut self.slots.at_mut(at).value;
        for (field, loaded) in found {
            // What is here already is newer.
            if cell.get(&field).is_none() {
                cell.fields.insert(field, loaded);
                self.fields += 1;
            }
        }
        cell.know(known);
        Ok(())
    }

    /// The first bytes that are not before a cut in the fields of the key that is encoded so; nothing if there are none.
    fn edge(&self, key: &[u8], cut: &Cut<F>) -> Result<Option<Vec<u8>>> {
        let mut bytes = key.to_vec();
        match cut {
            Cut::Start => {}
            Cut::Before(field) => self.put_field(field, &mut bytes)?,
            Cut::After(field) => {
                self.put_field(field, &mut bytes)?;
                // No other field's bytes begin with those of this one.
                bytes.push(0);
            }
            Cut::End => loop {
                match bytes.last_mut() {
                    Some(&mut u8::MAX) => _ = bytes.pop(),
                    Some(byte) => {
                        *byte += 1;
                        break;
                    }
                    None => return Ok(None),
                }
            },
        }
        Ok(Some(bytes))
    }

    fn put_field(&self, field: &F, out: &mut Vec<u8>) -> Result<()> {
        (self.bytes.encode)(field, out).map_err(|source| self.setup.unencodable(source))
    }
}
