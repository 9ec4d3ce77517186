//! The rules, applied to the text of one file.

use std::path::Path;

use super::MOST_LINES;

/// A line that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line, counting from 1.
    pub(super) line: usize,
    /// What is wrong and what would be right.
    pub(super) what: String,
}

/// What is left for later, in two pieces each, so that this file is not found guilty.
const LATER: [(&str, &str); 5] = [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("todo", "!("), ("unimplemented", "!(")];

/// All that is wrong with a file.
pub(super) fn faults(path: &Path, text: &str) -> Vec<Fault> {
    let refused_by_compiler = path.components().any(|part| part.as_os_str() == "compile_fail");
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(Fault { line, what });

    let says_it_by_name = refused_by_compiler || path.ends_with("tests.rs");
    if !says_it_by_name && !text.trim_start().starts_with("//!") {
        fault(1, "the file does not say what it is for: begin it with a `//!` comment".to_owned());
    }
    let of_code = text.lines().filter(|line| is_code(line)).count();
    if of_code > MOST_LINES && !has_reason(text) {
        let what =
            format!("{of_code} lines of code, not {MOST_LINES}: cut it, or say why not in a line `// Long file: …`");
        fault(text.lines().count(), what);
    }
    for (index, line) in text.lines().enumerate() {
        for (head, tail) in LATER {
            let mark = format!("{head}{tail}");
            if has_word(line, &mark) {
                fault(index + 1, format!("{mark} is left for later: finish it now, or open an issue"));
            }
        }
        if line.trim() == "#[ignore]" {
            fault(index + 1, "an ignored test says why: #[ignore = \"…\"]".to_owned());
        }
    }
    faults
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

/// Whether a line says why the file is long, in a few words at least.
fn has_reason(text: &str) -> bool {
    let reasons = text.lines().filter_map(|line| line.strip_prefix("// Long file:"));
    reasons.into_iter().any(|reason| reason.split_whitespace().count() >= 3)
}

/// Whether `word` stands in the line as a word of its own.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, found)| {
        let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
        let begins = !line[..at].ends_with(part_of_name);
        let ends = found.ends_with('(') || !line[at + found.len()..].starts_with(part_of_name);
        begins && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(usize, String)> {
        faults(Path::new("crates/a/src/b.rs"), text).into_iter().map(|fault| (fault.line, fault.what)).collect()
    }

    #[test]
    fn a_good_file_has_no_faults() {
        assert_eq!(of("//! What it is for.\n\nfn todo() -> &'static str {\n    \"METHODOLOGY\"\n}\n"), []);
        assert_eq!(of("//! Late.\n#[ignore = \"needs a network\"]\nfn f() {}\n"), []);
    }

    #[test]
    fn a_file_begins_with_its_purpose() {
        assert_eq!(of("use std::fmt;\n")[0].0, 1);
        assert_eq!(faults(Path::new("tests/compile_fail/key.rs"), "fn main() {}\n"), []);
        assert_eq!(faults(Path::new("src/panes/tests.rs"), "use super::*;\n"), []);
    }

    #[test]
    fn what_is_left_for_later_is_found_with_its_line() {
        for (head, tail) in LATER {
            let text = format!("//! A.\nfn f() {{\n    // {head}{tail} )\n}}\n");
            assert_eq!(of(&text).iter().map(|fault| fault.0).collect::<Vec<_>>(), [3], "{head}{tail}");
        }
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        assert_eq!(of("//! A.\n    #[ignore]\n    fn f() {}\n")[0].0, 2);
    }

    #[test]
    fn a_long_file_is_a_fault_unless_it_has_a_reason() {
        let code = |lines: usize| "    f();\n".repeat(lines);
        assert_eq!(of(&format!("//! A.\n{}", code(MOST_LINES))), []);
        assert_eq!(of(&format!("//! A.\n{}", code(MOST_LINES + 1)))[0].0, MOST_LINES + 2);
        assert_eq!(of(&format!("//! A.\n{}{}", code(MOST_LINES), "\n    /// Says why.\n".repeat(300))), []);
        assert_eq!(of(&format!("//! A.\n// Long file: one table of cases.\n{}", code(MOST_LINES + 1))), []);
        assert_eq!(of(&format!("//! A.\n// Long file:\n{}", code(MOST_LINES + 1))).len(), 1);
    }
}
