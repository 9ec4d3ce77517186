//! Integers of 128 bits that take no more room than they need.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An `i128` or `u128` that stands wherever an `i64` can: what sums of 64-bit numbers are kept as.
///
/// The processor's alignment for 128 bits is 16 bytes. A count beside a sum takes 24 bytes with this, and 32 with a bare
/// integer; with a key and what a state keeps beside it, 48 in place of 64. It is stored as the bare integer is.
///
/// ```
/// use firesteel_window::Wide;
///
/// let sum = Wide::from(7_i128);
/// assert_eq!(sum.get(), 7);
/// assert_eq!(size_of::<(u64, Wide<i128>)>(), 24);
/// ```
#[derive(Clone, Copy, Default)]
#[repr(Rust, packed(8))]
pub struct Wide<T>(T);

impl<T: Copy> Wide<T> {
    /// The integer.
    #[inline]
    pub const fn get(self) -> T {
        self.0
    }
}

impl<T> From<T> for Wide<T> {
    #[inline]
    fn from(integer: T) -> Self {
        Self(integer)
    }
}

impl<T: Copy + PartialEq> PartialEq for Wide<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Copy + Eq> Eq for Wide<T> {}

impl<T: Copy + fmt::Debug> fmt::Debug for Wide<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T: Copy + Serialize> Serialize for Wide<T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Wide<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}
