//! The figures of W3: what a person reads, and the lines for programs.

use std::fmt;

use serde::Serialize;

use super::contest::Observed;
use super::events::{KeyType, KeyedEvents};
use super::sides::REFERENCES;

/// The runs of one side in one setting, one per round.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Who.
    pub side: &'static str,
    /// On which events.
    pub events: KeyedEvents,
    /// What their keys are.
    pub key: KeyType,
    /// All rounds; there is at least one.
    pub rounds: Vec<Observed>,
    /// Whether every round gave the right totals.
    pub correct: bool,
}

impl Figure {
    fn each(&self, of: impl Fn(&Observed) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().map(of).collect::<Option<Vec<f64>>>()?)
    }

    /// The median of events per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.each(|round| Some(round.run.events_per_second())).unwrap_or_default()
    }

    /// The median of events per second of processor time: what a machine that others use as well shows best.
    #[must_use]
    pub fn processor_rate(&self) -> Option<f64> {
        self.each(|round| Some(round.run.events as f64 / round.processor.filter(|&seconds| seconds > 0.0)?))
    }

    /// The median of the most memory, in bytes.
    #[must_use]
    pub fn peak_resident(&self) -> Option<f64> {
        self.each(|round| Some(round.peak_resident? as f64))
    }

    /// The rates of the slowest and of the fastest round.
    #[must_use]
    pub fn range(&self) -> (f64, f64) {
        let rates = self.rounds.iter().map(|round| round.run.events_per_second());
        rates.fold((f64::INFINITY, 0.0), |(least, most), rate| (least.min(rate), most.max(rate)))
    }

    /// The line for programs.
    ///
    /// # Errors
    /// None that can happen: all of it can be written as JSON.
    pub fn line(&self) -> serde_json::Result<String> {
        let last = self.rounds.last();
        serde_json::to_string(&Line {
            workload: self.key.workload(),
            side: self.side,
            version: last.map_or("", |round| &round.run.version),
            keys: self.events.keys,
            shape: self.events.shape.name(),
            value: self.rate().round(),
            unit: "events/s",
            per_processor_second: self.processor_rate().map(f64::round),
            peak_resident: self.peak_resident(),
            correct: self.correct,
            min: self.range().0.round(),
            max: self.range().1.round(),
            rounds: self.rounds.len(),
            note: last.map_or("", |round| &round.run.note),
        })
    }
}

/// The middle, or the mean of the two in the middle; `None` of nothing.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count.is_multiple_of(2) => Some(f64::midpoint(values[middle - 1], values[middle])),
        _ => Some(values[middle]),
    }
}

#[derive(Serialize)]
struct Line<'a> {
    workload: &'static str,
    side: &'a str,
    version: &'a str,
    keys: u64,
    shape: &'static str,
    value: f64,
    unit: &'static str,
    per_processor_second: Option<f64>,
    peak_resident: Option<f64>,
    correct: bool,
    min: f64,
    max: f64,
    rounds: usize,
    note: &'a str,
}

/// The sides that ran on the same events, with their ratios to the references among them.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [Figure]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.0.first() {
            let KeyedEvents { keys, shape } = first.events;
            writeln!(f, "{}, {keys} keys, {}", first.key.workload(), shape.name())?;
        }
        write!(f, "{:18} {:>8} {:>15} {:>12} {:>9}", "side", "M ev/s", "min – max", "M ev/cpu-s", "peak MB")?;
        for reference in REFERENCES {
            write!(f, " {:>9} {:>13}", format!("÷ {reference}"), "its memory ÷")?;
        }
        writeln!(f)?;
        for figure in self.0 {
            let (least, most) = figure.range();
            let range = format!("{:.2} – {:.2}", least / 1e6, most / 1e6);
            write!(
                f,
                "{:18} {:>8.2} {range:>15} {:>12} {:>9}",
                figure.side,
                figure.rate() / 1e6,
                cell(figure.processor_rate().map(|rate| rate / 1e6), 2),
                cell(figure.peak_resident().map(|bytes| bytes / 1e6), 0),
            )?;
            for reference in REFERENCES {
                let other = self.0.iter().find(|other| other.side == reference);
                let faster = other.map(|other| figure.rate() / other.rate());
                let smaller = other.and_then(|other| Some(other.peak_resident()? / figure.peak_resident()?));
                write!(f, " {:>9} {:>13}", cell(faster, 1), cell(smaller, 1))?;
            }
            let note = figure.rounds.last().map_or("", |round| &round.run.note);
            writeln!(f, "  {}{note}", if figure.correct { "" } else { "WRONG TOTALS; " })?;
        }
        Ok(())
    }
}

/// A number, or a dash where there is none.
fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::super::assignment::Run;
    use super::super::events::Shape;
    use super::super::reference::Totals;
    use super::*;

    fn figure(side: &'static str, rates: &[f64], megabytes: Option<u64>) -> Figure {
        let events = KeyedEvents { keys: 10, shape: Shape::Zipf };
        let rounds = rates.iter().map(|rate| Observed {
            run: Run {
                system: side.to_owned(),
                version: "1".to_owned(),
                events: (rate * 2.0) as u64,
                seconds: 2.0,
                all_events: 0,
                totals: Totals::default(),
                note: "as told".to_owned(),
            },
            peak_resident: megabytes.map(|megabytes| megabytes * 1_000_000),
            processor: Some(4.0),
        });
        Figure { side, events, key: KeyType::Text, rounds: rounds.collect(), correct: side != "wrong" }
    }

    #[test]
    fn gives_ratios_of_speed_and_of_memory_to_the_references_that_ran() {
        let figures = [figure("state-layer", &[9e6, 30e6, 10e6], Some(50)), figure("flink", &[1e6], Some(500))];
        let text = Table(&figures).to_string();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["W3c,", "10", "keys,", "zipf"]);
        assert_eq!(lines[2][..6], ["state-layer", "10.00", "9.00", "–", "30.00", "5.00"]);
        assert_eq!(lines[2][6..], ["50", "10.0", "10.0", "–", "–", "as", "told"]);
    }

    #[test]
    fn what_is_wrong_or_unknown_is_said() {
        let text = Table(&[figure("wrong", &[1e6], None)]).to_string();
        assert!(text.contains("WRONG TOTALS"), "{text}");
        assert!(text.lines().nth(2).is_some_and(|line| line.contains(" – ")));
        let line = figure("flink", &[2e6, 1e6], None).line().unwrap();
        assert!(line.contains(r#""value":1500000.0"#) && line.contains(r#""peak_resident":null"#), "{line}");
    }
}
