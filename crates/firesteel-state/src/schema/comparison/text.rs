//! The report as people read it: within a hundred columns.

use std::fmt;

use super::{Comparison, Fate, Finding};

const WIDTH: usize = 100;
/// Where the text of a finding begins.
const INDENT: usize = 12;

pub(super) fn write(comparison: &Comparison, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for finding in &comparison.findings {
        line(f, label(finding), &format!("{}: {}", finding.member, finding.text))?;
        if let Some(way_out) = finding.way_out.as_ref().filter(|_| finding.is_open()) {
            line(f, "", &format!("way out: {way_out}"))?;
        }
    }
    for what in &comparison.not_compared {
        line(f, "not compared:", what)?;
    }
    for name in &comparison.unused {
        line(f, "note:", &format!("the permission to lose {name:?} names nothing that would be lost"))?;
    }
    Ok(())
}

fn label(finding: &Finding) -> &'static str {
    match finding.fate {
        _ if finding.is_dropped() => "dropped:",
        Fate::Refused => "refused:",
        Fate::Lost => "lost:",
        Fate::Changed => "changed:",
        Fate::Evolved => "evolved:",
        Fate::New => "new:",
        Fate::Ended => "ended:",
        Fate::Fits => "fits:",
    }
}

/// Text without an indent, broken between words.
pub(super) fn wrapped(text: &str) -> String {
    let (mut all, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 {
            let fits = column + 1 + length <= WIDTH;
            all.push(if fits { ' ' } else { '\n' });
            column = if fits { column + 1 } else { 0 };
        }
        all.push_str(word);
        column += length;
    }
    all
}

/// A line, broken between words and continued below its text.
fn line(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    let label = format!("  {label:<width$}", width = INDENT - 3);
    let mut column = label.chars().count();
    f.write_str(&label)?;
    for word in text.split_whitespace() {
        let mut rest: &str = word;
        loop {
            let length = rest.chars().count();
            if column + 1 + length <= WIDTH {
                write!(f, " {rest}")?;
                column += 1 + length;
                break;
            }
            // A word that is wider than all there is, such as the shape of a type, is cut.
            let room = WIDTH - INDENT;
            if length > room && column + 1 < WIDTH {
                let cut = rest.char_indices().nth(WIDTH - column - 1).map_or(rest.len(), |(at, _)| at);
                write!(f, " {}", &rest[..cut])?;
                rest = &rest[cut..];
            }
            write!(f, "\n{:width$}", "", width = INDENT - 1)?;
            column = INDENT - 1;
        }
    }
    writeln!(f)
}
