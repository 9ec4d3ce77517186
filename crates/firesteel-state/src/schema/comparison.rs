//! A program beside a checkpoint: one report and one verdict, for the start of a job and for who asks before.

mod finding;
mod members;
mod states;
mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::finding::{Fate, Finding, Verdict};
use super::catalog::Catalog;
use super::{JobDescription, StoreSchema};
use crate::cursor::Cursor;

/// What becomes of everything that is stored, and where everything that is declared begins, under a program.
///
/// Its text is what a user is told, a line for each member; what is refused or lost comes first, with the way out. Its
/// [verdict](Self::verdict) is that of the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    verdict: Verdict,
    findings: Vec<Finding>,
    not_compared: Vec<String>,
    /// Permissions to lose something that is not lost.
    unused: Vec<String>,
}

impl Comparison {
    /// Compares the states alone.
    pub(super) fn of_states(catalog: &Catalog, declared: &[StoreSchema]) -> Self {
        let mut comparison = Self::default();
        states::compare(&mut comparison, catalog, declared);
        comparison.finish()
    }

    /// Compares everything.
    pub(super) fn of(program: &JobDescription, catalog: &Catalog, cursor: &Cursor) -> Self {
        let mut comparison = Self::default();
        members::inputs(&mut comparison, program, catalog, cursor);
        members::watermarks(&mut comparison, program, catalog, cursor);
        states::compare(&mut comparison, catalog, &program.states);
        members::outputs(&mut comparison, program, catalog, cursor);
        members::key_groups(&mut comparison, program, catalog);
        comparison.finish()
    }

    fn finish(mut self) -> Self {
        self.judge();
        self
    }

    /// Puts what is found in order, and says what follows.
    fn judge(&mut self) {
        self.findings.sort_by_key(|finding| finding.fate);
        let open = |fate| self.findings.iter().any(|finding| finding.fate == fate && !finding.permitted);
        self.verdict = if open(Fate::Refused) {
            Verdict::Refused
        } else if open(Fate::Lost) {
            Verdict::NeedsPermission
        } else {
            Verdict::Resumes
        };
    }

    fn add(&mut self, fate: Fate, member: impl Into<String>, text: impl Into<String>) -> &mut Finding {
        let at = self.findings.len();
        self.findings.push(Finding::new(fate, member.into(), text.into()));
        &mut self.findings[at]
    }

    /// Takes note of a loss that only its place can tell: results that a sink does not have any more.
    pub fn lose(&mut self, catalog: &Catalog, member: &str, text: impl Into<String>) {
        self.add_lost(catalog, member, text);
        self.judge();
    }

    /// The same where these permissions are given: names of members as the report has them, `state:clicks`.
    ///
    /// A permission for an operator covers each of its states. What is refused is dropped under a permission for it, as
    /// what is lost is; what is declared there starts empty.
    #[must_use]
    pub fn permitting(mut self, names: &[String], catalog: &Catalog) -> Self {
        for finding in &mut self.findings {
            let used =
                [&finding.permission, &finding.covered_by].into_iter().flatten().find(|name| names.contains(name));
            finding.permitted = used.is_some();
            finding.used = used.cloned();
        }
        let used = |name: &&String| self.findings.iter().any(|finding| finding.used.as_ref() == Some(*name));
        let unused = names.iter().filter(|name| !used(name) && !catalog.was_used(name));
        self.unused = unused.cloned().collect();
        self.judge();
        self
    }

    /// What a start does.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether nothing is refused, be anything lost or not.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.verdict != Verdict::Refused
    }

    /// What has been found of each member.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What has been found of this fate.
    pub fn of_fate(&self, fate: Fate) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.fate == fate)
    }

    /// What gives stored bytes their meaning and no comparison can see: functions, by their operators.
    #[must_use]
    pub fn not_compared(&self) -> &[String] {
        &self.not_compared
    }

    /// Permissions that name nothing that is lost, and never did: a slip of the pen, perhaps.
    #[must_use]
    pub fn unused_permissions(&self) -> &[String] {
        &self.unused
    }

    /// What is dropped with permission.
    pub fn dropped(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_dropped())
    }

    /// Whether what is stored of a member is dropped with permission.
    pub(super) fn drops(&self, member: &str) -> bool {
        self.dropped().any(|finding| finding.member == member)
    }

    /// The verdict in a sentence, with the permissions that would change it, within a hundred columns.
    #[must_use]
    pub fn conclusion(&self) -> String {
        let open = || self.findings.iter().filter(|finding| finding.is_open());
        let mut names: Vec<&str> = open().filter_map(|finding| finding.permission.as_deref()).collect();
        names.dedup();
        let (said, has_permissions) = match self.verdict {
            Verdict::Resumes if self.dropped().next().is_some() => {
                ("the program resumes from this checkpoint, without what is dropped", false)
            }
            Verdict::Resumes => ("the program resumes from this checkpoint", false),
            Verdict::NeedsPermission => (
                "the program is refused: it would lose what is named above. Give operators and sources the names they had, \
                 or lose it with",
                true,
            ),
            Verdict::Refused if open().all(|finding| finding.permission.is_some()) => {
                ("the program is refused: apply one of the fixes named above, or drop what is stored there with", true)
            }
            Verdict::Refused => ("the program is refused: apply the fixes named above", false),
        };
        let mut conclusion = text::wrapped(said);
        if has_permissions {
            conclusion += "\n";
            conclusion +=
                &text::wrapped(&format!("Checkpoint::allow_loss({names:?}), or `--allow-loss` with each of them"));
        }
        conclusion
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}
