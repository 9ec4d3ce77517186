//! Cases at random, with what a plain model says of them: every record in each of its windows, every window looked at in every
//! batch.

use std::collections::{BTreeMap, BTreeSet};

use firesteel_window::{Duration, Early, Firing, Session, Sliding, Timestamp, Window, WindowAssigner, seconds};

use crate::aggregate::Aggregate;
use crate::case::{Case, Does, Event, Row, Step, Windows, remainder_gap};

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        i64::try_from((mixed ^ (mixed >> 31)) % limit).unwrap()
    }
}

/// What a key has in a window.
#[derive(Clone, Default)]
struct Held {
    times: Vec<i64>,
    /// Of sessions: the bounds under which they stand outside, whether they have fired, and how many records were seen.
    told: Vec<Window>,
    fired: bool,
    seen: u64,
    changed: bool,
    /// When the clock is to fire it.
    tick: Option<Timestamp>,
}

/// A case as a model plays it.
struct Model {
    delay: Duration,
    allowed: Duration,
    early: Option<Early>,
    windows: Windows,
    held: BTreeMap<(String, Window), Held>,
    watermark: Timestamp,
    now: i64,
}

impl Model {
    fn closes(&self, window: Window, watermark: Timestamp) -> bool {
        match self.windows {
            Windows::Session(_) | Windows::SessionByRemainder => Session::is_closed(window, watermark),
            _ => window.is_closed_by(watermark),
        }
    }

    fn gone(&self, watermark: Timestamp) -> Timestamp {
        if watermark == Timestamp::MAX { watermark } else { watermark.saturating_sub(self.allowed) }
    }

    /// Plays a batch: the rows that come, what is late, and how much is outside.
    fn batch(&mut self, events: &[Event], ends: bool) -> Step {
        self.now += 1;
        let (before, gone) = (self.watermark, self.gone(self.watermark));
        let latest = events.iter().map(|event| event.1).max();
        self.watermark = before.max(latest.map_or(before, |latest| latest.saturating_sub(self.delay)));
        if ends {
            self.watermark = Timestamp::MAX;
        }
        let (mut late, mut outside) = (vec![], 0);
        let mut touched = match self.windows {
            Windows::Tumbling(windows) => self.assign(&windows, events, gone, (&mut late, &mut outside)),
            Windows::Sliding(windows) => self.assign(&windows, events, gone, (&mut late, &mut outside)),
            Windows::Session(windows) => self.gather(&|at| windows.window_of(at), events, (before, gone), &mut late),
            Windows::SessionByRemainder => {
                let alone = |at: Timestamp| Window::new(at, at.saturating_add(remainder_gap(at)));
                self.gather(&alone, events, (before, gone), &mut late)
            }
            Windows::Global | Windows::Count(_) => panic!("no case has them"),
        };
        touched.sort();
        touched.dedup();
        let out = self.fire(&touched, before);
        let gone = self.gone(self.watermark);
        let held = std::mem::take(&mut self.held);
        self.held = held.into_iter().filter(|((_, window), _)| !self.closes(*window, gone)).collect();
        Step { events: [events.to_vec(), vec![]], out, late: [late, vec![]], outside, ends: None }
    }

    fn assign(
        &mut self,
        windows: &impl WindowAssigner,
        events: &[Event],
        gone: Timestamp,
        (late, outside): (&mut Vec<Event>, &mut u64),
    ) -> Vec<(String, Window)> {
        let mut touched = vec![];
        for (key, at) in events {
            let mut of = vec![];
            windows.assign(*at, &mut |window| of.push(window));
            *outside += u64::from(of.is_empty());
            if of.iter().any(|window| window.is_closed_by(gone)) {
                late.push((key.clone(), *at));
            }
            for window in of.into_iter().filter(|window| !window.is_closed_by(gone)) {
                let held = self.held.entry((key.clone(), window)).or_default();
                held.times.push(at.as_micros());
                held.changed = true;
                touched.push((key.clone(), window));
            }
        }
        touched
    }

    /// Sessions: first what may be taken in whatever there is, then what touches one that is there, for as long as something
    /// does; of what is left, that which reaches furthest may begin one.
    fn gather<'e>(
        &mut self,
        alone: &dyn Fn(Timestamp) -> Window,
        events: &'e [Event],
        (before, gone): (Timestamp, Timestamp),
        late: &mut Vec<Event>,
    ) -> Vec<(String, Window)> {
        let (mut passed, in_time): (Vec<&'e Event>, Vec<&'e Event>) = events.iter().partition(|event| event.1 < gone);
        passed.sort_by_key(|event| std::cmp::Reverse(alone(event.1).end()));
        let (mut keys, mut in_time) = (vec![], in_time.into_iter());
        let next = |model: &Self, passed: &mut Vec<&'e Event>| {
            let touches = |event: &&Event| {
                let window = alone(event.1);
                let touches = |other: &Window| other.start() <= window.end() && window.start() <= other.end();
                model.held.keys().any(|(of, other)| *of == event.0 && touches(other))
            };
            let at = passed.iter().position(touches).unwrap_or(0);
            (!passed.is_empty()).then(|| passed.remove(at))
        };
        while let Some((key, at)) = in_time.next().or_else(|| next(self, &mut passed)) {
            let mut window = alone(*at);
            let mut joined = Held { times: vec![at.as_micros()], ..Held::default() };
            let touches = |other: &Window| other.start() <= window.end() && window.start() <= other.end();
            let touched: Vec<Window> =
                self.held.keys().filter(|(of, other)| of == key && touches(other)).map(|(_, other)| *other).collect();
            if touched.is_empty() && *at < gone {
                late.push((key.clone(), *at));
                if Session::is_closed(window, gone) {
                    continue;
                }
            }
            for other in touched {
                let held = self.held.remove(&(key.clone(), other)).unwrap();
                window = Window::new(window.start().min(other.start()), window.end().max(other.end()));
                joined.times.extend(held.times);
                joined.told.extend(held.told);
                joined.fired |= held.fired;
                joined.seen = joined.seen.max(held.seen);
                joined.tick = joined.tick.into_iter().chain(held.tick).min();
            }
            joined.changed = true;
            self.held.insert((key.clone(), window), joined);
            keys.push(key.clone());
        }
        // One that has begun with the batch and was closed before is late.
        for ((key, window), held) in &mut self.held {
            held.fired |= keys.contains(key) && held.seen == 0 && Session::is_closed(*window, before);
        }
        // As they are in the end.
        let of_batch = |(key, window): &&(String, Window)| {
            events.iter().any(|(of, at)| of == key && window.start() <= *at && *at <= window.end())
        };
        self.held.keys().filter(|held| keys.contains(&held.0)).filter(of_batch).cloned().collect()
    }

    fn fire(&mut self, touched: &[(String, Window)], before: Timestamp) -> Vec<Row> {
        let (mut out, now, early) = (vec![], Timestamp::from_secs(self.now), self.early);
        let is_session = matches!(self.windows, Windows::Session(_) | Windows::SessionByRemainder);
        let (watermark, closes) = (self.watermark, |model: &Self, window| model.closes(window, model.watermark));
        for id in touched {
            let has_fired = if is_session { self.held[id].fired } else { self.closes(id.1, before) };
            let count = self.held[id].times.len() as u64;
            let is_passed = early.is_some_and(|early| early.is_passed(self.held[id].seen, count));
            self.held.get_mut(id).unwrap().seen = count;
            if has_fired {
                out.extend(self.tell(id, Firing::Late));
            } else if closes(self, id.1) {
                continue;
            } else if is_passed {
                out.extend(self.tell(id, Firing::Early));
            }
        }
        let is_open = |model: &Self, id: &(String, Window), held: &Held| !held.fired && !closes(model, id.1);
        let is_due = |held: &Held| held.tick.is_some_and(|tick| tick <= now);
        let due = self.held.iter().filter(|(id, held)| is_due(held) && is_open(self, id, held));
        let due: BTreeSet<String> = due.map(|(id, _)| id.0.clone()).collect();
        let changed = self.held.iter().filter(|(id, held)| held.changed && is_open(self, id, held));
        let changed: Vec<_> = changed.map(|(id, _)| id.clone()).collect();
        if let Some(tick) = early.and_then(|early| early.tick(now)) {
            for id in changed {
                if due.contains(&id.0) {
                    out.extend(self.tell(&id, Firing::Early));
                } else {
                    self.held.get_mut(&id).unwrap().tick.get_or_insert(tick.end());
                }
            }
        }
        let ids: Vec<_> = self.held.keys().filter(|id| self.closes(id.1, watermark)).cloned().collect();
        for id in ids {
            if !self.held[&id].fired && (is_session || !self.closes(id.1, before)) {
                out.extend(self.tell(&id, Firing::OnTime));
            }
        }
        out
    }

    fn tell(&mut self, id: &(String, Window), firing: Firing) -> Vec<Row> {
        let held = self.held.get_mut(id).unwrap();
        (held.changed, held.tick) = (false, None);
        held.fired |= firing != Firing::Early;
        held.times.sort_unstable();
        let row = |window: Window, value| (window.start(), window.end(), id.0.clone(), firing, value);
        let gone = std::mem::replace(&mut held.told, vec![id.1]).into_iter().filter(|told| *told != id.1);
        let mut rows: Vec<Row> = gone.map(|told| row(told, None)).collect();
        rows.push(row(id.1, Some(held.times.clone())));
        rows
    }
}

/// A case that follows from a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut random = Random(seed);
    let windows = match seed % 4 {
        0 => Windows::Tumbling(firesteel_window::Tumbling::of(seconds(3 + random.below(8)))),
        1 => Windows::Sliding(Sliding::of(seconds(2 + random.below(9))).every(seconds(1 + random.below(6)))),
        2 => Windows::Session(Session::gap(seconds(random.below(6)))),
        _ => Windows::SessionByRemainder,
    };
    let early = match random.below(3) {
        0 => None,
        1 => Some(Early::every(seconds(1 + random.below(4)))),
        _ => Some(Early::every_records(1 + random.below(4) as u64)),
    };
    let (delay, allowed) = (seconds(random.below(5)), seconds(random.below(12)));
    let mut model = Model { delay, allowed, early, windows, held: BTreeMap::new(), watermark: Timestamp::MIN, now: 0 };
    let (mut steps, mut at) = (vec![], 0);
    for _ in 0..9 {
        at += random.below(8);
        let count = random.below(5);
        let mut event = || {
            let key = ["a", "b", "c"][random.below(3) as usize].to_owned();
            (key, Timestamp::from_secs(at - random.below(24) + 2))
        };
        let events: Vec<Event> = (0..count).map(|_| event()).collect();
        steps.push(model.batch(&events, false));
    }
    let end = Some(model.batch(&[], true).out);
    let firings = Some((allowed, early));
    let name = format!("seed {seed}: {windows:?}, late {allowed}, {early:?}, watermark {delay}");
    let does = Does::Window(windows, Aggregate::Times, firings);
    Case { name, delay, idle: None, does, purge: false, steps, end, stays: 0 }
}
