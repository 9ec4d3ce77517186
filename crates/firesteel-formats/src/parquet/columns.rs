//! Columns that are written: records go in one by one, arrays come out.

mod serialize;

use std::mem;
use std::sync::Arc;

use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray, StringArray,
    StructArray,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields, TimeUnit};

/// A column that grows.
pub(super) struct Growing {
    /// Which values are there, where one may be missing.
    valid: Option<Vec<bool>>,
    kind: Kind,
}

enum Kind {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Text(Octets),
    Bytes(Octets),
    /// Microseconds.
    Micros(Vec<i64>),
    Millis(Vec<i64>),
    List(FieldRef, Vec<usize>, Box<Growing>),
    Map(FieldRef, Vec<usize>, Box<Growing>),
    Struct(Fields, Vec<Growing>, usize),
}

/// Texts or bytes, one after the other, and where each ends.
#[derive(Default)]
struct Octets {
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

/// Declares what is the same for all kinds with one number for each value.
macro_rules! each_kind {
    ($kind:expr, $values:ident => $numbers:expr, $octets:ident => $of_octets:expr, $ends:ident, $child:ident => $of_list:expr,
     $columns:ident, $length:ident => $of_struct:expr) => {
        match $kind {
            Kind::Bool($values) => $numbers,
            Kind::I8($values) => $numbers,
            Kind::I16($values) => $numbers,
            Kind::I32($values) => $numbers,
            Kind::I64($values) | Kind::Micros($values) | Kind::Millis($values) => $numbers,
            Kind::U8($values) => $numbers,
            Kind::U16($values) => $numbers,
            Kind::U32($values) => $numbers,
            Kind::U64($values) => $numbers,
            Kind::F32($values) => $numbers,
            Kind::F64($values) => $numbers,
            Kind::Text($octets) | Kind::Bytes($octets) => $of_octets,
            Kind::List(_, $ends, $child) | Kind::Map(_, $ends, $child) => $of_list,
            Kind::Struct(_, $columns, $length) => $of_struct,
        }
    };
}

impl Growing {
    /// An empty column; `None` for a type that none is written as.
    pub(super) fn new(data_type: &DataType, nullable: bool) -> Option<Self> {
        let of = |field: &FieldRef| Self::new(field.data_type(), field.is_nullable());
        let kind = match data_type {
            DataType::Boolean => Kind::Bool(Vec::new()),
            DataType::Int8 => Kind::I8(Vec::new()),
            DataType::Int16 => Kind::I16(Vec::new()),
            DataType::Int32 => Kind::I32(Vec::new()),
            DataType::Int64 => Kind::I64(Vec::new()),
            DataType::UInt8 => Kind::U8(Vec::new()),
            DataType::UInt16 => Kind::U16(Vec::new()),
            DataType::UInt32 => Kind::U32(Vec::new()),
            DataType::UInt64 => Kind::U64(Vec::new()),
            DataType::Float32 => Kind::F32(Vec::new()),
            DataType::Float64 => Kind::F64(Vec::new()),
            DataType::Utf8 => Kind::Text(Octets::default()),
            DataType::Binary => Kind::Bytes(Octets::default()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Kind::Micros(Vec::new()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => Kind::Millis(Vec::new()),
            DataType::List(element) => Kind::List(Arc::clone(element), Vec::new(), Box::new(of(element)?)),
            DataType::Map(entries, _) => Kind::Map(Arc::clone(entries), Vec::new(), Box::new(of(entries)?)),
            DataType::Struct(fields) => Kind::Struct(fields.clone(), fields.iter().map(of).collect::<Option<_>>()?, 0),
            _ => return None,
        };
        Some(Self { valid: nullable.then(Vec::new), kind })
    }

    pub(super) fn len(&self) -> usize {
        each_kind!(&self.kind, values => values.len(), octets => octets.ends.len(), ends, _child => ends.len(), _columns, length => *length)
    }

    /// How many bytes texts and the like have.
    pub(super) fn bytes(&self) -> usize {
        each_kind!(&self.kind, values => size_of_val(&values[..]), octets => octets.bytes.len(), _ends, child => child.bytes(),
            columns, _length => columns.iter().map(Self::bytes).sum())
    }

    /// Undoes what came after the first `length` values.
    pub(super) fn truncate(&mut self, length: usize) {
        if let Some(valid) = &mut self.valid {
            valid.truncate(length);
        }
        let last =
            |ends: &[usize]| length.checked_sub(1).map_or(0, |last| ends[last.min(ends.len().saturating_sub(1))]);
        each_kind!(&mut self.kind, values => values.truncate(length), octets => {
            if octets.ends.len() >= length {
                octets.ends.truncate(length);
            }
            let end = octets.ends.last().copied().unwrap_or(0);
            octets.bytes.truncate(end);
        }, ends, child => {
            if ends.len() >= length {
                ends.truncate(length);
            }
            child.truncate(if ends.is_empty() { 0 } else { last(ends) });
        }, columns, count => {
            columns.iter_mut().for_each(|column| column.truncate(length));
            *count = (*count).min(length);
        });
    }

    /// Appends a null, or what stands in for a value under one.
    fn push_nothing(&mut self) {
        if let Some(valid) = &mut self.valid {
            valid.push(false);
        }
        each_kind!(&mut self.kind, values => values.push(Default::default()), octets => octets.ends.push(octets.bytes.len()),
        ends, child => ends.push(child.len()), columns, count => {
            columns.iter_mut().for_each(Self::push_nothing);
            *count += 1;
        });
    }

    /// All of it as an array; it is empty after that.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.valid.as_mut().map(|valid| NullBuffer::from(mem::take(valid)));
        Ok(match &mut self.kind {
            Kind::Bool(values) => Arc::new(BooleanArray::new(mem::take(values).into(), nulls)),
            Kind::I8(values) => numbers::<Int8Type>(values, nulls),
            Kind::I16(values) => numbers::<Int16Type>(values, nulls),
            Kind::I32(values) => numbers::<Int32Type>(values, nulls),
            Kind::I64(values) => numbers::<Int64Type>(values, nulls),
            Kind::U8(values) => numbers::<UInt8Type>(values, nulls),
            Kind::U16(values) => numbers::<UInt16Type>(values, nulls),
            Kind::U32(values) => numbers::<UInt32Type>(values, nulls),
            Kind::U64(values) => numbers::<UInt64Type>(values, nulls),
            Kind::F32(values) => numbers::<Float32Type>(values, nulls),
            Kind::F64(values) => numbers::<Float64Type>(values, nulls),
            Kind::Micros(values) => {
                let values = ScalarBuffer::from(mem::take(values));
                Arc::new(PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls).with_timezone("UTC"))
            }
            Kind::Millis(values) => {
                let values = ScalarBuffer::from(mem::take(values));
                Arc::new(PrimitiveArray::<TimestampMillisecondType>::new(values, nulls).with_timezone("UTC"))
            }
            Kind::Text(octets) => {
                let Octets { ends, bytes } = mem::take(octets);
                Arc::new(StringArray::try_new(offsets(&ends)?, Buffer::from(bytes), nulls)?)
            }
            Kind::Bytes(octets) => {
                let Octets { ends, bytes } = mem::take(octets);
                Arc::new(BinaryArray::try_new(offsets(&ends)?, Buffer::from(bytes), nulls)?)
            }
            Kind::List(field, ends, child) => {
                let offsets = offsets(&mem::take(ends))?;
                Arc::new(ListArray::try_new(Arc::clone(field), offsets, child.finish()?, nulls)?)
            }
            Kind::Map(field, ends, child) => {
                let (offsets, entries) = (offsets(&mem::take(ends))?, child.finish_struct()?);
                Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, nulls, false)?)
            }
            Kind::Struct(..) => {
                let rows = self.finish_struct_with(nulls)?;
                Arc::new(rows)
            }
        })
    }

    /// All of a column of structs.
    pub(super) fn finish_struct(&mut self) -> Result<StructArray, ArrowError> {
        let nulls = self.valid.as_mut().map(|valid| NullBuffer::from(mem::take(valid)));
        self.finish_struct_with(nulls)
    }

    fn finish_struct_with(&mut self, nulls: Option<NullBuffer>) -> Result<StructArray, ArrowError> {
        let Kind::Struct(fields, columns, count) = &mut self.kind else {
            return Err(ArrowError::SchemaError("it is no struct".to_owned()));
        };
        let rows = mem::take(count);
        let columns = columns.iter_mut().map(Self::finish).collect::<Result<Vec<_>, _>>()?;
        StructArray::try_new_with_length(fields.clone(), columns, nulls, rows)
    }
}

fn numbers<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(mem::take(values).into(), nulls))
}

/// Where each value begins and the last one ends.
fn offsets(ends: &[usize]) -> Result<OffsetBuffer<i32>, ArrowError> {
    let offset = |end: &usize| i32::try_from(*end).map_err(|_| ArrowError::OffsetOverflowError(*end));
    let offsets = std::iter::once(Ok(0)).chain(ends.iter().map(offset)).collect::<Result<Vec<_>, _>>()?;
    Ok(OffsetBuffer::new(offsets.into()))
}
