//! The catalog of what a checkpoint holds.

use firesteel_window::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use super::comparison::{Comparison, Verdict};
use super::{
    Dropped, Earlier, Evolution, InputSchema, JobDescription, OutputSchema, StoreSchema, TableSchema, WatermarkSchema,
};
use crate::error::{Result, StateError};
use crate::frame::{StoreId, TableId};
use crate::key_group::KeyGroups;
use crate::ttl::{Times, Ttl, TtlChange};

/// What a job consists of, with the numbers under which its state is stored, and what it was permitted to lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    groups: KeyGroups,
    pub(super) stores: Vec<StoreSchema>,
    /// The number that the next new operator gets.
    next_store: u16,
    inputs: Vec<InputSchema>,
    watermarks: Vec<WatermarkSchema>,
    /// Those that the program has no more as well, with their last epoch.
    outputs: Vec<OutputSchema>,
    dropped: Vec<Dropped>,
}

impl Catalog {
    /// The catalog of a job without state.
    #[must_use]
    pub const fn new(groups: KeyGroups) -> Self {
        Self {
            groups,
            stores: Vec::new(),
            next_store: 0,
            inputs: Vec::new(),
            watermarks: Vec::new(),
            outputs: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// How many key groups the job has.
    #[must_use]
    pub const fn groups(&self) -> KeyGroups {
        self.groups
    }

    /// The operators' states, in the order of their numbers.
    #[must_use]
    pub fn stores(&self) -> &[StoreSchema] {
        &self.stores
    }

    /// The state of an operator.
    #[must_use]
    pub fn store(&self, operator: &str) -> Option<&StoreSchema> {
        self.stores.iter().find(|store| store.operator == operator)
    }

    /// The inputs of the program that was started last.
    #[must_use]
    pub fn inputs(&self) -> &[InputSchema] {
        &self.inputs
    }

    /// The watermarks of the program that was started last.
    #[must_use]
    pub fn watermarks(&self) -> &[WatermarkSchema] {
        &self.watermarks
    }

    /// The outputs of the program that was started last, and those of earlier ones.
    #[must_use]
    pub fn outputs(&self) -> &[OutputSchema] {
        &self.outputs
    }

    /// The output of this name, if the program that was started last has it.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&OutputSchema> {
        self.outputs.iter().find(|output| output.name == name && output.through.is_none())
    }

    /// What was dropped in the life of the checkpoint, in order.
    #[must_use]
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }

    /// The permission under which a member can be dropped now: its name, `state:clicks`. Each permission is good for
    /// one start, so that what stays in a program permits nothing later: for a second loss it is `state:clicks#2`.
    #[must_use]
    pub fn permission(&self, member: &str) -> String {
        nth_permission(&self.dropped, member)
    }

    /// Whether a permission has been used before.
    pub(super) fn was_used(&self, name: &str) -> bool {
        let used = |(at, dropped): (usize, &Dropped)| nth_permission(&self.dropped[..at], &dropped.permission) == name;
        self.dropped.iter().enumerate().any(used)
    }

    /// The epoch after which a member was dropped last.
    #[must_use]
    pub fn dropped_after(&self, member: &str) -> Option<u64> {
        let mut dropped = self.dropped.iter().rev();
        dropped.find(|dropped| dropped.members.iter().any(|other| other == member)).map(|dropped| dropped.epoch)
    }

    /// What fits, what is new, what would be lost and what differs of the states, when a program with these
    /// declarations resumes from here.
    #[must_use]
    pub fn compare(&self, declared: &[StoreSchema]) -> Comparison {
        Comparison::of_states(self, declared)
    }

    /// The catalog for a program with these declarations: what is known keeps its number, what is new gets one, what
    /// is not declared any more is dropped.
    ///
    /// # Errors
    /// [`StateError::Mismatch`] when types differ, or when state would be dropped without `allow_loss`;
    /// [`StateError::Declaration`] when a name is used twice or there is too much of anything.
    pub fn with(&self, declared: &[StoreSchema], allow_loss: bool) -> Result<Self> {
        self.with_at(declared, allow_loss, (0, &Times::processing(Timestamp::EPOCH)))
    }

    /// As [`with`](Self::with), for a program that begins after an epoch and at these times: from them on, what is stored has
    /// another TTL where one is declared.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn with_at(&self, declared: &[StoreSchema], allow_loss: bool, after: (u64, &Times)) -> Result<Self> {
        check(declared)?;
        let mut comparison = self.compare(declared);
        if allow_loss && comparison.fits() {
            let all = comparison.findings().iter().filter_map(|finding| finding.permission.clone());
            comparison = comparison.clone().permitting(&all.collect::<Vec<_>>(), self);
        }
        let (inputs, watermarks) = (self.inputs.clone(), self.watermarks.clone());
        let next = self.numbered(declared, &comparison, after)?;
        Ok(Self { inputs, watermarks, outputs: self.outputs.clone(), ..next })
    }

    /// The catalog for a program that resumes after an epoch, as `comparison` says: what is known keeps its number,
    /// what is new or starts empty gets one, what is dropped is noted. `after`: the epoch, and the times from which on
    /// what is stored has another TTL where one is declared.
    ///
    /// # Errors
    /// [`StateError::Mismatch`] when the comparison refuses the program; [`StateError::Declaration`] when a name is used
    /// twice or there is too much of anything.
    pub fn resumed_by(&self, program: &JobDescription, comparison: &Comparison, after: (u64, &Times)) -> Result<Self> {
        check(&program.states)?;
        let (epoch, mut next) = (after.0, self.numbered(&program.states, comparison, after)?);
        let plain = |input: &InputSchema| InputSchema { not_compared: Vec::new(), ..input.clone() };
        next.inputs = program.inputs.iter().map(plain).collect();
        let plain = |mark: &WatermarkSchema| WatermarkSchema { not_compared: Vec::new(), ..mark.clone() };
        next.watermarks = program.watermarks.iter().map(plain).collect();
        for output in &program.outputs {
            let known = self.output(&output.name).filter(|known| known.kind == output.kind);
            let known = known.filter(|_| !comparison.drops(&format!("output:{}", output.name)));
            let since = known.map_or(epoch, |known| known.since);
            next.outputs.push(OutputSchema { since, through: None, ..output.clone() });
        }
        for known in self.outputs.iter().filter(|known| !program.outputs.iter().any(|now| now.name == known.name)) {
            next.outputs.push(OutputSchema { through: known.through.or(Some(epoch)), ..known.clone() });
        }
        Ok(next)
    }

    /// Numbers for the states, and a note of what is dropped.
    fn numbered(&self, declared: &[StoreSchema], comparison: &Comparison, after: (u64, &Times)) -> Result<Self> {
        let (epoch, times) = after;
        if comparison.verdict() != Verdict::Resumes {
            return Err(StateError::Mismatch { report: comparison.to_string() });
        }
        let mut next = Self { next_store: self.next_store, ..Self::new(self.groups) };
        for store in declared {
            let member = format!("state:{}", store.operator);
            let known = self.store(&store.operator).filter(|_| !comparison.drops(&member));
            let (id, mut next_table) = match known {
                Some(known) => (known.id, known.next_table),
                None => (StoreId(number(&mut next.next_store, u16::MAX, &store.operator)?), 0),
            };
            let mut tables = Vec::new();
            for table in &store.tables {
                let is_kept = !comparison.drops(&format!("{member}/{}", table.name));
                let same = |other: &&TableSchema| is_kept && other.name == table.name;
                let known = known.and_then(|known| known.tables.iter().find(same));
                let mut earlier = known.map_or_else(Vec::new, |known| known.earlier.clone());
                let holds_on = |known: &TableSchema| Ttl::holds_on(known.ttl, table.ttl);
                let is_same = |known: &TableSchema| known.value.evolution(&table.value) == Evolution::Same;
                let id = match known {
                    Some(known) if is_same(known) && holds_on(known) => known.id,
                    // Values of another type get another number, so that it tells of what type they are, and so do
                    // those of another TTL that would show expired values again or does not know their times.
                    known => {
                        let began = earlier.iter().rev().find_map(|earlier| Some(earlier.changed?.epoch));
                        let change = TtlChange { undone: began == Some(epoch), ..TtlChange::at(times, epoch) };
                        earlier.extend(known.map(|known| Earlier {
                            id: known.id,
                            value: known.value.clone(),
                            ttl: known.ttl,
                            changed: (!holds_on(known)).then_some(change),
                        }));
                        TableId(number(&mut next_table, TableId::RESERVED.0, &store.operator)?)
                    }
                };
                tables.push(TableSchema { id, earlier, migrations: vec![], ..table.clone() });
            }
            let at = next.stores.partition_point(|before| before.id <= id);
            next.stores.insert(at, StoreSchema { id, tables, next_table, not_compared: Vec::new(), ..store.clone() });
        }
        next.dropped = self.dropped.clone();
        for finding in comparison.dropped() {
            let used = finding.used_permission().unwrap_or(&finding.member);
            let permission = [finding.member.as_str(), operator_of(&finding.member)]
                .into_iter()
                .find(|member| self.permission(member) == used)
                .unwrap_or(&finding.member);
            let noted = next.dropped[self.dropped.len()..].iter_mut().find(|dropped| dropped.permission == permission);
            match noted {
                Some(dropped) if dropped.members.contains(&finding.member) => {}
                Some(dropped) => dropped.members.push(finding.member.clone()),
                None => next.dropped.push(Dropped {
                    permission: permission.to_owned(),
                    members: vec![finding.member.clone()],
                    epoch,
                }),
            }
        }
        Ok(next)
    }
}

/// The permission for a member, after what has been dropped before.
fn nth_permission(before: &[Dropped], member: &str) -> String {
    match before.iter().filter(|dropped| dropped.permission == member).count() {
        0 => member.to_owned(),
        times => format!("{member}#{}", times + 1),
    }
}

/// `state:counts` of `state:counts/total`.
fn operator_of(member: &str) -> &str {
    member.rsplit_once('/').map_or(member, |(operator, _)| operator)
}

/// The next number, below `limit`.
fn number(next: &mut u16, limit: u16, operator: &str) -> Result<u16> {
    let number = *next;
    if number >= limit {
        let reason = format!("{limit} states have been declared in the life of this checkpoint: start a new one");
        return Err(StateError::Declaration { operator: operator.to_owned(), reason });
    }
    *next += 1;
    Ok(number)
}

/// Names are there, and there once; TTLs are positive.
fn check(declared: &[StoreSchema]) -> Result<()> {
    let wrong = |operator: &str, reason: String| Err(StateError::Declaration { operator: operator.to_owned(), reason });
    for (at, store) in declared.iter().enumerate() {
        if store.operator.is_empty() {
            return wrong("", "an operator with state needs a name".into());
        }
        if declared[..at].iter().any(|other| other.operator == store.operator) {
            return wrong(&store.operator, "another operator has the same name: give each its own".into());
        }
        for (at, table) in store.tables.iter().enumerate() {
            if table.name.is_empty() {
                return wrong(&store.operator, "a state needs a name".into());
            }
            if store.tables[..at].iter().any(|other| other.name == table.name) {
                return wrong(&store.operator, format!("two states are named `{}`: give each its own", table.name));
            }
            if let Some(ttl) = table.ttl.filter(|ttl| ttl.span() <= Duration::ZERO) {
                let reason = format!(
                    "`{}` has a TTL of {}, and would never be seen: give it a positive time",
                    table.name,
                    ttl.span()
                );
                return wrong(&store.operator, reason);
            }
        }
    }
    Ok(())
}
