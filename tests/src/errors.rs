//! The error types in a source, and the codes that they give.
//!
//! ```
//! use firesteel_tests::errors::{Code, codes, public_errors};
//!
//! let source = "#[derive(thiserror::Error)]\npub enum OvenError { Cold }\ncodes!(OvenError { Cold = \"FS-X001\" });";
//! assert_eq!(codes(source), [Code { name: "OvenError::Cold".to_owned(), code: "FS-X001".to_owned() }]);
//! assert_eq!(public_errors(source), ["OvenError"]);
//! ```
//!
//! It reads sources as rustfmt leaves them, and no more of Rust than it needs.

/// A code, and what it belongs to: `Type::Variant`, or a type that is one error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    /// What it belongs to.
    pub name: String,
    /// The code.
    pub code: String,
}

/// What a source says itself: without its tests and comments.
#[must_use]
pub fn code_itself(source: &str) -> String {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// The codes that a source gives with `codes!`.
#[must_use]
pub fn codes(source: &str) -> Vec<Code> {
    let mut found = Vec::new();
    for call in code_itself(source).split("codes!(").skip(1) {
        let call = call.split(");").next().unwrap_or_default();
        let (name, entries) = call.split_once('{').unwrap_or(("", call));
        let own = name.split('<').next().unwrap_or_default().trim();
        for entry in entries.split('}').next().unwrap_or_default().split(',') {
            let Some((name, code)) = entry.split_once('=') else { continue };
            let name = if own.is_empty() { name.trim().to_owned() } else { format!("{own}::{}", name.trim()) };
            found.push(Code { name, code: code.trim().trim_matches('"').to_owned() });
        }
    }
    found
}

/// The public types of a source that are errors.
#[must_use]
pub fn public_errors(source: &str) -> Vec<String> {
    let code = code_itself(source);
    let mut found = Vec::new();
    let mut derives = false;
    for line in code.lines() {
        let declared = line.strip_prefix("pub enum ").or_else(|| line.strip_prefix("pub struct "));
        if let Some(declared) = declared {
            let name: String = declared.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let by_hand = ["impl std::error::Error for ", "impl StdError for ", "impl Error for "]
                .iter()
                .any(|start| code.contains(&format!("{start}{name} ")));
            if derives || by_hand {
                found.push(name);
            }
        }
        derives = line.starts_with("#[") && (derives || line.contains("thiserror::Error"))
            || derives && !line.starts_with(['}', ';']) && !line.contains("enum ") && !line.contains("struct ");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(name: &str, code: &str) -> Code {
        Code { name: name.to_owned(), code: code.to_owned() }
    }

    #[test]
    fn codes_are_those_of_variants_and_of_types() {
        let source = "codes!(A {\n    B = \"FS-X001\",\n    C = \"FS-X002\",\n} and those of { D });\n\
                      codes!(E = \"FS-X003\");\n// codes!(F = \"FS-X004\");\n\
                      codes!(G<T> { H = \"FS-X005\" });\n";
        let expected = [("A::B", "FS-X001"), ("A::C", "FS-X002"), ("E", "FS-X003"), ("G::H", "FS-X005")];
        assert_eq!(codes(source), expected.map(|(name, given)| code(name, given)));
    }

    #[test]
    fn errors_are_derived_or_written_by_hand() {
        let source = "#[derive(Debug, thiserror::Error)]\n#[error(\n    \"a\"\n)]\npub struct A {\n    b: u8,\n}\n\
                      pub struct B;\n#[derive(thiserror::Error)]\nenum Private {}\npub enum C {}\nimpl StdError for C {}\n";
        assert_eq!(public_errors(source), ["A", "C"]);
    }
}
