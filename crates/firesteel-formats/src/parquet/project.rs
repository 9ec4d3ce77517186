//! Which columns are read of a file: those that the type names, and those of the filter.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use parquet::basic::Type;
use parquet::schema::types::SchemaDescriptor;

use crate::shape::Shape;

/// The leaves of the columns that are wanted.
pub(super) fn leaves(schema: &Schema, shape: &Shape, filtered: &[&str]) -> Vec<usize> {
    let mut wanted = Wanted::default();
    for field in schema.fields() {
        let (is_filtered, shape) = (filtered.contains(&field.name().as_str()), member(shape, field.name()));
        match shape {
            _ if is_filtered => wanted.all(field.data_type()),
            Some(shape) => wanted.part(field.data_type(), shape),
            None => wanted.none(field.data_type()),
        }
    }
    wanted.leaves
}

/// What the type makes of a column, if it looks at it.
fn member<'a>(shape: &'a Shape, name: &str) -> Option<&'a Shape> {
    match shape.inner() {
        Shape::Struct(_) => shape.inner().member(name),
        Shape::Map(_, value) => Some(value),
        // Of these it cannot be told.
        _ => Some(&Shape::Unknown),
    }
}

#[derive(Default)]
struct Wanted {
    next: usize,
    leaves: Vec<usize>,
}

impl Wanted {
    fn leaf(&mut self) {
        self.leaves.push(self.next);
        self.next += 1;
    }

    fn all(&mut self, data_type: &DataType) {
        let before = self.next;
        self.none(data_type);
        self.leaves.extend(before..self.next);
    }

    /// Passes over a column.
    fn none(&mut self, data_type: &DataType) {
        match data_type {
            DataType::Struct(fields) => fields.iter().for_each(|field| self.none(field.data_type())),
            DataType::List(field) | DataType::Map(field, _) => self.none(field.data_type()),
            _ => self.next += 1,
        }
    }

    fn part(&mut self, data_type: &DataType, shape: &Shape) {
        match (data_type, shape.inner()) {
            (DataType::Struct(fields), inner @ Shape::Struct(_)) => {
                let (before, begin) = (self.leaves.len(), self.next);
                for field in fields {
                    match inner.member(field.name()) {
                        Some(shape) => self.part(field.data_type(), shape),
                        None => self.none(field.data_type()),
                    }
                }
                if self.leaves.len() == before {
                    // A column tells whether there is one.
                    self.leaves.extend(begin..self.next);
                }
            }
            (DataType::List(field), Shape::Seq(element)) => self.part(field.data_type(), element),
            (DataType::Map(field, _), Shape::Map(_, value)) => match field.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => {
                    self.all(fields[0].data_type());
                    self.part(fields[1].data_type(), value);
                }
                other => self.all(other),
            },
            (DataType::Struct(_) | DataType::List(_) | DataType::Map(..), _) => self.all(data_type),
            _ => self.leaf(),
        }
    }
}

/// The schema with its old kind of times, of 96 bits, in microseconds: in nanoseconds they would go beyond 64 bits and come out as
/// others. `None` where there are none.
pub(super) fn with_old_times(schema: &Schema, parquet: &SchemaDescriptor) -> Option<Arc<Schema>> {
    let is_old = |leaf: usize| parquet.columns().get(leaf).is_some_and(|column| column.physical_type() == Type::INT96);
    if !(0..parquet.num_columns()).any(is_old) {
        return None;
    }
    let mut next = 0;
    let fields = with_old(schema.fields(), &is_old, &mut next);
    Some(Arc::new(Schema::new(fields)))
}

fn with_old(fields: &Fields, is_old: &dyn Fn(usize) -> bool, next: &mut usize) -> Fields {
    fields.iter().map(|field| Arc::new(old(field, is_old, next))).collect()
}

fn old(field: &Field, is_old: &dyn Fn(usize) -> bool, next: &mut usize) -> Field {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(with_old(fields, is_old, next)),
        DataType::List(element) => DataType::List(Arc::new(old(element, is_old, next))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(old(entries, is_old, next)), *sorted),
        other => {
            *next += 1;
            if is_old(*next - 1) {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            } else {
                other.clone()
            }
        }
    };
    field.clone().with_data_type(data_type)
}
