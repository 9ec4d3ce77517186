//! What a pattern makes of all records of a key, by looking at one start after the other with all of them at hand.

use firesteel_window::{AfterMatch, Duration, Pattern};
use proptest::prelude::*;

/// When it happened, its label, and its number, by which it is known.
pub(crate) type Event = (i64, u8, u32);

/// When it was known, whether it is a match, and the numbers of its records with their steps.
pub(crate) type Found = (i64, bool, Vec<(usize, u32)>);

/// There are this many labels.
pub(crate) const LABELS: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    Next,
    FollowedBy,
    Not,
}

#[derive(Debug, Clone)]
pub(crate) struct Part {
    follows: Follows,
    /// A bit for each label that it takes.
    labels: u8,
    /// Whether its record has to have another label than the one before it.
    differs: bool,
    least: u32,
    or_more: bool,
    is_optional: bool,
    in_a_row: bool,
    within: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Shape {
    parts: Vec<Part>,
    within: Option<i64>,
    pub(crate) after: AfterMatch,
}

fn parts() -> impl Strategy<Value = Part> {
    let follows = prop::sample::select(vec![Follows::Next, Follows::FollowedBy, Follows::FollowedBy, Follows::Not]);
    let within = prop::option::weighted(0.3, 0..8_i64);
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.3), prop::bool::weighted(0.3), any::<bool>());
    (follows, 1..(1_u8 << LABELS), 1..4_u32, within, flags).prop_map(|(follows, labels, least, within, flags)| {
        let (differs, or_more, is_optional, in_a_row) = flags;
        let of_records = follows != Follows::Not;
        Part {
            follows,
            labels,
            differs,
            least: if of_records { least } else { 1 },
            or_more: or_more && of_records,
            is_optional: is_optional && of_records,
            in_a_row: in_a_row && of_records,
            within,
        }
    })
}

/// Patterns that can work.
pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let within = prop::option::weighted(0.8, 0..12_i64);
    let after = prop::sample::select(vec![AfterMatch::SkipPast, AfterMatch::EveryStart]);
    let any = (prop::collection::vec(parts(), 1..5), within, after);
    let shapes = any.prop_map(|(mut parts, within, after)| {
        parts[0].follows = Follows::FollowedBy;
        parts[0].is_optional = false;
        Shape { parts, within, after }
    });
    shapes.prop_filter("it cannot work", |shape| shape.pattern().validate().is_ok())
}

impl Shape {
    /// The same, as the library takes it. Events have their time, too, which is not looked at.
    pub(crate) fn pattern(&self) -> Pattern<Event> {
        let has = |labels: u8| move |event: &Event| labels & (1 << event.1) != 0;
        let mut pattern = Pattern::begin("0", has(self.parts[0].labels));
        for (place, part) in self.parts.iter().enumerate() {
            let name = place.to_string();
            if place > 0 {
                pattern = match part.follows {
                    Follows::Next => pattern.next(name, has(part.labels)),
                    Follows::FollowedBy => pattern.followed_by(name, has(part.labels)),
                    Follows::Not => pattern.not_followed_by(name, has(part.labels)),
                };
            }
            if part.differs {
                pattern = pattern.and(|event, so_far| event.1 != so_far.last().1);
            }
            if part.or_more {
                pattern = pattern.at_least(part.least);
            } else if part.least > 1 {
                pattern = pattern.times(part.least);
            }
            if part.is_optional {
                pattern = pattern.optional();
            }
            if part.in_a_row {
                pattern = pattern.in_a_row();
            }
            if let Some(within) = part.within {
                pattern = pattern.step_within(Duration::micros(within));
            }
        }
        let pattern = match self.within {
            Some(within) => pattern.within(Duration::micros(within)),
            None => pattern.forever(),
        };
        pattern.after_match(self.after)
    }

    /// What comes of the record at this place, as if it were the only start; and when, as a place among all that happens: after the records
    /// of that time where time decides. `None` if it ends without an outcome.
    fn alone(&self, events: &[Event], start: usize) -> Option<((i64, bool, usize), Found)> {
        let begin = &self.parts[0];
        let (first, label, number) = events[start];
        if begin.labels & (1 << label) == 0 {
            return None;
        }
        let mut taken = vec![(0_usize, start)];
        let mut is_adjacent = true;
        let found = |end, is_match, taken: &[(usize, usize)]| {
            (end, is_match, taken.iter().map(|(step, place)| (*step, events[*place].2)).collect())
        };
        if self.parts.len() == 1 && begin.least == 1 {
            return Some(((first, false, start), (first, true, vec![(0, number)])));
        }
        for place in start + 1..=events.len() {
            // What it waits for, and until when each of it may come.
            let (step, last) = (taken[taken.len() - 1].0, events[taken[taken.len() - 1].1]);
            let count = taken.iter().filter(|(of, _)| *of == step).count();
            let has_enough = count >= self.parts[step].least as usize;
            let until = |part: &Part| part.within.map_or(i64::MAX, |within| last.0 + within);
            let (mut wanted, mut barred) = (vec![], vec![]);
            let mut is_tail = has_enough;
            if has_enough {
                for (next, part) in self.parts.iter().enumerate().skip(step + 1) {
                    if part.follows == Follows::Not {
                        barred.push(part);
                        continue;
                    }
                    is_tail = false;
                    if is_adjacent || part.follows != Follows::Next {
                        wanted.push((next, part));
                    }
                    if !part.is_optional {
                        break;
                    }
                }
            }
            let of_step = &self.parts[step];
            let is_direct = of_step.in_a_row || (step > 0 && of_step.follows == Follows::Next);
            if (of_step.or_more || count < of_step.least as usize) && (is_adjacent || !is_direct) {
                wanted.insert(0, (step, of_step));
            }
            let whole = self.within.map_or(i64::MAX, |within| first + within);
            let deadline = if is_tail {
                barred.iter().map(|part| until(part)).max()?.min(whole)
            } else {
                wanted.iter().map(|(_, part)| until(part)).max()?.min(whole)
            };
            let Some(event) = events.get(place).filter(|event| event.0 <= deadline) else {
                return Some(((deadline, true, start), found(deadline, is_tail, &taken)));
            };
            let meets = |part: &Part| {
                part.labels & (1 << event.1) != 0 && (!part.differs || event.1 != last.1) && event.0 <= until(part)
            };
            if barred.iter().any(|part| meets(part)) {
                return None;
            }
            match wanted.iter().rev().find(|(_, part)| meets(part)) {
                None if is_tail => is_adjacent = false,
                None => {
                    let is_over = |(next, part): &(usize, &Part)| {
                        let is_direct = if *next == step { is_direct } else { part.follows == Follows::Next };
                        is_direct || event.0 > until(part)
                    };
                    if wanted.iter().all(is_over) {
                        return None;
                    }
                    is_adjacent = false;
                }
                Some((next, _)) => {
                    taken.push((*next, place));
                    is_adjacent = true;
                    let count = taken.iter().filter(|(of, _)| of == next).count();
                    if next + 1 == self.parts.len() && count >= self.parts[*next].least as usize {
                        return Some(((event.0, false, place), found(event.0, true, &taken)));
                    }
                }
            }
        }
        None
    }

    /// What comes of events that are in the order of time, in the order in which it is known.
    pub(crate) fn expected(&self, events: &[Event]) -> Vec<Found> {
        let mut all: Vec<_> = (0..events.len())
            .filter_map(|start| self.alone(events, start).map(|found| (found.0, start, found.1)))
            .collect();
        all.sort_by_key(|(moment, start, _)| (*moment, *start));
        let place = |number: u32| events.iter().position(|event| event.2 == number);
        let (mut told, mut used_up) = (vec![], 0);
        for (_, start, found) in all {
            if start < used_up {
                continue;
            }
            if found.1 && self.after == AfterMatch::SkipPast {
                used_up = found.2.last().and_then(|last| place(last.1)).map_or(0, |last| last + 1);
            }
            told.push(found);
        }
        told
    }
}
