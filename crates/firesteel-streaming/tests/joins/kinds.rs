//! All kinds of joins by name, and what a nested loop makes of them.

use std::collections::BTreeMap;

use firesteel_connect_memory::Collector;
use firesteel_streaming::{IntervalJoin, Stream, Timed};
use firesteel_window::{Duration, Timestamp, Tumbling, seconds};
use proptest::prelude::*;

/// Key, second and number of an event.
pub(crate) type Event = (u8, i64, u32);

/// When it happened, in seconds, the key, and the numbers of the left and the right record.
pub(crate) type Row = (i64, u8, Option<u32>, Option<u32>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Inner,
    LeftOuter,
    RightOuter,
    FullOuter,
    LeftSemi,
    LeftAnti,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Join {
    pub(crate) kind: Kind,
    /// In seconds.
    pub(crate) least: i64,
    pub(crate) most: i64,
    pub(crate) at_left_time: bool,
}

pub(crate) fn joins() -> impl Strategy<Value = Join> {
    use Kind::{FullOuter, Inner, LeftAnti, LeftOuter, LeftSemi, RightOuter};
    let kinds = prop::sample::select(vec![Inner, LeftOuter, RightOuter, FullOuter, LeftSemi, LeftAnti]);
    (kinds, -12..12_i64, 0..15_i64, any::<bool>()).prop_map(|(kind, least, length, at_left_time)| Join {
        kind,
        least,
        most: least + length,
        at_left_time: at_left_time && !matches!(kind, RightOuter | FullOuter),
    })
}

impl Join {
    pub(crate) fn interval(&self) -> std::ops::RangeInclusive<Duration> {
        seconds(self.least)..=seconds(self.most)
    }

    /// The join, as the library does it.
    pub(crate) fn apply(&self, join: IntervalJoin<u8, Event, Event>) -> Stream<(u8, [Option<u32>; 2]), Timed> {
        let join = if self.at_left_time { join.at_left_time() } else { join };
        let number = |event: &Event| Some(event.2);
        match self.kind {
            Kind::Inner => join.inner(move |left, right| [number(left), number(right)]),
            Kind::LeftOuter => join.left_outer(move |left, right| [number(left), right.and_then(number)]),
            Kind::RightOuter => join.right_outer(move |left, right| [left.and_then(number), number(right)]),
            Kind::FullOuter => join.full_outer(move |left, right| [left.and_then(number), right.and_then(number)]),
            Kind::LeftSemi => return join.left_semi().named("join").map(|(key, left)| (key, [Some(left.2), None])),
            Kind::LeftAnti => return join.left_anti().named("join").map(|(key, left)| (key, [Some(left.2), None])),
        }
        .named("join")
    }

    /// The join, as a nested loop over the whole input does it.
    pub(crate) fn expected(&self, left: &[Event], right: &[Event]) -> Vec<Row> {
        let Self { kind, least, most, at_left_time } = *self;
        let are_partners =
            |left: &Event, right: &Event| left.0 == right.0 && (least..=most).contains(&(right.1 - left.1));
        let has_partner = |left: &Event| right.iter().any(|right| are_partners(left, right));
        let mut rows = Vec::new();
        if matches!(kind, Kind::LeftSemi | Kind::LeftAnti) {
            let comes = left.iter().filter(|left| has_partner(left) == (kind == Kind::LeftSemi));
            rows.extend(comes.map(|left| (left.1, left.0, Some(left.2), None)));
        } else {
            for one in left {
                for other in right.iter().filter(|right| are_partners(one, right)) {
                    let at = if at_left_time { one.1 } else { one.1.max(other.1) };
                    rows.push((at, one.0, Some(one.2), Some(other.2)));
                }
            }
        }
        if matches!(kind, Kind::LeftOuter | Kind::FullOuter) {
            for one in left.iter().filter(|left| !has_partner(left)) {
                let at = if at_left_time { one.1 } else { one.1.max(one.1 + most) };
                rows.push((at, one.0, Some(one.2), None));
            }
        }
        if matches!(kind, Kind::RightOuter | Kind::FullOuter) {
            for one in right.iter().filter(|right| !left.iter().any(|left| are_partners(left, right))) {
                rows.push((one.1.max(one.1 - least), one.0, None, Some(one.2)));
            }
        }
        rows.sort_unstable();
        rows
    }
}

/// How many rows there are in each window of ten seconds: by its start and the key.
pub(crate) fn windows_of(rows: &[Row]) -> Vec<(i64, u8, u64)> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry((row.0.div_euclid(10) * 10, row.1)).or_insert(0) += 1;
    }
    counts.into_iter().map(|((start, key), count)| (start, key, count)).collect()
}

pub(crate) fn at(event: &Event) -> Timestamp {
    Timestamp::from_secs(event.1)
}

/// The rows of a join, and how many of them windows have that follow it.
pub(crate) type Outcome = (Vec<Row>, Vec<(i64, u8, u64)>);

/// Where rows go, and what windows make of them.
#[derive(Default)]
pub(crate) struct Outputs {
    rows: Collector<Row>,
    windows: Collector<(i64, u8, u64)>,
}

impl Outputs {
    pub(crate) fn write(&self, joined: Stream<(u8, [Option<u32>; 2]), Timed>) {
        let timed = joined.clone().with_time().map(|(at, (key, [left, right]))| (at.as_secs(), key, left, right));
        timed.write(self.rows.clone());
        let counts = joined.window(Tumbling::of(seconds(10))).count().named("counts");
        counts.map(|row| (row.window.start().as_secs(), row.key, row.value)).write(self.windows.clone());
    }

    pub(crate) fn sorted(&self) -> Outcome {
        let (mut rows, mut windows) = (self.rows.records(), self.windows.records());
        rows.sort_unstable();
        windows.sort_unstable();
        (rows, windows)
    }
}
