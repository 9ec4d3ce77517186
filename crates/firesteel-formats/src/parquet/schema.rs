//! The columns that a type is written as.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, TimeUnit};

use crate::shape::{Member, Shape};

/// The columns of records of this shape.
///
/// # Errors
/// The part that has no column, and why.
pub(super) fn columns(shape: &Shape) -> Result<Fields, String> {
    match shape {
        Shape::Struct(members) => fields(members, ""),
        _ => Err("a row is a struct: each of its fields is a column".to_owned()),
    }
}

fn fields(members: &[Member], within: &str) -> Result<Fields, String> {
    let own = members.iter().filter(|member| !member.is_alias);
    let columns = own.map(|member| field(member.name, &member.shape, &format!("{within}{}", member.name)));
    let columns = columns.collect::<Result<Fields, _>>()?;
    if columns.is_empty() { Err(no_form(within.trim_end_matches('.'), "a struct without fields")) } else { Ok(columns) }
}

fn no_form(path: &str, what: &str) -> String {
    if path.is_empty() { format!("{what} has no form") } else { format!("column {path}: {what} has no form") }
}

/// A column, which takes nulls if the shape is an `Option`.
fn field(name: &str, shape: &Shape, path: &str) -> Result<Arc<Field>, String> {
    let (inner, nullable) = match shape {
        Shape::Option(inner) => (&**inner, true),
        shape => (shape, false),
    };
    Ok(Arc::new(Field::new(name, data_type(inner, path)?, nullable)))
}

/// Times are instants, counted in microseconds or milliseconds.
pub(super) fn instants(unit: TimeUnit) -> DataType {
    DataType::Timestamp(unit, Some("UTC".into()))
}

fn data_type(shape: &Shape, path: &str) -> Result<DataType, String> {
    Ok(match shape {
        Shape::Bool => DataType::Boolean,
        Shape::Int { bits: 8, signed: true } => DataType::Int8,
        Shape::Int { bits: 16, signed: true } => DataType::Int16,
        Shape::Int { bits: 32, signed: true } => DataType::Int32,
        Shape::Int { bits: 64, signed: true } => DataType::Int64,
        Shape::Int { bits: 8, signed: false } => DataType::UInt8,
        Shape::Int { bits: 16, signed: false } => DataType::UInt16,
        Shape::Int { bits: 32, signed: false } => DataType::UInt32,
        Shape::Int { bits: 64, signed: false } => DataType::UInt64,
        Shape::Int { .. } => return Err(no_form(path, "an integer of 128 bits")),
        Shape::F32 => DataType::Float32,
        Shape::F64 => DataType::Float64,
        Shape::Char | Shape::Text | Shape::Enum { has_data: false, .. } => DataType::Utf8,
        Shape::Bytes => DataType::Binary,
        Shape::Time | Shape::Epoch(1) => instants(TimeUnit::Microsecond),
        Shape::Epoch(_) => instants(TimeUnit::Millisecond),
        // A list of octets is bytes.
        Shape::Seq(element) if **element == (Shape::Int { bits: 8, signed: false }) => DataType::Binary,
        Shape::Seq(element) => DataType::List(field("element", element, &format!("{path}.element"))?),
        Shape::Tuple(parts) => {
            let part = |(at, part): (usize, &Shape)| field(&at.to_string(), part, &format!("{path}.{at}"));
            let parts = parts.iter().enumerate().map(part).collect::<Result<Fields, _>>()?;
            if parts.is_empty() {
                return Err(no_form(path, "an empty tuple"));
            }
            DataType::Struct(parts)
        }
        Shape::Map(key, value) => {
            if matches!(**key, Shape::Option(_)) {
                return Err(no_form(path, "a map whose keys may be missing"));
            }
            let (key, value) =
                (field("key", key, &format!("{path}.key"))?, field("value", value, &format!("{path}.value"))?);
            let entries = DataType::Struct(Fields::from(vec![key, value]));
            DataType::Map(Arc::new(Field::new("key_value", entries, false)), false)
        }
        Shape::Struct(members) => DataType::Struct(fields(members, &format!("{path}."))?),
        Shape::Enum { has_data: true, .. } => return Err(no_form(path, "an enum with data in its variants")),
        Shape::Option(_) => return Err(no_form(path, "an Option in an Option")),
        Shape::Unit => return Err(no_form(path, "the empty type")),
        Shape::Any => return Err(no_form(path, "a type that takes what there is (`untagged`, `flatten`)")),
        Shape::Unknown => return Err(no_form(path, "a type that has no end, or cannot be told,")),
    })
}
