//! The columns of a path among the fields of a record.

mod found;
mod join;

use std::sync::Arc;

use serde::Deserializer;
use serde::de::{DeserializeOwned, Error};

use crate::origin::FileOrigin;
use join::Joined;

/// What holds where a column is in the path of a file and in the file, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnBoth {
    /// Both have to say the same. A record in which they do not is refused, and the column is named.
    #[default]
    Compare,
    /// The path: what the file says is not looked at.
    Path,
    /// The file: the path is for files that lack the column.
    File,
}

/// Whether fields come from paths; and, for one file, which.
#[derive(Debug, Clone, Default)]
pub(crate) struct FromPath {
    pub(crate) asked: Option<OnBoth>,
    pub(crate) columns: Option<Arc<Columns>>,
}

/// The columns in the path of one file.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) both: OnBoth,
    pub(crate) names: Vec<String>,
    pub(crate) values: Vec<Option<Box<str>>>,
}

/// How values of a format tell what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// They are all texts.
    Texts,
    /// Each by itself.
    Typed,
}

impl FromPath {
    pub(crate) fn asked(both: OnBoth) -> Self {
        Self { asked: Some(both), columns: None }
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether both have the same columns with the same values.
    pub(crate) fn is_same(&self, file: &FileOrigin) -> bool {
        let columns = self.columns.iter().flat_map(|columns| columns.names.iter().zip(&columns.values));
        let columns = columns.map(|(name, value)| (name.as_str(), value.as_deref()));
        !self.is_asked() || columns.eq(file.columns())
    }

    /// The names of the columns in the path.
    #[cfg(any(feature = "avro", feature = "csv", feature = "parquet", feature = "pattern"))]
    pub(crate) fn names(&self) -> &[String] {
        self.columns.as_ref().map_or(&[], |columns| &columns.names)
    }

    /// Whether what a file says of this column makes no record.
    #[cfg(feature = "parquet")]
    pub(crate) fn overrides(&self, name: &str) -> bool {
        self.columns
            .as_ref()
            .is_some_and(|columns| columns.both != OnBoth::File && columns.names.iter().any(|it| it == name))
    }

    /// The same, which compares nothing: for records that are made up.
    pub(crate) fn trusting(&self) -> Self {
        let columns = self.columns.as_ref().map(|columns| {
            let Columns { names, values, .. } = &**columns;
            Arc::new(Columns { both: OnBoth::Path, names: names.clone(), values: values.clone() })
        });
        Self { asked: None, columns }
    }

    /// A record out of what is in the file and in its path.
    #[inline]
    pub(crate) fn record<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        &self,
        record: D,
        values: Values,
    ) -> Result<T, D::Error> {
        match &self.columns {
            None if self.is_asked() => Err(D::Error::custom(
                "its fields come from the path of its file, too, and the source does not tell its format which file it reads",
            )),
            None => T::deserialize(record),
            Some(columns) => T::deserialize(Joined { inner: record, columns, values }),
        }
    }
}
