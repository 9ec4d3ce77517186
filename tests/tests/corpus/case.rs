//! How a case is written down.

use std::str::FromStr;

use firesteel_window::{Duration, Early, Firing, Session, Sliding, Timestamp, Tumbling};
use serde::Deserialize;

/// A case, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    /// What a reader should know; not looked at.
    #[serde(default, rename = "note")]
    _note: String,
    watermark: String,
    window: String,
    late_by: Option<String>,
    trigger: Option<String>,
    aggregate: Aggregate,
    steps: Vec<WrittenStep>,
    end: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenStep {
    #[serde(rename = "in")]
    events: String,
    #[serde(default)]
    out: String,
    #[serde(default)]
    late: String,
    #[serde(default)]
    outside: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Written>,
}

/// What is made of the events of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Aggregate {
    /// How many they are.
    Count,
    /// When they happened, in ascending order.
    Times,
}

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) delay: Duration,
    pub(crate) window: Windows,
    /// How long windows stay after they have fired, and what makes them fire before; nothing where they fire once.
    pub(crate) firings: Option<(Duration, Option<Early>)>,
    pub(crate) aggregate: Aggregate,
    pub(crate) steps: Vec<Step>,
    /// What comes when event time ends, if it does.
    pub(crate) end: Option<Vec<Row>>,
}

/// One batch, and what comes of it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) events: Vec<Event>,
    pub(crate) out: Vec<Row>,
    pub(crate) late: Vec<Event>,
    pub(crate) outside: u64,
}

/// A key, and when something happened to it.
pub(crate) type Event = (String, Timestamp);

/// What a firing says of a key in a window: start, end, key, why it fires, and the result; nothing where it is withdrawn.
pub(crate) type Row = (Timestamp, Timestamp, String, Firing, Option<Vec<i64>>);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Windows {
    Tumbling(Tumbling),
    Sliding(Sliding),
    Session(Session),
}

/// The cases of a file.
pub(crate) fn parse(text: &str) -> Result<Vec<Case>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    file.case.into_iter().map(Case::read).collect()
}

impl Case {
    fn read(written: Written) -> Result<Self, String> {
        let Written { name, watermark, window, late_by, trigger, aggregate, steps, end, .. } = written;
        let named = |error: String| format!("{name}: {error}");
        let rows = |text: &str| text.split_whitespace().map(|row| read_row(row, aggregate)).collect::<Result<_, _>>();
        let step = |step: WrittenStep| {
            let WrittenStep { events, out, late, outside } = step;
            Ok(Step { events: read_events(&events)?, out: rows(&out)?, late: read_events(&late)?, outside })
        };
        let early = trigger.as_deref().map(read_trigger).transpose().map_err(named)?;
        let late = late_by.as_deref().map(duration).transpose().map_err(named)?;
        let changes = late.is_some() || early.is_some();
        Ok(Self {
            firings: changes.then_some((late.unwrap_or(Duration::ZERO), early)),
            delay: duration(&watermark).map_err(named)?,
            window: read_windows(&window).map_err(named)?,
            aggregate,
            steps: steps.into_iter().map(step).collect::<Result<_, String>>().map_err(named)?,
            end: end.as_deref().map(rows).transpose().map_err(named)?,
            name: name.clone(),
        })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse().map_err(|error| format!("{text:?} is no duration: {error}"))
}

fn read_trigger(text: &str) -> Result<Early, String> {
    let bad = || format!("{text:?} is no trigger: every 10s, every 10 records");
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        ["every", interval] => Ok(Early::every(duration(interval)?)),
        ["every", n, "records"] => Ok(Early::every_records(n.parse().map_err(|_| bad())?)),
        _ => Err(bad()),
    }
}

fn read_windows(text: &str) -> Result<Windows, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (words, offset) = match words[..] {
        [ref words @ .., "offset", offset] => (words, duration(offset)?),
        ref words => (words, Duration::ZERO),
    };
    match *words {
        ["tumbling", size] => Ok(Windows::Tumbling(Tumbling::of(duration(size)?).offset(offset))),
        ["sliding", size, "every", slide] => {
            Ok(Windows::Sliding(Sliding::of(duration(size)?).every(duration(slide)?).offset(offset)))
        }
        ["session", gap] => Ok(Windows::Session(Session::gap(duration(gap)?))),
        _ => Err(format!("{text:?} are no windows: tumbling 5s, sliding 10s every 5s, session 10s, and offset 2s")),
    }
}

fn read_events(text: &str) -> Result<Vec<Event>, String> {
    let mut events = vec![];
    for word in text.split_whitespace() {
        let (key, at) = word.split_once('@').ok_or_else(|| format!("an event is written key@time, not {word:?}"))?;
        let (at, times) = at.split_once('*').unwrap_or((at, "1"));
        let times: usize = times.parse().map_err(|_| format!("{times:?} in {word:?} is no number"))?;
        events.extend(std::iter::repeat_n((key.to_owned(), read_time(at)?), times));
    }
    Ok(events)
}

/// Seconds, with a fraction or not; `min` and `max`, with microseconds added or taken away; or a date and time.
fn read_time(text: &str) -> Result<Timestamp, String> {
    let bad = || format!("{text:?} is no time");
    for (name, edge) in [("min", Timestamp::MIN), ("max", Timestamp::MAX)] {
        if let Some(rest) = text.strip_prefix(name) {
            let moved: i64 =
                if rest.is_empty() { 0 } else { rest.trim_start_matches('+').parse().map_err(|_| bad())? };
            return Ok(edge + Duration::micros(moved));
        }
    }
    if text.contains('T') {
        return Timestamp::from_str(text).map_err(|_| bad());
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().map_err(|_| bad())?;
    let micros: i64 = format!("{fraction:0<6}").parse().map_err(|_| bad())?;
    Ok(Timestamp::from_secs(seconds) + Duration::micros(if whole.starts_with('-') { -micros } else { micros }))
}

/// `key[start,end)=result`, perhaps after `early:` or `late:`; without a result where it is withdrawn.
fn read_row(text: &str, aggregate: Aggregate) -> Result<Row, String> {
    let bad = || format!("a row is written key[start,end)=result, not {text:?}");
    let (firing, text) = match text.split_once(':').filter(|(mark, _)| !mark.contains('[')) {
        Some(("early", row)) => (Firing::Early, row),
        Some(("late", row)) => (Firing::Late, row),
        Some(_) => return Err(bad()),
        None => (Firing::OnTime, text),
    };
    let (key, rest) = text.split_once('[').ok_or_else(bad)?;
    let (window, result) = rest.split_once(')').ok_or_else(bad)?;
    let (start, end) = window.split_once(',').ok_or_else(bad)?;
    let number = |word: &str| match aggregate {
        Aggregate::Count => word.parse().map_err(|_| bad()),
        Aggregate::Times => Ok(read_time(word)?.as_micros()),
    };
    let result = match result.strip_prefix('=') {
        Some(result) => Some(result.split(',').map(number).collect::<Result<_, String>>()?),
        None if result.is_empty() => None,
        None => return Err(bad()),
    };
    Ok((read_time(start)?, read_time(end)?, key.to_owned(), firing, result))
}
