//! Operators with state.

use super::members::{About, about};
use super::{Comparison, Fate};
use crate::schema::{Catalog, Evolution, StoreSchema, TableSchema};
use crate::ttl::Ttl;

const TYPES: &str = "go back to what is stored, or give what has changed another name";
const ANOTHER_NAME: &str = "give what has changed another name";

/// Told at the first start, not when a job that has run for a month is to resume.
const UNKNOWN: &str = "its `Deserialize` does not tell all of its shape, so what is stored could never be resumed";
const VERSION: &str = "give it a version: .version(1) of the operator or of the state, another one whenever it changes";

pub(super) fn compare(comparison: &mut Comparison, catalog: &Catalog, declared: &[StoreSchema]) {
    for store in declared {
        let member = format!("state:{}", store.operator);
        match catalog.store(&store.operator) {
            Some(stored) => store_beside(comparison, catalog, stored, store, &member),
            None => {
                if !store.key.can_be_compared() {
                    let text = format!("its keys are {}: {UNKNOWN}", store.key);
                    comparison.add(Fate::Refused, &member, text).way_out = Some(VERSION.to_owned());
                    continue;
                }
                for table in &store.tables {
                    begins(comparison, catalog, &member, table);
                }
            }
        }
        comparison.cannot_compare(&member, &store.not_compared);
    }
    let is_there = |stored: &StoreSchema| declared.iter().any(|store| store.operator == stored.operator);
    for stored in catalog.stores().iter().filter(|stored| !is_there(stored)) {
        let member = format!("state:{}", stored.operator);
        let tables: Vec<String> = stored.tables.iter().map(|table| format!("{}: {table}", table.name)).collect();
        comparison.add_lost(catalog, &member, tables.join("; "));
    }
}

fn begins(comparison: &mut Comparison, catalog: &Catalog, operator: &str, table: &TableSchema) {
    let member = format!("{operator}/{}", table.name);
    if !table.value.can_be_compared() {
        let text = format!("{table}: {UNKNOWN}");
        comparison.add(Fate::Refused, &member, text).way_out = Some(VERSION.to_owned());
        return;
    }
    // What an operator was dropped with is remembered under its own name.
    let dropped_after = catalog.dropped_after(&member).or(catalog.dropped_after(operator));
    comparison.add_new(&member, &format!("{table}, begins empty"), dropped_after);
}

fn store_beside(
    comparison: &mut Comparison,
    catalog: &Catalog,
    stored: &StoreSchema,
    declared: &StoreSchema,
    member: &str,
) {
    let then = About { kind: &stored.kind, settings: &stored.settings, version: stored.version };
    let now = About { kind: &declared.kind, settings: &declared.settings, version: declared.version };
    let mut changed = about(&then, &now);
    if let Evolution::Refused { reason } = stored.key.key_evolution(&declared.key) {
        changed.refused.push((reason, TYPES));
    }
    let is_refused = !changed.refused.is_empty();
    comparison.add_changes(catalog, member, changed, None);
    if is_refused {
        // What of its states would fit is of no use.
        return;
    }
    for table in &declared.tables {
        match stored.tables.iter().find(|other| other.name == table.name) {
            None => begins(comparison, catalog, member, table),
            Some(then) => table_beside(comparison, catalog, member, then, table),
        }
    }
    let gone = |table: &&TableSchema| !declared.tables.iter().any(|other| other.name == table.name);
    for table in stored.tables.iter().filter(gone) {
        let path = format!("{member}/{}", table.name);
        let finding = comparison.add_lost(catalog, &path, table.to_string());
        finding.covered_by = Some(catalog.permission(member));
    }
}

/// One state that is stored and declared. What its types allow stands in [`TableSchema::evolution`].
fn table_beside(
    comparison: &mut Comparison,
    catalog: &Catalog,
    operator: &str,
    stored: &TableSchema,
    declared: &TableSchema,
) {
    let member = format!("{operator}/{}", declared.name);
    let changes = match stored.evolution(declared) {
        Evolution::Refused { reason } => {
            let (reason, way_out) = match reason.split_once("; ") {
                Some((reason, way_out)) => (reason, format!("{way_out}, or {ANOTHER_NAME}")),
                None => (&*reason, TYPES.to_owned()),
            };
            let finding =
                comparison.add(Fate::Refused, &member, format!("{declared}, but {stored} is stored: {reason}"));
            finding.way_out = Some(way_out);
            finding.permission = Some(catalog.permission(&member));
            finding.covered_by = Some(catalog.permission(operator));
            return;
        }
        Evolution::Same => None,
        Evolution::Evolves { changes } => Some(changes.join(", ")),
    };
    let fate = if changes.is_some() { Fate::Evolved } else { Fate::Fits };
    let changes = changes.map(|changes| format!("; evolves: {changes}")).unwrap_or_default();
    if stored.ttl == declared.ttl {
        comparison.add(fate, member, format!("{declared}{changes}"));
    } else {
        let text = match (stored.ttl, declared.ttl) {
            (None, None) => String::new(),
            (None, Some(now)) => format!("TTL of {now} is new; what is stored counts as touched at this start"),
            (Some(then), None) => format!("no TTL any more, it was {then}; what has expired by now stays so"),
            (Some(then), Some(now)) if then.domain() != now.domain() => format!(
                "TTL of {now} holds from now on, it was {then}; what is stored and has not expired counts as touched at \
                 this start"
            ),
            (Some(then), Some(now)) if Ttl::holds_on(stored.ttl, declared.ttl) => {
                format!("TTL of {now} holds from now on, for what is stored, too; it was {then}")
            }
            (Some(then), Some(now)) => format!(
                "TTL of {now} holds from now on, for what is stored, too; it was {then}, and what has expired by now \
                 stays so"
            ),
        };
        let text = text + &changes;
        comparison.add(Fate::Changed, member, text);
    }
}
