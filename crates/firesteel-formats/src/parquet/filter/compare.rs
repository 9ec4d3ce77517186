//! Values of a column beside one that is given.

use std::cmp::Ordering;
use std::ops::Range;

use super::Constant;
use crate::parquet::column::{Column, Kind, Unit};

/// How the values of the column compare with the constant, told row by row; `None` where they do not, as NaN.
///
/// # Errors
/// What the constant is, where it goes with no such column.
pub(super) fn compare(
    column: &Column,
    constant: &Constant,
    rows: Range<usize>,
    local_is_utc: bool,
    tell: &mut dyn FnMut(usize, Option<Ordering>),
) -> Result<(), &'static str> {
    /// Compares each value.
    macro_rules! each {
        ($row:ident => $ordering:expr) => {{
            for $row in rows {
                // What stands under a null is anything.
                if !column.is_null($row) {
                    tell($row, $ordering);
                }
            }
            Ok(())
        }};
    }
    /// Compares integers of one width with a number.
    macro_rules! integers {
        ($values:ident) => {
            match constant {
                Constant::Int(constant) => each!(row => Some(i128::from($values[row]).cmp(constant))),
                Constant::Float(constant) => each!(row => integer(i128::from($values[row]), *constant)),
                other => Err(other.name()),
            }
        };
    }
    /// Compares floats of one width with a number.
    macro_rules! floats {
        ($values:ident) => {
            match constant {
                Constant::Float(constant) => each!(row => f64::from($values[row]).partial_cmp(constant)),
                Constant::Int(constant) => {
                    each!(row => integer(*constant, f64::from($values[row])).map(Ordering::reverse))
                }
                other => Err(other.name()),
            }
        };
    }
    match &column.kind {
        Kind::I8(values) => integers!(values),
        Kind::I16(values) => integers!(values),
        Kind::I32(values) => integers!(values),
        Kind::I64(values) => integers!(values),
        Kind::U8(values) => integers!(values),
        Kind::U16(values) => integers!(values),
        Kind::U32(values) => integers!(values),
        Kind::U64(values) => integers!(values),
        Kind::F32(values) => floats!(values),
        Kind::F64(values) => floats!(values),
        kind => match (kind, constant) {
            (Kind::Null, _) => Ok(()),
            (Kind::Bool(values), Constant::Bool(constant)) => each!(row => Some(values.value(row).cmp(constant))),
            (Kind::Text(values), Constant::Bytes(constant)) => {
                each!(row => Some(values.value(row).as_bytes().cmp(constant)))
            }
            (Kind::Bytes(values), Constant::Bytes(constant)) => each!(row => Some(values.value(row).cmp(constant))),
            (Kind::Fixed(values), Constant::Bytes(constant)) => each!(row => Some(values.value(row).cmp(constant))),
            (Kind::Decimal(values, scale), Constant::Int(constant)) => {
                each!(row => Some(decimal(values[row], *scale, *constant)))
            }
            (Kind::Time { values, unit, zoned }, Constant::Time(constant)) if *zoned || local_is_utc => {
                let nanos = match unit {
                    Unit::Millis => 1_000_000,
                    Unit::Micros => 1_000,
                    Unit::Nanos => 1,
                };
                let constant = i128::from(constant.as_micros()) * 1_000;
                each!(row => Some((i128::from(values[row]) * nanos).cmp(&constant)))
            }
            (_, other) => Err(other.name()),
        },
    }
}

impl Constant {
    fn name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Bytes(_) => "a text",
            Self::Time(_) => "an instant",
        }
    }
}

/// An integer beside a float, by their values and not by way of a float.
fn integer(value: i128, float: f64) -> Option<Ordering> {
    // 2 to the power of 127, beyond which there is no such integer.
    const BEYOND: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if float.is_nan() {
        return None;
    }
    if float >= BEYOND {
        return Some(Ordering::Less);
    }
    if float < -BEYOND {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    Some(value.cmp(&(whole as i128)).then_with(|| whole.partial_cmp(&float).unwrap_or(Ordering::Equal)))
}

/// A decimal beside an integer.
fn decimal(digits: i128, scale: i8, constant: i128) -> Ordering {
    let power = 10_i128.checked_pow(u32::from(scale.unsigned_abs()));
    let scaled = |value: i128| power.and_then(|power| value.checked_mul(power));
    // What is beyond all decimals is so by its sign.
    if scale >= 0 {
        scaled(constant).map_or_else(|| 0.cmp(&constant), |constant| digits.cmp(&constant))
    } else {
        scaled(digits).map_or_else(|| digits.cmp(&0), |digits| digits.cmp(&constant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_compare_by_their_values() {
        let large = (1_i128 << 53) + 1;
        assert_eq!(integer(large, 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(integer(-3, -3.5), Some(Ordering::Greater));
        assert_eq!(integer(3, 3.5), Some(Ordering::Less));
        assert_eq!(integer(0, -0.0), Some(Ordering::Equal));
        assert_eq!(integer(i128::MAX, f64::INFINITY), Some(Ordering::Less));
        assert_eq!(integer(i128::MIN, f64::NEG_INFINITY), Some(Ordering::Greater));
        assert_eq!(integer(0, f64::NAN), None);
        assert_eq!(decimal(150, 2, 1), Ordering::Greater);
        assert_eq!(decimal(100, 2, 1), Ordering::Equal);
        assert_eq!(decimal(i128::MAX, 38, i128::MAX), Ordering::Less);
        assert_eq!(decimal(-1, 38, i128::MIN), Ordering::Greater);
        assert_eq!(decimal(5, -1, 50), Ordering::Equal);
    }
}
