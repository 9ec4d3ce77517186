//! Which objects are read.

use glob::MatchOptions;

/// A prefix, or a glob over keys.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    /// The folder that every key begins with.
    pub(crate) prefix: String,
    glob: Option<Result<glob::Pattern, String>>,
}

/// `*` stands for what is between two slashes, and never for a name that begins with a dot.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.trim_matches('/').to_owned();
        let Some(special) = text.find(['*', '?', '[']) else {
            return Self { prefix: text.clone(), text, glob: None };
        };
        let prefix = text[..special].rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let glob = glob::Pattern::new(&text).map_err(|error| format!("the glob {text} is not valid: {error}"));
        Self { text, prefix, glob: Some(glob) }
    }

    /// Why it cannot be used.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.glob.as_ref()?.as_ref().err().map(String::as_str)
    }

    /// Whether it stands for all that is under a prefix.
    pub(crate) fn is_prefix(&self) -> bool {
        self.glob.is_none()
    }

    /// Whether an object of this key is read.
    pub(crate) fn has(&self, key: &str) -> bool {
        let Some(below) = below(&self.prefix, key) else { return false };
        // The prefix may itself be one object.
        let is_hidden = |name: &str| name.starts_with(['.', '_']) || name.ends_with("_$folder$");
        if below.split('/').any(is_hidden) {
            return false;
        }
        match &self.glob {
            None => true,
            Some(Ok(glob)) => glob.matches_with(key, OPTIONS),
            Some(Err(_)) => false,
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What stands of the key after a prefix, which is a folder or the key itself.
pub(crate) fn below<'a>(prefix: &str, key: &'a str) -> Option<&'a str> {
    if prefix.is_empty() {
        return Some(key);
    }
    let rest = key.strip_prefix(prefix)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_matched_segment_by_segment_and_hidden_ones_are_not() {
        for (pattern, prefix, yes, no) in [
            (
                "logs",
                "logs",
                vec!["logs/a", "logs/2026/a.gz", "logs"],
                vec!["logs2/a", "logs/_SUCCESS", "logs/.x/a", "log"],
            ),
            ("/logs/", "logs", vec!["logs/a"], vec!["a"]),
            ("", "", vec!["a", "b/c"], vec!["_committed/1", "b/_temporary/c", "b/c_$folder$"]),
            (
                "logs/*/*.gz",
                "logs",
                vec!["logs/1/a.gz"],
                vec!["logs/a.gz", "logs/1/2/a.gz", "logs/1/.a.gz", "logs/1/a"],
            ),
            (
                "logs/day=2026-1*/**/*.json",
                "logs",
                vec!["logs/day=2026-11/a.json", "logs/day=2026-12/b/c.json"],
                vec!["logs/day=2026-02/a.json"],
            ),
            ("logs/a-[0-9].log", "logs", vec!["logs/a-7.log"], vec!["logs/a-x.log"]),
        ] {
            let found = Pattern::new(pattern);
            assert_eq!(found.prefix, prefix, "{pattern}");
            yes.iter().for_each(|key| assert!(found.has(key), "{pattern} has {key}"));
            no.iter().for_each(|key| assert!(!found.has(key), "{pattern} has not {key}"));
        }
        assert!(Pattern::new("a/[").fault().unwrap().contains("a/["));
    }
}
