//! What Markdown files point at: other files, and the tests that guard a statement.
//!
//! ```
//! use firesteel_tests::documents::{links, tests_named};
//!
//! let text = "Guarded by `tests/tests/crate_graph.rs::dependencies_point_downwards`; see [why](docs/adr/0001.md#why).";
//! assert_eq!(links(text), ["docs/adr/0001.md"]);
//! assert_eq!(tests_named(text)[0].name, "dependencies_point_downwards");
//! ```
//!
//! It reads the little Markdown that this project's documents use, not all that there is.

/// A test that a document names: `` `path/of/file.rs::name` ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestName {
    /// The file, from the root of the workspace.
    pub file: String,
    /// The function.
    pub name: String,
}

/// The files that a text links to, as they are written and without the place in them. Addresses on the web are none.
#[must_use]
pub fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for (at, _) in text.match_indices("](") {
        let Some((target, _)) = text[at + 2..].split_once(')') else { continue };
        let file = target.split('#').next().unwrap_or_default();
        if !file.is_empty() && !file.contains("://") && !file.starts_with("mailto:") {
            links.push(file.to_owned());
        }
    }
    links
}

/// The pieces of code in a text, between single backticks.
#[must_use]
pub fn code_spans(text: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            spans.extend(line.split('`').skip(1).step_by(2));
        }
    }
    spans
}

/// The tests that a text names.
#[must_use]
pub fn tests_named(text: &str) -> Vec<TestName> {
    let mut names = Vec::new();
    for span in code_spans(text) {
        if let Some((file, name)) = span.split_once(".rs::") {
            names.push(TestName { file: format!("{file}.rs"), name: name.to_owned() });
        }
    }
    names
}

/// The numbers of the invariants that a text speaks of, in its order: `INV-7`.
#[must_use]
pub fn invariants(text: &str) -> Vec<u32> {
    let numbers = text.match_indices("INV-").filter_map(|(at, mark)| {
        let rest = &text[at + mark.len()..];
        rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
    });
    numbers.collect()
}

/// The codes of errors in a text, in its order: `FS-R001`.
#[must_use]
pub fn error_codes(text: &str) -> Vec<&str> {
    let codes = text.match_indices("FS-").filter_map(|(at, _)| {
        let code = text.get(at..at + "FS-R001".len())?;
        let (kind, number) = code["FS-".len()..].split_at_checked(1)?;
        let known = kind.chars().all(|c| c.is_ascii_uppercase()) && number.chars().all(|c| c.is_ascii_digit());
        known.then_some(code)
    });
    codes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_those_to_files() {
        let text = "[a](a.md), [b](../b/c.md#part), [web](https://example.org/x.md), [here](#part)";
        assert_eq!(links(text), ["a.md", "../b/c.md"]);
    }

    #[test]
    fn code_in_blocks_is_not_taken_for_a_span() {
        let text = "`one` and `two`\n```rust\nlet x = `three`;\n```\n`four`\n";
        assert_eq!(code_spans(text), ["one", "two", "four"]);
    }

    #[test]
    fn a_test_is_a_file_and_a_function() {
        let named = tests_named("- `crates/a/src/b.rs::c_holds`, `Vec::new`\n");
        assert_eq!(named, [TestName { file: "crates/a/src/b.rs".to_owned(), name: "c_holds".to_owned() }]);
    }

    #[test]
    fn numbers_and_codes_are_found() {
        assert_eq!(invariants("INV-1 and INV-12, but not INV-x"), [1, 12]);
        assert_eq!(error_codes("\"FS-R001: {x}\" FS-9999 FS-W01"), ["FS-R001"]);
    }
}
