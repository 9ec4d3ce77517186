//! A program's declarations beside what is stored.

use std::fmt;

use super::{Evolution, StoreSchema};

/// What becomes of stored state under a changed program.
///
/// Its text is what a user is told: a line for each state that differs, is lost or is new, and for each that fits if
/// there is nothing else to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    differs: Vec<String>,
    pub(super) lost: Vec<String>,
    pub(super) new: Vec<String>,
    kept: Vec<String>,
}

impl Comparison {
    pub(super) fn of(stored: &[StoreSchema], declared: &[StoreSchema]) -> Self {
        let mut comparison = Self::default();
        for store in declared {
            let known = stored.iter().find(|known| known.operator == store.operator);
            if let Some(known) = known
                && let Evolution::Refused { reason } = known.key.key_evolution(&store.key)
            {
                comparison.differs.push(format!("{}: {reason}", store.operator));
            }
            for table in &store.tables {
                let path = format!("{}/{}", store.operator, table.name);
                match known.and_then(|known| known.tables.iter().find(|other| other.name == table.name)) {
                    None => comparison.new.push(format!("{path}: {table}")),
                    Some(then) => match then.evolution(table) {
                        Evolution::Same => comparison.kept.push(format!("{path}: {table}")),
                        Evolution::Evolves { changes } => {
                            comparison.kept.push(format!("{path}: {table}; evolves: {}", changes.join(", ")));
                        }
                        Evolution::Refused { reason } => {
                            comparison.differs.push(format!("{path}: {table}, but {then} is stored: {reason}"));
                        }
                    },
                }
            }
        }
        for store in stored {
            let still = declared.iter().find(|declared| declared.operator == store.operator);
            for table in &store.tables {
                if !still.is_some_and(|still| still.tables.iter().any(|other| other.name == table.name)) {
                    comparison.lost.push(format!("{}/{}: {table}", store.operator, table.name));
                }
            }
        }
        comparison
    }

    /// Whether everything stored that is still declared can be read.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.differs.is_empty()
    }

    /// States that are declared with other types than they were stored with.
    #[must_use]
    pub fn differs(&self) -> &[String] {
        &self.differs
    }

    /// States that are stored but not declared any more, and inputs that are not there any more.
    #[must_use]
    pub fn lost(&self) -> &[String] {
        &self.lost
    }

    /// States that are declared but not stored, and inputs that were not there.
    #[must_use]
    pub fn new_states(&self) -> &[String] {
        &self.new
    }

    /// States that go on as they are.
    #[must_use]
    pub fn kept(&self) -> &[String] {
        &self.kept
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, lines) in
            [("differs:", &self.differs), ("lost:   ", &self.lost), ("new:    ", &self.new), ("fits:   ", &self.kept)]
        {
            for line in lines {
                writeln!(f, "  {what} {line}")?;
            }
        }
        Ok(())
    }
}
