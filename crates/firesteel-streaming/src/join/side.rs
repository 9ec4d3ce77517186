//! Two streams as one, in which each record says from which side it comes.

use std::sync::Arc;

use firesteel_core::ops::{BoxRdd, Union};
use firesteel_core::{MapStep, Operator, RddOps, Step};
use serde::{Deserialize, Serialize};

use crate::plan::Width;
use crate::stream::{LateOutput, Shape, Stream, Told};

/// A record of one of two streams that are joined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JoinSide<L, R> {
    /// Of the left one.
    Left(L),
    /// Of the right one.
    Right(R),
}

/// The records of two sides: in each batch those of the left one, then those of the right one.
pub(super) fn both<K, L, R, S>(
    left: Stream<(K, L), S>,
    right: Stream<(K, R), S>,
    operator: Operator,
) -> Stream<(K, JoinSide<L, R>), S>
where
    K: Send + 'static,
    L: Send + 'static,
    R: Send + 'static,
    S: Shape,
{
    type Sided<K, T, L, R, S> = Arc<dyn Step<<S as Shape>::Record<(K, T)>, <S as Shape>::Record<(K, JoinSide<L, R>)>>>;
    let of_left: Sided<K, L, L, R, S> =
        Arc::new(MapStep::new(|record| S::map(record, |(key, left)| (key, JoinSide::Left(left)))));
    let of_right: Sided<K, R, L, R, S> =
        Arc::new(MapStep::new(|record| S::map(record, |(key, right)| (key, JoinSide::Right(right)))));
    let both: Stream<(K, JoinSide<L, R>), S> =
        left.then_with(right, operator, Width::Narrow, move |left, right, operator, _| {
            let left = BoxRdd::step(left, operator, false, &of_left);
            let right = BoxRdd::step(right, operator, false, &of_right);
            Ok(Union::new(left, operator.clone(), right).boxed())
        });
    both.plan.merge_watermarks(both.node);
    both
}

/// What is done with late records of two sides.
pub(super) struct LateSides<K, L, R> {
    pub(super) left: Option<LateOutput<K, L>>,
    pub(super) right: Option<LateOutput<K, R>>,
}

impl<K: 'static, L: 'static, R: 'static> LateSides<K, L, R> {
    pub(super) fn of_both(self) -> LateOutput<K, JoinSide<L, R>> {
        let nothing: Told = Arc::new(|| ());
        Arc::new(move |key, side, why| {
            let told = match side {
                JoinSide::Left(left) => self.left.as_ref().map(|output| output(key, left, why)),
                JoinSide::Right(right) => self.right.as_ref().map(|output| output(key, right, why)),
            };
            told.unwrap_or_else(|| Arc::clone(&nothing))
        })
    }
}
