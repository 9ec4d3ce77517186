//! The hash that places keys.
//!
//! Which partition and which key group a key belongs to is written into checkpoints and agreed on between processes,
//! so the hash must be the same on every (little-endian) machine and in every release. The standard library's hasher is seeded anew
//! in every process, and the fast ones on crates.io reserve the right to change: hence this one, pinned by tests.
//!
//! It is a folded multiply per 64-bit word, as in wyhash (Wang Yi) and foldhash; good for tables, useless against an
//! adversary who chooses keys.

use std::hash::{BuildHasher, Hash, Hasher};

const SEED: u64 = 0x243f_6a88_85a3_08d3;
const WORD: u64 = 0x9e37_79b9_7f4a_7c15;
const LAST: u64 = 0xd6e8_feb8_6659_fd93;

/// The 64-bit hash of a key, equal on every machine.
///
/// ```
/// use firesteel_core::hash::hash_key;
/// assert_eq!(hash_key("clicks"), hash_key(&String::from("clicks")));
/// ```
#[inline]
pub fn hash_key<K: Hash + ?Sized>(key: &K) -> u64 {
    let mut hasher = KeyHasher::default();
    key.hash(&mut hasher);
    hasher.finish()
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The bytes after the last whole word, as a word with zeros above them. Read where they stand: a copy of a length that
/// is not known costs more than all the rest of the hash of a short text.
#[inline(always)]
fn last_word(bytes: &[u8]) -> u64 {
    let (length, rest) = (bytes.len(), bytes.len() % 8);
    if let Some(word) = bytes.last_chunk() {
        // Bytes that belong to the word before are shifted out: all eight, where there is no rest.
        return u64::from_le_bytes(*word) >> 8 >> (8 * (7 - rest));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
        // Where the halves overlap, they say the same.
        return first | last << (8 * (length - 4));
    }
    let at = |index: usize| bytes.get(index).map_or(0, |byte| u64::from(*byte) << (8 * index));
    at(0) | at(1) | at(2)
}

/// A stable streaming hasher for keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    state: u64,
}

impl Default for KeyHasher {
    #[inline]
    fn default() -> Self {
        Self { state: SEED }
    }
}

impl KeyHasher {
    #[inline(always)]
    fn word(&mut self, word: u64) {
        self.state = fold(self.state ^ word, WORD);
    }
}

impl Hasher for KeyHasher {
    #[inline]
    fn finish(&self) -> u64 {
        fold(self.state ^ LAST, WORD)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.word(u64::from_le_bytes(word.try_into().expect("chunks of eight bytes are eight bytes long")));
        }
        // The length keeps "a" and "a\0" apart.
        self.word(last_word(bytes) ^ ((bytes.len() as u64) << 56));
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.word(u64::from(value));
    }
    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.word(u64::from(value));
    }
    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.word(u64::from(value));
    }
    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }
    #[inline]
    fn write_u128(&mut self, value: u128) {
        self.word(value as u64);
        self.word((value >> 64) as u64);
    }
    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.word(value as u64);
    }
    #[inline]
    fn write_i8(&mut self, value: i8) {
        self.write_u8(value as u8);
    }
    #[inline]
    fn write_i16(&mut self, value: i16) {
        self.write_u16(value as u16);
    }
    #[inline]
    fn write_i32(&mut self, value: i32) {
        self.write_u32(value as u32);
    }
    #[inline]
    fn write_i64(&mut self, value: i64) {
        self.write_u64(value as u64);
    }
    #[inline]
    fn write_i128(&mut self, value: i128) {
        self.write_u128(value as u128);
    }
    #[inline]
    fn write_isize(&mut self, value: isize) {
        self.write_usize(value as usize);
    }
}

/// Makes [`KeyHasher`]s, for hash maps.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuildKeyHasher;

impl BuildHasher for BuildKeyHasher {
    type Hasher = KeyHasher;
    #[inline]
    fn build_hasher(&self) -> KeyHasher {
        KeyHasher::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values are part of the checkpoint format: a change of the hash strands every key.
    #[test]
    fn the_hash_never_changes() {
        let pinned = [
            hash_key(&0u32),
            hash_key(&1u64),
            hash_key(&-1i64),
            hash_key(""),
            hash_key("83.149.9.216"),
            hash_key(&("user", 7u8)),
            hash_key(&[1u16, 2, 3]),
        ];
        assert_eq!(
            pinned.map(|hash| format!("{hash:016x}")),
            PINNED,
            "the hash of keys has changed: old checkpoints and other processes place keys elsewhere"
        );
    }

    const PINNED: [&str; 7] = [
        "d014def0107b3574",
        "5458718bc7f79e4b",
        "22b057cacca2c5c0",
        "e19370bcca549032",
        "d22a0e6a89f85182",
        "e353c020d6b97e5e",
        "8e781892b1c1d44a",
    ];

    #[test]
    fn the_last_word_is_what_is_left_of_the_bytes() {
        let text: Vec<u8> = (1..=40).collect();
        for from in 0..text.len() {
            for to in from..text.len() {
                let bytes = &text[from..to];
                let mut word = [0; 8];
                let rest = bytes.chunks_exact(8).remainder();
                word[..rest.len()].copy_from_slice(rest);
                assert_eq!(last_word(bytes), u64::from_le_bytes(word), "{bytes:?}");
            }
        }
    }

    #[test]
    fn sequential_keys_spread_over_the_upper_and_the_lower_bits() {
        for shift in [0, 57] {
            let mut counts = [0u32; 128];
            for key in 0..128_000u32 {
                counts[((hash_key(&key) >> shift) & 127) as usize] += 1;
            }
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(*least > 800 && *most < 1200, "bits from {shift}: {least}..{most} of 1000");
        }
    }
}
