//! Which slots to let go of, and how much memory values take that own some.

/// The stamps of this many slots stand for all.
const SAMPLE: usize = 1_000;

/// The stamp up to which slots are to go, so that about the `share` of all goes, the ones unused longest first.
///
/// `clean` are the stamps of the slots that may go, `all` is the number of slots.
pub(crate) fn threshold(clean: &mut dyn Iterator<Item = u64>, all: usize, share: f64) -> Option<u64> {
    let step = (all / SAMPLE).max(1);
    let mut sample: Vec<u64> = clean.step_by(step).collect();
    sample.sort_unstable();
    // The sample is a part of the clean ones; the share is of all.
    let wanted = (share * all as f64 / step as f64).ceil() as usize;
    sample.get(wanted.clamp(1, sample.len().max(1)) - 1).copied()
}

/// The mean size of encoded values, which stands for the memory they own.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct MeanSize {
    bytes: u64,
    values: u64,
}

impl MeanSize {
    pub(crate) fn add(&mut self, values: u64, bytes: u64) {
        // Halved now and then, so that it follows values that grow.
        if self.values > 1 << 20 {
            self.values /= 2;
            self.bytes /= 2;
        }
        self.values += values;
        self.bytes += bytes;
    }

    /// Bytes that this many are likely to take, and a little more.
    pub(crate) fn of(&self, values: usize) -> usize {
        let mean = self.bytes.checked_div(self.values).unwrap_or(0) as usize + 1;
        values * mean + mean
    }

    /// The memory that `values` own besides their slots, if the types own any. Allocators round up and keep their
    /// books: 16 bytes for each.
    pub(crate) fn owned(&self, values: usize, owns: bool) -> u64 {
        if !owns || values == 0 {
            return 0;
        }
        let mean = self.bytes.checked_div(self.values).unwrap_or(32);
        values as u64 * (mean + 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        assert_eq!(threshold(&mut (0..100), 100, 0.25), Some(24));
        assert_eq!(threshold(&mut (0..100), 100, 1.0), Some(99));
        // Half of all may go, a quarter is wanted.
        assert_eq!(threshold(&mut (0..50), 100, 0.25), Some(24));
        assert_eq!(threshold(&mut (0..50), 100, 0.75), Some(49));
        assert_eq!(threshold(&mut std::iter::empty(), 100, 0.5), None);
        let many = threshold(&mut (0..100_000), 100_000, 0.5);
        assert!(many.is_some_and(|at| (49_000..51_000).contains(&at)), "{many:?}");
    }
}
