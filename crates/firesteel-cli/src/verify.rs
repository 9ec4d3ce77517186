//! `firesteel checkpoint verify`: every checksum, and what a job that starts now would make of what is there.

use std::collections::{BTreeSet, HashSet};

use firesteel_state::snapshot::recover;
use firesteel_state::{Catalog, Cursor, EpochLog, KeyGroups, Manifest, SnapshotStore, StateError};
use serde::Serialize;

use crate::Outcome;
use crate::args::Verify;
use crate::error::{CliError, Result};
use crate::folder::Folder;
use crate::progress::Progress;
use crate::screen::Screen;
use crate::text::{bytes, count};

/// What was looked at and what came of it, also as JSON.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    segments: u64,
    epochs: u64,
    changelog_bytes: u64,
    snapshots: u64,
    images: u64,
    image_bytes: u64,
    /// What is wrong.
    problems: Vec<Problem>,
    /// What is as it may be after a crash, or while a job runs.
    remarks: Vec<String>,
    /// What a job that starts now would do.
    start: String,
    /// Whether it would start.
    starts: bool,
}

/// Something that is wrong.
#[derive(Debug, Clone, Serialize)]
struct Problem {
    /// The code of the error.
    code: &'static str,
    /// The snapshot that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<u64>,
    message: String,
}

pub(crate) fn run(args: &Verify, screen: &mut Screen<'_>) -> Result<Outcome> {
    let folder = Folder::open(&args.target)?;
    let mut findings = Findings::default();
    changelog(&folder, &mut findings)?;
    snapshots(&folder, &mut findings)?;
    start(&folder, &mut findings);
    if args.target.json {
        screen.json(&findings)?;
    } else {
        print(&findings, screen)?;
    }
    Ok(if findings.problems.is_empty() && findings.starts { Outcome::Well } else { Outcome::Wrong })
}

/// Reads all records.
fn changelog(folder: &Folder, findings: &mut Findings) -> Result<()> {
    let progress = Progress::of_bytes("changelog", folder.changelog_bytes());
    for segment in folder.segments()? {
        let segment = segment?;
        findings.segments += 1;
        findings.changelog_bytes += segment.bytes();
        findings.problems.extend(segment.faults.iter().map(|fault| problem(None, fault)));
        if let Some(at) = segment.torn {
            findings.remarks.push(format!(
                "{} has an unfinished write at byte {at}: never acknowledged, it is cut off at the next start",
                segment.path.display()
            ));
        }
        for record in segment.records.iter().filter(|record| !record.is_mark) {
            findings.epochs += 1;
            let read = segment.read(record).and_then(|record| Cursor::decode(&record.extra, record.epoch));
            if let Err(error) = read {
                findings.problems.push(problem(None, &error));
            }
        }
        progress.advance(segment.bytes());
    }
    Ok(())
}

/// Reads all images, those that several snapshots share once.
fn snapshots(folder: &Folder, findings: &mut Findings) -> Result<()> {
    let manifests = folder.manifests()?;
    findings.snapshots = (manifests.sound.len() + manifests.damaged.len()) as u64;
    findings.problems.extend(manifests.damaged.iter().map(|(id, error)| problem(Some(id.number), error)));
    let distinct: HashSet<_> = manifests.sound.iter().flat_map(|manifest| &manifest.images).map(place).collect();
    let progress = Progress::of_bytes("snapshots", distinct.iter().map(|(_, _, length)| length).sum());
    let mut seen = HashSet::new();
    for manifest in &manifests.sound {
        let mut found = vec![];
        if let Err(error) = Cursor::decode(&manifest.extra, manifest.epoch) {
            found.push(problem(Some(manifest.id.number), &error));
        }
        folder.snapshots.survey(manifest, |image, read| {
            let new = seen.insert(place(image));
            if new {
                findings.images += 1;
                findings.image_bytes += image.length;
                progress.advance(image.length);
            }
            if let Err(error) = read {
                let mut problem = problem(Some(manifest.id.number), &error);
                problem.message += &format!(" ({})", image.shard);
                found.push(problem);
            }
        });
        // What is removed while it is read is no longer needed by anyone.
        if found.is_empty() || folder.snapshots.list()?.contains(&manifest.id) {
            findings.problems.extend(found);
        }
    }
    leftovers(folder, &manifests.sound, manifests.damaged.is_empty(), findings)
}

fn place(image: &firesteel_state::snapshot::ImageRef) -> (String, u64, u64) {
    (image.file.clone(), image.offset, image.length)
}

/// Files that no manifest names. If a manifest cannot be read, they may be those of that one.
fn leftovers(folder: &Folder, manifests: &[Manifest], all: bool, findings: &mut Findings) -> Result<()> {
    let named: BTreeSet<&str> =
        manifests.iter().flat_map(|manifest| &manifest.images).map(|image| image.file.as_str()).collect();
    let names = folder.place.list()?;
    let left: Vec<String> = names
        .into_iter()
        .filter(|name| name.ends_with(".tmp") || (name.ends_with(".images") && !named.contains(name.as_str())))
        .collect();
    if all && !left.is_empty() {
        findings.remarks.push(format!(
            "no snapshot names {}: of a snapshot under way, or of one that a crash cut short; the job removes it",
            left.join(", ")
        ));
    }
    Ok(())
}

/// What a job that starts now would do, by the rules that it would follow itself.
fn start(folder: &Folder, findings: &mut Findings) {
    let told = folder.steady(|| {
        let log = folder.reader()?;
        let recovery = recover(&folder.snapshots, &log, None)?;
        let last = recovery.epoch();
        let manifests = folder.manifests()?.sound;
        let known = manifests.last().map_or_else(|| Catalog::new(KeyGroups::default()), |newest| newest.catalog.clone());
        Cursor::at(&manifests, &log, last)?.is_described(&known, &folder.snapshots.place())?;
        let mut told = match (recovery.base(), log.first_epoch()) {
            (None, None) => "begins with an empty state".to_owned(),
            (None, Some(first)) => {
                format!("resumes without a snapshot, from epochs {first} to {last} of the changelog")
            }
            (Some(base), _) if base.replay_from() >= last => {
                format!("resumes from snapshot {} (epoch {last})", base.id)
            }
            (Some(base), _) => format!(
                "resumes from snapshot {} (epoch {}) and epochs {} to {last} of the changelog",
                base.id,
                base.epoch,
                base.replay_from() + 1
            ),
        };
        for (id, error) in recovery.skipped() {
            told += &format!(", skipping snapshot {id} ({})", error.code());
        }
        if log.committed() < last {
            told += &format!(
                "; epoch {last} is prepared and not known to be committed: the sinks are asked, and where one lacks it, it \
                 is run again"
            );
        }
        Ok(told)
    });
    (findings.starts, findings.start) = match told {
        Ok(told) => (true, format!("a job that starts now {told}")),
        Err(CliError::State(error)) => (false, format!("a job that starts now stops: {error}. {}", way_out(&error))),
        Err(error) => (false, format!("what a job would do is unknown: {error}")),
    };
}

/// What helps where a job cannot resume.
fn way_out(error: &StateError) -> &'static str {
    match error {
        StateError::Version { .. } => "Start it with a newer release",
        StateError::File { .. } => "Make the file readable",
        StateError::NoUsableSnapshot { .. } => {
            "If the job's backend has kept its values and a manifest still describes them, it resumes from those; \
             if not, put back a copy of the whole folder, or begin a new checkpoint from a savepoint (Checkpoint::start_from)"
        }
        _ => "Put back a copy of the whole folder, or begin a new checkpoint from a savepoint (Checkpoint::start_from)",
    }
}

fn problem(snapshot: Option<u64>, error: &StateError) -> Problem {
    Problem { code: error.code(), snapshot, message: error.to_string() }
}

fn print(findings: &Findings, screen: &mut Screen<'_>) -> Result<()> {
    screen.line(format_args!(
        "changelog: {}, {}, {}",
        count(findings.segments, "file"),
        count(findings.epochs, "epoch"),
        bytes(findings.changelog_bytes)
    ))?;
    screen.line(format_args!(
        "snapshots: {}, {}, {}",
        findings.snapshots,
        count(findings.images, "image"),
        bytes(findings.image_bytes)
    ))?;
    screen.line(match findings.problems.len() {
        0 => "problems:  none".to_owned(),
        some => format!("problems:  {some}"),
    })?;
    for problem in &findings.problems {
        let of = problem.snapshot.map_or(String::new(), |id| format!("snapshot {id}: "));
        screen.line(format_args!("  {of}{}", problem.message))?;
    }
    if !findings.remarks.is_empty() {
        screen.line("remarks:")?;
    }
    for remark in &findings.remarks {
        screen.line(format_args!("  {remark}"))?;
    }
    screen.line(&findings.start)
}
