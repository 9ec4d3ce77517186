//! A column of a batch of rows, ready to be looked at row by row.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrowPrimitiveType, BinaryArray, FixedSizeBinaryArray, PrimitiveArray, StringArray, new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{DataType, TimeUnit};

/// Values, and which of them are there.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) nulls: Option<NullBuffer>,
    pub(super) kind: Kind,
}

/// Values by their type.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Null,
    Bool(BooleanBuffer),
    I8(ScalarBuffer<i8>),
    I16(ScalarBuffer<i16>),
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
    U8(ScalarBuffer<u8>),
    U16(ScalarBuffer<u16>),
    U32(ScalarBuffer<u32>),
    U64(ScalarBuffer<u64>),
    F32(ScalarBuffer<f32>),
    F64(ScalarBuffer<f64>),
    Text(StringArray),
    Bytes(BinaryArray),
    Fixed(FixedSizeBinaryArray),
    /// Days since 1970-01-01.
    Date(ScalarBuffer<i32>),
    /// Time of day.
    Clock(Numbers, Unit),
    /// An instant where `zoned`, else a time in a place that is not known.
    Time {
        values: ScalarBuffer<i64>,
        unit: Unit,
        zoned: bool,
    },
    Decimal(ScalarBuffer<i128>, i8),
    LongDecimal(ScalarBuffer<i256>, i8),
    List(OffsetBuffer<i32>, Box<Column>),
    Map(OffsetBuffer<i32>, Box<[Column; 2]>),
    Struct(Vec<(String, Column)>),
}

/// Numbers of either width.
#[derive(Debug, Clone)]
pub(super) enum Numbers {
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
}

impl Numbers {
    pub(super) fn at(&self, row: usize) -> i64 {
        match self {
            Self::I32(values) => i64::from(values[row]),
            Self::I64(values) => values[row],
        }
    }
}

/// What a number of time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// How many there are in a second.
    pub(super) fn per_second(self) -> i64 {
        match self {
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }
}

/// What cannot be read, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) String);

impl Column {
    /// The column of an array.
    pub(super) fn of(array: &dyn Array) -> Result<Self, Unreadable> {
        let kind = kind(array)?;
        Ok(Self { nulls: array.nulls().cloned(), kind })
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        matches!(self.kind, Kind::Null) || self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            Kind::Null => "a column without values".to_owned(),
            Kind::Bool(_) => "truth values".to_owned(),
            Kind::I8(_) => "integers of 8 bits".to_owned(),
            Kind::I16(_) => "integers of 16 bits".to_owned(),
            Kind::I32(_) => "integers of 32 bits".to_owned(),
            Kind::I64(_) => "integers of 64 bits".to_owned(),
            Kind::U8(_) => "unsigned integers of 8 bits".to_owned(),
            Kind::U16(_) => "unsigned integers of 16 bits".to_owned(),
            Kind::U32(_) => "unsigned integers of 32 bits".to_owned(),
            Kind::U64(_) => "unsigned integers of 64 bits".to_owned(),
            Kind::F32(_) => "floats of 32 bits".to_owned(),
            Kind::F64(_) => "floats of 64 bits".to_owned(),
            Kind::Text(_) => "texts".to_owned(),
            Kind::Bytes(_) | Kind::Fixed(_) => "bytes".to_owned(),
            Kind::Date(_) => "dates".to_owned(),
            Kind::Clock(..) => "times of day".to_owned(),
            Kind::Time { zoned: true, .. } => "times".to_owned(),
            Kind::Time { zoned: false, .. } => "times without a zone".to_owned(),
            Kind::Decimal(_, scale) | Kind::LongDecimal(_, scale) => {
                format!("decimals with {scale} digits of a fraction")
            }
            Kind::List(..) => "lists".to_owned(),
            Kind::Map(..) => "maps".to_owned(),
            Kind::Struct(_) => "structs".to_owned(),
        }
    }

    /// One row of values that are made up: of zeros, of this text, of lists and maps with one entry.
    pub(super) fn made_up(data_type: &DataType, text: &str) -> Result<Self, Unreadable> {
        let kind = match data_type {
            DataType::Utf8 => Kind::Text(StringArray::from(vec![text])),
            DataType::Binary => Kind::Bytes(BinaryArray::from(vec![text.as_bytes()])),
            DataType::FixedSizeBinary(size) => {
                let zeros = vec![0; usize::try_from(*size).unwrap_or(0)];
                let array = FixedSizeBinaryArray::try_from_iter([zeros].into_iter());
                Kind::Fixed(array.map_err(|error| Unreadable(error.to_string()))?)
            }
            DataType::List(field) => {
                Kind::List(OffsetBuffer::from_lengths([1]), Box::new(Self::made_up(field.data_type(), text)?))
            }
            DataType::Map(field, _) => match field.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => {
                    let of = |at: usize| Self::made_up(fields[at].data_type(), text);
                    Kind::Map(OffsetBuffer::from_lengths([1]), Box::new([of(0)?, of(1)?]))
                }
                _ => return Err(Unreadable("a map that is none".to_owned())),
            },
            DataType::Struct(fields) => {
                let column = |field: &arrow_schema::FieldRef| {
                    Ok((field.name().clone(), Self::made_up(field.data_type(), text)?))
                };
                Kind::Struct(fields.iter().map(column).collect::<Result<_, Unreadable>>()?)
            }
            DataType::Null => Kind::Null,
            plain => {
                // What stands under a null is zero.
                Self::of(&new_null_array(plain, 1))?.kind
            }
        };
        Ok(Self { nulls: None, kind })
    }

    /// The columns of a struct.
    pub(super) fn columns(&self) -> &[(String, Self)] {
        match &self.kind {
            Kind::Struct(columns) => columns,
            _ => &[],
        }
    }
}

fn unknown(data_type: &DataType) -> Unreadable {
    Unreadable(format!("a column of {data_type}, which is not read"))
}

fn values<T: ArrowPrimitiveType>(array: &dyn Array) -> ScalarBuffer<T::Native> {
    let array: &PrimitiveArray<T> = array.as_primitive();
    array.values().clone()
}

fn kind(array: &dyn Array) -> Result<Kind, Unreadable> {
    let time = |values, unit, zone: &Option<std::sync::Arc<str>>| Kind::Time { values, unit, zoned: zone.is_some() };
    Ok(match array.data_type() {
        DataType::Null => Kind::Null,
        DataType::Boolean => Kind::Bool(array.as_boolean().values().clone()),
        DataType::Int8 => Kind::I8(values::<Int8Type>(array)),
        DataType::Int16 => Kind::I16(values::<Int16Type>(array)),
        DataType::Int32 => Kind::I32(values::<Int32Type>(array)),
        DataType::Int64 => Kind::I64(values::<Int64Type>(array)),
        DataType::UInt8 => Kind::U8(values::<UInt8Type>(array)),
        DataType::UInt16 => Kind::U16(values::<UInt16Type>(array)),
        DataType::UInt32 => Kind::U32(values::<UInt32Type>(array)),
        DataType::UInt64 => Kind::U64(values::<UInt64Type>(array)),
        DataType::Float16 => {
            let halves = values::<Float16Type>(array);
            Kind::F32(halves.iter().map(|half| half.to_f32()).collect())
        }
        DataType::Float32 => Kind::F32(values::<Float32Type>(array)),
        DataType::Float64 => Kind::F64(values::<Float64Type>(array)),
        DataType::Utf8 => Kind::Text(array.as_string::<i32>().clone()),
        DataType::Binary => Kind::Bytes(array.as_binary::<i32>().clone()),
        DataType::FixedSizeBinary(_) => Kind::Fixed(array.as_fixed_size_binary().clone()),
        DataType::Date32 => Kind::Date(values::<Date32Type>(array)),
        DataType::Time32(TimeUnit::Millisecond) => {
            Kind::Clock(Numbers::I32(values::<Time32MillisecondType>(array)), Unit::Millis)
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            Kind::Clock(Numbers::I64(values::<Time64MicrosecondType>(array)), Unit::Micros)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            Kind::Clock(Numbers::I64(values::<Time64NanosecondType>(array)), Unit::Nanos)
        }
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            time(values::<TimestampMillisecondType>(array), Unit::Millis, zone)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            time(values::<TimestampMicrosecondType>(array), Unit::Micros, zone)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            time(values::<TimestampNanosecondType>(array), Unit::Nanos, zone)
        }
        DataType::Decimal128(_, scale) => Kind::Decimal(values::<Decimal128Type>(array), *scale),
        DataType::Decimal256(_, scale) => Kind::LongDecimal(values::<Decimal256Type>(array), *scale),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            Kind::List(list.offsets().clone(), Box::new(Column::of(list.values())?))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            Kind::Map(map.offsets().clone(), Box::new([Column::of(map.keys())?, Column::of(map.values())?]))
        }
        DataType::Struct(fields) => {
            let array = array.as_struct();
            let column = |(field, column): (&arrow_schema::FieldRef, &arrow_array::ArrayRef)| {
                Ok((field.name().clone(), Column::of(column)?))
            };
            Kind::Struct(fields.iter().zip(array.columns()).map(column).collect::<Result<_, Unreadable>>()?)
        }
        other => return Err(unknown(other)),
    })
}
