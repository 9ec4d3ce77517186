//! Figures, and the table a person reads.

use std::fmt::{self, Write};

use crate::sides::REFERENCES;
use crate::workload::{Setting, Workload};

/// The rates of one side for one workload and setting, one per round.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What was computed.
    pub workload: Workload,
    /// Who computed it.
    pub side: &'static str,
    /// How.
    pub setting: Setting,
    /// Events per second of each round; there is at least one.
    pub rates: Vec<f64>,
    /// Whether every round gave the reference's answer.
    pub correct: bool,
}

impl Figure {
    /// The middle rate, or the mean of the two in the middle.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        let middle = rates.len() / 2;
        if rates.len().is_multiple_of(2) { f64::midpoint(rates[middle - 1], rates[middle]) } else { rates[middle] }
    }

    /// The slowest round.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.rates.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The fastest round.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }
}

/// The column headings, with a newline.
#[must_use]
pub fn heading() -> String {
    let mut text =
        format!("{:8} {:>7} {:>9}  {:18} {:>9} {:>17}", "workload", "threads", "batch", "side", "M ev/s", "min – max");
    for reference in REFERENCES {
        let _ = write!(text, " {:>14}", format!("÷ {reference}"));
    }
    text + "\n"
}

/// The lines of the sides that ran one workload in one setting, with their
/// ratios to the references among them.
#[derive(Debug)]
pub struct Group<'a>(pub &'a [Figure]);

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figure in self.0 {
            let range = format!("{:.1} – {:.1}", figure.min() / 1e6, figure.max() / 1e6);
            write!(
                f,
                "{:8} {:>7} {:>9}  {:18} {:>9.1} {range:>17}",
                figure.workload,
                figure.setting.threads,
                figure.setting.batch,
                figure.side,
                figure.median() / 1e6,
            )?;
            for reference in REFERENCES {
                match self.0.iter().find(|other| other.side == reference) {
                    Some(other) => write!(f, " {:>14.2}", figure.median() / other.median())?,
                    None => write!(f, " {:>14}", "–")?,
                }
            }
            writeln!(f, "{}", if figure.correct { "" } else { "  WRONG RESULT" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(side: &'static str, rates: &[f64]) -> Figure {
        Figure {
            workload: Workload::W1a,
            side,
            setting: Setting { threads: 2, batch: 1_000 },
            rates: rates.to_vec(),
            correct: side != "wrong",
        }
    }

    #[test]
    fn the_median_ignores_the_order_of_rounds() {
        assert_eq!(figure("a", &[9.0, 1.0, 4.0]).median().to_bits(), 4_f64.to_bits());
        assert_eq!(figure("a", &[9.0, 1.0, 4.0, 2.0]).median().to_bits(), 3_f64.to_bits());
    }

    #[test]
    fn gives_ratios_to_the_references_that_ran() {
        let figures = [figure("firesteel", &[3e6]), figure("hand-written", &[4e6]), figure("wrong", &[1e6])];
        let text = Group(&figures).to_string();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["W1a", "2", "1000", "firesteel", "3.0", "3.0", "–", "3.0", "0.75", "–", "–"]);
        assert_eq!(lines[2][8..], ["0.25", "–", "–", "WRONG", "RESULT"]);
    }
}
