//! Text by a pattern: the named groups of a regular expression become the fields of a record.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use firesteel_connect::{Decode, InvalidUtf8, Undecodable};
use regex::{CaptureLocations, Regex};
use serde::de::DeserializeOwned;

use crate::by_path::{ByPath, FromPath, OnBoth};
use crate::format::BadFormat;
use crate::lines::Lines;
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;
use crate::text::{Fit, TextError, Texts, fit, record};

/// Records as text that a regular expression describes, as a whole: its named groups are the fields.
///
/// A field is read of its group's text as one of [`Csv`](crate::Csv) is: a number has to be one from its first to its last letter,
/// a group that is empty or takes no part is the `None` of an `Option`. Text that the pattern does not match from beginning
/// to end is refused. The syntax is that of the crate `regex`, whose time is linear in the text.
///
/// ```
/// use firesteel_connect::Decode;
/// use firesteel_formats::Pattern;
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Line {
///     level: String,
///     millis: Option<u64>,
/// }
///
/// let lines = Pattern::<Line>::new(r"(?<level>[A-Z]+) .*?(took (?<millis>\d+) ms)?");
/// assert_eq!(lines.decode(b"INFO query took 31 ms"), Ok(Line { level: "INFO".into(), millis: Some(31) }));
/// assert_eq!(lines.decode(b"WARN slow"), Ok(Line { level: "WARN".into(), millis: None }));
/// assert!(lines.decode(b"at java.base").is_err());
/// ```
pub struct Pattern<T> {
    compiled: Result<Arc<Compiled>, Arc<str>>,
    invalid_utf8: InvalidUtf8,
    path: FromPath,
    /// Room for what is found. Each reader has a clone of its own, so that nobody waits.
    found: Mutex<Option<CaptureLocations>>,
    of: PhantomData<fn() -> T>,
}

struct Compiled {
    regex: Regex,
    text: String,
    names: Vec<String>,
    groups: Vec<usize>,
}

impl<T> Pattern<T> {
    /// A regular expression with named groups, `(?<name>…)`. [`check`](Self::check) tells whether it is one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let compiled = Regex::new(&format!("^(?:{pattern})$")).map(|regex| {
            let named = regex.capture_names().enumerate().filter_map(|(at, name)| Some((at, name?.to_owned())));
            let (groups, names) = named.unzip();
            Arc::new(Compiled { regex, text: pattern.to_owned(), names, groups })
        });
        let compiled = compiled.map_err(|error| error.to_string().into());
        Self {
            compiled,
            invalid_utf8: InvalidUtf8::default(),
            path: FromPath::default(),
            found: Mutex::new(None),
            of: PhantomData,
        }
    }

    /// What becomes of text that is not UTF-8: it is refused unless told otherwise.
    #[must_use]
    pub fn invalid_utf8(mut self, policy: InvalidUtf8) -> Self {
        self.invalid_utf8 = policy;
        self
    }
}

impl<T: DeserializeOwned + Send + 'static> Pattern<T> {
    /// Files whose lines are such records. Blank lines are none.
    #[must_use]
    pub fn lines(self) -> Lines<Self> {
        Lines::written(self, "text").checked(Self::check).by_path()
    }

    /// Whether the pattern can be used, and has a group for each field that the type needs.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), BadFormat> {
        let bad = |reason: String| BadFormat { setting: "pattern", reason };
        let compiled = self.compiled.as_ref().map_err(|error| bad(error.to_string()))?;
        match fit::<T>(&compiled.names, &self.path) {
            Fit::Open => Ok(()),
            // It may be in the path.
            Fit::Lacks(_) if self.path.is_asked() => Ok(()),
            Fit::Lacks(name) => {
                let has = compiled.names.join(", ");
                Err(bad(format!("there is no group (?<{name}>…) for the field `{name}`; it has {has}")))
            }
            Fit::Refuses(reason) | Fit::WantsAny(reason) => Err(bad(reason)),
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> ByPath for Pattern<T> {
    fn with_path_columns(self, both: OnBoth) -> Self {
        Self { path: FromPath::asked(both), ..self }
    }

    fn takes_path_columns(&self) -> bool {
        self.path.is_asked()
    }

    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        let path = self.path.of::<T>(file)?;
        if let Ok(compiled) = &self.compiled
            && let Fit::Lacks(name) = fit::<T>(&compiled.names, &path)
        {
            return Err(Mismatch::lacks("column in its path", name, path.names().iter().map(String::as_str)));
        }
        Ok(Self { path, ..self.clone() })
    }
}

impl<T: DeserializeOwned + Send + 'static> Decode for Pattern<T> {
    type Item = T;

    fn decode(&self, bytes: &[u8]) -> Result<T, Undecodable> {
        let compiled = self.compiled.as_ref().map_err(Undecodable::new)?;
        let text = self.invalid_utf8.text(bytes).map_err(|at| {
            Undecodable::new(format_args!(
                "byte {at} of the text is not UTF-8; convert it, or have such bytes replaced"
            ))
            .at(at)
        })?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.get_or_insert_with(|| compiled.regex.capture_locations());
        if compiled.regex.captures_read(found, &text).is_none() {
            return Err(Undecodable::new(format_args!("the text does not match `{}`", compiled.text)));
        }
        let groups = Groups { text: &text, found, groups: &compiled.groups };
        record(groups, Some(&compiled.names), &self.path).map_err(Undecodable::new)
    }
}

/// The texts of the named groups.
#[derive(Clone, Copy)]
struct Groups<'a> {
    text: &'a str,
    found: &'a CaptureLocations,
    groups: &'a [usize],
}

impl<'de> Texts<'de> for Groups<'de> {
    fn len(self) -> usize {
        self.groups.len()
    }

    fn text(self, index: usize) -> Result<Option<&'de str>, TextError> {
        Ok(self.found.get(self.groups[index]).map(|(begin, end)| &self.text[begin..end]))
    }
}

impl<T> Clone for Pattern<T> {
    fn clone(&self) -> Self {
        let (compiled, invalid_utf8, path) = (self.compiled.clone(), self.invalid_utf8, self.path.clone());
        Self { compiled, invalid_utf8, path, found: Mutex::new(None), of: PhantomData }
    }
}

impl<T> fmt::Debug for Pattern<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.compiled.as_ref().map_or_else(|error| &**error, |compiled| &compiled.text);
        f.debug_tuple("Pattern").field(&text).finish()
    }
}
