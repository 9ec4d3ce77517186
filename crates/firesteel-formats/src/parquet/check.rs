//! Whether a type can be read from the columns of a file, before its first row.

use std::collections::HashSet;

use arrow_schema::{DataType, Field, FieldRef, Fields};
use serde::de::DeserializeOwned;

use super::column::Column;
use super::error::{CellError, Fault};
use super::value::{self, Reading};
use crate::asked::has_any;
use crate::by_path::FromPath;
use crate::candidates::CANDIDATES;
use crate::mismatch::{Mismatch, RENAME};

/// Reads rows that are made up. `read` are the columns that are read; `all`, the names of all that there are.
pub(super) fn check<T: DeserializeOwned>(
    read: &Fields,
    all: &Fields,
    reading: Reading,
    path: &FromPath,
) -> Result<(), Mismatch> {
    twice(read, "")?;
    let mut good = Vec::new();
    // What a path says of a column, no file has to say.
    for field in read.iter().filter(|field| !path.overrides(field.name())) {
        if let Some(column) = try_column::<T>(field, reading)? {
            good.push((field.name().clone(), column));
        }
    }
    let names: HashSet<&str> = read.iter().map(|field| field.name().as_str()).collect();
    for field in all.iter().filter(|field| !names.contains(field.name().as_str())) {
        // Only a type that refuses what it does not know looks at it.
        let column = made_up(field, &DataType::Null, "")?;
        if let Err(error) = one::<T>(field.name(), column, reading)
            && error.kind() == Fault::Unknown
        {
            return Err(Mismatch::new(format_args!("has a column that the type refuses: {error}")));
        }
    }
    let columns = Column { nulls: None, kind: super::column::Kind::Struct(good) };
    let path = path.trusting();
    let Err(error) = value::record::<T>(&columns, 0, reading, &path) else {
        let all = all.iter().map(|field| field.name().as_str()).chain(path.names().iter().map(String::as_str));
        return has_any::<T>("column", all, "");
    };
    match error.kind() {
        Fault::Column => Err(Mismatch::new(format_args!("has columns that do not fit the type: {error}"))),
        Fault::Missing(name) if all.iter().all(|field| field.name() != name) => {
            let path = path.names().iter().map(String::as_str);
            Err(Mismatch::lacks("column", name, all.iter().map(|field| field.name().as_str()).chain(path)))
        }
        _ => Ok(()),
    }
}

/// Whether a column is there twice, among those that are read.
fn twice(fields: &Fields, within: &str) -> Result<(), Mismatch> {
    let mut known = HashSet::new();
    for field in fields {
        let path = format!("{within}{}", field.name());
        if !known.insert(field.name()) {
            return Err(Mismatch::new(format_args!("has two columns {path:?}: which one is meant cannot be told")));
        }
        let mut data_type = field.data_type();
        while let DataType::List(element) = data_type {
            data_type = element.data_type();
        }
        if let DataType::Struct(fields) = data_type {
            twice(fields, &format!("{path}."))?;
        }
    }
    Ok(())
}

fn made_up(field: &Field, data_type: &DataType, text: &str) -> Result<Column, Mismatch> {
    let column = Column::made_up(data_type, text);
    column.map_err(|unreadable| Mismatch::new(format_args!("has {:?}, {}", field.name(), unreadable.0)))
}

/// The type's answer to a row of one column.
fn one<T: DeserializeOwned>(name: &str, column: Column, reading: Reading) -> Result<(), CellError> {
    let columns = Column { nulls: None, kind: super::column::Kind::Struct(vec![(name.to_owned(), column)]) };
    value::record::<T>(&columns, 0, reading, &FromPath::default()).map(|_| ())
}

/// A value of the column that the type takes, if one can be made up.
fn try_column<T: DeserializeOwned>(field: &FieldRef, reading: Reading) -> Result<Option<Column>, Mismatch> {
    for text in CANDIDATES {
        let column = made_up(field, field.data_type(), text)?;
        let Err(error) = one::<T>(field.name(), column.clone(), reading) else { return Ok(Some(column)) };
        if error.kind() == Fault::Unknown {
            return Err(Mismatch::new(format_args!("has a column that the type refuses: {error}")));
        }
        if error.field().is_none() {
            // What the type lacks is something else.
            return Ok(Some(column));
        }
        match error.kind() {
            Fault::Column => {
                return Err(Mismatch::new(format_args!("has a column that does not fit the type: {error}")));
            }
            Fault::Missing(name) => {
                return Err(Mismatch::new(format_args!("has no {name:?} in {:?}: {error}; {RENAME}", field.name())));
            }
            Fault::Value | Fault::Unknown => {}
        }
    }
    Ok(None)
}
