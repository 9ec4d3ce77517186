//! What becomes of stored values under a changed type.

pub(crate) mod read;
pub(crate) mod rule;
pub(crate) mod skip;

use std::fmt;

use self::rule::{Comparison, Plan};
use super::{Earlier, Shape, TableSchema, TypeTag};

/// Whether values that were stored under one type can be read as another, and how.
///
/// ```
/// use firesteel_state::{Evolution, TypeTag};
///
/// assert_eq!(TypeTag::of::<u64>().evolution(&TypeTag::of::<u64>()), Evolution::Same);
/// assert!(matches!(TypeTag::of::<String>().evolution(&TypeTag::of::<u64>()), Evolution::Refused { .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evolution {
    /// The bytes mean the same under both.
    Same,
    /// Stored values are turned into values of the declared type as they are read.
    Evolves {
        /// What is different, a line for each change: ``field `city` added (default)``.
        changes: Vec<String>,
    },
    /// Stored values cannot be read as the declared type.
    Refused {
        /// What does not fit and where, and the way out.
        reason: String,
    },
}

impl Evolution {
    /// Whether stored values can be read.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        !matches!(self, Self::Refused { .. })
    }
}

impl fmt::Display for Evolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("the same"),
            Self::Evolves { changes } => f.write_str(&changes.join(", ")),
            Self::Refused { reason } => f.write_str(reason),
        }
    }
}

impl TypeTag {
    /// What becomes of values that were stored under `self` when they are read as `declared`: whatever the shapes say,
    /// where the versions are the same.
    ///
    /// - **Fields** of structs go by name. They may be removed, reordered, and renamed by `#[serde(alias)]`; they may be
    ///   added if they have a default or are options.
    /// - **Variants** of enums go by name. They may be added and reordered, not removed.
    /// - **Integers** may become wider, and unsigned ones become signed ones that are wider; an `f32` may become an `f64`.
    /// - **`T`** may become `Option<T>`.
    ///
    /// The same holds at every place: in fields, elements of lists, values of maps, tuples, contents of variants. Keys
    /// of maps stay as they are.
    ///
    /// A type that cannot be described in full is equal to nothing unless it has a version, the same on both sides.
    #[must_use]
    pub fn evolution(&self, declared: &Self) -> Evolution {
        match self.plan(declared) {
            Ok((_, changes)) if changes.is_empty() => Evolution::Same,
            Ok((_, changes)) => Evolution::Evolves { changes },
            Err(reason) => Evolution::Refused { reason },
        }
    }

    /// What becomes of keys that were stored under `self` when they are read as `declared`: they stay the same, or are
    /// refused. What a key's bytes are, which keys are equal, what their hash and their order is are four things, and a
    /// changed type need not keep them together.
    #[must_use]
    pub fn key_evolution(&self, declared: &Self) -> Evolution {
        let same = self.version == declared.version && self.name == declared.name;
        match (self.shape.parse::<Shape>(), declared.shape.parse::<Shape>()) {
            (Ok(one), Ok(other)) if same && one.is_same(&other) && (one.is_whole() || self.version != 0) => {
                Evolution::Same
            }
            (Ok(one), Ok(other)) if same && one.is_same(&other) => Evolution::Refused {
                reason: format!(
                    "keys of {declared} cannot be described in full ({}): give them a version before they are stored",
                    declared.shape
                ),
            },
            _ => Evolution::Refused {
                reason: format!(
                    "keys of {declared} are declared, but keys of {self} are stored, and keys do not evolve: give the \
                     state another name and fill it again, or keep the old type as the key"
                ),
            },
        }
    }

    /// Whether a later start can tell what is stored from what is declared: the type's `Deserialize` tells its shape, or
    /// the type has a version.
    #[must_use]
    pub fn can_be_compared(&self) -> bool {
        self.version != 0 || self.shape.parse::<Shape>().is_ok_and(|shape| shape.is_whole())
    }

    /// How values are read that were stored under `self`, and what is different.
    pub(crate) fn plan(&self, declared: &Self) -> Result<(Plan, Vec<String>), String> {
        if self.version != declared.version {
            return Err(format!(
                "version {} is stored, version {} is declared: add .migrate({}, …), which turns the one into the other",
                self.version, declared.version, self.version
            ));
        }
        let (stored, wanted) = self.shapes(declared)?;
        if !(stored.is_whole() && wanted.is_whole()) {
            if self.version != 0 && self.name == declared.name && stored.is_same(&wanted) {
                return Ok((Plan::Same(stored), vec![]));
            }
            return Err(format!(
                "{} cannot be described in full ({}), so it is equal to nothing unless it has a version: .version(1)",
                declared.name, declared.shape
            ));
        }
        if names_of(&self.name) != names_of(&declared.name) {
            return Err(format!(
                "{declared} is not {self} to everyone: say .type_name({:?}) if it is to you",
                self.name
            ));
        }
        self.plan_shapes(&stored, &wanted)
    }

    /// As [`plan`](Self::plan), for the type that a migration takes: its name and version do not matter.
    pub(crate) fn plan_migrated(&self, taken: &Self) -> Result<(Plan, Vec<String>), String> {
        let (stored, wanted) = self.shapes(taken)?;
        // Who gives a migration from a type that cannot be described says that it is the one.
        if !stored.is_whole() && stored.is_same(&wanted) {
            return Ok((Plan::Same(stored), vec![]));
        }
        self.plan_shapes(&stored, &wanted)
    }

    fn shapes(&self, declared: &Self) -> Result<(Shape, Shape), String> {
        let shape = |tag: &Self| tag.shape.parse::<Shape>().map_err(|error| error.to_string());
        Ok((shape(self)?, shape(declared)?))
    }

    #[allow(clippy::unused_self, reason = "it belongs to the two above")]
    fn plan_shapes(&self, stored: &Shape, wanted: &Shape) -> Result<(Plan, Vec<String>), String> {
        let mut comparison = Comparison::default();
        let plan = comparison.plan(stored, wanted).map_err(|reason| {
            format!("{reason}; keep the old type there, or raise .version() and add .migrate() from the stored one")
        })?;
        Ok((plan, comparison.changes))
    }
}

/// The names in a type's name that are none of the standard library's, in order: `Option<Payment>` and `Payment` are of
/// the same.
fn names_of(name: &str) -> Vec<&str> {
    const STANDARD: [&str; 40] = [
        "bool",
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "i8",
        "i16",
        "i32",
        "i64",
        "i128",
        "f32",
        "f64",
        "usize",
        "isize",
        "char",
        "str",
        "String",
        "Option",
        "Vec",
        "VecDeque",
        "LinkedList",
        "BinaryHeap",
        "HashMap",
        "HashSet",
        "BTreeMap",
        "BTreeSet",
        "RandomState",
        "Global",
        "Box",
        "Rc",
        "Arc",
        "Cow",
        "Cell",
        "Mutex",
        "RwLock",
        "Wrapping",
        "Reverse",
        "Saturating",
        "mut",
    ];
    let words = name.split(|c: char| !c.is_alphanumeric() && c != '_');
    // What is left are types of somebody's, and lengths of arrays, which the shape tells.
    words.filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_') && !STANDARD.contains(word)).collect()
}

impl TableSchema {
    /// What becomes of what is stored under `self` when it is read as `declared`.
    ///
    /// Values evolve by the rule of [`TypeTag::evolution`], those of [earlier types](Self::earlier) too; those of
    /// another version are turned into new ones where `declared` has a migration from it. The kind of state and the
    /// type of a map's keys stay as they are.
    #[must_use]
    pub fn evolution(&self, declared: &Self) -> Evolution {
        if self.kind != declared.kind || self.field.is_some() != declared.field.is_some() {
            return Evolution::Refused { reason: format!("{declared} is declared, but {self} is stored") };
        }
        if let (Some(stored), Some(field)) = (&self.field, &declared.field)
            && let refused @ Evolution::Refused { .. } = stored.key_evolution(field)
        {
            return refused;
        }
        let now = self.value.evolution_with(&declared.value, &declared.migrations);
        for Earlier { value, .. } in &self.earlier {
            if let Evolution::Refused { reason } = value.evolution_with(&declared.value, &declared.migrations) {
                let reason = format!("values of {value} are still stored: {reason}");
                return if now.is_allowed() { Evolution::Refused { reason } } else { now };
            }
        }
        now
    }
}

impl TypeTag {
    /// As [`evolution`](Self::evolution), where migrations from these types are declared.
    fn evolution_with(&self, declared: &Self, migrations: &[Self]) -> Evolution {
        let Some(first) = migrations
            .iter()
            .find(|_| self.version != declared.version)
            .and_then(|_| migrations.iter().find(|taken| taken.version == self.version))
        else {
            return self.evolution(declared);
        };
        match self.plan_migrated(first) {
            Ok((_, mut changes)) => {
                let mut chain = vec![self.version];
                chain.extend(chain_from(self.version, declared.version, migrations.iter().map(|taken| taken.version)));
                chain.push(declared.version);
                let chain: Vec<String> = chain.iter().map(u32::to_string).collect();
                changes.push(format!("version {} migrated", chain.join(" to ")));
                Evolution::Evolves { changes }
            }
            Err(reason) => Evolution::Refused {
                reason: format!("the migration from version {} takes {first}: {reason}", self.version),
            },
        }
    }
}

/// The versions that are passed on the way from one to another: each migration leads to the next version that has one,
/// the last to the one that is declared.
pub(crate) fn chain_from(from: u32, to: u32, migrations: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut between: Vec<u32> = migrations.filter(|version| (from + 1..to).contains(version)).collect();
    between.sort_unstable();
    between.dedup();
    between
}

/// Reads bytes of a stored shape as one of some types, for the fuzzer; whether it went well.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_evolved(shape: &str, bytes: &[u8]) -> bool {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is read, and that is all")]
    struct Place {
        #[serde(alias = "zip")]
        code: u64,
        #[serde(default)]
        kinds: Vec<Kind>,
        by: Option<BTreeMap<String, Option<u16>>>,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is read, and that is all")]
    enum Kind {
        C { x: f64, y: Option<u8> },
        A,
        B(u16, u32),
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is read, and that is all")]
    struct Tree {
        value: u64,
        children: Vec<Tree>,
    }
    #[derive(Deserialize)]
    #[allow(dead_code, reason = "it is read, and that is all")]
    struct Parts {
        a: Option<(u8, i32, Option<Vec<u128>>)>,
    }
    fn one<T: serde::de::DeserializeOwned>(shape: &Shape, bytes: &[u8]) -> bool {
        let Ok(declared) = TypeTag::of::<T>().shape.parse() else { return false };
        let plan = Comparison::default().plan(shape, &declared);
        plan.is_ok_and(|plan| read::read::<T>(&plan, shape, bytes).is_ok())
    }
    let Ok(shape) = shape.parse::<Shape>() else { return false };
    one::<Place>(&shape, bytes) | one::<Tree>(&shape, bytes) | one::<Parts>(&shape, bytes)
}

#[cfg(test)]
mod tests;
