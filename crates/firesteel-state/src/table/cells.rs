//! Many values for each key, told apart by a field: what maps and lists are made of.
//!
//! Each field is stored, logged and rolled back by itself, so that adding to a long list costs what it adds.

mod cell;
pub(crate) mod range;
mod table;

use std::sync::Arc;

use firesteel_window::Timestamp;

use self::cell::{Cell, Field};
use super::eviction::MeanSize;
use super::slots::Slots;
use super::values::Hasher;
use super::{Setup, Stamps};
use crate::changes::Changes;
use crate::codec::{self, StateField, StateKey, StateValue};
use crate::error::Result;
use crate::evolved::TableCodec;
use crate::frame::FrameWriter;
use crate::sorted::SortedField;
use crate::ttl::Times;

/// Below this, removals are not worth a pass over the table.
const FEW: usize = 64;

/// How fields become bytes, as the backend and the changelog have them after those of their key.
pub(crate) struct FieldBytes<F> {
    encode: fn(&F, &mut Vec<u8>) -> postcard::Result<()>,
    decode: fn(&[u8]) -> postcard::Result<F>,
}

impl<F: StateField> FieldBytes<F> {
    /// In postcard's format, whose order says nothing.
    pub(crate) fn unordered() -> Self {
        Self { encode: codec::encode::<F>, decode: codec::decode::<F> }
    }

    /// In the order of the fields.
    pub(crate) fn sorted() -> Self
    where
        F: SortedField,
    {
        let encode = |field: &F, out: &mut Vec<u8>| {
            field.encode_sorted(out);
            Ok(())
        };
        let decode = |mut bytes: &[u8]| {
            let field = F::decode_sorted(&mut bytes).filter(|_| bytes.is_empty());
            field.ok_or(postcard::Error::DeserializeBadEncoding)
        };
        Self { encode, decode }
    }
}

/// The fields of one state in one key group.
pub(crate) struct Cells<K, F, V> {
    setup: Setup,
    codec: Arc<TableCodec<V>>,
    hasher: Hasher<K>,
    bytes: FieldBytes<F>,
    complete: bool,
    slots: Slots<K, Cell<F, V>>,
    base: usize,
    /// Fields of slots below `base`, with what they were; `None` if they were not here.
    undo: Vec<(u32, F, Option<Field<V>>)>,
    /// The fields that changed in the open epoch.
    changed: Vec<(u32, F)>,
    changed_base: usize,
    /// How many fields are here, about; how many were removed, and how many may be before the table is tidied.
    fields: usize,
    emptied: usize,
    tidy_at: usize,
    size: MeanSize,
    sweep_at: usize,
    changes: Changes,
}

impl<K: StateKey, F: StateField, V: StateValue> Cells<K, F, V> {
    pub(crate) fn new(setup: Setup, hasher: Hasher<K>, codec: Arc<TableCodec<V>>, bytes: FieldBytes<F>) -> Self {
        Self {
            codec,
            bytes,
            complete: setup.backend.is_none(),
            setup,
            hasher,
            slots: Slots::new(),
            base: 0,
            undo: Vec::new(),
            changed: Vec::new(),
            changed_base: 0,
            fields: 0,
            emptied: 0,
            tidy_at: FEW,
            size: MeanSize::default(),
            sweep_at: 0,
            changes: Changes::default(),
        }
    }

    /// The key's slot; made if there is none.
    fn slot(&mut self, hash: u64, key: &K) -> usize {
        match self.slots.find(hash, key) {
            Some(at) => at,
            None => {
                let cell = Cell::new(self.complete);
                self.slots.push(hash, key.clone(), cell, 0)
            }
        }
    }

    /// Notes that the field is about to change: if it is not here, it is put here next. Whether it does for the first time in this attempt.
    fn mark(&mut self, at: usize, field: &F, stamps: Stamps) -> bool {
        let slot = self.slots.at_mut(at);
        slot.stamp = stamps.attempt;
        let old = slot.value.get_mut(field);
        if old.as_ref().is_some_and(|old| old.stamp == stamps.attempt) {
            return false;
        }
        if at < self.base {
            self.undo.push((at as u32, field.clone(), old.as_deref().cloned()));
        }
        if old.as_ref().is_none_or(|old| old.stamp < stamps.epoch_start) {
            self.changed.push((at as u32, field.clone()));
        }
        if let Some(old) = old {
            old.stamp = stamps.attempt;
        }
        true
    }

    /// Makes sure that the field is here, if it exists.
    fn load_field(&mut self, at: usize, field: &F, stamps: Stamps) -> Result<()> {
        let slot = self.slots.at(at);
        if slot.value.complete || slot.value.get(field).is_some() {
            return Ok(());
        }
        let Some(backend) = &self.setup.backend else { return Ok(()) };
        let mut bytes = vec![];
        codec::encode(&slot.key, &mut bytes)
            .and_then(|()| (self.bytes.encode)(field, &mut bytes))
            .map_err(|source| self.setup.unencodable(source))?;
        let mut found = None;
        for number in std::iter::once(&self.setup.table).chain(&self.setup.older) {
            backend.read(self.setup.shard, *number, &[&bytes], &mut |_, value| {
                found = Some(self.setup.decode_value(&self.codec, *number, &bytes, value));
            })?;
            if found.is_some() {
                break;
            }
        }
        let (touched, value) = found.transpose()?.flatten().unzip();
        let loaded = Field { value, stamp: stamps.applied, touched: touched.unwrap_or(Timestamp::MIN) };
        self.slots.at_mut(at).value.put(field.clone(), loaded);
        self.fields += 1;
        Ok(())
    }

    /// Makes sure that all of the key's fields are here.
    fn load_all(&mut self, at: usize, stamps: Stamps) -> Result<()> {
        let slot = self.slots.at(at);
        if slot.value.complete {
            return Ok(());
        }
        let Some(backend) = &self.setup.backend else { return Ok(()) };
        let mut prefix = vec![];
        codec::encode(&slot.key, &mut prefix).map_err(|source| self.setup.unencodable(source))?;
        let mut found = vec![];
        for number in std::iter::once(&self.setup.table).chain(&self.setup.older) {
            backend.scan(self.setup.shard, *number, &prefix, &mut |key, value| {
                let field: F =
                    (self.bytes.decode)(&key[prefix.len()..]).map_err(|source| self.setup.undecodable(source))?;
                if let Some(stored) = self.setup.decode_value(&self.codec, *number, key, value)? {
                    found.push((field, stored));
                }
                Ok(())
            })?;
        }
        self.fields += found.len();
        let cell = &mut self.slots.at_mut(at).value;
        for (field, (touched, value)) in found {
            // What is here already is newer.
            let loaded = Field { value: Some(value), stamp: stamps.applied, touched };
            if cell.get(&field).is_none() {
                cell.fields.insert(field, loaded);
            }
        }
        cell.complete = true;
        Ok(())
    }

    /// Renews the field because it was read, if its TTL counts from reads.
    fn read(&mut self, at: usize, field: &F, times: &Times, stamps: Stamps) {
        if let Some(ttl) = self.setup.ttl.filter(|ttl| ttl.counts_reads()) {
            let first = self.mark(at, field, stamps);
            self.changes.note(first, true, true);
            if let Some(field) = self.slots.at_mut(at).value.fields.get_mut(field) {
                field.touched = ttl.touch(field.touched, times);
            }
        }
    }

    pub(crate) fn get(&mut self, hash: u64, key: &K, field: &F, times: &Times, stamps: Stamps) -> Result<Option<&V>> {
        let at = match self.slots.find(hash, key) {
            Some(at) => at,
            None if self.complete => return Ok(None),
            None => self.slot(hash, key),
        };
        self.load_field(at, field, stamps)?;
        self.refresh(at, stamps);
        let live = |found: &Field<V>| !self.setup.expired(found.touched, times);
        if !self.slots.at(at).value.fields.get(field).is_some_and(live) {
            return Ok(None);
        }
        self.read(at, field, times, stamps);
        Ok(self.slots.at(at).value.fields.get(field).and_then(|field| field.value.as_ref()))
    }

    /// A clean slot's stamp tells when it was last of use.
    fn refresh(&mut self, at: usize, stamps: Stamps) {
        let slot = self.slots.at_mut(at);
        slot.stamp = slot.stamp.max(stamps.applied);
    }

    /// Sets or removes a field without looking at what it was.
    pub(crate) fn set(&mut self, hash: u64, key: &K, field: &F, value: Option<V>, times: &Times, stamps: Stamps) {
        let at = match self.slots.find(hash, key) {
            None if value.is_none() && self.complete => return,
            _ => self.slot(hash, key),
        };
        let cell = &self.slots.at(at).value;
        if value.is_none() && cell.complete && cell.get(field).is_none() {
            return;
        }
        let first = self.mark(at, field, stamps);
        self.emptied += usize::from(value.is_none());
        let ttl = self.setup.ttl;
        let touched = |before| ttl.map_or(before, |ttl| ttl.touch(before, times));
        let cell = &mut self.slots.at_mut(at).value;
        let there = cell.fields.get_mut(field);
        self.changes.note(first, there.is_some(), value.is_some());
        match there {
            Some(found) if value.is_some() => {
                found.value = value;
                found.touched = touched(found.touched);
            }
            _ => {
                let before = cell.get(field).map_or(Timestamp::MIN, |found| found.touched);
                let now = Field { value, stamp: stamps.attempt, touched: touched(before) };
                self.fields += usize::from(!cell.put(field.clone(), now));
            }
        }
    }

    pub(crate) fn update<R>(
        &mut self,
        hash: u64,
        key: &K,
        field: &F,
        times: &Times,
        stamps: Stamps,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> Result<R> {
        if let Some(at) = self.slots.find(hash, key) {
            self.load_field(at, field, stamps)?;
        } else if !self.complete {
            let at = self.slot(hash, key);
            self.load_field(at, field, stamps)?;
        }
        let old = self.slots.find(hash, key).and_then(|at| self.slots.at(at).value.fields.get(field));
        let there = old.is_some();
        let mut value = old.filter(|old| !self.setup.expired(old.touched, times)).and_then(|old| old.value.clone());
        let result = change(&mut value);
        if there || value.is_some() {
            self.set(hash, key, field, value, times, stamps);
        }
        Ok(result)
    }

    /// The key's fields in their order; all of them are read if need be.
    pub(crate) fn iter(
        &mut self,
        hash: u64,
        key: &K,
        times: Times,
        stamps: Stamps,
    ) -> Result<impl DoubleEndedIterator<Item = (&F, &V)>> {
        let at = self.open(hash, key, stamps)?;
        if let Some(at) = at
            && self.setup.ttl.is_some_and(|ttl| ttl.counts_reads())
        {
            for field in self.live(at, &times) {
                self.read(at, &field, &times, stamps);
            }
        }
        let setup = &self.setup;
        let fields = at.map(|at| self.slots.at(at).value.fields.iter());
        Ok(fields.into_iter().flatten().filter_map(move |(field, found)| {
            let value = found.value.as_ref()?;
            (!setup.expired(found.touched, &times)).then_some((field, value))
        }))
    }

    /// The key's slot with all of its fields; `None` if it has none.
    fn open(&mut self, hash: u64, key: &K, stamps: Stamps) -> Result<Option<usize>> {
        let at = match self.slots.find(hash, key) {
            Some(at) => at,
            None if self.complete => return Ok(None),
            None => self.slot(hash, key),
        };
        self.load_all(at, stamps)?;
        self.refresh(at, stamps);
        Ok(Some(at))
    }

    /// The last field that has a value, expired or not.
    pub(crate) fn last(&mut self, hash: u64, key: &K, stamps: Stamps) -> Result<Option<F>> {
        let at = self.open(hash, key, stamps)?;
        let last = at.and_then(|at| self.slots.at(at).value.fields.iter().next_back());
        Ok(last.map(|(field, _)| field.clone()))
    }

    /// How many fields have a value.
    pub(crate) fn count(&mut self, hash: u64, key: &K, times: Times, stamps: Stamps) -> Result<usize> {
        if self.setup.ttl.is_some() {
            return Ok(self.iter(hash, key, times, stamps)?.count());
        }
        let at = self.open(hash, key, stamps)?;
        Ok(at.map_or(0, |at| self.slots.at(at).value.fields.len()))
    }

    fn live(&self, at: usize, times: &Times) -> Vec<F> {
        let fields = &self.slots.at(at).value.fields;
        let live = |field: &Field<V>| !self.setup.expired(field.touched, times);
        fields.iter().filter(|(_, found)| live(found)).map(|(field, _)| field.clone()).collect()
    }

    /// Removes all fields of the key.
    pub(crate) fn clear(&mut self, hash: u64, key: &K, times: &Times, stamps: Stamps) -> Result<()> {
        let Some(at) = self.open(hash, key, stamps)? else { return Ok(()) };
        let all: Vec<F> = self.slots.at(at).value.fields.iter().map(|(field, _)| field.clone()).collect();
        for field in &all {
            self.set(hash, key, field, None, times, stamps);
        }
        Ok(())
    }

    fn write(&self, at: usize, field: &F, found: &Field<V>, out: &mut FrameWriter) -> Result<()> {
        let value =
            found.value.as_ref().map(|value| |out: &mut Vec<u8>| self.setup.encode_value(found.touched, value, out));
        let key = |out: &mut Vec<u8>| {
            codec::encode(&self.slots.at(at).key, out)?;
            (self.bytes.encode)(field, out)
        };
        out.encode(key, value).map_err(|source| self.setup.unencodable(source))
    }

    /// Removes what earlier types have of fields, before what these have now.
    #[cold]
    fn write_older(&self, fields: &[(usize, &F)], out: &mut FrameWriter) -> Result<()> {
        let nothing = None::<fn(&mut Vec<u8>) -> postcard::Result<()>>;
        for number in &self.setup.older {
            out.begin_table(*number);
            for (at, field) in fields {
                let key = |out: &mut Vec<u8>| {
                    codec::encode(&self.slots.at(*at).key, out)?;
                    (self.bytes.encode)(field, out)
                };
                out.encode(key, nothing).map_err(|source| self.setup.unencodable(source))?;
            }
        }
        Ok(())
    }

    fn write_where(&self, wanted: impl Fn(&Field<V>) -> bool, out: &mut FrameWriter) -> Result<()> {
        out.begin_table(self.setup.table);
        for (at, slot) in self.slots.iter().enumerate() {
            for (field, found) in slot.value.all().filter(|(_, found)| wanted(found)) {
                self.write(at, field, found, out)?;
            }
        }
        Ok(())
    }

    fn retain(&mut self, keep: impl Fn(u64, &Cell<F, V>) -> bool) {
        let moved = self.slots.retain(&mut |_, slot| keep(slot.stamp, &slot.value));
        self.base = moved.kept_of(self.base);
        for (at, ..) in &mut self.undo {
            *at = moved.to(*at);
        }
        for (at, _) in &mut self.changed {
            *at = moved.to(*at);
        }
        self.fields = self.slots.iter().map(|slot| slot.value.len()).sum();
        self.emptied = self.slots.iter().map(|slot| slot.value.gone()).sum();
        self.tidy_at = FEW.max(self.emptied * 2).max(self.fields / 2);
    }
}
