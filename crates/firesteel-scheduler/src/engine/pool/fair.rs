//! Whose turn it is: first in, first out, or fair shares.

use std::cmp::Ordering;
use std::sync::Arc;

/// How executors are shared between jobs that run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The earlier job first; the later one gets what is left.
    #[default]
    Fifo,
    /// By pools, each according to its [`Pool`]; within a pool the earlier job first.
    Fair,
}

/// A pool of jobs that share executors fairly with other pools: Spark's `FairSchedulingAlgorithm`.
///
/// A pool with fewer running tasks than its `min_share` comes first; among the others, the one with the fewest running
/// tasks in proportion to its `weight`. A job names its pool in [`JobOptions`](firesteel_core::JobOptions); an unknown
/// pool, and that of the jobs which name none, has weight 1 and no minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// How much it gets in proportion to the others; at least 1.
    pub weight: u32,
    /// How many executors it gets before others get more than theirs.
    pub min_share: u32,
}

impl Default for Pool {
    fn default() -> Self {
        Self { weight: 1, min_share: 0 }
    }
}

/// A pool and what it has.
pub(super) struct Share {
    pub(super) name: Option<Arc<str>>,
    pool: Pool,
    /// Executors that work for it.
    pub(super) running: usize,
}

impl Share {
    pub(super) fn new(name: Option<Arc<str>>, pool: Pool) -> Self {
        Self { name, pool, running: 0 }
    }
}

/// Which of two pools comes first. A ratio `a / b` against `c / d` is compared as `a * d` against `c * b`.
pub(super) fn compare(a: &Share, b: &Share) -> Ordering {
    let (a_running, b_running) = (a.running as u64, b.running as u64);
    let (a_min, b_min) = (u64::from(a.pool.min_share), u64::from(b.pool.min_share));
    let order = match (a_running < a_min, b_running < b_min) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (true, true) => (a_running * b_min).cmp(&(b_running * a_min)),
        (false, false) => {
            let (a_weight, b_weight) = (u64::from(a.pool.weight.max(1)), u64::from(b.pool.weight.max(1)));
            (a_running * b_weight).cmp(&(b_running * a_weight))
        }
    };
    order.then_with(|| a.name.cmp(&b.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(name: &str, weight: u32, min_share: u32, running: usize) -> Share {
        Share { name: Some(name.into()), pool: Pool { weight, min_share }, running }
    }

    /// The first pool to be served; the same in either order.
    fn first(a: &Share, b: &Share) -> String {
        let order = compare(a, b);
        assert_eq!(order, compare(b, a).reverse());
        let winner = if order == Ordering::Less { a } else { b };
        winner.name.as_deref().unwrap_or_default().to_owned()
    }

    #[test]
    fn needy_pools_come_first() {
        assert_eq!(first(&share("a", 1, 0, 0), &share("b", 1, 2, 1)), "b");
        assert_eq!(first(&share("a", 1, 2, 1), &share("b", 1, 3, 1)), "b");
    }

    #[test]
    fn weights_decide_among_the_satisfied() {
        assert_eq!(first(&share("a", 1, 0, 1), &share("b", 3, 0, 2)), "b");
        assert_eq!(first(&share("a", 1, 1, 1), &share("b", 2, 1, 3)), "a");
        assert_eq!(first(&share("b", 1, 0, 1), &share("a", 1, 0, 1)), "a");
    }
}
