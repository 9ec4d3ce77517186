//! Fields of a record whose values stand in the path of its file.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::from_path::Columns;
pub use crate::from_path::OnBoth;
pub(crate) use crate::from_path::{FromPath, Values};
use crate::mismatch::Mismatch;
use crate::origin::FileOrigin;
use crate::text::{Fit, TextError, Texts, fit_values};

/// A format or decoder whose records may have fields that come from the path of their file: `day`, of
/// `sales/day=2026-11-30/part-0.csv`.
///
/// - **Columns** are the folders that are called `name=value` in the path as it is read: as the program gave it, with what was found
///   below. The name of the file is none. `%` and two digits are a byte of the name or value.
/// - **Values** are read as those of [CSV](crate::Csv) are, whatever the file holds otherwise: a number has to be one from its first to its
///   last letter, `01` is a text where the field is one, and `__HIVE_DEFAULT_PARTITION__` is the `None` of an `Option`, and an empty text.
///   Nothing is guessed: the field says what it is. To a type that asks what there is (`flatten`, [`serde_json::Value`]) it is a text.
/// - **A value that the type refuses** concerns the whole file, which is refused before its first record.
/// - **A column that the file has, too**, has to say the same in both, unless [told otherwise](OnBoth). So what a sink of ours has written by
///   `partitioned_by` comes back as it was.
/// - **A column that is twice** in a path is refused, as is one that is no text.
///
/// ```
/// use std::sync::Arc;
/// use firesteel_connect::Decode;
/// use firesteel_formats::{ByPath, FileOrigin, Json, OnBoth};
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct Sale {
///     day: String,
///     amount: f64,
/// }
///
/// let sales = Json::<Sale>::new().with_path_columns(OnBoth::Compare);
/// let file = FileOrigin::new("sales/day=2026-11-30/part-0.ndjson");
/// let sales = sales.of_path(&file)?;
/// assert_eq!(sales.decode(br#"{"amount": 7.5}"#), Ok(Sale { day: "2026-11-30".into(), amount: 7.5 }));
/// assert!(sales.decode(br#"{"amount": 7.5, "day": "2026-12-01"}"#).is_err());
/// # Ok::<(), firesteel_formats::Mismatch>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "records of `{Self}` cannot have fields from the path of their file",
    note = "formats that read a type by its `Deserialize` can: JSON, CSV, Parquet, Avro, patterns; `with_origin` gives the path with any"
)]
pub trait ByPath: Clone {
    /// The same, whose records may have fields from the path.
    #[must_use]
    fn with_path_columns(self, both: OnBoth) -> Self;

    /// Whether that was said.
    fn takes_path_columns(&self) -> bool;

    /// The same for the records of this file.
    ///
    /// # Errors
    /// What in its path cannot be read, or is not what the type asks for.
    fn of_path(&self, file: &FileOrigin) -> Result<Self, Mismatch>;
}

/// How a decoder looks at paths, for a format over decoders of which not all do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LooksAtPath<D> {
    is_told: fn(&D) -> bool,
    of_path: fn(&D, &FileOrigin) -> Result<D, Mismatch>,
}

impl<D> LooksAtPath<D> {
    pub(crate) fn new() -> Self
    where
        D: ByPath,
    {
        Self { is_told: D::takes_path_columns, of_path: D::of_path }
    }

    pub(crate) fn is_told(&self, decode: &D) -> bool {
        (self.is_told)(decode)
    }

    pub(crate) fn of_path(&self, decode: &D, file: &FileOrigin) -> Result<D, Mismatch> {
        (self.of_path)(decode, file)
    }
}

/// More columns no path has.
const MOST: usize = 64;

impl FromPath {
    /// The same for a file, whose columns have to go into the type.
    pub(crate) fn of<T: DeserializeOwned>(&self, file: &FileOrigin) -> Result<Self, Mismatch> {
        let Some(both) = self.asked else { return Ok(self.clone()) };
        let (mut names, mut values): (Vec<String>, Vec<_>) = Default::default();
        for column in file.path_columns() {
            let name = &column.name;
            if column.is_raw {
                let value = column.value.as_deref().unwrap_or_default();
                return Err(Mismatch::new(format_args!(
                    "has the column {name:?} in its path, of which {value:?} cannot be decoded, since it is not UTF-8; rename the folder"
                )));
            }
            if names.iter().any(|known| **known == **name) {
                return Err(Mismatch::new(format_args!(
                    "has the column {name:?} twice in its path: which one is meant cannot be told; rename a folder"
                )));
            }
            names.push(name.to_string());
            values.push(column.value.clone());
        }
        if names.len() > MOST {
            return Err(Mismatch::new(format_args!("has {} columns in its path, and {MOST} are allowed", names.len())));
        }
        let columns = Columns { both, names, values };
        match fit_values::<T>(PathTexts(&columns), &columns.names) {
            Fit::Refuses(reason) => {
                Err(Mismatch::new(format_args!("has a column in its path that the type refuses: {reason}")))
            }
            _ => Ok(Self { asked: Some(both), columns: Some(Arc::new(columns)) }),
        }
    }
}

/// The values of the columns, as texts.
#[derive(Clone, Copy)]
struct PathTexts<'a>(&'a Columns);

impl<'de> Texts<'de> for PathTexts<'de> {
    fn len(self) -> usize {
        self.0.values.len()
    }

    fn text(self, index: usize) -> Result<Option<&'de str>, TextError> {
        Ok(self.0.values[index].as_deref())
    }
}
