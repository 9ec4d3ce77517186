//! `filter`: the records for which a function holds.

use crate::block::pace::Paced;
use crate::block::{Blocks, Spare, Step, block_len};
use crate::operator::Operator;
use crate::rows::Upstream;
use crate::task::TaskContext;

/// The records for which a function holds.
pub struct FilterStep<F>(Paced<F>);

impl<F: Send + Sync + 'static> FilterStep<F> {
    /// The step of this function.
    pub fn new(f: F) -> Self {
        Self(Paced::new(f))
    }
}

impl<T, F> Step<T, T> for FilterStep<F>
where
    T: Send + 'static,
    F: Fn(&T) -> bool + Send + Sync + 'static,
{
    fn open<'a>(
        &'a self,
        parent: Upstream<'a, T>,
        operator: &'a Operator,
        task: &'a TaskContext,
    ) -> Box<dyn Blocks<T> + 'a> {
        Box::new(Filtered { parent, f: &self.0, operator, task, input: Spare::new() })
    }
}

/// Keeps the records for which `f` holds, in their order.
fn keep<T>(block: &mut Vec<T>, f: &impl Fn(&T) -> bool) {
    if size_of::<T>() > 32 {
        block.retain(|record| f(record));
        return;
    }
    // Small records are moved whether they are kept or not: no branch of the loop depends on what `f` finds.
    let mut kept = 0;
    for at in 0..block.len() {
        let is_kept = f(&block[at]);
        block.swap(kept, at);
        kept += usize::from(is_kept);
    }
    block.truncate(kept);
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
    f: &'a Paced<F>,
    operator: &'a Operator,
    task: &'a TaskContext,
    /// Needed where the function is slow.
    input: Spare<T>,
}

impl<T, F> Blocks<T> for Filtered<'_, T, F>
where
    T: Send + 'static,
    F: Fn(&T) -> bool + Send + Sync + 'static,
{
    fn next(&mut self) -> Option<T> {
        let Self { parent, f, operator, task, .. } = self;
        let f = f.f();
        loop {
            let record = parent.next()?;
            if task.blame_on(operator, || f(&record)) {
                return Some(record);
            }
        }
    }

    fn fill(&mut self, block: &mut Vec<T>) -> bool {
        let Self { parent, f, operator, task, input } = self;
        let Some(watch) = f.in_one_go(task, block_len::<T>()) else {
            let more = parent.fill(input);
            f.in_pieces(task, operator, input, block, |f, records, out, _, _| {
                for record in records {
                    if f(&record) {
                        out.push(record);
                    }
                }
            });
            return more;
        };
        let mut seen = 0;
        let mut choose = |records: &[T], picked: &mut [u32]| {
            seen += records.len();
            task.blame_on(operator, || pick(records, picked, f.f()))
        };
        let more = parent.fill_chosen(&mut choose, block).unwrap_or_else(|| {
            let more = parent.fill(block);
            seen = block.len();
            task.blame_on(operator, || keep(block, f.f()));
            more
        });
        f.learn(watch, task, seen);
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
            keep(&mut kept, &wanted);
            assert_eq!(chosen, kept);
            assert_eq!(kept, records.into_iter().filter(wanted).collect::<Vec<_>>());
        }
        check(|n| n, |n| n % 3 == 0);
        check(|n| [u64::from(n); 8], |wide| wide[7] % 7 != 2);
        check(|n| n, |_| false);
        check(|n| n, |_| true);
    }
}
