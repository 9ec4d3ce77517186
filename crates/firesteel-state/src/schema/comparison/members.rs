//! Inputs, watermarks and outputs.

use super::{Comparison, Fate, Finding};
use crate::cursor::{Cursor, MERGED};
use crate::schema::{Catalog, InputSchema, JobDescription, OnChange, OutputSchema, Setting, WatermarkSchema};

/// What became of the settings and the version of a member.
pub(super) struct Changed {
    /// What is refused, with its way out.
    pub(super) refused: Vec<(String, &'static str)>,
    pub(super) told: Vec<String>,
}

/// The kind of a member, its settings and its version, stored and declared.
pub(super) struct About<'a> {
    pub(super) kind: &'a str,
    pub(super) settings: &'a [Setting],
    pub(super) version: u32,
}

const KIND: &str = "give it back its kind, or give what it is now another name";
const SETTING: &str = "set it back, or give the operator another name";
const VERSION: &str = "set the version back if what is stored still means the same, or give it another name";

/// Compares what is set.
pub(super) fn about(stored: &About<'_>, declared: &About<'_>) -> Changed {
    let mut changed = Changed { refused: Vec::new(), told: Vec::new() };
    if !stored.kind.is_empty() && !declared.kind.is_empty() && stored.kind != declared.kind {
        changed.refused.push((format!("it is `{}`, but what is stored is of `{}`", declared.kind, stored.kind), KIND));
    }
    if stored.version != declared.version {
        let text = format!("version {}, but version {} is stored", declared.version, stored.version);
        changed.refused.push((text, VERSION));
    }
    let value = |of: &[Setting], name: &str| of.iter().find(|setting| setting.name == name).cloned();
    let gone = stored.settings.iter().filter(|then| value(declared.settings, &then.name).is_none());
    for setting in declared.settings.iter().chain(gone) {
        let (now, then) = (value(declared.settings, &setting.name), value(stored.settings, &setting.name));
        let text = |setting: Option<Setting>| setting.map_or_else(|| "not set".to_owned(), |setting| setting.value);
        let (now, then) = (text(now), text(then));
        if now == then {
            continue;
        }
        let name = &setting.name;
        match setting.on_change {
            OnChange::Refused => changed.refused.push((format!("{name} = {now}, but {then} is stored"), SETTING)),
            OnChange::NewHolds => changed.told.push(format!("{name} = {now} holds from now on; it was {then}")),
            OnChange::StoredHolds => {
                changed.told.push(format!("{name} = {then} holds for what is stored; {now} for what is new"));
            }
        }
    }
    changed
}

impl Comparison {
    /// Adds what was found of a member that is stored and declared; `fits` is said where nothing has changed.
    pub(super) fn add_changes(&mut self, catalog: &Catalog, member: &str, changed: Changed, fits: Option<&str>) {
        for (text, way_out) in &changed.refused {
            let finding = self.add(Fate::Refused, member, text);
            finding.way_out = Some((*way_out).to_owned());
            finding.permission = Some(catalog.permission(member));
        }
        for text in &changed.told {
            self.add(Fate::Changed, member, text);
        }
        if let Some(text) = fits.filter(|_| changed.refused.is_empty() && changed.told.is_empty()) {
            self.add(Fate::Fits, member, text);
        }
    }

    /// Adds a member that is stored and not declared any more.
    pub(super) fn add_lost(&mut self, catalog: &Catalog, member: &str, text: impl Into<String>) -> &mut Finding {
        let finding = self.add(Fate::Lost, member, text);
        finding.permission = Some(catalog.permission(member));
        finding
    }

    /// Adds a member that is not stored.
    pub(super) fn add_new(&mut self, member: &str, text: &str, dropped_after: Option<u64>) {
        let text = match dropped_after {
            Some(epoch) => format!("{text}; it was dropped after epoch {epoch}, with permission"),
            None => text.to_owned(),
        };
        self.add(Fate::New, member, text).dropped_after = dropped_after;
    }

    pub(super) fn cannot_compare(&mut self, member: &str, what: &[String]) {
        if !what.is_empty() {
            self.not_compared.push(format!("{member}: {}", what.join(", ")));
        }
    }
}

pub(super) fn inputs(comparison: &mut Comparison, program: &JobDescription, catalog: &Catalog, cursor: &Cursor) {
    let positions = |name: &str| match cursor.inputs.get(name).map_or(0, |input| input.splits.len()) {
        0 => "no positions".to_owned(),
        1 => "the position in 1 split".to_owned(),
        count => format!("positions in {count} splits"),
    };
    for input in &program.inputs {
        let InputSchema { name, kind, settings, version, .. } = input;
        let member = format!("input:{name}");
        let stored = catalog.inputs().iter().find(|stored| stored.name == *name);
        match stored {
            None if !cursor.inputs.contains_key(name) => {
                comparison.add_new(&member, "is read from its start", catalog.dropped_after(&member));
            }
            None => _ = comparison.add(Fate::Fits, &member, positions(name)),
            Some(stored) => {
                let then = About { kind: &stored.kind, settings: &stored.settings, version: stored.version };
                let changed = about(&then, &About { kind, settings, version: *version });
                comparison.add_changes(catalog, &member, changed, Some(&positions(name)));
            }
        }
        comparison.cannot_compare(&member, &input.not_compared);
    }
    let declared = |name: &str| program.inputs.iter().any(|input| input.name == name);
    let stored = catalog.inputs().iter().map(|input| &input.name);
    let mut gone: Vec<String> = stored.chain(cursor.inputs.keys()).filter(|name| !declared(name)).cloned().collect();
    gone.sort();
    gone.dedup();
    for name in &gone {
        let member = format!("input:{name}");
        if cursor.inputs.get(name).is_some_and(|input| !input.splits.is_empty()) {
            comparison.add_lost(catalog, &member, positions(name));
        } else {
            comparison.add(Fate::Ended, member, "nothing of it is stored");
        }
    }
}

pub(super) fn watermarks(comparison: &mut Comparison, program: &JobDescription, catalog: &Catalog, cursor: &Cursor) {
    for mark in &program.watermarks {
        let WatermarkSchema { name, inputs, settings, version, .. } = mark;
        let member = format!("watermark:{name}");
        let at = cursor.watermarks.get(name).map(|marks| marks.current());
        let stored = catalog.watermarks().iter().find(|stored| stored.name == *name);
        match (stored, at) {
            (None, None) => {
                let text = "begins with its first event: no record is late before";
                comparison.add_new(&member, text, catalog.dropped_after(&member));
            }
            (None, Some(at)) => _ = comparison.add(Fate::Fits, &member, format!("stands at {at}")),
            (Some(stored), _) => {
                let then = About { kind: "", settings: &stored.settings, version: stored.version };
                let mut changed = about(&then, &About { kind: "", settings, version: *version });
                for input in inputs.iter().filter(|input| !stored.inputs.contains(input)) {
                    changed.told.push(format!(
                        "follows input {input}, too: it stands until each split of it has records or is idle, and never \
                         falls, so that older records are late"
                    ));
                }
                for input in stored.inputs.iter().filter(|input| !inputs.contains(input)) {
                    changed.told.push(format!("does not wait for input {input} any more"));
                }
                let stands = at.map_or_else(|| "has not begun".to_owned(), |at| format!("stands at {at}"));
                comparison.add_changes(catalog, &member, changed, Some(&stands));
            }
        }
        comparison.cannot_compare(&member, &mark.not_compared);
    }
    let gone = |name: &&String| !program.watermarks.iter().any(|mark| mark.name == **name);
    let mut names: Vec<String> = catalog.watermarks().iter().map(|mark| mark.name.clone()).collect();
    names.extend(cursor.watermarks.keys().filter(|name| !name.starts_with(MERGED)).cloned());
    names.sort();
    names.dedup();
    for name in names.iter().filter(gone) {
        let member = format!("watermark:{name}");
        match cursor.watermarks.get(name).map(|marks| marks.current()) {
            Some(at) if at != firesteel_window::Timestamp::MIN => {
                comparison.add_lost(catalog, &member, format!("it stands at {at}"));
            }
            _ => _ = comparison.add(Fate::Ended, member, "it had not begun"),
        }
    }
}

pub(super) fn outputs(comparison: &mut Comparison, program: &JobDescription, catalog: &Catalog, cursor: &Cursor) {
    let (last, next) = (cursor.epoch, cursor.epoch + 1);
    for output in &program.outputs {
        let OutputSchema { name, kind, guarantee, .. } = output;
        let member = format!("output:{name}");
        match catalog.outputs().iter().find(|stored| stored.name == *name) {
            None => comparison.add_new(&member, &format!("begins with epoch {next}"), catalog.dropped_after(&member)),
            Some(stored) if stored.kind != *kind => {
                let text = format!("begins with epoch {next}: it is `{kind}`, and was `{}`", stored.kind);
                comparison.add_new(&member, &text, catalog.dropped_after(&member));
            }
            Some(OutputSchema { through: Some(through), .. }) => {
                let lacks = match last.saturating_sub(*through) {
                    0 => "lacks nothing".to_owned(),
                    1 => format!("lacks epoch {last}, which is not replayed"),
                    _ => format!("lacks epochs {} to {last}, which are not replayed", through + 1),
                };
                let text = format!("is back, and begins with epoch {next}: it left after epoch {through}, and {lacks}");
                comparison.add_new(&member, &text, catalog.dropped_after(&member));
            }
            Some(stored) if stored.guarantee != *guarantee => {
                let text = format!("promises {guarantee} from now on; it was {}", stored.guarantee);
                comparison.add(Fate::Changed, member, text);
            }
            Some(stored) => {
                _ = comparison.add(Fate::Fits, member, format!("{guarantee}, since epoch {}", stored.since + 1))
            }
        }
    }
    let gone = |stored: &&OutputSchema| {
        stored.through.is_none() && !program.outputs.iter().any(|output| output.name == stored.name)
    };
    for stored in catalog.outputs().iter().filter(gone) {
        let text = format!("keeps what it has through epoch {last}, and gets no more");
        comparison.add(Fate::Ended, format!("output:{}", stored.name), text);
    }
}

pub(super) fn key_groups(comparison: &mut Comparison, program: &JobDescription, catalog: &Catalog) {
    let stored = catalog.groups().count();
    if let Some(wanted) = program.key_groups.filter(|wanted| *wanted != stored) {
        let text = format!("key groups = {wanted}, and keys have their places in {stored}");
        comparison.add(Fate::Refused, "job", text).way_out =
            Some(format!("say {stored}, or nothing: the stored number holds; or begin a new checkpoint"));
    }
}
