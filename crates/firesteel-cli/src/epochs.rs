//! `firesteel checkpoint epochs`: what each epoch read and changed.

use std::collections::BTreeMap;

use firesteel_state::EpochRecord;
use firesteel_state::changelog::BatchBoundary;
use serde::Serialize;

use crate::Outcome;
use crate::args::Epochs;
use crate::error::Result;
use crate::folder::Folder;
use crate::progress::Progress;
use crate::screen::Screen;
use crate::table::render;
use crate::text::{bytes, cell, grouped};

/// This many ranges are named in a cell.
const FEW: usize = 3;

/// One epoch, as JSON.
#[derive(Serialize)]
struct Epoch {
    epoch: u64,
    committed: bool,
    batches: Vec<Batch>,
    watermarks: Vec<Watermark>,
    /// Keys whose values changed or were removed, counted once for each state and timer.
    changes: u64,
    /// On disk.
    bytes: u64,
}

/// A micro-batch, as JSON.
#[derive(Serialize)]
pub(crate) struct Batch {
    batch: u64,
    time: String,
    ranges: Vec<Range>,
}

/// What was read of a split: `[from, to)`.
#[derive(Clone, Serialize)]
pub(crate) struct Range {
    input: String,
    split: String,
    from: u64,
    to: u64,
}

/// How far event time had come.
#[derive(Serialize)]
pub(crate) struct Watermark {
    pub(crate) operator: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) split: String,
    pub(crate) watermark: String,
}

pub(crate) fn run(args: &Epochs, screen: &mut Screen<'_>) -> Result<Outcome> {
    let folder = Folder::open(&args.target)?;
    let progress = Progress::of_bytes("changelog", folder.changelog_bytes());
    let (mut epochs, mut committed, mut outcome) = (vec![], 0, Outcome::Well);
    for segment in folder.segments()? {
        let segment = segment?;
        progress.advance(segment.bytes());
        for fault in &segment.faults {
            outcome = Outcome::Wrong;
            screen.note(format_args!("{fault}"));
        }
        for place in &segment.records {
            committed = committed.max(place.committed);
            if place.is_mark || place.epoch < args.from || place.epoch > args.to {
                continue;
            }
            match segment.read(place) {
                Ok(record) => epochs.push(of(&record, place.bytes)),
                Err(error) => {
                    outcome = Outcome::Wrong;
                    screen.note(format_args!("{error}"));
                }
            }
        }
    }
    drop(progress);
    epochs.iter_mut().for_each(|epoch| epoch.committed = epoch.epoch <= committed);
    if args.target.json {
        epochs.iter().try_for_each(|epoch| screen.json(epoch))?;
    } else if epochs.is_empty() {
        screen.line("no epoch in this range is in the changelog")?;
    } else {
        let columns = ["epoch#", "committed", "batches", "read", "watermarks", "changes#", "size#"];
        let text = render("", columns, epochs.iter().map(row).collect());
        screen.print(text.trim_start_matches('\n'))?;
    }
    Ok(outcome)
}

fn of(record: &EpochRecord, bytes: u64) -> Epoch {
    Epoch {
        epoch: record.epoch,
        committed: false,
        batches: record.batches.iter().map(batch).collect(),
        watermarks: watermarks(record),
        changes: record.frames.iter().map(firesteel_state::Frame::len).sum(),
        bytes,
    }
}

pub(crate) fn watermarks(record: &EpochRecord) -> Vec<Watermark> {
    let shown = record.watermarks.iter().map(|mark| Watermark {
        operator: mark.operator.clone(),
        split: mark.split.clone(),
        watermark: mark.watermark.to_string(),
    });
    shown.collect()
}

pub(crate) fn batch(batch: &BatchBoundary) -> Batch {
    let ranges = batch.inputs.iter().map(|range| Range {
        input: range.input.clone(),
        split: range.split.clone(),
        from: range.from,
        to: range.to,
    });
    Batch { batch: batch.batch, time: batch.time.to_string(), ranges: ranges.collect() }
}

fn row(epoch: &Epoch) -> [String; 7] {
    let batches = match (epoch.batches.first(), epoch.batches.last()) {
        (Some(first), Some(last)) if first.batch < last.batch => format!("{} to {}", first.batch, last.batch),
        (Some(only), _) => only.batch.to_string(),
        _ => "none".to_owned(),
    };
    [
        epoch.epoch.to_string(),
        if epoch.committed { "yes" } else { "not known" }.to_owned(),
        batches,
        ranges(epoch.batches.iter().flat_map(|batch| &batch.ranges)),
        marks(&epoch.watermarks),
        grouped(epoch.changes),
        bytes(epoch.bytes),
    ]
}

impl Batch {
    /// Number, time and ranges.
    pub(crate) fn cells(&self) -> [String; 3] {
        [self.batch.to_string(), self.time.clone(), ranges(&self.ranges)]
    }
}

/// The ranges of all splits, those that follow each other as one.
fn ranges<'a>(all: impl IntoIterator<Item = &'a Range>) -> String {
    let mut joined: BTreeMap<(&str, &str), Vec<(u64, u64)>> = BTreeMap::new();
    for range in all {
        let of = joined.entry((&range.input, &range.split)).or_default();
        match of.last_mut() {
            Some((_, to)) if *to == range.from => *to = range.to,
            _ => of.push((range.from, range.to)),
        }
    }
    let texts = joined.iter().flat_map(|((input, split), ranges)| {
        let name = if split.is_empty() { (*input).to_owned() } else { format!("{input}/{split}") };
        ranges.iter().map(move |(from, to)| format!("{name} {from}..{to}"))
    });
    few(texts)
}

fn marks(all: &[Watermark]) -> String {
    few(all.iter().map(|mark| match mark.split.as_str() {
        "" => format!("{} {}", mark.operator, mark.watermark),
        split => format!("{}/{split} {}", mark.operator, mark.watermark),
    }))
}

/// Some of them, and how many more there are.
fn few(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<String> = texts.collect();
    let more = texts.len().saturating_sub(FEW);
    texts.truncate(FEW);
    let text = cell(&texts.join(", "));
    if more > 0 { format!("{text} and {more} more") } else { text }
}
