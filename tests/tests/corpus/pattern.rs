//! Patterns in the notation.

use firesteel_window::{AfterMatch, Duration, Outcome, Pattern, Timestamp};
use serde::{Deserialize, Serialize};

use crate::case::{Event, Row, row_at};
use crate::read::{duration, number, read_time};

/// A pattern as it is written.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    steps: Vec<Step>,
    within: Option<Duration>,
    every_start: bool,
    by_label: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follows {
    Next,
    FollowedBy,
    Not,
}

#[derive(Debug, Clone)]
struct Step {
    follows: Follows,
    /// What its events are labeled.
    label: String,
    count: u32,
    or_more: bool,
    in_a_row: bool,
    or_not: bool,
    within: Option<Duration>,
}

/// What an event is labeled.
fn label(event: &Event) -> &str {
    event.0.split_once('#').map_or("", |(_, label)| label)
}

/// `x, then y*2 in a row, not z in 5s, within 10s, every start`.
pub(crate) fn read_pattern(text: &str) -> Result<Sequence, String> {
    let mut read = Sequence { steps: vec![], within: None, every_start: false, by_label: false };
    for part in text.split(", ") {
        let (follows, step) = match part.split_once(' ') {
            _ if read.steps.is_empty() => (Follows::FollowedBy, part),
            Some(("next", step)) => (Follows::Next, step),
            Some(("then", step)) => (Follows::FollowedBy, step),
            Some(("not", step)) => (Follows::Not, step),
            Some(("within", span)) => {
                read.within = Some(duration(span)?);
                continue;
            }
            _ if part == "every start" => {
                read.every_start = true;
                continue;
            }
            _ if part == "by label" => {
                read.by_label = true;
                continue;
            }
            _ if part == "forever" => continue,
            _ => return Err(format!("{part:?} is no part of a pattern: see the README of the corpus")),
        };
        read.steps.push(read_step(follows, step)?);
    }
    Ok(read)
}

fn read_step(follows: Follows, text: &str) -> Result<Step, String> {
    let words: Vec<&str> = text.split(' ').collect();
    let (label, count) = words[0].split_once('*').unwrap_or((words[0], "1"));
    let or_more = count.ends_with('+');
    let count = number(count.trim_end_matches('+'))?;
    let mut step =
        Step { follows, label: label.to_owned(), count, or_more, in_a_row: false, or_not: false, within: None };
    let mut words = &words[1..];
    loop {
        words = match words {
            [] => return Ok(step),
            ["in", "a", "row", rest @ ..] => {
                step.in_a_row = true;
                rest
            }
            ["or", "not", rest @ ..] => {
                step.or_not = true;
                rest
            }
            ["in", span, rest @ ..] => {
                step.within = Some(duration(span)?);
                rest
            }
            _ => return Err(format!("{text:?} is no step of a pattern: see the README of the corpus")),
        };
    }
}

impl Sequence {
    pub(crate) fn pattern(&self) -> Pattern<Event> {
        let mut pattern: Option<Pattern<Event>> = None;
        for (place, step) in self.steps.iter().enumerate() {
            let (name, wanted) = (place.to_string(), step.label.clone());
            let condition = move |event: &Event| wanted == "any" || label(event) == wanted;
            let begun = match (pattern, step.follows) {
                (None, _) => Pattern::begin(name, condition),
                (Some(pattern), Follows::Next) => pattern.next(name, condition),
                (Some(pattern), Follows::FollowedBy) => pattern.followed_by(name, condition),
                (Some(pattern), Follows::Not) => pattern.not_followed_by(name, condition),
            };
            let counted = match (step.or_more, step.count) {
                (true, count) => begun.at_least(count),
                (false, 1) => begun,
                (false, count) => begun.times(count),
            };
            let in_a_row = if step.in_a_row { counted.in_a_row() } else { counted };
            let or_not = if step.or_not { in_a_row.optional() } else { in_a_row };
            pattern = Some(if let Some(span) = step.within { or_not.step_within(span) } else { or_not });
        }
        let pattern = pattern.unwrap();
        let pattern = self.within.map_or_else(|| pattern.clone().forever(), |span| pattern.clone().within(span));
        let pattern = if self.by_label { pattern.ordered_by(|event| label(event).to_owned()) } else { pattern };
        if self.every_start { pattern.after_match(AfterMatch::EveryStart) } else { pattern }
    }
}

/// What has been found: whether it is a match, and its events.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Found(bool, Vec<(String, Timestamp)>);

pub(crate) fn found(outcome: &Outcome<'_, Event>) -> Found {
    let events = outcome.matched().records().map(|event| (label(event).to_owned(), event.1));
    Found(outcome.is_match(), events.collect())
}

impl Found {
    /// As a row of a key.
    pub(crate) fn row(&self, id: &str) -> String {
        let events: Vec<_> = self.1.iter().map(|(label, at)| format!("{label}:{}", at.as_micros())).collect();
        format!("{}{id}({})", if self.0 { "" } else { "out:" }, events.join(","))
    }
}

/// `key(label:time,label:time)@time`, after `out:` where it has timed out.
pub(crate) fn read_found(text: &str) -> Result<Row, String> {
    let bad = || format!("a row is written key(label:time,label:time)@time, perhaps after out:, not {text:?}");
    let (is_match, row) = text.strip_prefix("out:").map_or((true, text), |row| (false, row));
    let (id, rest) = row.split_once('(').ok_or_else(bad)?;
    let (events, at) = rest.split_once(")@").ok_or_else(bad)?;
    let event = |event: &str| {
        let (label, at) = event.split_once(':').ok_or_else(bad)?;
        Ok((label.to_owned(), read_time(at)?))
    };
    let events = events.split(',').map(event).collect::<Result<_, String>>()?;
    Ok(row_at(read_time(at)?, Found(is_match, events).row(id)))
}
