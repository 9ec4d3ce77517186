//! The parts of a crate know each other one way: what is used stands lower than what uses it.
//!
//! A part is a module of the crate's root, with all that is under it. Whatever a path from the root names is used, where
//! it is imported as well as within code; a name that the root hands on stands for the part that it comes from. What tests
//! use does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which parts of each crate use which.
#[derive(Debug, Default)]
pub(super) struct Crates(BTreeMap<String, Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// The names in the root that each part uses.
    uses: BTreeMap<String, BTreeSet<String>>,
    /// From which part a name in the root comes that is no part itself.
    origins: BTreeMap<String, String>,
}

impl Crates {
    /// Takes note of a source file, by its path in the workspace.
    pub(super) fn add(&mut self, path: &Path, text: &str) {
        let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
        let ["crates", of, "src", first, ref inner @ ..] = parts[..] else { return };
        let of_tests = |part: &&str| matches!(*part, "tests" | "tests.rs");
        if of_tests(&first) || inner.iter().any(of_tests) {
            return;
        }
        let (known, code) = (self.0.entry(of.to_owned()).or_default(), code(text));
        if first == "lib.rs" {
            known.origins.extend(origins(&code));
            return;
        }
        let to_root = "super::".repeat(1 + inner.len());
        let names = ["crate::", &to_root].into_iter().flat_map(|begin| names_after(&code, begin)).map(str::to_owned);
        known.uses.entry(first.trim_end_matches(".rs").to_owned()).or_default().extend(names);
    }

    /// The parts that use each other in a circle, of each crate that has such: in words.
    pub(super) fn circles(&self) -> Vec<String> {
        let of_crate = |(name, parts): (&String, &Parts)| {
            let in_circle: Vec<_> =
                parts.uses.keys().filter(|part| parts.reached(part).contains(part.as_str())).collect();
            let names = in_circle.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ");
            let what = "use each other in a circle: move what both need to a part below them";
            (!in_circle.is_empty()).then(|| format!("crates/{name}: {names} {what}"))
        };
        self.0.iter().filter_map(of_crate).collect()
    }
}

impl Parts {
    /// The other parts that one uses itself.
    fn used<'a>(&'a self, by: &str) -> impl Iterator<Item = &'a str> {
        let part_of = |name| if self.uses.contains_key(name) { name } else { self.origins.get(name).unwrap_or(name) };
        let names = self.uses.get(by).into_iter().flatten();
        names.map(move |name| part_of(name).as_str()).filter(move |used| *used != by)
    }

    /// All parts that one uses, directly or by others.
    fn reached(&self, from: &str) -> BTreeSet<&str> {
        let (mut all, mut next) = (BTreeSet::new(), self.used(from).collect::<Vec<_>>());
        while let Some(part) = next.pop() {
            if all.insert(part) {
                next.extend(self.used(part));
            }
        }
        all
    }
}

/// A file without its comments, the texts in it and its tests, which stand last.
fn code(text: &str) -> String {
    let (mut code, mut lines) = (String::new(), text.lines());
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            match lines.next() {
                Some(item) if item.contains("mod ") && item.ends_with('{') => break,
                // An import or a module of its own file; what is longer counts as code.
                Some(item) if item.ends_with(';') => continue,
                _ => {}
            }
        }
        let line: String = line.split('"').step_by(2).collect();
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// The names that follow the beginning of a path: one, or a group of them.
fn names_after<'a>(code: &'a str, begin: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(begin).filter(|(at, _)| !code[..*at].ends_with(is_of_name)) {
        let rest = &code[at + begin.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.extend(words(rest).next().filter(|_| rest.starts_with(is_of_name)));
            continue;
        };
        let mut depth = 0_usize;
        for piece in group.split_inclusive(['{', ',', '}']) {
            names.extend(words(piece).next().filter(|_| depth == 0));
            match piece.chars().last() {
                Some('{') => depth += 1,
                Some('}') if depth == 0 => break,
                Some('}') => depth -= 1,
                _ => {}
            }
        }
    }
    names
}

/// The names that the root of a crate imports or hands on, and from where.
fn origins(root: &str) -> Vec<(String, String)> {
    let imports = root.split(';').filter_map(|statement| Some(statement.split_once("use ")?.1));
    let of_import = |import| {
        let mut path = words(import).skip_while(|word| matches!(*word, "self" | "crate"));
        let part = path.next().unwrap_or_default();
        path.map(move |name| (name.to_owned(), part.to_owned()))
    };
    imports.flat_map(of_import).collect()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c| !is_of_name(c)).filter(|word| !word.is_empty())
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
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

    #[test]
    fn a_path_within_code_is_seen_and_so_is_the_way_from_a_part_to_the_root() {
        let files = [
            ("crates/one/src/a.rs", "fn f() -> u32 {\n    crate::b::g()\n}\n"),
            ("crates/one/src/b.rs", "use super::c::C;\n"),
            ("crates/one/src/c/inner.rs", "use super::super::d;\n"),
            ("crates/one/src/d.rs", "use crate::{\n    e::{b, F},\n    a,\n};\n"),
            ("crates/one/src/e.rs", "use std::fmt;\n"),
        ];
        let found = circles(&files);
        assert!(found[0].starts_with("crates/one: a, b, c, d use each other"), "{found:?}");
    }

    #[test]
    fn a_name_that_the_root_hands_on_stands_for_its_part() {
        let files = [
            ("crates/one/src/lib.rs", "pub mod a;\nmod b;\n\npub use b::{B, inner::C};\npub use self::a::A;\n"),
            ("crates/one/src/a.rs", "use crate::C;\n"),
            ("crates/one/src/b.rs", "use super::A;\n"),
        ];
        assert_eq!(circles(&files).len(), 1);
        assert_eq!(circles(&files[1..]), Vec::<String>::new(), "these names are of no part");

        let files = [
            ("crates/one/src/lib.rs", "mod a;\nmod b;\npub use a::b;\n"),
            ("crates/one/src/a.rs", "use crate::b::B;\n"),
            ("crates/one/src/b.rs", "use crate::a::A;\n"),
        ];
        assert_eq!(circles(&files).len(), 1, "a part goes before a function of its name");
    }

    #[test]
    fn comments_texts_and_what_merely_looks_like_the_root_are_no_use() {
        let a = "//! See crate::b.\nconst A: &str = \"crate::b\"; // As crate::b has it.\nuse other_crate::b;\n\
                 #[cfg(test)]\nuse crate::b::B;\nuse super::a::c;\n";
        let inner = "use super::b;\n";
        let files = [
            ("crates/one/src/a.rs", a),
            ("crates/one/src/a/inner.rs", inner),
            ("crates/one/src/b.rs", "use crate::a::A;\n"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
    }

    #[test]
    fn what_follows_a_method_for_tests_is_seen() {
        let files = [
            ("crates/one/src/a.rs", "impl A {\n    #[cfg(test)]\n    fn f() {}\n}\nfn g(of: crate::b::B) {}\n"),
            ("crates/one/src/b.rs", "use crate::a::A;\n"),
        ];
        assert_eq!(circles(&files).len(), 1);
    }
}
