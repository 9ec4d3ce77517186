//! `filter`: the records for which a function holds.

use crate::block::{Blocks, Pace, Spare, Step, StepContext, Upstream, block_len};

/// The records for which a function holds.
pub struct FilterStep<F> {
    f: F,
    pace: Pace,
}

impl<F> FilterStep<F> {
    /// The step of this function.
    pub fn new(f: F) -> Self {
        Self { f, pace: Pace::default() }
    }
}

impl<T, F> Step<T, T> for FilterStep<F>
where
    T: Send + 'static,
    F: Fn(&T) -> bool + Send + Sync + 'static,
{
    fn open<'a>(&'a self, parent: Upstream<'a, T>, context: StepContext<'a, T, T>) -> Box<dyn Blocks<T> + 'a> {
        Box::new(Filtered { parent, step: self, context, input: Spare::new(), picked: Spare::new() })
    }
}

/// Keeps the records for which `f` holds, in their order; `picked` is room for their places.
fn keep<T>(block: &mut Vec<T>, picked: &mut Vec<u32>, f: &impl Fn(&T) -> bool) {
    if picked.len() < block.len() {
        picked.resize(block.len(), 0);
    }
    let count = pick(block, picked, f);
    for (kept, at) in picked[..count].iter().enumerate() {
        block.swap(kept, *at as usize);
    }
    block.truncate(count);
}

/// Picks the records for which `f` holds. No branch of the loop depends on what `f` finds.
fn pick<T>(records: &[T], picked: &mut [u32], f: &impl Fn(&T) -> bool) -> usize {
    let mut count = 0;
    for (at, record) in records.iter().enumerate() {
        picked[count] = at as u32;
        count += usize::from(f(record));
    }
    count
}

/// The records for which a function holds.
struct Filtered<'a, T: 'static, F> {
    parent: Upstream<'a, T>,
    step: &'a FilterStep<F>,
    context: StepContext<'a, T, T>,
    /// Needed where the function is slow.
    input: Spare<T>,
    /// Needed where records cannot be picked where they lie.
    picked: Spare<u32>,
}

impl<T, F> Blocks<T> for Filtered<'_, T, F>
where
    T: Send + 'static,
    F: Fn(&T) -> bool + Send + Sync + 'static,
{
    fn next(&mut self) -> Option<T> {
        let Self { parent, step: FilterStep { f, .. }, context, .. } = self;
        loop {
            let record = parent.next()?;
            if context.blame(|| f(&record)) {
                return Some(record);
            }
        }
    }

    fn fill(&mut self, block: &mut Vec<T>) -> bool {
        let Self { parent, step: FilterStep { f, pace }, context, input, picked } = self;
        let Some(watch) = pace.in_one_go(context.task, block_len::<T>()) else {
            let more = parent.fill(input);
            context.in_pieces(pace, input, block);
            return more;
        };
        let mut seen = 0;
        let mut choose = |records: &[T], picked: &mut [u32]| {
            seen += records.len();
            context.blame(|| pick(records, picked, f))
        };
        let more = parent.fill_chosen(&mut choose, block).unwrap_or_else(|| {
            let more = parent.fill(block);
            seen = block.len();
            context.blame(|| keep(block, picked, f));
            more
        });
        pace.learn(watch, context.task, seen);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_picked_where_it_lies_is_what_is_kept_of_a_block() {
        fn check<T: Copy + PartialEq + std::fmt::Debug>(of: impl Fn(u32) -> T, wanted: impl Fn(&T) -> bool) {
            let records: Vec<T> = (0..1_000).map(of).collect();
            let mut picked = vec![0; records.len()];
            let count = pick(&records, &mut picked, &wanted);
            let chosen: Vec<T> = picked[..count].iter().map(|at| records[*at as usize]).collect();
            let mut kept = records.clone();
            keep(&mut kept, &mut Vec::new(), &wanted);
            assert_eq!(chosen, kept);
            assert_eq!(kept, records.into_iter().filter(wanted).collect::<Vec<_>>());
        }
        check(|n| n, |n| n % 3 == 0);
        check(|n| [u64::from(n); 8], |wide| wide[7] % 7 != 2);
        check(|n| n, |_| false);
        check(|n| n, |_| true);
    }
}
