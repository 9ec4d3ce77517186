//! What is found of one member.

use serde::{Deserialize, Serialize};

/// What becomes of a member of the program or the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fate {
    /// What is stored means something else to the program: it does not start.
    Refused,
    /// It is stored and not declared any more: the program starts only with permission to lose it.
    Lost,
    /// A setting has changed; the text says which value holds.
    Changed,
    /// Its type has changed in a way that old values survive.
    Evolved,
    /// It is declared and not stored; the text says where it begins.
    New,
    /// It is not declared any more, and nothing of it is stored that could be lost.
    Ended,
    /// It resumes as it is.
    Fits,
}

/// What a start does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// The program resumes.
    #[default]
    Resumes,
    /// It does not, unless it is permitted to lose what would be lost.
    NeedsPermission,
    /// It does not, since something that is stored means something else to it.
    Refused,
}

/// What is found of one member: of an input, a watermark, an operator with state or one of its states, an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which one: `input:clicks`, `watermark:by time`, `state:counts`, `state:counts/total`, `output:report`.
    pub member: String,
    /// What becomes of it.
    pub fate: Fate,
    /// What is to be said of it.
    pub text: String,
    /// What can be done, where it is refused.
    pub way_out: Option<String>,
    /// The permission under which it is dropped, where it is lost or refused.
    pub permission: Option<String>,
    /// A permission that covers it and more.
    pub(super) covered_by: Option<String>,
    /// Whether there is such a permission.
    pub permitted: bool,
    /// Which one.
    pub(super) used: Option<String>,
    /// Where something is back that was dropped with permission: the epoch after which.
    pub dropped_after: Option<u64>,
}

impl Finding {
    pub(super) fn new(fate: Fate, member: String, text: String) -> Self {
        let (way_out, permission, covered_by, used, dropped_after) = (None, None, None, None, None);
        Self { member, fate, text, way_out, permission, covered_by, permitted: false, used, dropped_after }
    }

    /// Whether what is stored of it is dropped, with permission.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.permitted && matches!(self.fate, Fate::Lost | Fate::Refused)
    }

    /// Whether it keeps the program from starting.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.permitted && matches!(self.fate, Fate::Lost | Fate::Refused)
    }

    /// The permission that was used for it.
    #[must_use]
    pub fn used_permission(&self) -> Option<&str> {
        self.used.as_deref()
    }
}
