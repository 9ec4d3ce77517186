//! Fields whose bytes are in their own order.

use firesteel_window::{Duration, Timestamp};

use crate::codec::StateField;

/// A field of a [`SortedMap`](crate::SortedMap): its bytes sort as its values do, so that a backend, which knows bytes
/// and no types, reads ranges in the order of `Ord`.
///
/// Integers, `bool`, `char`, `String`, byte vectors, [`Timestamp`], [`Duration`], `Option` and tuples of up to four of these
/// are such fields. For a type of its own, a program says how it is made of them, part by part as the type is declared,
/// which is how the command line reads them:
///
/// ```
/// use firesteel_state::SortedField;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
/// struct Version {
///     major: u32,
///     minor: u32,
/// }
///
/// impl SortedField for Version {
///     fn encode_sorted(&self, out: &mut Vec<u8>) {
///         (self.major, self.minor).encode_sorted(out);
///     }
///
///     fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
///         SortedField::decode_sorted(bytes).map(|(major, minor)| Self { major, minor })
///     }
/// }
///
/// let bytes = |major, minor| {
///     let mut out = vec![];
///     Version { major, minor }.encode_sorted(&mut out);
///     out
/// };
/// assert!(bytes(1, 300) < bytes(2, 0));
/// ```
pub trait SortedField: StateField {
    /// Appends its bytes. Of two fields, the lesser has the lesser bytes; equal ones have equal bytes; and the bytes of
    /// none begin with those of another.
    fn encode_sorted(&self, out: &mut Vec<u8>);

    /// Takes one off the front of `bytes`; `None` if they are none.
    fn decode_sorted(bytes: &mut &[u8]) -> Option<Self>;
}

/// The next bytes: as many as the array has.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

macro_rules! numbers {
    ($($unsigned:ty, $signed:ty;)+) => {
        $(
            impl SortedField for $unsigned {
                fn encode_sorted(&self, out: &mut Vec<u8>) {
                    out.extend_from_slice(&self.to_be_bytes());
                }
                fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
                    take(bytes).map(Self::from_be_bytes)
                }
            }

            impl SortedField for $signed {
                fn encode_sorted(&self, out: &mut Vec<u8>) {
                    // With the sign bit flipped, negative numbers come first.
                    (self.cast_unsigned() ^ <$signed>::MIN.cast_unsigned()).encode_sorted(out);
                }
                fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
                    let flipped = <$unsigned>::decode_sorted(bytes)?;
                    Some((flipped ^ <$signed>::MIN.cast_unsigned()).cast_signed())
                }
            }
        )+
    };
}

numbers! {
    u8, i8;
    u16, i16;
    u32, i32;
    u64, i64;
    u128, i128;
}

impl SortedField for bool {
    fn encode_sorted(&self, out: &mut Vec<u8>) {
        out.push((*self).into());
    }
    fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
        match take(bytes)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl SortedField for char {
    fn encode_sorted(&self, out: &mut Vec<u8>) {
        u32::from(*self).encode_sorted(out);
    }
    fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
        Self::from_u32(u32::decode_sorted(bytes)?)
    }
}

/// A zero within is followed by this, and the end is a zero that is not.
const WITHIN: u8 = 0xFF;

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(WITHIN);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

impl SortedField for Vec<u8> {
    fn encode_sorted(&self, out: &mut Vec<u8>) {
        encode_bytes(self, out);
    }
    fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
        let mut decoded = Self::new();
        loop {
            match take(bytes)? {
                [0] => match take(bytes)? {
                    [0] => return Some(decoded),
                    [WITHIN] => decoded.push(0),
                    _ => return None,
                },
                [byte] => decoded.push(byte),
            }
        }
    }
}

impl SortedField for String {
    fn encode_sorted(&self, out: &mut Vec<u8>) {
        encode_bytes(self.as_bytes(), out);
    }
    fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
        Self::from_utf8(SortedField::decode_sorted(bytes)?).ok()
    }
}

impl SortedField for Timestamp {
    fn encode_sorted(&self, out: &mut Vec<u8>) {
        self.as_micros().encode_sorted(out);
    }
    fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
        i64::decode_sorted(bytes).map(Self::from_micros)
    }
}

impl SortedField for Duration {
    fn encode_sorted(&self, out: &mut Vec<u8>) {
        self.as_micros().encode_sorted(out);
    }
    fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
        i64::decode_sorted(bytes).map(Self::micros)
    }
}

impl<F: SortedField> SortedField for Option<F> {
    fn encode_sorted(&self, out: &mut Vec<u8>) {
        self.is_some().encode_sorted(out);
        if let Some(field) = self {
            field.encode_sorted(out);
        }
    }
    fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
        if bool::decode_sorted(bytes)? { F::decode_sorted(bytes).map(Some) } else { Some(None) }
    }
}

impl SortedField for () {
    fn encode_sorted(&self, _: &mut Vec<u8>) {}
    fn decode_sorted(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

macro_rules! tuples {
    ($($($field:ident $at:tt),+;)+) => {
        $(impl<$($field: SortedField),+> SortedField for ($($field,)+) {
            fn encode_sorted(&self, out: &mut Vec<u8>) {
                $(self.$at.encode_sorted(out);)+
            }
            fn decode_sorted(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($field::decode_sorted(bytes)?,)+))
            }
        })+
    };
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes<F: SortedField>(field: &F) -> Vec<u8> {
        let mut out = vec![];
        field.encode_sorted(&mut out);
        out
    }

    /// What is asked of every such field.
    fn check<F: SortedField + std::fmt::Debug>(a: F, b: F) {
        let (of_a, of_b) = (bytes(&a), bytes(&b));
        assert_eq!(of_a.cmp(&of_b), a.cmp(&b), "{a:?} and {b:?}");
        assert!(a == b || !of_a.starts_with(&of_b), "{a:?} and {b:?}");
        let together = [&of_a[..], &of_b[..]].concat();
        let mut rest = &together[..];
        assert_eq!((F::decode_sorted(&mut rest), F::decode_sorted(&mut rest)), (Some(a), Some(b)));
        assert!(rest.is_empty());
        assert!(of_a.is_empty() || F::decode_sorted(&mut &of_a[..of_a.len() - 1]).is_none(), "it is cut off");
    }

    /// Few bytes, so that many are alike.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(0), Just(1), Just(255), any::<u8>()], 0..4)
    }

    proptest! {
        #[test]
        fn bytes_sort_as_fields_do(
            a: (u8, i16, u32, i64), b: (u8, i16, u32, i64), wide: [(u128, i128); 2], chars: [(char, bool); 2],
            texts in [text(), text()], strings: [String; 2], maybe: [Option<i8>; 2], near in [-2..2i64, -2..2],
        ) {
            check(a, b);
            check(a.3, b.3);
            check(wide[0], wide[1]);
            check(chars[0], chars[1]);
            let [one, other] = texts;
            check((one.clone(), 1_u8), (other.clone(), 0));
            check(one, other);
            check(strings[0].clone(), strings[1].clone());
            check((maybe[0], 7_u16), (maybe[1], 8));
            let [one, other] = near;
            check((Timestamp::from_secs(one), Duration::secs(other)), (Timestamp::from_secs(other), Duration::secs(one)));
            check(((), one), ((), other));
        }
    }
}
