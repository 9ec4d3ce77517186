//! Steps in the place of results, which are numbered: claims, and mergings of those who have claimed it.
//!
//! `_committed/run-0000000006` is put where none is, so that each number is a step of one process. A claim is a text of one line, `run`
//! and the number of the run. A merging is `firesteel merging 1`, `of` and the number of the claim under which it is done, `as` and the name
//! of the manifest that is put afterwards, `removes` and a path for each object that it takes the place of, and that manifest.

use std::fmt;

use firesteel_results::{Covered, Manifest, PartName};

const HEADER: &str = "firesteel merging 1\n";

/// A step that merges manifests, and perhaps objects. Its `Display` is its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Merging {
    /// The number of the claim.
    pub(super) run: u64,
    pub(super) covered: Covered,
    pub(super) manifest: Manifest,
    /// Paths below the prefix of what is deleted when the manifest is there.
    pub(super) removed: Vec<String>,
}

/// What a step is.
pub(super) enum Step {
    Claim,
    Merging(Box<Merging>),
}

impl Step {
    /// What these bytes say; `None` where they are not a whole merging, and begin like one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(HEADER.as_bytes()) {
            return Some(Self::Claim);
        }
        Merging::parse(bytes).map(|merging| Self::Merging(Box::new(merging)))
    }
}

impl Merging {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(bytes).ok()?.strip_prefix(HEADER)?.strip_prefix("of ")?;
        let (run, body) = body.split_once('\n')?;
        let (covered, mut body) = body.strip_prefix("as ")?.split_once('\n')?;
        let mut removed = Vec::new();
        while let Some(rest) = body.strip_prefix("removes ") {
            let (path, rest) = rest.split_once('\n')?;
            removed.push(path.to_owned());
            body = rest;
        }
        // They have to be paths of parts, and to lead nowhere else.
        let is_sound = removed.iter().all(|path| PartName::is_below_results(path));
        let (covered, manifest) = (Covered::parse(covered)?, Manifest::parse(body.as_bytes())?);
        is_sound.then_some(Self { run: run.parse().ok()?, covered, manifest, removed })
    }
}

impl fmt::Display for Merging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, covered, manifest, removed } = self;
        writeln!(f, "{HEADER}of {run}\nas {}", covered.file_name())?;
        removed.iter().try_for_each(|path| writeln!(f, "removes {path}"))?;
        manifest.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use firesteel_connect::{CheckpointId, Epoch};
    use firesteel_results::Entry;

    use super::*;

    #[test]
    fn a_step_is_read_as_it_was_written_and_a_torn_one_is_none() {
        let path = "day=1 2/part-0000000001-00000.r1-0.ndjson".to_owned();
        let entries = vec![Entry::new("part-0000000001to0000000003-00001.r1-7.ndjson".into(), 20, 3)];
        let manifest = Manifest { checkpoint: CheckpointId::from_bits(7), entries };
        let covered = Covered { first: Epoch(1), last: Epoch(3), merged: 1 };
        for removed in [vec![], vec![path.clone(), path.clone()]] {
            let merging = Merging { run: 5, covered, manifest: manifest.clone(), removed };
            let text = merging.to_string();
            assert!(matches!(Step::parse(text.as_bytes()), Some(Step::Merging(read)) if *read == merging), "{text}");
            for length in HEADER.len()..text.len() {
                assert!(Step::parse(&text.as_bytes()[..length]).is_none(), "{length}");
            }
        }
        for elsewhere in ["../part-0000000001-00000.r1-0.ndjson", "a/b", ""] {
            let merging = Merging { run: 5, covered, manifest: manifest.clone(), removed: vec![elsewhere.to_owned()] };
            assert!(Step::parse(merging.to_string().as_bytes()).is_none(), "{elsewhere}");
        }
        assert!(matches!(Step::parse(b"run 0000\n"), Some(Step::Claim)));
    }
}
