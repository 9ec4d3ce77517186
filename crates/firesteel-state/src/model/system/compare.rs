//! The state beside the model.

use std::collections::{BTreeMap, BTreeSet};

use firesteel_window::Timestamp;

use super::super::contents::{KEYS, Op, TTL};
use super::super::{Model, Step, hash};
use super::System;
use crate::TimeDomain;

impl System {
    /// How many timers there are, and when the first fires, group by group.
    fn compare_timers(&self, model: &Model) {
        for number in self.groups() {
            let mut group = self.store.lock(number);
            let mine = |((_, key), _): &(&(i64, u8), &Vec<bool>)| self.store.group_of(hash(key)) == number;
            let held = &model.current;
            let all = held.timers.iter().chain(&held.deferred).filter(mine).map(|(_, due)| due.len());
            assert_eq!(group.timers(), all.sum::<usize>(), "timers of group {number}");
            let first = held.timers.iter().find(mine).map(|((at, _), _)| *at);
            let next = group.next_timer(TimeDomain::Event).unwrap();
            assert_eq!(next.map(Timestamp::as_secs), first, "the first timer of group {number}");
        }
    }

    /// Whether the state is what the model has, as far as one look tells.
    pub(super) fn compare(&self, model: &Model, step: &Step) {
        let h = &self.handles;
        let touched = match step {
            Step::Batch(ops, _) if ops.len() < 3 => vec![model.probe],
            Step::Restart | Step::CrashInEpoch { .. } | Step::Snapshot { crash: Some(_), .. } => (0..KEYS).collect(),
            _ => vec![model.probe, (model.probe + 1) % KEYS],
        };
        for key in touched {
            let mut group = self.store.lock(self.store.group_of(hash(&key)));
            let mut context = group.key(hash(&key), &key, Self::times(model.now));
            let context = &mut context;
            let held = &model.current;
            assert_eq!(h.value.get(context).unwrap(), held.values.get(&key), "value of {key}");
            let mortal = held.mortal.get(&key).filter(|(at, _)| at + TTL > model.now).map(|(_, value)| value);
            assert_eq!(h.mortal.get(context).unwrap(), mortal, "mortal value of {key}");
            assert_eq!(
                h.map.get(context, &(key % 4)).unwrap(),
                held.maps.get(&key).and_then(|map| map.get(&(key % 4)))
            );
            let list: Vec<u16> = h.list.iter(context).unwrap().copied().collect();
            assert_eq!(
                Some(&list).filter(|list| !list.is_empty()),
                held.lists.get(&key).filter(|list| !list.is_empty())
            );
            if key % 2 == 0 {
                let map: BTreeMap<u8, u16> =
                    h.map.iter(context).unwrap().map(|(field, value)| (*field, *value)).collect();
                assert_eq!(map, held.maps.get(&key).cloned().unwrap_or_default(), "map of {key}");
            }
            let sorted = held.sorted.get(&key).cloned().unwrap_or_default();
            let (from, limit) = (i16::from(model.probe) * 80 - 400, usize::from(model.probe % 3) + 1);
            let within: Vec<(i16, u16)> = sorted.range(from..from + 500).map(|(at, value)| (*at, *value)).collect();
            let pair = |(field, value): (&i16, &u16)| (*field, *value);
            let first: Vec<_> = h.sorted.first_of(context, from..from + 500, limit).unwrap().map(pair).collect();
            assert_eq!(first, within[..limit.min(within.len())], "the first {limit} from {from} on of {key}");
            let last: Vec<_> = h.sorted.last_of(context, from..from + 500, limit).unwrap().map(pair).collect();
            assert!(
                last.iter().eq(within.iter().rev().take(limit)),
                "the last {limit} from {from} on of {key}: {last:?}"
            );
            if key % 3 == 0 {
                let found: Vec<_> = h.sorted.range(context, from..from + 500).unwrap().map(pair).collect();
                assert_eq!(found, within, "from {from} on of {key}");
                assert_eq!(h.sorted.last(context).unwrap().map(pair), sorted.last_key_value().map(pair));
            }
            if key % 4 == 1 {
                assert!(h.sorted.iter(context).unwrap().map(pair).eq(sorted.iter().map(pair)), "sorted map of {key}");
            }
            for which in [false, true] {
                let expected: BTreeSet<i64> = (held.timers.iter().chain(&held.deferred))
                    .filter(|((_, of), due)| *of == key && due.contains(&which))
                    .map(|((at, _), _)| *at)
                    .collect();
                let listed = h.timers[usize::from(which)].list(context).unwrap();
                assert!(listed.iter().map(|at| at.as_secs()).eq(expected), "timers of {key}: {listed:?}");
            }
        }
        if model.probe.is_multiple_of(3) {
            self.compare_timers(model);
        }
        if let Step::Batch(ops, _) = step
            && ops.iter().any(|op| matches!(op, Op::Fire(_)))
        {
            assert_eq!(self.fired, model.current.fired);
        }
        if let Step::Batch(ops, _) = step
            && ops.iter().any(|op| matches!(op, Op::Close(_)))
        {
            assert_eq!(self.closed, model.current.closed);
        }
    }
}
