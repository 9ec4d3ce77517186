//! `firesteel checkpoint state`: keys and values, as of the last epoch.

use std::collections::BTreeMap;

use firesteel_state::snapshot::recover;
use firesteel_state::{EpochLog, Frame, StoreSchema, TableId, TableKind, TableSchema};
use firesteel_window::Window;
use serde::Serialize;

use crate::Outcome;
use crate::args::State;
use crate::entries::{Entries, Entry};
use crate::error::{CliError, Result};
use crate::folder::Folder;
use crate::progress::Progress;
use crate::screen::Screen;
use crate::table::render;
use crate::text::{cell, count};
use crate::value::Value;

/// This many entries of each state are shown by default.
const FEW: usize = 50;

/// One line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    operator: &'a str,
    state: &'a str,
    kind: &'a str,
    key: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a Value>,
    /// Of a timer, when it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    /// The clock of a timer or of a TTL.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    touched: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

pub(crate) fn run(args: &State, screen: &mut Screen<'_>) -> Result<Outcome> {
    let folder = Folder::open(&args.target)?;
    let found = folder.steady(|| look(&folder, args))?;
    for (id, error) in &found.skipped {
        screen.note(format_args!("snapshot {id} is damaged and skipped: {error}"));
    }
    let limit = args.limit.unwrap_or(if args.target.json { usize::MAX } else { FEW });
    if !args.target.json {
        let (operator, epoch) = (&found.store.operator, found.epoch);
        let certain = if epoch > found.committed { " (prepared, not known to be committed)" } else { "" };
        screen.line(format_args!("state of {operator} at the end of epoch {epoch}{certain}"))?;
    }
    let mut partial = 0;
    for (schema, mut entries) in found.states {
        entries.sort_by(Entry::order);
        partial += entries.iter().filter(|entry| entry.key.is_partial() || entry.value.is_partial()).count();
        let shown = &entries[..entries.len().min(limit)];
        if args.target.json {
            for entry in shown {
                screen.json(&line(&found.store, &schema, entry))?;
            }
        } else {
            screen.print(table(&schema, shown, entries.len()))?;
        }
    }
    if partial > 0 {
        let what = count(partial as u64, "entry").replace("entrys", "entries");
        screen.note(format_args!(
            "{what} cannot be read in full, since the types do not tell all of their shapes: the rest is shown as bytes"
        ));
    }
    Ok(Outcome::Well)
}

struct Found {
    store: StoreSchema,
    epoch: u64,
    committed: u64,
    skipped: Vec<(u64, String)>,
    /// The states to be shown, with their entries.
    states: Vec<(TableSchema, Vec<Entry>)>,
}

/// Replays the snapshot and the changelog after it.
fn look(folder: &Folder, args: &State) -> Result<Found> {
    let catalog = folder.catalog(&folder.manifests()?)?;
    let operators = || catalog.stores().iter().map(|store| store.operator.as_str());
    let store = catalog.store(&args.operator).cloned();
    let store = store.ok_or_else(|| unknown("operator with state".to_owned(), &args.operator, operators()))?;
    let wanted = |table: &&TableSchema| args.state.as_ref().is_none_or(|name| *name == table.name);
    let mut states: Vec<_> = store.tables.iter().filter(wanted).map(|table| (table.clone(), vec![])).collect();
    if let (Some(name), true) = (&args.state, states.is_empty()) {
        let what = format!("state of operator `{}`", store.operator);
        return Err(unknown(what, name, store.tables.iter().map(|table| table.name.as_str())));
    }
    let reader = Entries::new(&store);
    let key = args.key.as_ref().map(|key| Wanted::new(key));
    let log = folder.reader()?;
    let committed = log.committed();
    let recovery = recover(&folder.snapshots, &log, None)?;
    let mut contents: BTreeMap<(TableId, Vec<u8>), Vec<u8>> = BTreeMap::new();
    let mut take = |frame: &Frame| {
        for change in frame.changes().filter(|_| frame.shard().store == store.id) {
            if key.as_ref().is_some_and(|key| !key.is(&reader.key(change.table, change.key))) {
                continue;
            }
            // What a job wrote that had all of its state in memory does not say that values of earlier types are gone.
            let newest = store.tables.iter().find(|table| table.id == change.table && !table.earlier.is_empty());
            for earlier in newest.iter().flat_map(|table| &table.earlier) {
                contents.remove(&(earlier.id, change.key.to_vec()));
            }
            let place = (change.table, change.key.to_vec());
            match change.value {
                Some(value) => contents.insert(place, value.to_vec()),
                None => contents.remove(&place),
            };
        }
    };
    if let Some(base) = recovery.base() {
        let progress = Progress::of_bytes("snapshot", base.images.iter().map(|image| image.length).sum());
        folder.snapshots.images(base, |_, image| {
            take(&image);
            progress.advance(image.bytes().len() as u64);
            Ok(())
        })?;
    }
    let first = recovery.base().map_or(log.first_epoch().unwrap_or(0), |base| base.replay_from() + 1);
    let progress = Progress::of_epochs("changelog", (recovery.epoch() + 1).saturating_sub(first));
    for record in recovery.tail() {
        let record = record?;
        let is_after = |frame: &&Frame| recovery.base().is_none_or(|base| record.epoch > base.through(frame.shard()));
        record.frames.iter().filter(is_after).for_each(&mut take);
        progress.advance(1);
    }
    drop(progress);
    for ((table, key), value) in contents {
        for (schema, entry) in reader.of(table, &key, &value) {
            if let Some((_, entries)) = states.iter_mut().find(|(state, _)| state.name == schema.name) {
                entries.push(entry);
            }
        }
    }
    let skipped = recovery.skipped().iter().map(|(id, error)| (id.number, error.to_string())).collect();
    Ok(Found { epoch: recovery.epoch(), committed, skipped, states, store })
}

fn unknown<'a>(what: String, name: &str, known: impl Iterator<Item = &'a str>) -> CliError {
    let known: Vec<&str> = known.collect();
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there is: {}", known.join(", ")) };
    CliError::Unknown { what, name: name.to_owned(), known }
}

/// A key as someone wrote it.
struct Wanted {
    text: String,
    json: Option<serde_json::Value>,
}

impl Wanted {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), json: serde_json::from_str(text).ok() }
    }

    fn is(&self, key: &Value) -> bool {
        key.plain() == self.text
            || self.json.as_ref().is_some_and(|json| serde_json::to_value(key).is_ok_and(|key| key == *json))
    }
}

fn kind(schema: &TableSchema) -> &'static str {
    match schema.kind {
        TableKind::Value => "value",
        TableKind::List => "list",
        TableKind::Map => "map",
        TableKind::SortedMap => "sorted map",
        TableKind::Windows => "windows",
        TableKind::Timers(_) => "timers",
    }
}

fn clock(schema: &TableSchema) -> Option<String> {
    match schema.kind {
        TableKind::Timers(domain) => Some(domain.to_string()),
        _ => schema.ttl.map(|ttl| ttl.domain().to_string()),
    }
}

fn line<'a>(store: &'a StoreSchema, schema: &'a TableSchema, entry: &'a Entry) -> Line<'a> {
    let of = |wanted: &[TableKind]| entry.place.as_ref().filter(|_| wanted.contains(&schema.kind));
    Line {
        operator: &store.operator,
        state: &schema.name,
        kind: kind(schema),
        key: &entry.key,
        position: of(&[TableKind::List]),
        field: of(&[TableKind::Map, TableKind::SortedMap]),
        window: entry.window,
        value: Some(&entry.value).filter(|_| entry.time.is_none()),
        time: entry.time.map(|time| time.to_string()),
        clock: clock(schema),
        touched: entry.touched.map(|time| time.to_string()),
        expires: entry.expires.map(|time| time.to_string()),
    }
}

fn table(schema: &TableSchema, entries: &[Entry], total: usize) -> String {
    let title = format!("{}: {schema}; {}", schema.name, count(total as u64, "entry").replace("entrys", "entries"));
    let key = |entry: &Entry| cell(&entry.key.plain());
    let value = |entry: &Entry| cell(&entry.value.plain());
    let place = |entry: &Entry| entry.place.as_ref().map_or(String::new(), |place| cell(&place.plain()));
    let time = |time: Option<firesteel_window::Timestamp>| time.map_or(String::new(), |time| time.to_string());
    let rows = entries.iter();
    let mut text = match (schema.kind, schema.ttl.is_some()) {
        (TableKind::Timers(_), _) => {
            render(&title, ["time", "key"], rows.map(|entry| [time(entry.time), key(entry)]).collect())
        }
        (TableKind::Windows, _) => {
            let window = |entry: &Entry| entry.window.map_or(String::new(), |window| window.to_string());
            let rows = rows.map(|entry| [window(entry), key(entry), value(entry)]);
            render(&title, ["window", "key", "value"], rows.collect())
        }
        (TableKind::Value, false) => {
            render(&title, ["key", "value"], rows.map(|entry| [key(entry), value(entry)]).collect())
        }
        (TableKind::Value, true) => {
            let rows = rows.map(|entry| [key(entry), value(entry), time(entry.expires)]);
            render(&title, ["key", "value", "expires"], rows.collect())
        }
        (kind, limited) => {
            let name = if kind == TableKind::List { "position#" } else { "field" };
            if limited {
                let rows = rows.map(|entry| [key(entry), place(entry), value(entry), time(entry.expires)]);
                render(&title, ["key", name, "value", "expires"], rows.collect())
            } else {
                render(
                    &title,
                    ["key", name, "value"],
                    rows.map(|entry| [key(entry), place(entry), value(entry)]).collect(),
                )
            }
        }
    };
    if entries.is_empty() {
        text = format!("\n{title}\n");
    }
    if total > entries.len() {
        text += &format!(
            " … and {} more: --limit says how many are shown\n",
            crate::text::grouped((total - entries.len()) as u64)
        );
    }
    text
}
