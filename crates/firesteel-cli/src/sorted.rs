//! The fields of sorted maps, whose bytes are in the order of the fields.

use firesteel_state::SortedField;
use firesteel_state::schema::{Plain, Shape};
use firesteel_window::{Duration, Timestamp};

use crate::value::Value;

/// The field that all the bytes together encode; the bytes themselves where they encode none, or where the program has
/// an encoding of its own.
pub(crate) fn decode(shape: &Shape, bytes: &[u8]) -> Value {
    let mut rest = bytes;
    match field(shape, &mut rest) {
        Some(value) if rest.is_empty() => value,
        _ => Value::Undecoded(bytes.to_vec()),
    }
}

fn field(shape: &Shape, rest: &mut &[u8]) -> Option<Value> {
    Some(match shape {
        Shape::Unit => Value::Unit,
        Shape::Plain(plain) => self::plain(*plain, rest)?,
        Shape::Option(some) => {
            if bool::decode_sorted(rest)? {
                field(some, rest)?
            } else {
                Value::None
            }
        }
        Shape::Sequence(element) if matches!(**element, Shape::Plain(Plain::U8)) => {
            let bytes = Vec::<u8>::decode_sorted(rest)?;
            Value::Sequence(bytes.into_iter().map(|byte| Value::Unsigned(byte.into())).collect())
        }
        Shape::Tuple(parts) => Value::Tuple(parts.iter().map(|part| field(part, rest)).collect::<Option<_>>()?),
        Shape::Struct(_, fields) => {
            let one = |of: &firesteel_state::schema::Field| Some((of.name.clone(), field(&of.shape, rest)?));
            Value::Struct(fields.iter().map(one).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn plain(plain: Plain, rest: &mut &[u8]) -> Option<Value> {
    Some(match plain {
        Plain::Bool => Value::Bool(bool::decode_sorted(rest)?),
        Plain::U8 => Value::Unsigned(u8::decode_sorted(rest)?.into()),
        Plain::U16 => Value::Unsigned(u16::decode_sorted(rest)?.into()),
        Plain::U32 => Value::Unsigned(u32::decode_sorted(rest)?.into()),
        Plain::U64 => Value::Unsigned(u64::decode_sorted(rest)?.into()),
        Plain::U128 => Value::Unsigned(u128::decode_sorted(rest)?),
        Plain::I8 => Value::Signed(i8::decode_sorted(rest)?.into()),
        Plain::I16 => Value::Signed(i16::decode_sorted(rest)?.into()),
        Plain::I32 => Value::Signed(i32::decode_sorted(rest)?.into()),
        Plain::I64 => Value::Signed(i64::decode_sorted(rest)?.into()),
        Plain::I128 => Value::Signed(i128::decode_sorted(rest)?),
        Plain::Char => Value::Text(char::decode_sorted(rest)?.to_string()),
        Plain::Text => Value::Text(String::decode_sorted(rest)?),
        Plain::Bytes => Value::Bytes(Vec::decode_sorted(rest)?),
        Plain::Time => Value::Time(Timestamp::decode_sorted(rest)?),
        Plain::Span => Value::Span(Duration::decode_sorted(rest)?),
        Plain::F32 | Plain::F64 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_their_shape_and_what_is_none_is_shown_as_bytes() {
        let mut bytes = vec![];
        (-3_i16, "a\0b".to_owned(), Some(true), Timestamp::EPOCH).encode_sorted(&mut bytes);
        let shape: Shape = "(i16, str, ?bool, time)".parse().expect("it is a shape");
        assert_eq!(decode(&shape, &bytes).to_string(), r#"(-3, "a\0b", true, 1970-01-01T00:00:00Z)"#);
        assert!(matches!(decode(&shape, &bytes[..bytes.len() - 1]), Value::Undecoded(_)));
        bytes.push(0);
        assert!(matches!(decode(&shape, &bytes), Value::Undecoded(_)));
    }
}
