//! Values as people see them.

use serde_json::{Map, Number, Value};

use super::{Cell, Integer, text};
use crate::parquet::column::{Column, Kind};

impl Cell<'_> {
    pub(super) fn shown(self) -> Value {
        let Self { column, row, reading } = self;
        if column.is_null(row) {
            return Value::Null;
        }
        let of = |column: &Column, row| Cell { column, row, reading }.shown();
        match &column.kind {
            Kind::Bool(values) => values.value(row).into(),
            Kind::F32(values) => float(values[row].into()),
            Kind::F64(values) => float(values[row]),
            Kind::Text(texts) => texts.value(row).into(),
            Kind::Bytes(bytes) => String::from_utf8_lossy(bytes.value(row)).into(),
            Kind::Fixed(bytes) => String::from_utf8_lossy(bytes.value(row)).into(),
            Kind::List(offsets, elements) => {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                Value::Array(range.map(|row| of(elements, row)).collect())
            }
            Kind::Map(offsets, entries) => {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                let entry = |row| (key(of(&entries[0], row)), of(&entries[1], row));
                Value::Object(range.map(entry).collect())
            }
            Kind::Struct(columns) => {
                let field = |(name, column): &(String, Column)| (name.clone(), of(column, row));
                Value::Object(columns.iter().map(field).collect::<Map<_, _>>())
            }
            Kind::Decimal(..) | Kind::LongDecimal(..) => self.decimal().into(),
            Kind::Date(days) => made(|out| text::date(days[row].into(), out), days[row].into()),
            Kind::Clock(values, unit) => made(|out| text::clock(values.at(row), *unit, out), values.at(row)),
            Kind::Time { values, unit, zoned } => made(|out| text::time(values[row], *unit, *zoned, out), values[row]),
            _ => match self.integer("") {
                Ok(Integer::Signed(value)) => value.into(),
                Ok(Integer::Unsigned(value)) => value.into(),
                _ => Value::Null,
            },
        }
    }
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

fn key(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn made(make: impl FnOnce(&mut String) -> Option<()>, number: i64) -> Value {
    let mut out = String::new();
    match make(&mut out) {
        Some(()) => out.into(),
        None => number.into(),
    }
}
