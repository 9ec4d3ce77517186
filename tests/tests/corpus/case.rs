//! How a case is written down.

use std::ops::RangeInclusive;

use firesteel_window::{CountWindow, Duration, Early, Firing, Session, Sliding, Timestamp, Tumbling};
use serde::Deserialize;

use crate::aggregate::Aggregate;
use crate::pattern::{Sequence, read_found, read_pattern};
use crate::read::{
    duration, read_dedup, read_events, read_join, read_joined, read_row, read_table, read_trigger, read_windows,
};

/// A case, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    /// What a reader should know; not looked at.
    #[serde(default, rename = "note")]
    _note: String,
    watermark: String,
    idle: Option<String>,
    window: Option<String>,
    late_by: Option<String>,
    trigger: Option<String>,
    #[serde(default)]
    purge: bool,
    aggregate: Option<String>,
    dedup: Option<String>,
    join: Option<String>,
    table: Option<String>,
    #[serde(default)]
    stays: u64,
    pattern: Option<String>,
    steps: Vec<WrittenStep>,
    end: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenStep {
    #[serde(rename = "in")]
    events: Option<String>,
    left: Option<String>,
    right: Option<String>,
    out: String,
    late: String,
    late_left: String,
    late_right: String,
    outside: u64,
    ends: Option<Side>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Written>,
}

/// One of two inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Left,
    Right,
}

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// How late events may be.
    pub(crate) delay: Duration,
    /// How long a silent input is waited for, if not forever.
    pub(crate) idle: Option<Duration>,
    pub(crate) does: Does,
    /// Whether windows are emptied when they fire.
    pub(crate) purge: bool,
    pub(crate) steps: Vec<Step>,
    /// What comes when event time ends, if it does.
    pub(crate) end: Option<Vec<Row>>,
    /// How many rows are left in the state then.
    pub(crate) stays: u64,
}

/// What the program does with the events.
#[derive(Debug)]
pub(crate) enum Does {
    Window(Windows, Aggregate, Option<Firings>),
    Dedup(Dedup),
    Join(Join),
    Table(Table),
    Pattern(Sequence),
}

/// One batch, and what comes of it.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Of the only input, or of the left and the right one.
    pub(crate) events: [Vec<Event>; 2],
    pub(crate) out: Vec<Row>,
    /// As the events.
    pub(crate) late: [Vec<Event>; 2],
    pub(crate) outside: u64,
    /// The input that ends with the batch.
    pub(crate) ends: Option<Side>,
}

/// A key, and when something happened to it.
pub(crate) type Event = (String, Timestamp);

/// How long windows stay after they have fired, and what makes them fire before.
pub(crate) type Firings = (Duration, Option<Early>);

/// What comes out. Of a window: its start and end, the key, why it fires, and the result; nothing where it is withdrawn. Of
/// others: twice when it happened, and what.
pub(crate) type Row = (Timestamp, Timestamp, String, Firing, Option<Vec<i64>>);

/// The row of what has no window, and happened then.
pub(crate) fn row_at(at: Timestamp, what: String) -> Row {
    (at, at, what, Firing::OnTime, Some(vec![]))
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Windows {
    Tumbling(Tumbling),
    Sliding(Sliding),
    Session(Session),
    /// Each event ends its session after as many seconds as its time has more than whole tens of them.
    SessionByRemainder,
    Global,
    Count(CountWindow),
}

/// The gap of an event of [`Windows::SessionByRemainder`].
pub(crate) fn remainder_gap(at: Timestamp) -> Duration {
    Duration::micros(at.as_micros().rem_euclid(10_000_000))
}

/// How long ids are remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dedup {
    Forever,
    ForgetAfter(Duration),
    Within(Duration),
}

/// A join with a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    /// Whether it is that of the record's own time, and not the newest.
    pub(crate) as_of: bool,
    pub(crate) is_outer: bool,
    pub(crate) forgets: Option<Duration>,
}

#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) over: Over,
    pub(crate) at_left_time: bool,
}

/// What makes two records partners, besides their key.
#[derive(Debug, Clone)]
pub(crate) enum Over {
    Interval(RangeInclusive<Duration>),
    Window(Windows),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum JoinKind {
    Inner,
    LeftOuter,
    RightOuter,
    FullOuter,
    LeftSemi,
    LeftAnti,
}

/// The id of an event: its key without the label after a `#`, by which events of one key and time can be told apart.
pub(crate) fn id_of(event: &Event) -> String {
    event.0.split('#').next().unwrap_or_default().to_owned()
}

/// The row of two partners, or of one without a partner, that happened then.
pub(crate) fn joined_row(at: Timestamp, id: &str, times: [Option<Timestamp>; 2]) -> Row {
    let [left, right] = times.map(|at| at.map_or_else(|| "-".to_owned(), |at| at.as_micros().to_string()));
    row_at(at, format!("{id}({left},{right})"))
}

/// The cases of a file.
pub(crate) fn parse(text: &str) -> Result<Vec<Case>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    file.case.into_iter().map(|case| Case::read(&case)).collect()
}

impl Case {
    fn read(written: &Written) -> Result<Self, String> {
        let named = |error: String| format!("{}: {error}", written.name);
        let does = Does::read(written).map_err(named)?;
        let rows = |text: &str| does.rows(text);
        let step = |step: &WrittenStep| {
            let events = |text: &Option<String>| read_events(text.as_deref().unwrap_or_default());
            let only = match (&does, &step.events, &step.left, &step.right) {
                (Does::Join(_) | Does::Table(_), None, left, right) => [events(left)?, events(right)?],
                (Does::Window(..) | Does::Dedup(_) | Does::Pattern(_), Some(_), None, None) => {
                    [events(&step.events)?, vec![]]
                }
                _ => {
                    return Err(
                        "a step has `left` and `right` where there is a join or a table, and `in` elsewhere".to_owned()
                    );
                }
            };
            let late = [format!("{} {}", step.late, step.late_left), step.late_right.clone()];
            let [late, late_right] = late.map(|late| read_events(&late));
            let (out, late) = (rows(&step.out)?, [late?, late_right?]);
            Ok(Step { events: only, out, late, outside: step.outside, ends: step.ends })
        };
        Ok(Self {
            delay: duration(&written.watermark).map_err(named)?,
            idle: written.idle.as_deref().map(duration).transpose().map_err(named)?,
            steps: written.steps.iter().map(step).collect::<Result<_, String>>().map_err(named)?,
            end: written.end.as_deref().map(rows).transpose().map_err(named)?,
            name: written.name.clone(),
            stays: written.stays,
            purge: written.purge,
            does,
        })
    }
}

impl Does {
    fn read(written: &Written) -> Result<Self, String> {
        let Written { window, aggregate, dedup, join, table, pattern, late_by, trigger, .. } = written;
        let late = late_by.as_deref().map(duration).transpose()?;
        let early = trigger.as_deref().map(read_trigger).transpose()?;
        let firings = (late.is_some() || early.is_some()).then_some((late.unwrap_or(Duration::ZERO), early));
        if let (Some(window), Some(aggregate), None, None, None, None) =
            (window, aggregate, dedup, join, table, pattern)
        {
            return Ok(Self::Window(read_windows(window)?, aggregate.parse()?, firings));
        }
        match (window.as_ref().or(aggregate.as_ref()), dedup, join, table, pattern) {
            _ if firings.is_some() => {}
            (None, Some(dedup), None, None, None) => return Ok(Self::Dedup(read_dedup(dedup)?)),
            (None, None, Some(join), None, None) => return Ok(Self::Join(read_join(join)?)),
            (None, None, None, Some(table), None) => return Ok(Self::Table(read_table(table)?)),
            (None, None, None, None, Some(pattern)) => return Ok(Self::Pattern(read_pattern(pattern)?)),
            _ => {}
        }
        Err("a case has a `window` and an `aggregate`, or a `dedup`, a `join`, a `table` or a `pattern`".to_owned())
    }

    fn rows(&self, text: &str) -> Result<Vec<Row>, String> {
        match self {
            Self::Window(_, aggregate, _) => text.split_whitespace().map(|row| read_row(row, *aggregate)).collect(),
            Self::Dedup(_) => Ok(read_events(text)?.into_iter().map(|(key, at)| row_at(at, key)).collect()),
            Self::Join(_) | Self::Table(_) => {
                let rows: Result<Vec<Vec<Row>>, String> = text.split_whitespace().map(read_joined).collect();
                Ok(rows?.concat())
            }
            Self::Pattern(_) => text.split_whitespace().map(read_found).collect(),
        }
    }

    /// Whether nothing is remembered of what is over, once time has ended. A count window that is not complete stays.
    pub(crate) fn forgets(&self) -> bool {
        match self {
            Self::Dedup(dedup) => matches!(dedup, Dedup::Within(_)),
            Self::Window(windows, ..) => !matches!(windows, Windows::Count(_)),
            Self::Table(table) => table.as_of || table.forgets.is_none(),
            Self::Join(_) | Self::Pattern(_) => true,
        }
    }
}
