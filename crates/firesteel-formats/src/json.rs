//! JSON: one value is one record.

mod finite;
mod values;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;

use firesteel_connect::{Decode, Encode, Undecodable, Unencodable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::Formatter;

use crate::by_path::{ByPath, FromPath, OnBoth, Values};
use crate::lines::{Lines, WriteLines};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;
pub use values::{JsonValues, ReadingValues};

/// Records as JSON, by way of `serde`: a type that derives `Deserialize` is read, one that derives `Serialize` is written.
///
/// - What the type does not name is ignored. A field that is missing, or has a value that the type cannot hold, refuses the
///   record: nothing wraps, saturates or becomes something else. A number with a fraction is no integer.
/// - Integers are read as such, over the whole range of `i128` and `u128`, and doubles bit for bit as they were written. A
///   [`serde_json::Value`] is the exception: it holds an integer beyond 64 bits as a double.
/// - Values may be nested 128 deep. Text is UTF-8; a byte that is not costs its own record.
/// - NaN and infinity have no form in JSON: a record with one of them is not written, and the field is named.
///
/// ```
/// use firesteel_connect::{Decode, Encode};
/// use firesteel_formats::Json;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Click {
///     user: String,
///     ad: u32,
/// }
///
/// let json = Json::<Click>::new();
/// let click = json.decode(br#"{"user": "ann", "ad": 7, "at": "12:00"}"#).unwrap();
/// assert_eq!(click, Click { user: "ann".into(), ad: 7 });
///
/// let refused = json.decode(br#"{"user": "ann", "ad": "x"}"#).unwrap_err();
/// assert_eq!(refused.reason(), r#"JSON: line 1 column 25: invalid type: string "x", expected u32, at field ad"#);
///
/// let mut out = vec![];
/// json.encode(&click, &mut out).unwrap();
/// assert_eq!(out, br#"{"user":"ann","ad":7}"#);
/// ```
pub struct Json<T> {
    path: FromPath,
    of: PhantomData<fn() -> T>,
}

impl<T> Json<T> {
    /// JSON of this type.
    #[must_use]
    pub fn new() -> Self {
        Self { path: FromPath::default(), of: PhantomData }
    }

    /// Files with one value a line (NDJSON, JSON Lines). Blank lines are no records.
    #[must_use]
    pub fn lines(self) -> Lines<Self>
    where
        T: DeserializeOwned + Send + 'static,
    {
        Lines::written(self, "JSON").by_path()
    }

    /// Writes one value a line, in files whose names end with `ndjson`.
    #[must_use]
    pub fn write_lines(self) -> WriteLines<Self> {
        WriteLines::named(self, "ndjson", "JSON")
    }
}

impl<T: DeserializeOwned + Send + 'static> Decode for Json<T> {
    type Item = T;

    #[inline]
    fn decode(&self, bytes: &[u8]) -> Result<T, Undecodable> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Err(not_utf8(error.valid_up_to())),
        };
        self.read(text).or_else(|error| self.refused(text, &error))
    }
}

impl<T: DeserializeOwned> Json<T> {
    #[inline]
    fn read(&self, text: &str) -> serde_json::Result<T> {
        if !self.path.is_asked() {
            return serde_json::from_str(text);
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let record = self.path.record(&mut deserializer, Values::Typed)?;
        deserializer.end()?;
        Ok(record)
    }

    /// What is wrong with the text, and at which field: it is decoded again to learn that.
    #[cold]
    fn refused(&self, text: &str, error: &serde_json::Error) -> Result<T, Undecodable> {
        if let Some(rest) = text.strip_prefix('\u{feff}') {
            // A byte order mark, with which some programs begin a file.
            return self.read(rest).or_else(|error| self.refused(rest, &error));
        }
        let (line, column) = (error.line(), error.column());
        let begin = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
        let whole = error.to_string();
        let what = whole.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&whole);
        let (mut track, mut deserializer) =
            (serde_path_to_error::Track::new(), serde_json::Deserializer::from_str(text));
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        let path = match self.path.record::<T, _>(tracked, Values::Typed) {
            Err(_) => match track.path().to_string().trim_end_matches(".?") {
                "" | "." | "?" => String::new(),
                path => format!(", at field {path}"),
            },
            Ok(_) => String::new(),
        };
        let reason = format!("JSON: line {line} column {column}: {what}{path}");
        Err(Undecodable::new(reason).at((begin + column.saturating_sub(1)).min(text.len())))
    }
}

impl<T: DeserializeOwned + Send + 'static> ByPath for Json<T> {
    fn with_path_columns(self, both: OnBoth) -> Self {
        Self { path: FromPath::asked(both), ..self }
    }

    fn takes_path_columns(&self) -> bool {
        self.path.is_asked()
    }

    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        Ok(Self { path: self.path.of::<T>(file)?, of: PhantomData })
    }
}

#[cold]
fn not_utf8(at: usize) -> Undecodable {
    Undecodable::new(format_args!("JSON: byte {at} of the record is not UTF-8")).at(at)
}

impl<T: Serialize + 'static> Encode<T> for Json<T> {
    fn encode(&self, record: &T, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let nulls = Cell::new(false);
        let mut serializer = serde_json::Serializer::with_formatter(out, Watching { nulls: &nulls });
        if let Err(error) = record.serialize(&mut serializer) {
            return Err(Unencodable::new(format_args!("JSON: {error}")));
        }
        if nulls.get() { finite::check(record) } else { Ok(()) }
    }
}

/// Compact JSON; notes where there is a `null`, which is also what a number that is none would become.
struct Watching<'a> {
    nulls: &'a Cell<bool>,
}

impl Formatter for Watching<'_> {
    fn write_null<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.nulls.set(true);
        writer.write_all(b"null")
    }
}

impl<T> Default for Json<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json<{}>", std::any::type_name::<T>())
    }
}
