//! Columns in a path, as Hive has them: `day=2026-11-30/city=K%C3%B6ln`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// What stands in a path for no value, as Hive and all that read its paths have it.
pub const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// A column whose value stands in the path of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct PathColumn {
    pub(crate) name: Box<str>,
    pub(crate) value: Option<Box<str>>,
    /// Whether its folder cannot be decoded, so that it stands here as it stands in the path.
    pub(crate) is_raw: bool,
}

/// The folders of a path, and the name of the file.
pub(super) fn folders(path: &str) -> (&str, &str) {
    match path.rfind(is_separator) {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => ("", path),
    }
}

fn is_separator(character: char) -> bool {
    character == '/' || cfg!(windows) && character == '\\'
}

/// The columns in a path, the outermost first. The name of the file itself is none. Of a path that is no text, characters stand for what
/// is none.
pub(super) fn of(path: &str, is_text: bool) -> Box<[PathColumn]> {
    let is_text = |folder: &str| is_text || !folder.contains(char::REPLACEMENT_CHARACTER);
    folders(path).0.split(is_separator).filter_map(|folder| column(folder, is_text(folder))).collect()
}

/// The column that a folder stands for.
fn column(folder: &str, is_text: bool) -> Option<PathColumn> {
    let (name, value) = folder.split_once('=')?;
    if name.is_empty() {
        return None;
    }
    match (decoded(name), decoded(value)) {
        (Some(name), Some(decoded)) if is_text => {
            // A text that is called so has a letter of it encoded.
            let value = (value != NO_VALUE).then(|| decoded.into());
            Some(PathColumn { name: name.into(), value, is_raw: false })
        }
        _ => Some(PathColumn { name: name.into(), value: Some(value.into()), is_raw: true }),
    }
}

/// The text, in which `%` and two digits are a byte; any other `%` is itself. `None` where that gives no UTF-8.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(path: &str) -> Vec<(String, Option<String>, bool)> {
        of(path, true)
            .iter()
            .map(|it| (it.name.to_string(), it.value.as_deref().map(str::to_owned), it.is_raw))
            .collect()
    }

    #[test]
    fn folders_with_a_name_and_a_value_are_columns_and_nothing_else_is() {
        let of = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()), false);
        for (path, due) in [
            ("sales/day=2026-11-30/part-0.csv", vec![of("day", "2026-11-30")]),
            ("/data/year=2026/x/month=01/a.csv", vec![of("year", "2026"), of("month", "01")]),
            ("city=K%C3%B6ln/a", vec![of("city", "Köln")]),
            ("city=k%c3%b6ln/a", vec![of("city", "köln")]),
            ("city=Köln/a", vec![of("city", "Köln")]),
            ("a%20b=x%2Fy/a", vec![of("a b", "x/y")]),
            ("rate=50%/a", vec![of("rate", "50%")]),
            ("rate=%/a", vec![of("rate", "%")]),
            ("rate=%zz%2/a", vec![of("rate", "%zz%2")]),
            ("plus=a+b/a", vec![of("plus", "a+b")]),
            ("rule=a=b/a", vec![of("rule", "a=b")]),
            ("empty=/a", vec![of("empty", "")]),
            ("=x/a", vec![]),
            ("day=1.csv", vec![]),
            ("x/day=1.csv", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(columns(path), due, "{path}");
        }
    }

    #[test]
    fn what_stands_for_no_value_is_none_and_a_text_of_that_name_is_one() {
        assert_eq!(columns("day=__HIVE_DEFAULT_PARTITION__/a"), [("day".to_owned(), None, false)]);
        let text = Some("__HIVE_DEFAULT_PARTITION__".to_owned());
        assert_eq!(columns("day=%5F_HIVE_DEFAULT_PARTITION__/a"), [("day".to_owned(), text, false)]);
    }

    #[test]
    fn what_is_no_text_stays_as_it_stands_and_is_marked() {
        for value in ["K%F6ln", "K%C3ln"] {
            assert_eq!(columns(&format!("city={value}/a")), [("city".to_owned(), Some(value.to_owned()), true)]);
        }
        let shown = "city=a\u{fffd}b/day=1/a\u{fffd}";
        assert_eq!(of(shown, false).iter().map(|column| column.is_raw).collect::<Vec<_>>(), [true, false]);
        assert_eq!(of(shown, true).iter().map(|column| column.is_raw).collect::<Vec<_>>(), [false, false]);
    }
}
