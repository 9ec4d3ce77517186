//! The parts of a crate know each other one way: what is used stands lower than what uses it.
//!
//! A part is a module of the crate's root, with all that is under it. What tests use does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Crates that are one piece all the same: an engine, a store or a file format cut by files and not by parts.
const OF_ONE_PIECE: [&str; 1] = ["firesteel-state"];

/// Which parts of each crate use which.
#[derive(Debug, Default)]
pub(super) struct Crates(BTreeMap<String, Uses>);

type Uses = BTreeMap<String, BTreeSet<String>>;

impl Crates {
    /// Takes note of a source file, by its path in the workspace.
    pub(super) fn add(&mut self, path: &Path, text: &str) {
        let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
        let ["crates", of, "src", first, ..] = parts[..] else { return };
        let part = first.trim_end_matches(".rs");
        if part == "lib" || path.ends_with("tests.rs") || OF_ONE_PIECE.contains(&of) {
            return;
        }
        let uses = self.0.entry(of.to_owned()).or_default().entry(part.to_owned()).or_default();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        uses.extend(code.lines().filter_map(used_part).filter(|used| *used != part).map(str::to_owned));
    }

    /// The parts that use each other in a circle, of each crate that has such: in words.
    pub(super) fn circles(&self) -> Vec<String> {
        let of_crate = |(name, uses): (&String, &Uses)| {
            let in_circle: Vec<_> = uses.keys().filter(|part| reached(uses, part).contains(part.as_str())).collect();
            let names = in_circle.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ");
            let what = "use each other in a circle: move what both need to a part below them";
            (!in_circle.is_empty()).then(|| format!("crates/{name}: {names} {what}"))
        };
        self.0.iter().filter_map(of_crate).collect()
    }
}

/// The part of its own crate that a line imports from.
fn used_part(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let import = line.strip_prefix("pub").map_or(line, |rest| rest.trim_start_matches("(crate)").trim_start());
    let path = import.strip_prefix("use crate::")?;
    path.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|part| !part.is_empty())
}

/// All parts that one uses, directly or by others.
fn reached<'a>(uses: &'a Uses, from: &str) -> BTreeSet<&'a str> {
    let (mut all, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(part) = next.pop() {
        for used in uses.get(&part).into_iter().flatten() {
            if all.insert(used.as_str()) {
                next.push(used.clone());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let mut crates = Crates::default();
        files.iter().for_each(|(path, text)| crates.add(Path::new(path), text));
        crates.circles()
    }

    #[test]
    fn parts_that_use_each_other_are_found_however_long_the_way() {
        let files = [
            ("crates/one/src/a.rs", "use crate::b::B;\n"),
            ("crates/one/src/b/inner.rs", "pub(crate) use crate::c::{C, D};\n"),
            ("crates/one/src/c.rs", "use crate::a::A;\n"),
            ("crates/one/src/d.rs", "use crate::a::A;\n"),
        ];
        let found = circles(&files);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/one: a, b, c use each other"), "{found:?}");
    }

    #[test]
    fn one_way_is_no_circle_and_tests_may_look_anywhere() {
        let files = [
            ("crates/one/src/lib.rs", "pub use crate::a::A;\n"),
            ("crates/one/src/a.rs", "use crate::b::B;\nuse crate::a::inner::C;\n"),
            ("crates/one/src/b.rs", "use std::fmt;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n"),
            ("crates/one/src/b/tests.rs", "use crate::a::A;\n"),
            ("crates/two/src/b.rs", "use crate::a::A;\n"),
            ("tests/tests/a.rs", "use crate::b::B;\n"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
    }
}
