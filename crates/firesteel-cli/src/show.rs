//! `firesteel checkpoint show`: what there is.

use std::collections::BTreeMap;

use firesteel_state::changelog::SegmentReport;
use firesteel_state::cursor::CheckpointId;
use firesteel_state::{Catalog, Cursor, Dropped, EpochRecord, Manifest, Setting, TableKind};
use serde::Serialize;

use crate::Outcome;
use crate::args::Show;
use crate::epochs::{Batch, Watermark, batch, watermarks};
use crate::error::Result;
use crate::folder::{Folder, Manifests};
use crate::progress::Progress;
use crate::screen::Screen;
use crate::table::render;
use crate::text::{bytes, cell, count, grouped};

/// This many of the last micro-batches are shown.
const LAST: usize = 3;

/// All of it, also as JSON.
#[derive(Default, Serialize)]
struct Report {
    folder: String,
    /// Which checkpoint it is, among all there ever were.
    id: Option<String>,
    first_epoch: Option<u64>,
    last_epoch: Option<u64>,
    /// The epoch with which the checkpoint was begun.
    begun: Option<u64>,
    /// The last epoch that is known to be committed; 0 for none.
    committed: u64,
    key_groups: Option<u16>,
    changelog: Vec<File>,
    snapshots: Vec<Snapshot>,
    operators: Vec<Operator>,
    states: Vec<State>,
    inputs: Vec<Input>,
    watermarks: Vec<Watermark>,
    members: Vec<Member>,
    outputs: Vec<Output>,
    dropped: Vec<Dropped>,
    last_batches: Vec<Batch>,
    /// What was found to be wrong on the way. `verify` looks for more.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct File {
    file: String,
    first_epoch: u64,
    last_epoch: Option<u64>,
    epochs: u64,
    bytes: u64,
    sound: bool,
}

#[derive(Serialize)]
struct Snapshot {
    id: u64,
    epoch: Option<u64>,
    /// The first epoch of the changelog that it needs.
    needs_from: Option<u64>,
    /// Key groups of operators.
    shards: u64,
    bytes: u64,
    sound: bool,
}

#[derive(Serialize)]
struct Operator {
    operator: String,
    /// The type of its keys.
    key: String,
    /// Entries of all its states, as far as the job has counted them.
    entries: Option<u64>,
}

#[derive(Serialize)]
struct State {
    operator: String,
    state: String,
    kind: &'static str,
    holds: String,
    ttl: Option<String>,
}

/// An input, a watermark or an operator with state, with what is set for it.
#[derive(Serialize)]
struct Member {
    member: String,
    kind: String,
    version: u32,
    settings: Vec<String>,
}

/// An output of the program that was started last, or of an earlier one.
#[derive(Serialize)]
struct Output {
    output: String,
    kind: String,
    guarantee: String,
    /// The first epoch that it gets.
    from: u64,
    /// The last that it got, where the program has it no more.
    through: Option<u64>,
}

/// How far a split was read.
#[derive(Serialize)]
struct Input {
    input: String,
    split: String,
    next: u64,
    /// Whether nothing more comes.
    ended: bool,
}

pub(crate) fn run(args: &Show, screen: &mut Screen<'_>) -> Result<Outcome> {
    let folder = Folder::open(&args.target)?;
    let mut report = Report { folder: folder.path.display().to_string(), ..Report::default() };
    let manifests = folder.manifests()?;
    let cursor = changelog(&folder, &manifests, &mut report)?;
    stand(&cursor, &mut report);
    snapshots(&folder, &manifests, &cursor, &mut report)?;
    if args.target.json {
        screen.json(&report)?;
    } else {
        print(&report, screen)?;
    }
    for problem in &report.problems {
        screen.note(format_args!("{problem}"));
    }
    Ok(if report.problems.is_empty() { Outcome::Well } else { Outcome::Wrong })
}

/// Looks through the changelog. Returns where the job stood at the end of it, as far as that can be told.
fn changelog(folder: &Folder, manifests: &Manifests, report: &mut Report) -> Result<Cursor> {
    let progress = Progress::of_bytes("changelog", folder.changelog_bytes());
    let mut positions = BTreeMap::new();
    let base = manifests.sound.iter().rev();
    let base = base.filter_map(|base| {
        let cursor = Cursor::decode(&base.extra, base.epoch).ok()?;
        let from = cursor.epoch.max(base.replay_from());
        Some((cursor, from))
    });
    let (mut cursor, from) = base.into_iter().next().unwrap_or_default();
    for segment in folder.segments()? {
        let segment = segment?;
        for place in &segment.records {
            report.committed = report.committed.max(place.committed);
            if place.is_mark {
                continue;
            }
            report.first_epoch.get_or_insert(place.epoch);
            report.last_epoch = Some(place.epoch);
            match segment.read(place) {
                Ok(record) => {
                    note(&record, &mut positions, report);
                    match Cursor::decode(&record.extra, record.epoch) {
                        Ok(later) if record.epoch > from => cursor.advance(later),
                        Ok(_) => {}
                        Err(error) => report.problems.push(error.to_string()),
                    }
                }
                Err(error) => report.problems.push(error.to_string()),
            }
        }
        report.problems.extend(segment.faults.iter().map(ToString::to_string));
        report.changelog.push(file(&segment));
        progress.advance(segment.bytes());
    }
    let input = |((input, split), next)| Input { input, split, next, ended: false };
    report.inputs = positions.into_iter().map(input).collect();
    Ok(cursor)
}

/// The engine's own account of where the job stands, if there is one, in place of what the ranges tell.
fn stand(cursor: &Cursor, report: &mut Report) {
    if *cursor == Cursor::default() {
        return;
    }
    report.begun = Some(cursor.begun);
    report.id = (cursor.checkpoint != CheckpointId::default()).then(|| cursor.checkpoint.to_string());
    report.inputs.clear();
    for (name, input) in &cursor.inputs {
        for (split, at) in &input.splits {
            report.inputs.push(Input { input: name.clone(), split: split.clone(), next: at.next, ended: at.ended });
        }
    }
}

/// Where the epoch left the job.
fn note(record: &EpochRecord, positions: &mut BTreeMap<(String, String), u64>, report: &mut Report) {
    for range in record.batches.iter().flat_map(|batch| &batch.inputs) {
        positions.insert((range.input.clone(), range.split.clone()), range.to);
    }
    report.watermarks = watermarks(record);
    report.last_batches.extend(record.batches.iter().map(batch));
    let old = report.last_batches.len().saturating_sub(LAST);
    report.last_batches.drain(..old);
}

fn file(segment: &SegmentReport) -> File {
    let epochs = || segment.records.iter().filter(|record| !record.is_mark);
    File {
        file: segment.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        first_epoch: segment.first,
        last_epoch: epochs().next_back().map(|record| record.epoch),
        epochs: epochs().count() as u64,
        bytes: segment.bytes(),
        sound: segment.faults.is_empty(),
    }
}

fn snapshots(folder: &Folder, manifests: &Manifests, cursor: &Cursor, report: &mut Report) -> Result<()> {
    let all = manifests.sound.iter().flat_map(|manifest| &manifest.images).map(|image| image.length).sum();
    let progress = Progress::of_bytes("snapshots", all);
    for manifest in &manifests.sound {
        let mut faults = vec![];
        folder.snapshots.survey(manifest, |image, read| {
            progress.advance(image.length);
            faults.extend(read.err().map(|error| format!("snapshot {}: {error} ({})", manifest.id, image.shard)));
        });
        // What is removed while it is read is no longer needed by anyone.
        if !faults.is_empty() && !folder.snapshots.list()?.contains(&manifest.id) {
            continue;
        }
        report.snapshots.push(snapshot(manifest, faults.is_empty()));
        report.problems.extend(faults);
    }
    for (id, error) in manifests.damaged.iter() {
        let unread = Snapshot { id: id.number, epoch: None, needs_from: None, shards: 0, bytes: 0, sound: false };
        report.snapshots.push(unread);
        report.problems.push(error.to_string());
    }
    report.snapshots.sort_by_key(|snapshot| snapshot.id);
    match folder.catalog(manifests) {
        Ok(catalog) => {
            states(&catalog, cursor, report);
            members(&catalog, report);
        }
        Err(error) => report.problems.push(error.to_string()),
    }
    Ok(())
}

/// What the program that was started last consists of, and what was dropped on the way.
fn members(catalog: &Catalog, report: &mut Report) {
    let member = |member: String, kind: &str, version: u32, settings: &[Setting]| {
        let settings = settings.iter().map(ToString::to_string).collect();
        Member { member, kind: kind.to_owned(), version, settings }
    };
    let inputs = catalog.inputs().iter();
    let inputs = inputs.map(|of| member(format!("input:{}", of.name), &of.kind, of.version, &of.settings));
    let marks = catalog.watermarks().iter();
    let marks = marks.map(|of| {
        let mut settings = of.settings.clone();
        settings.push(Setting::new_holds("inputs", of.inputs.join(", ")));
        member(format!("watermark:{}", of.name), "", of.version, &settings)
    });
    let states = catalog.stores().iter();
    let states = states.map(|of| member(format!("state:{}", of.operator), &of.kind, of.version, &of.settings));
    report.members = inputs.chain(marks).chain(states).collect();
    let outputs = catalog.outputs().iter().map(|of| Output {
        output: of.name.clone(),
        kind: of.kind.clone(),
        guarantee: of.guarantee.clone(),
        from: of.since + 1,
        through: of.through,
    });
    report.outputs = outputs.collect();
    report.dropped = catalog.dropped().to_vec();
}

fn snapshot(manifest: &Manifest, sound: bool) -> Snapshot {
    Snapshot {
        id: manifest.id.number,
        epoch: Some(manifest.epoch),
        needs_from: Some(manifest.replay_from() + 1),
        shards: manifest.images.len() as u64,
        bytes: manifest.images.iter().map(|image| image.length).sum(),
        sound,
    }
}

fn states(catalog: &Catalog, cursor: &Cursor, report: &mut Report) {
    report.key_groups = Some(catalog.groups().count());
    for store in catalog.stores() {
        report.operators.push(Operator {
            operator: store.operator.clone(),
            key: store.key.to_string(),
            entries: cursor.keys.get(&store.operator).copied(),
        });
        for table in &store.tables {
            report.states.push(State {
                operator: store.operator.clone(),
                state: table.name.clone(),
                kind: match table.kind {
                    TableKind::Value => "value",
                    TableKind::List => "list",
                    TableKind::Map => "map",
                    TableKind::SortedMap => "sorted map",
                    TableKind::Windows => "windows",
                    TableKind::Timers(_) => "timers",
                },
                holds: match (table.kind, &table.field) {
                    (TableKind::Timers(domain), _) => domain.to_string(),
                    (_, Some(field)) => format!("{field} to {}", table.value),
                    (_, None) => table.value.to_string(),
                },
                ttl: table.ttl.map(|ttl| ttl.to_string()),
            });
        }
    }
}

fn print(report: &Report, screen: &mut Screen<'_>) -> Result<()> {
    screen.line(format_args!("checkpoint {}", report.folder))?;
    screen.line(match (report.first_epoch, report.last_epoch) {
        (Some(first), Some(last)) => {
            let committed = match report.committed {
                committed if committed >= last => "all committed".to_owned(),
                0 => "none known to be committed".to_owned(),
                committed => format!("committed up to {committed}"),
            };
            format!("  epochs     {first} to {last} are in the changelog, {committed}")
        }
        _ => "  epochs     none are in the changelog".to_owned(),
    })?;
    let size = |sizes: &mut dyn Iterator<Item = u64>| bytes(sizes.sum());
    let changelog = size(&mut report.changelog.iter().map(|file| file.bytes));
    screen.line(format_args!("  changelog  {}, {changelog}", count(report.changelog.len() as u64, "file")))?;
    let snapshots = size(&mut report.snapshots.iter().map(|snapshot| snapshot.bytes));
    screen.line(format_args!("  snapshots  {}, {snapshots}", report.snapshots.len()))?;
    if let Some(groups) = report.key_groups {
        screen.line(format_args!("  key groups {groups}"))?;
    }
    if let Some(id) = &report.id {
        screen.line(format_args!("  id         {id}"))?;
    }
    screen.print(tables(report))
}

fn tables(report: &Report) -> String {
    let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let sound = |sound: bool| if sound { "yes" } else { "NO" }.to_owned();
    let files = report.changelog.iter().map(|file| {
        let epochs = match file.last_epoch {
            Some(last) => format!("{} to {last}", file.first_epoch),
            None => "none".to_owned(),
        };
        [file.file.clone(), epochs, bytes(file.bytes), sound(file.sound)]
    });
    let snapshots = report.snapshots.iter().map(|snapshot| {
        let (id, epoch, from) = (snapshot.id.to_string(), number(snapshot.epoch), number(snapshot.needs_from));
        [id, epoch, from, grouped(snapshot.shards), bytes(snapshot.bytes), sound(snapshot.sound)]
    });
    let states = report.states.iter().map(|state| {
        let ttl = state.ttl.clone().unwrap_or_default();
        [cell(&state.operator), cell(&state.state), state.kind.to_owned(), cell(&state.holds), ttl]
    });
    let operators = report.operators.iter().map(|operator| {
        let entries = operator.entries.map_or_else(String::new, grouped);
        [cell(&operator.operator), cell(&operator.key), entries]
    });
    let inputs = report.inputs.iter().map(|input| {
        let ended = if input.ended { "ended" } else { "" };
        [cell(&input.input), cell(&input.split), grouped(input.next), ended.to_owned()]
    });
    let members = report.members.iter().filter(|of| !of.kind.is_empty() || of.version != 0 || !of.settings.is_empty());
    let members = members.map(|of| {
        let version = if of.version == 0 { String::new() } else { of.version.to_string() };
        [cell(&of.member), cell(&of.kind), version, cell(&of.settings.join("; "))]
    });
    let outputs = report.outputs.iter().map(|of| {
        let through = of.through.map_or_else(String::new, |through| through.to_string());
        [cell(&of.output), cell(&of.kind), of.guarantee.clone(), of.from.to_string(), through]
    });
    let dropped = report.dropped.iter();
    let dropped = dropped.map(|of| [cell(&of.permission), cell(&of.members.join(", ")), of.epoch.to_string()]);
    let marks = report.watermarks.iter().map(|mark| [cell(&mark.operator), cell(&mark.split), mark.watermark.clone()]);
    [
        render("changelog", ["file", "epochs", "size#", "sound"], files.collect()),
        render("snapshots", ["id#", "epoch#", "needs epochs from#", "shards#", "size#", "sound"], snapshots.collect()),
        render("operators with state", ["operator", "key", "entries#"], operators.collect()),
        render("state", ["operator", "state", "kind", "holds", "TTL"], states.collect()),
        render("inputs", ["input", "split", "next position#", ""], inputs.collect()),
        render("watermarks", ["operator", "split", "watermark"], marks.collect()),
        render("program", ["member", "kind", "version#", "settings"], members.collect()),
        render("outputs", ["output", "kind", "guarantee", "from epoch#", "through#"], outputs.collect()),
        render("dropped with permission", ["permission", "dropped", "after epoch#"], dropped.collect()),
        render("last batches", ["batch#", "time", "read"], report.last_batches.iter().map(Batch::cells).collect()),
    ]
    .concat()
}
