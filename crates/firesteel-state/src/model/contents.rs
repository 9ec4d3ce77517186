//! What is done to state, and what it holds then, as plainly as can be.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

/// This many keys are used.
pub(crate) const KEYS: u8 = 12;
/// The TTL of mortal values, in seconds.
pub(crate) const TTL: i64 = 5;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Set(u8, u16),
    /// If there is none.
    Insert(u8, u16),
    InsertMortal(u8, u16),
    Clear(u8),
    Add(u8, u16),
    AddMortal(u8, u16),
    Push(u8, u16),
    Pop(u8),
    Keep(u8, u16),
    Put(u8, u8, u16),
    PutAll(u8, Vec<u8>),
    Remove(u8, u8),
    AddField(u8, u8, u16),
    ClearMap(u8),
    PutSorted(u8, i16, u16),
    RemoveSorted(u8, i16),
    PopSorted(u8, bool),
    RemoveRange(u8, i16, i16),
    Register(u8, bool, i64),
    Delete(u8, bool, i64),
    Defer(u8, bool, i64),
    Admit,
    Fire(i64),
    AddMany(Vec<u8>),
    /// Values of keys in windows of this start and length.
    Gather(Vec<(u8, u16)>, i64, i64),
    /// Fires the windows that end by then.
    Close(i64),
}

/// End and start of a window, and a key.
pub(crate) type InWindow = (i64, i64, u8);

/// Which timers there are by time and key, in order of registration.
pub(crate) type Due = BTreeMap<(i64, u8), Vec<bool>>;

fn register(due: &mut Due, place: (i64, u8), which: bool) {
    let due = due.entry(place).or_default();
    if !due.contains(&which) {
        due.push(which);
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Contents {
    pub(crate) values: BTreeMap<u8, u16>,
    pub(crate) mortal: BTreeMap<u8, (i64, u16)>,
    pub(crate) lists: BTreeMap<u8, Vec<u16>>,
    pub(crate) maps: BTreeMap<u8, BTreeMap<u8, u16>>,
    pub(crate) sorted: BTreeMap<u8, BTreeMap<i16, u16>>,
    pub(crate) timers: Due,
    pub(crate) deferred: Due,
    pub(crate) fired: Vec<(i64, u8, bool)>,
    pub(crate) windows: BTreeMap<InWindow, Vec<u16>>,
    pub(crate) closed: Vec<(InWindow, Vec<u16>)>,
}

impl Contents {
    pub(crate) fn apply(&mut self, op: &Op, now: i64) {
        match op.clone() {
            Op::Set(key, value) => _ = self.values.insert(key, value),
            Op::Insert(key, value) => _ = self.values.entry(key).or_insert(value),
            Op::InsertMortal(key, value) => {
                if self.mortal.get(&key).is_none_or(|(at, _)| at + TTL <= now) {
                    self.mortal.insert(key, (now, value));
                }
            }
            Op::Clear(key) => _ = self.values.remove(&key),
            Op::Add(key, more) => *self.values.entry(key).or_default() ^= more,
            Op::AddMany(keys) => keys.iter().for_each(|key| *self.values.entry(*key).or_default() ^= 7),
            Op::AddMortal(key, more) => {
                let old = self.mortal.get(&key).filter(|(at, _)| at + TTL > now).map_or(0, |(_, value)| *value);
                self.mortal.insert(key, (now, old ^ more));
            }
            Op::Push(key, value) => self.lists.entry(key).or_default().push(value),
            Op::Pop(key) => {
                if let Some(list) = self.lists.get_mut(&key)
                    && !list.is_empty()
                {
                    list.remove(0);
                }
            }
            Op::Keep(key, least) => _ = self.lists.get_mut(&key).map(|list| list.retain(|value| *value >= least)),
            Op::Put(key, field, value) => _ = self.maps.entry(key).or_default().insert(field, value),
            Op::PutAll(key, fields) => self.maps.entry(key).or_default().extend(fields.iter().map(|field| (*field, 1))),
            Op::Remove(key, field) => _ = self.maps.entry(key).or_default().remove(&field),
            Op::AddField(key, field, more) => *self.maps.entry(key).or_default().entry(field).or_default() ^= more,
            Op::ClearMap(key) => _ = self.maps.remove(&key),
            Op::PutSorted(key, field, value) => _ = self.sorted.entry(key).or_default().insert(field, value),
            Op::RemoveSorted(key, field) => _ = self.sorted.entry(key).or_default().remove(&field),
            Op::PopSorted(key, last) => {
                let map = self.sorted.entry(key).or_default();
                _ = if last { map.pop_last() } else { map.pop_first() };
            }
            Op::RemoveRange(key, from, to) => {
                self.sorted.entry(key).or_default().retain(|field, _| *field < from || *field > to);
            }
            Op::Register(key, which, at) => register(&mut self.timers, (at, key), which),
            Op::Defer(key, which, at) => register(&mut self.deferred, (at, key), which),
            Op::Admit => {
                for (place, due) in std::mem::take(&mut self.deferred) {
                    due.into_iter().for_each(|which| register(&mut self.timers, place, which));
                }
            }
            Op::Delete(key, which, at) => {
                for timers in [&mut self.timers, &mut self.deferred] {
                    if let Some(due) = timers.get_mut(&(at, key)) {
                        due.retain(|other| *other != which);
                        if due.is_empty() {
                            timers.remove(&(at, key));
                        }
                    }
                }
            }
            Op::Fire(until) => {
                let mut fired = vec![];
                self.timers.retain(|(at, key), due| {
                    if *at <= until {
                        fired.extend(due.iter().map(|which| (*at, *key, *which)));
                    }
                    *at > until
                });
                self.fired = fired;
            }
            Op::Gather(values, start, length) => {
                for (key, value) in values {
                    self.windows.entry((start + length, start, key)).or_default().push(value);
                }
            }
            Op::Close(until) => {
                let open = self.windows.split_off(&(until + 1, i64::MIN, 0));
                self.closed = std::mem::replace(&mut self.windows, open).into_iter().collect();
            }
        }
    }
}

/// Any operation.
pub(crate) fn op() -> impl Strategy<Value = Op> {
    let key = || 0..KEYS;
    let field = || 0..4u8;
    let at = || 0..20i64;
    // Their bytes would not sort as numbers do.
    let place = || (-20..20i16).prop_map(|place| place * 40);
    prop_oneof![
        1 => (key(), any::<u16>()).prop_map(|(key, value)| Op::Set(key, value)),
        1 => (key(), any::<u16>()).prop_map(|(key, value)| Op::Insert(key, value)),
        1 => (key(), any::<u16>()).prop_map(|(key, value)| Op::InsertMortal(key, value)),
        1 => key().prop_map(Op::Clear),
        1 => (key(), any::<u16>()).prop_map(|(key, more)| Op::Add(key, more)),
        1 => vec(key(), 0..40).prop_map(Op::AddMany),
        1 => (key(), any::<u16>()).prop_map(|(key, more)| Op::AddMortal(key, more)),
        1 => (key(), any::<u16>()).prop_map(|(key, value)| Op::Push(key, value)),
        1 => key().prop_map(Op::Pop),
        1 => (key(), any::<u16>()).prop_map(|(key, least)| Op::Keep(key, least)),
        1 => (key(), field(), any::<u16>()).prop_map(|(key, field, value)| Op::Put(key, field, value)),
        1 => (key(), vec(field(), 0..4)).prop_map(|(key, fields)| Op::PutAll(key, fields)),
        1 => (key(), field()).prop_map(|(key, field)| Op::Remove(key, field)),
        1 => (key(), field(), any::<u16>()).prop_map(|(key, field, more)| Op::AddField(key, field, more)),
        1 => key().prop_map(Op::ClearMap),
        4 => (key(), place(), any::<u16>()).prop_map(|(key, field, value)| Op::PutSorted(key, field, value)),
        2 => (key(), place()).prop_map(|(key, field)| Op::RemoveSorted(key, field)),
        2 => (key(), any::<bool>()).prop_map(|(key, last)| Op::PopSorted(key, last)),
        1 => (key(), place(), place()).prop_map(|(key, from, to)| Op::RemoveRange(key, from, to)),
        5 => (key(), any::<bool>(), at()).prop_map(|(key, which, at)| Op::Register(key, which, at)),
        2 => (key(), any::<bool>(), at()).prop_map(|(key, which, at)| Op::Delete(key, which, at)),
        1 => (key(), any::<bool>(), at()).prop_map(|(key, which, at)| Op::Defer(key, which, at)),
        1 => Just(Op::Admit),
        1 => at().prop_map(Op::Fire),
        2 => (vec((key(), any::<u16>()), 0..20), at(), 1..5i64)
            .prop_map(|(values, start, length)| Op::Gather(values, start, length)),
        2 => (vec((key(), any::<u16>()), 0..4), at()).prop_map(|(values, start)| Op::Gather(values, start, 4)),
        2 => at().prop_map(Op::Close),
    ]
}
