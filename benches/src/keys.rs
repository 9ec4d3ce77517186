//! Keys as the workloads have them: numbers, and texts of thirty characters.
//!
//! A text stands for a number, so that the answers to a workload are the same whichever its keys are. Peers make the same
//! texts in SQL (`benches/peers/workload.py`).

use std::fmt::Debug;
use std::hash::Hash;

use firesteel_core::hash::hash_key;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The text of zero: a prefix, and the number with as many digits as make it thirty characters.
const ZERO: &str = "customer-000000000000000000000";
/// The digits that may be others than zero.
const DIGITS: usize = 10;

/// What a side can count by.
pub trait Key: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// The number that it stands for, as checksums need it.
    ///
    /// # Panics
    /// If it is none that [`OwnedKey::of`] has made.
    fn number(&self) -> u64;

    /// By this number the sides that are written by hand or on timely deal keys out to threads.
    #[inline]
    fn spread(&self) -> u32 {
        hash_key(self) as u32
    }
}

/// A key that a record can have: it belongs to nobody else.
pub trait OwnedKey: Key + Serialize + DeserializeOwned {
    /// The key that stands for a number.
    ///
    /// # Panics
    /// If the number is too large for this type of key.
    fn of(number: u64) -> Self;
}

impl Key for u32 {
    #[inline]
    fn number(&self) -> u64 {
        u64::from(*self)
    }

    #[inline]
    fn spread(&self) -> u32 {
        self.wrapping_mul(0x9e37_79b1)
    }
}

impl OwnedKey for u32 {
    #[inline]
    fn of(number: u64) -> Self {
        Self::try_from(number).expect("there are fewer keys than that")
    }
}

impl Key for u64 {
    #[inline]
    fn number(&self) -> u64 {
        *self
    }
}

impl OwnedKey for u64 {
    #[inline]
    fn of(number: u64) -> Self {
        number
    }
}

impl Key for String {
    #[inline]
    fn number(&self) -> u64 {
        number_of(self)
    }
}

impl OwnedKey for String {
    #[inline]
    fn of(number: u64) -> Self {
        let mut text = [0; ZERO.len()];
        text.copy_from_slice(ZERO.as_bytes());
        let mut rest = number;
        for digit in text.iter_mut().rev().take(DIGITS) {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        assert_eq!(rest, 0, "there are fewer keys than {number}");
        str::from_utf8(&text).expect("digits are ASCII").to_owned()
    }
}

/// A text that is borrowed from the data.
impl Key for &'static str {
    #[inline]
    fn number(&self) -> u64 {
        number_of(self)
    }
}

fn number_of(text: &str) -> u64 {
    let digits = text.strip_prefix(&ZERO[..ZERO.len() - DIGITS]).filter(|digits| digits.len() == DIGITS);
    let digits = digits.expect("each text has the same beginning and the same length");
    digits.bytes().fold(0, |number, digit| 10 * number + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_thirty_characters_and_stands_for_its_number() {
        assert_eq!(String::of(0), "customer-000000000000000000000");
        for number in [0, 7, 10, 4_096, 9_999_999, 9_999_999_999] {
            let text = String::of(number);
            assert_eq!(text, format!("customer-{number:021}"));
            assert_eq!((text.len(), text.number()), (30, number));
        }
        assert_eq!(u32::of(12).number(), 12);
    }

    #[test]
    #[should_panic(expected = "fewer keys")]
    fn a_number_of_eleven_digits_has_no_text() {
        let _ = String::of(10_000_000_000);
    }

    #[test]
    fn keys_are_dealt_out_evenly() {
        let owned = |spread: u32| spread >> 31;
        let of_numbers: u32 = (0..10_000).map(|number| owned(u32::of(number).spread())).sum();
        let of_texts: u32 = (0..10_000).map(|number| owned(String::of(number).spread())).sum();
        assert!((4_800..=5_200).contains(&of_numbers), "{of_numbers}");
        assert!((4_800..=5_200).contains(&of_texts), "{of_texts}");
    }
}
