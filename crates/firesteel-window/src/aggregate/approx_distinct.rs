//! Values that differ, counted without keeping them.

use std::borrow::Cow;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use hyperloglockless::HyperLogLog;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::Aggregator;

/// About how many different values there are, in a few KiB however many they are.
///
/// Up to a limit the count is exact (but for values whose hashes of 64 bits are the same). Beyond it, it is that of a
/// HyperLogLog (Flajolet et al., 2007; its estimate as in LogLog-Beta, Qin et al., 2016), whose standard error is given by
/// [`within`](Self::within): of three results, two are off by less than that, and of a thousand, all but three by less than
/// three times as much.
///
/// | standard error | exact up to | kept at most |
/// |---|---|---|
/// | 6.5 % | 32 | 256 bytes |
/// | 1.63 %, as [`new`](Self::new) has it | 512 | 4 KiB |
/// | 0.82 % | 2,048 | 16 KiB |
/// | 0.21 % | 32,768 | 256 KiB |
///
/// What is kept follows from the set of values alone: in whatever parts, order and repetition they come, the result is the
/// same, and the same on every little-endian machine. The hash has no seed: who chooses values may choose such as make the
/// count wrong.
///
/// ```
/// use firesteel_window::{Aggregator, ApproxDistinct};
///
/// let visitors = ApproxDistinct::new();
/// let mut acc = Aggregator::<u64>::create(&visitors);
/// for n in 0..100_000_u64 {
///     visitors.add(&mut acc, n % 50_000);
/// }
/// let count = Aggregator::<u64>::finish(&visitors, &acc);
/// assert!((49_000..51_000).contains(&count));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApproxDistinct {
    /// How many bits of a hash choose a register.
    bits: u8,
}

/// What [`ApproxDistinct`] keeps: the hashes of few values, and registers of many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes(Kept);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Kept {
    /// Ascending, each once.
    Few(Vec<u64>),
    Registers(Vec<u8>),
}

impl ApproxDistinct {
    /// With a standard error of 1.63 %.
    #[must_use]
    pub const fn new() -> Self {
        Self { bits: 12 }
    }

    /// With a standard error of at most `error`, as a share: `0.01` is one percent.
    ///
    /// # Panics
    ///
    /// When `error` is not from 0.0021 to 0.065.
    #[must_use]
    pub fn within(error: f64) -> Self {
        assert!((0.0021..=0.065).contains(&error), "a standard error of {error} is not from 0.0021 to 0.065");
        Self { bits: ((1.04 / error).powi(2).log2().ceil() as u8).clamp(8, 18) }
    }

    fn registers(self) -> usize {
        1 << self.bits
    }

    /// How many hashes take as much room as the registers.
    fn few(self) -> usize {
        self.registers() / size_of::<u64>()
    }

    fn raise(self, registers: &mut [u8], hash: u64) {
        let register = &mut registers[(hash >> (64 - self.bits)) as usize];
        *register = (*register).max(1 + hash.trailing_zeros() as u8);
    }

    fn take(self, acc: &mut Hashes, hash: u64) {
        match &mut acc.0 {
            Kept::Registers(registers) => self.raise(registers, hash),
            Kept::Few(hashes) => {
                if let Err(place) = hashes.binary_search(&hash) {
                    hashes.insert(place, hash);
                    if hashes.len() > self.few() {
                        let mut registers = vec![0; self.registers()];
                        hashes.iter().for_each(|hash| self.raise(&mut registers, *hash));
                        acc.0 = Kept::Registers(registers);
                    }
                }
            }
        }
    }
}

impl Default for ApproxDistinct {
    fn default() -> Self {
        Self::new()
    }
}

/// The hash of a value, the same in every process and release.
fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    value.hash(&mut hasher);
    hasher.finish()
}

impl<In: Hash> Aggregator<In> for ApproxDistinct {
    type Acc = Hashes;
    type Out = u64;

    #[inline]
    fn create(&self) -> Hashes {
        Hashes(Kept::Few(Vec::new()))
    }

    #[inline]
    fn add(&self, acc: &mut Hashes, value: In) {
        self.take(acc, hash_of(&value));
    }

    /// # Panics
    ///
    /// When the other one was kept with another error.
    fn merge(&self, acc: &mut Hashes, mut other: Hashes) {
        if matches!((&acc.0, &other.0), (Kept::Few(_), Kept::Registers(_))) {
            std::mem::swap(acc, &mut other);
        }
        match (&mut acc.0, other.0) {
            (_, Kept::Few(hashes)) => hashes.into_iter().for_each(|hash| self.take(acc, hash)),
            (Kept::Registers(registers), Kept::Registers(other)) => {
                assert!(registers.len() == other.len(), "distinct values were counted with another error before");
                for (register, other) in registers.iter_mut().zip(other) {
                    *register = (*register).max(other);
                }
            }
            (Kept::Few(_), Kept::Registers(_)) => unreachable!("they were exchanged"),
        }
    }

    fn finish(&self, acc: &Hashes) -> u64 {
        match &acc.0 {
            Kept::Few(hashes) => hashes.len() as u64,
            Kept::Registers(registers) => {
                let zeros = registers.iter().filter(|register| **register == 0).count();
                // In the order of the registers, so that no rounding shows in which order values came.
                let sum = registers.iter().map(|register| 0.5_f64.powi(i32::from(*register))).sum();
                let hasher = BuildHasherDefault::<SipHasher13>::default();
                HyperLogLog::from_parts(registers.clone().into(), hasher, zeros, sum).raw_count().round() as u64
            }
        }
    }

    fn kind(&self) -> Cow<'static, str> {
        format!("distinct by 2^{} registers", self.bits).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::*;

    #[test]
    fn few_are_counted_exactly() {
        let distinct = ApproxDistinct::new();
        for count in [0, 1, 2, 511, 512] {
            assert_eq!(run(&distinct, (0..count).chain(0..count)), count);
        }
    }

    #[test]
    fn the_error_is_as_it_is_said() {
        for (error, bits) in [(0.065, 8), (0.0163, 12), (0.01, 14), (0.0021, 18)] {
            let distinct = ApproxDistinct::within(error);
            assert_eq!(distinct.bits, bits);
            for count in [10_u64, 1_000, 30_000] {
                // The mean of the squares over some sets.
                let sets = 100;
                let off = |set: u64| run(&distinct, (0..count).map(|n| (set, n))) as f64 / count as f64 - 1.0;
                let offs: f64 = (0..sets).map(|set| off(set).powi(2)).sum();
                let found = (offs / sets as f64).sqrt();
                assert!(found < 1.15 * error, "{count} within {error}: {found}");
            }
        }
    }

    #[test]
    fn millions_are_counted() {
        let count = run(&ApproxDistinct::within(0.005), 0..3_000_000_u32) as f64;
        assert!((count / 3_000_000.0 - 1.0).abs() < 0.015, "{count}");
    }

    #[test]
    fn parts_that_overlap_are_not_counted_twice_and_do_not_change_what_is_kept() {
        let distinct = ApproxDistinct::within(0.05);
        // 64 hashes fit: parts of just over half of that, which have all in common, stay few.
        let part = |from, to| {
            let mut acc = Aggregator::<u32>::create(&distinct);
            (from..to).for_each(|n: u32| distinct.add(&mut acc, n));
            acc
        };
        let merge = |acc: &mut Hashes, other| Aggregator::<u32>::merge(&distinct, acc, other);
        let mut few = part(0, 40);
        merge(&mut few, part(0, 40));
        assert_eq!(few, part(0, 40));
        for (from, to) in [(20, 60), (20, 70), (0, 5_000), (4_000, 9_000)] {
            let whole = part(0, to.max(40));
            let (mut one, mut other) = (part(0, 40.max(from)), part(from, to));
            let again = one.clone();
            merge(&mut one, other.clone());
            merge(&mut other, again);
            assert_eq!((&one, &other), (&whole, &whole), "{from}..{to}");
        }
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(hash_of(&7_u64), 7_364_705_619_221_056_123);
        assert_eq!(hash_of(&"clicks"), 197_724_570_220_271_481);
        assert_eq!(hash_of(&"clicks"), hash_of(&String::from("clicks")));
    }

    #[test]
    #[should_panic(expected = "a standard error of 0.5 is not from 0.0021 to 0.065")]
    fn an_error_beyond_what_is_possible_is_refused() {
        let _ = ApproxDistinct::within(0.5);
    }
}
