//! Between which values those of a column are, in a stretch of rows.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt64Array};
use parquet::basic::{ColumnOrder, Type};
use parquet::file::metadata::ParquetMetaData;

use super::compare::compare;
use super::{Comparison, Constant};
use crate::parquet::column::{Column, Kind};

/// Of each stretch, the least and the greatest value, as far as the writer says so, and how many are null.
#[derive(Clone)]
pub(in crate::parquet) struct Bounds(Arc<Inner>);

struct Inner {
    least: Column,
    greatest: Column,
    nulls: Vec<Option<u64>>,
    rows: Vec<u64>,
}

impl Bounds {
    pub(super) fn of(least: &ArrayRef, greatest: &ArrayRef, nulls: &UInt64Array, rows: Vec<u64>) -> Option<Self> {
        let [least, greatest] = [least, greatest].map(|array| Column::of(array).ok());
        let nulls = nulls.iter().collect::<Vec<_>>();
        if nulls.len() != rows.len() {
            return None;
        }
        Some(Self(Arc::new(Inner { least: least?, greatest: greatest?, nulls, rows })))
    }

    /// Whether the comparison may be true, and whether it may be false, of a row in the stretch.
    pub(super) fn may(
        &self,
        at: usize,
        comparison: Comparison,
        constant: &Constant,
        local_is_utc: bool,
    ) -> (bool, bool) {
        let Inner { least, greatest, nulls, rows } = &*self.0;
        if nulls[at] == Some(rows[at]) {
            return (false, false);
        }
        let beside = |column: &Column| {
            let mut found = None;
            let compared = compare(column, constant, at..at + 1, local_is_utc, &mut |_, ordering| found = ordering);
            compared.ok().and(found)
        };
        // Neither absent bounds nor those that are NaN tell anything.
        let (Some(least), Some(greatest)) = (beside(least), beside(greatest)) else { return (true, true) };
        let equal = least == Ordering::Equal && greatest == Ordering::Equal;
        let (may, may_not) = match comparison {
            Comparison::Is => (least.is_le() && greatest.is_ge(), !equal),
            Comparison::IsNot => (!equal, least.is_le() && greatest.is_ge()),
            Comparison::Less => (least.is_lt(), greatest.is_ge()),
            Comparison::AtMost => (least.is_le(), greatest.is_gt()),
            Comparison::More => (greatest.is_gt(), least.is_le()),
            Comparison::AtLeast => (greatest.is_ge(), least.is_lt()),
        };
        // NaN is in no bounds, and may be there all the same.
        match self.0.least.kind {
            Kind::F32(_) | Kind::F64(_) if comparison == Comparison::IsNot => (true, may_not),
            Kind::F32(_) | Kind::F64(_) => (may, true),
            _ => (may, may_not),
        }
    }

    /// Whether a value may be null, and whether one may be there.
    pub(super) fn may_be_null(&self, at: usize) -> (bool, bool) {
        let (nulls, rows) = (self.0.nulls[at], self.0.rows[at]);
        (nulls != Some(0), nulls != Some(rows))
    }
}

/// Whether the bounds of a column are in the order in which values are compared here.
pub(super) fn are_ordered(file: &ParquetMetaData, leaf: usize, least: &dyn Array) -> bool {
    let metadata = file.file_metadata();
    let physical = metadata.schema_descr().column(leaf).physical_type();
    let order = metadata.column_orders().and_then(|orders| orders.get(leaf)).copied();
    let by_type = matches!(order, Some(ColumnOrder::TYPE_DEFINED_ORDER(_)));
    use arrow_schema::DataType::{
        Binary, Boolean, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8,
    };
    match least.data_type() {
        // In any order that there is, numbers with a sign are as they are here.
        Int8 | Int16 | Int32 | Int64 | Float32 | Float64 | Boolean => true,
        Timestamp(..) => physical == Type::INT64,
        UInt8 | UInt16 | UInt32 | UInt64 | Utf8 | Binary => by_type,
        _ => false,
    }
}
