//! Two jobs that share the key groups and write to one place: ranges move between them, and the process ends anywhere in that.
//! Started again, both resume, and what they show together is what one job shows that owns all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use firesteel_connect_file::{TextFileSink, TextFiles};
use firesteel_core::ManualClock;
use firesteel_state::KeyGroupRange;
use firesteel_streaming::{BatchLimits, Checkpoint, JobRun, StreamingContext, WindowResult};
use firesteel_window::{Timestamp, Tumbling, Watermark, seconds};

use crate::cases::hits;
use crate::invariants::Broken;
use crate::process::{self, Ended};
use crate::program::{Backend, Record, Reminder, Run, WINDOW, parse};
use crate::{backends, input};

/// The sinks, which are folders of text files that all jobs write to.
const SINKS: [&str; 3] = ["totals", "windows", "timers"];

/// Where the one's key groups end and the other's begin, after each batch: a range comes back, one has nothing, one has all.
const BORDERS: [u16; 10] = [64, 32, 64, 65, 128, 128, 50, 0, 0, 90];

pub(crate) const WHOLE: &str = "together, two jobs show and keep what one does that owns all";
pub(crate) const TERMS: &str = "each gain is a later term";
const RESUMES: &str = "both jobs resume after any crash";

/// A job of the program that owns what its checkpoint says, and these key groups if that is new.
fn job(run: &Run, part: Option<(&str, KeyGroupRange)>) -> firesteel_streaming::Result<JobRun> {
    let clock = ManualClock::starting_at(Timestamp::from_secs(1_000_000));
    let name = part.map_or("whole", |(name, _)| name);
    let mut checkpoint = Checkpoint::in_folder(run.folder.join(name))
        .every_batch()
        .snapshot_after(run.snapshot_after)
        .segment_bytes(run.segment_bytes);
    if let Some((name, groups)) = part {
        checkpoint = checkpoint.owning(groups).part(name);
    }
    let job = StreamingContext::builder(name)
        .threads(run.threads)
        .limits(BatchLimits::default().records(12))
        .clock(Arc::new(clock))
        .checkpoint(backends::choose(checkpoint, run.backend))
        .build()?;
    let records = job.read(TextFiles::new(run.folder.join("in"))).named("lines").map(|line| parse(&line));
    let totals = records.clone().map(|(_, key, number, _): Record| (key, number));
    totals
        .running_sum()
        .named("totals")
        .map(|(key, sum)| format!("{key} {sum}"))
        .write(TextFileSink::new(run.folder.join("totals")));
    let keyed = records
        .event_time(|record: &Record| Timestamp::from_secs(record.3), Watermark::bounded(seconds(17)))
        .key_by(|record| record.1.clone());
    let window = |row: WindowResult<String, u64>| format!("{} {} {}", row.key, row.window.start().as_secs(), row.value);
    let windows = keyed.clone().window(Tumbling::of(seconds(WINDOW))).count().named("windows");
    windows.map(window).write(TextFileSink::new(run.folder.join("windows")));
    keyed.process(Reminder).named("timers").write(TextFileSink::new(run.folder.join("timers")));
    job.begin()
}

/// Has everything that is on its way arrive.
fn settle(from: &mut JobRun, to: &mut JobRun) -> firesteel_streaming::Result<()> {
    for handover in from.released()? {
        moves(from, to, &handover)?;
    }
    Ok(())
}

fn moves(
    from: &mut JobRun,
    to: &mut JobRun,
    handover: &firesteel_streaming::Handover,
) -> firesteel_streaming::Result<()> {
    to.adopt(handover)?;
    assert!(to.key_space().term() > handover.term(), "{TERMS}: {:?} with {:?}", to.key_space(), handover);
    from.taken(handover)
}

/// Moves the border between what the two jobs own.
fn border(a: &mut JobRun, b: &mut JobRun, at: u16) -> firesteel_streaming::Result<()> {
    let now = if a.key_space().is_empty() { b.key_space().owned().start() } else { a.key_space().owned().end() };
    if at < now {
        let handover = a.release(KeyGroupRange::new(at, now))?;
        moves(a, b, &handover)?;
    } else if now < at {
        let handover = b.release(KeyGroupRange::new(now, at))?;
        moves(b, a, &handover)?;
    }
    Ok(())
}

/// Every key group has an owner, and no other one.
fn one_owner(a: &JobRun, b: &JobRun) {
    let (a, b) = (a.key_space(), b.key_space());
    let is_whole = a.owned().joined(b.owned()).is_some_and(|both| both.len() == 128);
    assert!(is_whole, "{WHOLE}: {a} and {b}");
}

/// What closes the windows of a job that has read everything.
fn last(job: &mut JobRun) -> firesteel_streaming::Result<()> {
    let mut progress = job.last_batch()?;
    while progress.timers_left {
        progress = job.next_batch()?;
    }
    Ok(())
}

/// The program: the two jobs, driven by one process batch by batch.
pub(crate) fn run(run: &Run) -> firesteel_streaming::Result<()> {
    if run.beside {
        // The one that owns all, for comparison.
        let mut whole = job(run, None)?;
        while whole.next_batch()?.rows_in > 0 {}
        return last(&mut whole);
    }
    let mut a = job(run, Some(("a", KeyGroupRange::new(0, 64))))?;
    let mut b = job(run, Some(("b", KeyGroupRange::new(64, 128))))?;
    settle(&mut a, &mut b)?;
    settle(&mut b, &mut a)?;
    one_owner(&a, &b);
    loop {
        // Who has come less far comes first.
        let (of_a, of_b) = (a.epoch(), b.epoch());
        let mut rows = 0;
        if of_a <= of_b {
            rows += a.next_batch()?.rows_in;
        }
        if of_b <= of_a {
            rows += b.next_batch()?.rows_in;
        }
        // When all has been read, one may have closed its windows already.
        if rows > 0 && a.epoch() == b.epoch() {
            let batch = usize::try_from(a.epoch().0).unwrap_or(usize::MAX);
            border(&mut a, &mut b, BORDERS[batch.min(BORDERS.len()) - 1])?;
        }
        one_owner(&a, &b);
        if rows == 0 && a.epoch() == b.epoch() {
            break;
        }
    }
    last(&mut a)?;
    last(&mut b)
}

/// The lines of a sink that are committed, by whichever part, in order.
fn shown(folder: &Path) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    let parts = [None, Some("a"), Some("b")];
    for part in parts {
        let manifests = folder.join("_committed");
        let manifests = part.map_or_else(|| manifests.clone(), |part| manifests.join(part));
        let Ok(entries) = std::fs::read_dir(&manifests) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.starts_with(|first: char| first.is_ascii_digit()) {
                continue;
            }
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
            for file in text.split_whitespace().filter(|word| word.contains("part-")) {
                let file = file.trim_matches(|symbol| matches!(symbol, '"' | ',' | ':'));
                let text = std::fs::read_to_string(folder.join(file)).map_err(|error| format!("{file}: {error}"))?;
                lines.extend(text.lines().map(str::to_owned));
            }
        }
    }
    lines.sort();
    Ok(lines)
}

/// What the sinks show of all parts, and that nothing else is left there.
fn results(folder: &Path) -> Result<[Vec<String>; 3], Broken> {
    let mut all: [Vec<String>; 3] = Default::default();
    for (name, lines) in SINKS.iter().zip(&mut all) {
        let folder = folder.join(name);
        *lines = shown(&folder).map_err(|error| (WHOLE, format!("{name}: {error}")))?;
        let files = process::files(&folder);
        let parts: Vec<_> = files.iter().filter(|file| file.to_string_lossy().contains("part-")).collect();
        let text = |file: &&std::path::PathBuf| std::fs::read_to_string(file).unwrap_or_default();
        let there: usize = parts.iter().map(|file| text(file).lines().count()).sum();
        if there != lines.len() {
            return Err((WHOLE, format!("{name}: {there} lines are there, and {} are committed", lines.len())));
        }
    }
    Ok(all)
}

pub(crate) fn settings(folder: &Path, backend: Backend) -> Run {
    // Images of all that changes go to the log and its snapshots by and by.
    Run { owners: true, backend, snapshot_after: 1_000, ..Run::new(folder) }
}

/// What one job shows that owns all.
pub(crate) fn reference() -> [Vec<String>; 3] {
    let folder = process::folder();
    input::write(folder.path());
    let whole = Run { beside: true, ..settings(folder.path(), Backend::None) };
    assert_eq!(process::start(&whole, None), Ended::Drained);
    let shown = results(folder.path()).unwrap();
    assert!(shown.iter().all(|lines| lines.len() > 20), "{shown:?}");
    shown
}

/// A process that ends at each of these points, one that is started after it, and what both have shown.
pub(crate) fn check(
    run: &Run,
    crashes: &[(&str, u64)],
    mutant: Option<&str>,
    reference: &[Vec<String>; 3],
) -> Result<(), Broken> {
    input::write(&run.folder);
    for (point, hit) in crashes {
        match process::start(&Run { crash: Some(((*point).to_owned(), *hit)), ..run.clone() }, mutant) {
            Ended::Crashed => {}
            Ended::Drained => break,
            Ended::Stopped(error) => return Err(rule_of(error)),
        }
    }
    match process::start(run, mutant) {
        Ended::Drained => {}
        Ended::Crashed => return Err((RESUMES, "it ended by itself".to_owned())),
        Ended::Stopped(error) => return Err(rule_of(error)),
    }
    let shown = results(&run.folder)?;
    let differ = |index: usize| {
        let (found, due) = (&shown[index], &reference[index]);
        let (found, due): (BTreeSet<_>, BTreeSet<_>) = (found.iter().collect(), due.iter().collect());
        let lost: Vec<_> = due.difference(&found).collect();
        let more: Vec<_> = found.difference(&due).collect();
        format!("{}: lost {lost:?}, more {more:?}", SINKS[index])
    };
    match (0..SINKS.len()).find(|index| shown[*index] != reference[*index]) {
        Some(index) => Err((WHOLE, differ(index))),
        None => Ok(()),
    }
}

/// The rule that a process names which has found it broken itself.
fn rule_of(error: String) -> Broken {
    let rule = [WHOLE, TERMS].into_iter().find(|rule| error.contains(*rule));
    (rule.unwrap_or(RESUMES), error)
}

/// How often a process passes each point.
fn counts(run: &Run) -> BTreeMap<String, u64> {
    input::write(&run.folder);
    assert_eq!(process::start(&Run { count: true, ..run.clone() }, None), Ended::Drained);
    let text = std::fs::read(run.folder.join("counts")).expect("the counts are there");
    serde_json::from_slice(&text).expect("the counts can be read")
}

/// Ends the process at each of the wanted points, and checks that both jobs make up for it.
pub(crate) fn everywhere(backend: Backend, wanted: impl Fn(&str) -> bool) {
    let (folder, reference) = (process::folder(), reference());
    let counts = counts(&settings(folder.path(), backend));
    let mut faults = Vec::new();
    for (point, count) in counts.iter().filter(|(point, _)| wanted(point)) {
        for hit in hits(*count) {
            let folder = process::folder();
            let run = settings(folder.path(), backend);
            // The second one ends at the same point once more, for what has begun again is not over yet.
            for crashes in [vec![(point.as_str(), hit)], vec![(point.as_str(), hit), (point.as_str(), 1)]] {
                std::fs::remove_dir_all(folder.path()).unwrap();
                if let Err((rule, found)) = check(&run, &crashes, None, &reference) {
                    faults.push(format!("{crashes:?}: {rule}: {found}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} cases:\n{}", faults.len(), faults.join("\n"));
}

pub(crate) fn of_owners(point: &str) -> bool {
    ["release.", "adopt."].iter().any(|kind| point.starts_with(kind))
}

/// The points that these tests get to.
pub(crate) fn points() -> BTreeSet<String> {
    let folder = process::folder();
    counts(&settings(folder.path(), Backend::Eager)).into_keys().collect()
}
