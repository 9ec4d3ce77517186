//! What a program consists of besides its state, as far as a checkpoint is concerned.

use serde::{Deserialize, Serialize};

use super::Setting;

/// A source of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputSchema {
    /// The name under which its positions are stored.
    pub name: String,
    /// What kind of source it is: positions of one kind mean nothing to another.
    pub kind: String,
    /// What is set for it.
    pub settings: Vec<Setting>,
    /// The version that the program's author gave it; a change tells that its positions mean something else.
    pub version: u32,
    /// What a comparison cannot see, such as a function that decodes: `decode`.
    pub not_compared: Vec<String>,
}

/// A watermark of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WatermarkSchema {
    /// The name under which it is stored.
    pub name: String,
    /// The inputs whose splits it follows; none where records have no split.
    pub inputs: Vec<String>,
    /// What is set for it: its delay, when a split counts as idle.
    pub settings: Vec<Setting>,
    /// The version that the program's author gave it; a change tells that event times are found in another way.
    pub version: u32,
    /// What a comparison cannot see: the function that finds event times.
    pub not_compared: Vec<String>,
}

/// An output of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputSchema {
    /// The name under which it is known.
    pub name: String,
    /// What kind of sink it is.
    pub kind: String,
    /// What the sink promises: `exactly-once`, `at-least-once` or `at-most-once`.
    pub guarantee: String,
    /// The epoch after which it began, in a checkpoint; it means nothing in a program's description.
    pub since: u64,
    /// The last epoch that it got, in a checkpoint, where the program has it no more.
    pub through: Option<u64>,
}

/// What was dropped at a start, with permission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The permission that was used, without its number: `state:clicks`.
    pub permission: String,
    /// What it was used for: members as a [comparison](super::Comparison) names them.
    pub members: Vec<String>,
    /// The epoch after which they were dropped.
    pub epoch: u64,
}

impl OutputSchema {
    /// Whether the sink promises that every record is reflected once.
    #[must_use]
    pub fn is_exactly_once(&self) -> bool {
        self.guarantee == "exactly-once"
    }
}

impl InputSchema {
    /// An input of which no more is known than its name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}
