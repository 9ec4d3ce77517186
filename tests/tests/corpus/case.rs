//! How a case is written down.

use std::str::FromStr;

use firesteel_window::{CountWindow, Duration, Session, Sliding, Timestamp, Tumbling};
use serde::Deserialize;

use crate::aggregate::Aggregate;

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
    aggregate: String,
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

/// A case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) delay: Duration,
    pub(crate) window: Windows,
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

/// What a window has of a key: start, end, key, and the result.
pub(crate) type Row = (Timestamp, Timestamp, String, Vec<i64>);

#[derive(Debug, Clone, Copy)]
pub(crate) enum Windows {
    Tumbling(Tumbling),
    Sliding(Sliding),
    Session(Session),
    Global,
    Count(CountWindow),
}

/// The cases of a file.
pub(crate) fn parse(text: &str) -> Result<Vec<Case>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    file.case.into_iter().map(Case::read).collect()
}

impl Case {
    fn read(written: Written) -> Result<Self, String> {
        let Written { name, watermark, window, aggregate, steps, end, .. } = written;
        let named = |error: String| format!("{name}: {error}");
        let aggregate: Aggregate = aggregate.parse().map_err(named)?;
        let rows = |text: &str| text.split_whitespace().map(|row| read_row(row, aggregate)).collect::<Result<_, _>>();
        let step = |step: WrittenStep| {
            let WrittenStep { events, out, late, outside } = step;
            Ok(Step { events: read_events(&events)?, out: rows(&out)?, late: read_events(&late)?, outside })
        };
        Ok(Self {
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
        ["global"] => Ok(Windows::Global),
        ["count", size] => Ok(Windows::Count(CountWindow::of(number(size)?))),
        ["count", size, "every", slide] => Ok(Windows::Count(CountWindow::of(number(size)?).every(number(slide)?))),
        _ => Err(format!(
            "{text:?} are no windows: tumbling 5s, sliding 10s every 5s, session 10s, and offset 2s; global; count 3, count 3 every 2"
        )),
    }
}

pub(crate) fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn read_events(text: &str) -> Result<Vec<Event>, String> {
    let mut events = vec![];
    for word in text.split_whitespace() {
        let (key, at) = word.split_once('@').ok_or_else(|| format!("an event is written key@time, not {word:?}"))?;
        let (at, times) = at.split_once('*').unwrap_or((at, "1"));
        let times: usize = number(times)?;
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

/// `key[start,end)=result`, and `key@time=result` where windows have no ends.
fn read_row(text: &str, aggregate: Aggregate) -> Result<Row, String> {
    let bad = || format!("a row is written key[start,end)=result, or key@time=result of count windows, not {text:?}");
    let (key, window, result) = match text.split_once('@') {
        Some((key, rest)) => {
            let (at, result) = rest.split_once('=').ok_or_else(bad)?;
            (key, (at, at), result)
        }
        None => {
            let (key, rest) = text.split_once('[').ok_or_else(bad)?;
            let (window, result) = rest.split_once(")=").ok_or_else(bad)?;
            (key, window.split_once(',').ok_or_else(bad)?, result)
        }
    };
    let part = |word: &str| {
        if aggregate.gives_numbers() { number(word) } else { Ok(read_time(word)?.as_micros()) }
    };
    let result = result.split(',').map(part).collect::<Result<_, String>>()?;
    Ok((read_time(window.0)?, read_time(window.1)?, key.to_owned(), result))
}
