//! Random numbers from a seed: the same on every machine and in every release, so that a task which runs again draws
//! the same sample.
//!
//! SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): fast, tiny, good enough for sampling; useless for secrets.

pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The generator of one partition: those of different partitions and seeds have nothing in common.
    pub(crate) fn of_partition(seed: u64, partition: usize) -> Self {
        let mut random = Self { state: seed };
        random.state = random.next() ^ (partition as u64).wrapping_mul(0xd134_2543_de82_ef95);
        random.state = random.next();
        random
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number of `[0, 1)`.
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number below `limit`.
    #[inline]
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// How often something happens that happens `mean` times on average (Knuth's method; a sum of smaller draws for
    /// large means, where its factor would vanish).
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let (mut left, mut drawn) = (mean, 0);
        while left > 0.0 {
            let part = left.min(16.0);
            let (limit, mut product) = ((-part).exp(), self.unit());
            while product > limit {
                drawn += 1;
                product *= self.unit();
            }
            left -= part;
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_seeds_draw_differently_and_always_the_same() {
        let first = |seed, partition| Random::of_partition(seed, partition).next();
        assert_eq!([first(1, 0), first(1, 1), first(2, 0)].map(|x| x >> 32), PINNED);
        assert_eq!(first(1, 0), first(1, 0));
    }

    const PINNED: [u64; 3] = [2_978_611_956, 3_106_242_493, 425_127_121];

    #[test]
    fn means_are_met() {
        let mut random = Random::of_partition(7, 3);
        for mean in [0.1, 2.0, 50.0] {
            let drawn: u64 = (0..20_000).map(|_| random.poisson(mean)).sum();
            let average = drawn as f64 / 20_000.0;
            assert!((average - mean).abs() < mean * 0.05, "{average} for {mean}");
        }
        let average = (0..20_000).map(|_| random.unit()).sum::<f64>() / 20_000.0;
        assert!((average - 0.5).abs() < 0.01);
        assert!((0..1000).all(|_| random.below(10) < 10));
    }
}
