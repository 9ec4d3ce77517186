//! Reads the words of the notation.

use std::str::FromStr;

use firesteel_window::{CountWindow, Duration, Early, Firing, Session, Sliding, Timestamp, Tumbling};

use crate::aggregate::Aggregate;
use crate::case::{Dedup, Event, Join, JoinKind, Over, Row, Table, Windows, joined_row};

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    text.parse().map_err(|error| format!("{text:?} is no duration: {error}"))
}

pub(crate) fn read_windows(text: &str) -> Result<Windows, String> {
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

pub(crate) fn read_trigger(text: &str) -> Result<Early, String> {
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        ["every", interval] => Ok(Early::every(duration(interval)?)),
        ["every", count, "records"] => Ok(Early::every_records(number(count)?)),
        _ => Err(format!("{text:?} is no trigger: every 10s, every 10 records")),
    }
}

pub(crate) fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

pub(crate) fn read_events(text: &str) -> Result<Vec<Event>, String> {
    let mut events = vec![];
    for word in text.split_whitespace() {
        let (key, at) = word.split_once('@').ok_or_else(|| format!("an event is written key@time, not {word:?}"))?;
        let (at, times) = at.split_once('*').unwrap_or((at, "1"));
        let times: usize = number(times)?;
        events.extend(std::iter::repeat_n((key.to_owned(), read_time(at)?), times));
    }
    Ok(events)
}

pub(crate) fn read_dedup(text: &str) -> Result<Dedup, String> {
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        ["forever"] => Ok(Dedup::Forever),
        ["forget", "after", span] => Ok(Dedup::ForgetAfter(duration(span)?)),
        ["within", span] => Ok(Dedup::Within(duration(span)?)),
        _ => Err(format!("{text:?} is no time to remember ids: forever, forget after 3s, within 60s")),
    }
}

/// `left outer -5s to 15s`, and `at left time` after it; or `left outer in tumbling 10s`.
pub(crate) fn read_join(text: &str) -> Result<Join, String> {
    let bad =
        || format!("{text:?} is no join: inner -5s to 15s, left outer, right outer, full outer, left semi, left anti");
    let words: Vec<&str> = text.split_whitespace().collect();
    let (words, at_left_time) = match words[..] {
        [ref words @ .., "at", "left", "time"] => (words, true),
        ref words => (words, false),
    };
    let (kind, over) = match words {
        [kind @ .., least, "to", most] => (kind, Over::Interval(duration(least)?..=duration(most)?)),
        _ => {
            let place = words.iter().position(|word| *word == "in").ok_or_else(bad)?;
            (&words[..place], Over::Window(read_windows(&words[place + 1..].join(" "))?))
        }
    };
    let kind = match kind {
        ["inner"] => JoinKind::Inner,
        ["left", "outer"] => JoinKind::LeftOuter,
        ["right", "outer"] => JoinKind::RightOuter,
        ["full", "outer"] => JoinKind::FullOuter,
        ["left", "semi"] => JoinKind::LeftSemi,
        ["left", "anti"] => JoinKind::LeftAnti,
        _ => return Err(bad()),
    };
    Ok(Join { kind, over, at_left_time })
}

/// `as of left outer`, `latest inner`, and `forget after 3s` after it.
pub(crate) fn read_table(text: &str) -> Result<Table, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (words, forgets) = match words[..] {
        [ref words @ .., "forget", "after", span] => (words, Some(duration(span)?)),
        ref words => (words, None),
    };
    let (as_of, is_outer) = match words {
        ["as", "of", "inner"] => (true, false),
        ["as", "of", "left", "outer"] => (true, true),
        ["latest", "inner"] => (false, false),
        ["latest", "left", "outer"] => (false, true),
        _ => {
            return Err(format!(
                "{text:?} is no table: as of inner, as of left outer, latest inner, latest left outer"
            ));
        }
    };
    Ok(Table { as_of, is_outer, forgets })
}

/// `key(left,right)@time`, with `-` in place of a partner that there is not.
///
/// `*2` after it: twice.
pub(crate) fn read_joined(text: &str) -> Result<Vec<Row>, String> {
    let bad = || format!("a row is written key(left,right)@time, not {text:?}");
    let (id, rest) = text.split_once('(').ok_or_else(bad)?;
    let (times, at) = rest.split_once(")@").ok_or_else(bad)?;
    let (left, right) = times.split_once(',').ok_or_else(bad)?;
    let time = |text: &str| if text == "-" { Ok(None) } else { read_time(text).map(Some) };
    let (at, times_it_comes) = at.split_once('*').unwrap_or((at, "1"));
    let row = joined_row(read_time(at)?, id, [time(left)?, time(right)?]);
    Ok(vec![row; times_it_comes.parse().map_err(|_| bad())?])
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

/// `key[start,end)=result`, perhaps after `early:` or `late:`; without a result where it is withdrawn; and `key@time=result`
/// where windows have no ends.
pub(crate) fn read_row(text: &str, aggregate: Aggregate) -> Result<Row, String> {
    let bad = || format!("a row is written key[start,end)=result, or key@time=result of count windows, not {text:?}");
    let (firing, text) = match text.split_once(':').filter(|(mark, _)| !mark.contains(['[', '@'])) {
        Some(("early", row)) => (Firing::Early, row),
        Some(("late", row)) => (Firing::Late, row),
        Some(_) => return Err(bad()),
        None => (Firing::OnTime, text),
    };
    let (key, window, result) = match text.split_once('@') {
        Some((key, rest)) => {
            let (at, result) = rest.split_once('=').ok_or_else(bad)?;
            (key, (at, at), Some(result))
        }
        None => {
            let (key, rest) = text.split_once('[').ok_or_else(bad)?;
            let (window, result) = rest.split_once(')').ok_or_else(bad)?;
            (key, window.split_once(',').ok_or_else(bad)?, result.strip_prefix('='))
        }
    };
    let part = |word: &str| {
        if aggregate.gives_numbers() { number(word) } else { Ok(read_time(word)?.as_micros()) }
    };
    let result = result.map(|result| result.split(',').map(part).collect::<Result<_, String>>()).transpose()?;
    Ok((read_time(window.0)?, read_time(window.1)?, key.to_owned(), firing, result))
}
