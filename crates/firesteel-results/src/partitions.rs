//! To which folder a record belongs.

use std::fmt::{self, Display, Write};
use std::sync::Arc;

use firesteel_formats::NO_VALUE;

/// How many bytes the name of a folder may have, on nearly all file systems.
const LONGEST: usize = 255;

/// Says to which folder a record belongs: [`Unpartitioned`], or [`ByColumn`] after another one.
pub trait Partitions<T>: Send + Sync + 'static {
    /// Whether there is more than one folder.
    const IS_PARTITIONED: bool = true;

    /// The names of the columns, the outermost first, checked.
    ///
    /// # Errors
    /// A name that cannot be in a path.
    fn columns(&self) -> Result<Vec<&str>, BadColumn>;

    /// Appends the folder of a record, as `day=2026-11-28/country=DE`.
    ///
    /// # Errors
    /// When a value is too long to be the name of a folder.
    fn folder(&self, record: &T, path: &mut String) -> Result<(), BadColumn>;
}

/// A column by which results are partitioned, or a value of it, that cannot be in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadColumn {
    /// Why not, as a sentence.
    pub reason: String,
}

/// All records belong to one folder.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unpartitioned;

impl<T> Partitions<T> for Unpartitioned {
    const IS_PARTITIONED: bool = false;

    fn columns(&self) -> Result<Vec<&str>, BadColumn> {
        Ok(Vec::new())
    }

    fn folder(&self, _: &T, _: &mut String) -> Result<(), BadColumn> {
        Ok(())
    }
}

/// One folder for each value of a column, in each folder of another rule.
pub struct ByColumn<P, G> {
    outer: P,
    name: String,
    value: Arc<G>,
}

impl<P, G> ByColumn<P, G> {
    /// Below the folders of `outer`, one for each value that the function makes of records.
    pub fn below(outer: P, name: impl Into<String>, value: G) -> Self {
        Self { outer, name: name.into(), value: Arc::new(value) }
    }
}

impl<T, P, G, V> Partitions<T> for ByColumn<P, G>
where
    P: Partitions<T>,
    G: Fn(&T) -> V + Send + Sync + 'static,
    V: Display,
{
    fn columns(&self) -> Result<Vec<&str>, BadColumn> {
        let mut columns = self.outer.columns()?;
        let name = self.name.as_str();
        let is_visible = name.starts_with(|first: char| first.is_alphanumeric());
        if !is_visible || name.len() > LONGEST / 2 || columns.contains(&name) {
            let reason = format!(
                "the column {name:?} cannot be a part of a path: a name begins with a letter or a digit, has {} bytes at most, \
                 and is there once",
                LONGEST / 2
            );
            return Err(BadColumn { reason });
        }
        columns.push(name);
        Ok(columns)
    }

    fn folder(&self, record: &T, path: &mut String) -> Result<(), BadColumn> {
        self.outer.folder(record, path)?;
        if !path.is_empty() {
            path.push('/');
        }
        let begin = path.len();
        let mut escaped = Escaping(path);
        let written = escaped.write_str(&self.name).and_then(|()| {
            escaped.0.push('=');
            let before = escaped.0.len();
            write!(escaped, "{}", (self.value)(record))?;
            if escaped.0.len() == before {
                escaped.0.push_str(NO_VALUE);
            } else if escaped.0[before..] == *NO_VALUE {
                // A text of that name is one.
                escaped.0.replace_range(before..=before, "%5F");
            }
            Ok(())
        });
        let bytes = path.len() - begin;
        let reason = match written {
            Ok(()) if bytes <= LONGEST => return Ok(()),
            Ok(()) => format!(
                "the name of its folder for {:?} would have {bytes} bytes, and {LONGEST} are allowed",
                self.name
            ),
            Err(_) => format!("the Display of its value for {:?} fails", self.name),
        };
        Err(BadColumn { reason })
    }
}

/// Encodes what means something in a path, or to who reads Hive's paths, by `%` and two digits.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let is_special = character.is_ascii_control() || "\"#%'*/:=?\\{}[]^<>|".contains(character);
            if is_special {
                write!(self.0, "%{:02X}", character as u32)?;
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

impl<P: Clone, G> Clone for ByColumn<P, G> {
    fn clone(&self) -> Self {
        Self { outer: self.outer.clone(), name: self.name.clone(), value: Arc::clone(&self.value) }
    }
}

impl<P: fmt::Debug, G> fmt::Debug for ByColumn<P, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByColumn").field("outer", &self.outer).field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use firesteel_formats::FileOrigin;
    use proptest::prelude::*;

    use super::*;

    fn folder(value: &str) -> Result<String, BadColumn> {
        let by = ByColumn::below(Unpartitioned, "v", |value: &String| value.clone());
        let mut path = String::new();
        by.folder(&value.to_owned(), &mut path).map(|()| path)
    }

    /// As our own source reads a value.
    fn decoded(folder: &str) -> Option<String> {
        FileOrigin::new(format!("{folder}/part-0")).column("v").map(str::to_owned)
    }

    #[test]
    fn columns_stand_in_their_order_and_values_cannot_leave_the_folder() {
        let by_day = ByColumn::below(Unpartitioned, "day", |(day, _): &(u32, &str)| *day);
        let by = ByColumn::below(by_day, "place", |(_, place): &(u32, &'static str)| *place);
        assert_eq!(by.columns().unwrap(), ["day", "place"]);
        for (record, expected) in [
            ((7, "DE"), "day=7/place=DE"),
            ((7, "../../etc"), "day=7/place=..%2F..%2Fetc"),
            ((0, ""), "day=0/place=__HIVE_DEFAULT_PARTITION__"),
            ((0, NO_VALUE), "day=0/place=%5F_HIVE_DEFAULT_PARTITION__"),
            ((0, "a=b\n"), "day=0/place=a%3Db%0A"),
            ((0, "50 % Überhang"), "day=0/place=50 %25 Überhang"),
        ] {
            let mut path = String::new();
            by.folder(&record, &mut path).unwrap();
            assert_eq!(path, expected);
        }
    }

    #[test]
    fn what_cannot_be_a_column_is_refused() {
        let none = ByColumn::below(Unpartitioned, "day", |_: &u8| 1);
        for name in ["", "_day", ".day", "day", &"x".repeat(200)] {
            let by = ByColumn::below(none.clone(), name, |_: &u8| 1);
            assert!(Partitions::<u8>::columns(&by).is_err(), "{name}");
        }
        assert!(folder(&"x".repeat(253)).is_ok());
        assert!(folder(&"x".repeat(254)).unwrap_err().reason.contains("would have 256 bytes"));
    }

    proptest! {
        #[test]
        fn any_value_is_one_name_and_comes_back(value in "\\PC{1,40}|[\\x00-\\x7f]{1,40}") {
            let path = folder(&value).unwrap();
            let name = path.strip_prefix("v=").unwrap();
            prop_assert!(!name.contains(['/', '\\', '=', '\n', '\0']));
            prop_assert_eq!(decoded(&path), Some(value));
        }
    }
}
