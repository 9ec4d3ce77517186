//! The kinds of joins: what comes of a pair, and what of a record without a partner.

use std::marker::PhantomData;

/// What a join makes of its records.
pub(super) trait Kind<L, R>: Send + Sync + 'static {
    type Out: Send + 'static;

    /// What it is called.
    const NAME: &'static str;
    /// Whether left records without a partner come out.
    const LEFT_ALONE: bool = false;
    /// Whether right records without a partner come out.
    const RIGHT_ALONE: bool = false;
    /// Whether a left record is done with when it has found one partner.
    const ONCE: bool = false;

    /// The row of two partners, if there is one.
    fn pair(&self, left: &L, right: &R) -> Option<Self::Out>;

    /// The row of a left record without a partner.
    fn left_alone(&self, _: L) -> Option<Self::Out> {
        None
    }

    /// The row of a right record without a partner.
    fn right_alone(&self, _: R) -> Option<Self::Out> {
        None
    }
}

pub(super) struct Inner<F>(pub(super) F);
pub(super) struct LeftOuter<F>(pub(super) F);
pub(super) struct RightOuter<F>(pub(super) F);
pub(super) struct FullOuter<F>(pub(super) F);
pub(super) struct LeftSemi<L>(PhantomData<fn(L)>);
pub(super) struct LeftAnti<L>(PhantomData<fn(L)>);

impl<L> LeftSemi<L> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<L> LeftAnti<L> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<L, R, U, F> Kind<L, R> for Inner<F>
where
    U: Send + 'static,
    F: Fn(&L, &R) -> U + Send + Sync + 'static,
{
    type Out = U;
    const NAME: &'static str = "inner";

    fn pair(&self, left: &L, right: &R) -> Option<U> {
        Some((self.0)(left, right))
    }
}

impl<L, R, U, F> Kind<L, R> for LeftOuter<F>
where
    U: Send + 'static,
    F: Fn(&L, Option<&R>) -> U + Send + Sync + 'static,
{
    type Out = U;
    const NAME: &'static str = "left_outer";
    const LEFT_ALONE: bool = true;

    fn pair(&self, left: &L, right: &R) -> Option<U> {
        Some((self.0)(left, Some(right)))
    }
    fn left_alone(&self, left: L) -> Option<U> {
        Some((self.0)(&left, None))
    }
}

impl<L, R, U, F> Kind<L, R> for RightOuter<F>
where
    U: Send + 'static,
    F: Fn(Option<&L>, &R) -> U + Send + Sync + 'static,
{
    type Out = U;
    const NAME: &'static str = "right_outer";
    const RIGHT_ALONE: bool = true;

    fn pair(&self, left: &L, right: &R) -> Option<U> {
        Some((self.0)(Some(left), right))
    }
    fn right_alone(&self, right: R) -> Option<U> {
        Some((self.0)(None, &right))
    }
}

impl<L, R, U, F> Kind<L, R> for FullOuter<F>
where
    U: Send + 'static,
    F: Fn(Option<&L>, Option<&R>) -> U + Send + Sync + 'static,
{
    type Out = U;
    const NAME: &'static str = "full_outer";
    const LEFT_ALONE: bool = true;
    const RIGHT_ALONE: bool = true;

    fn pair(&self, left: &L, right: &R) -> Option<U> {
        Some((self.0)(Some(left), Some(right)))
    }
    fn left_alone(&self, left: L) -> Option<U> {
        Some((self.0)(Some(&left), None))
    }
    fn right_alone(&self, right: R) -> Option<U> {
        Some((self.0)(None, Some(&right)))
    }
}

impl<L: Clone + Send + 'static, R> Kind<L, R> for LeftSemi<L> {
    type Out = L;
    const NAME: &'static str = "left_semi";
    const ONCE: bool = true;

    fn pair(&self, left: &L, _: &R) -> Option<L> {
        Some(left.clone())
    }
}

impl<L: Send + 'static, R> Kind<L, R> for LeftAnti<L> {
    type Out = L;
    const NAME: &'static str = "left_anti";
    const LEFT_ALONE: bool = true;
    const ONCE: bool = true;

    fn pair(&self, _: &L, _: &R) -> Option<L> {
        None
    }
    fn left_alone(&self, left: L) -> Option<L> {
        Some(left)
    }
}
