//! Several aggregations in one pass: a tuple of aggregators is an aggregator.

use std::borrow::Cow;

use super::Aggregator;

/// No aggregation: what is left is that there was a value.
impl<In> Aggregator<In> for () {
    type Acc = ();
    type Out = ();

    #[inline]
    fn create(&self) {}

    #[inline]
    fn add(&self, (): &mut (), _: In) {}

    #[inline]
    fn merge(&self, (): &mut (), (): ()) {}

    #[inline]
    fn finish(&self, (): &()) {}

    fn kind(&self) -> Cow<'static, str> {
        Cow::Borrowed("()")
    }
}

impl<In, A, B> Aggregator<In> for (A, B)
where
    In: Clone,
    A: Aggregator<In>,
    B: Aggregator<In>,
{
    type Acc = (A::Acc, B::Acc);
    type Out = (A::Out, B::Out);

    #[inline]
    fn create(&self) -> Self::Acc {
        (self.0.create(), self.1.create())
    }

    #[inline]
    fn add(&self, acc: &mut Self::Acc, value: In) {
        self.0.add(&mut acc.0, value.clone());
        self.1.add(&mut acc.1, value);
    }

    #[inline]
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc) {
        self.0.merge(&mut acc.0, other.0);
        self.1.merge(&mut acc.1, other.1);
    }

    #[inline]
    fn finish(&self, acc: &Self::Acc) -> Self::Out {
        (self.0.finish(&acc.0), self.1.finish(&acc.1))
    }

    #[inline]
    fn finish_owned(&self, acc: Self::Acc) -> Self::Out {
        (self.0.finish_owned(acc.0), self.1.finish_owned(acc.1))
    }

    fn kind(&self) -> Cow<'static, str> {
        format!("({}, {})", self.0.kind(), self.1.kind()).into()
    }
}

impl<In, A, B, C> Aggregator<In> for (A, B, C)
where
    In: Clone,
    A: Aggregator<In>,
    B: Aggregator<In>,
    C: Aggregator<In>,
{
    type Acc = (A::Acc, B::Acc, C::Acc);
    type Out = (A::Out, B::Out, C::Out);

    #[inline]
    fn create(&self) -> Self::Acc {
        (self.0.create(), self.1.create(), self.2.create())
    }

    #[inline]
    fn add(&self, acc: &mut Self::Acc, value: In) {
        self.0.add(&mut acc.0, value.clone());
        self.1.add(&mut acc.1, value.clone());
        self.2.add(&mut acc.2, value);
    }

    #[inline]
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc) {
        self.0.merge(&mut acc.0, other.0);
        self.1.merge(&mut acc.1, other.1);
        self.2.merge(&mut acc.2, other.2);
    }

    #[inline]
    fn finish(&self, acc: &Self::Acc) -> Self::Out {
        (self.0.finish(&acc.0), self.1.finish(&acc.1), self.2.finish(&acc.2))
    }

    #[inline]
    fn finish_owned(&self, acc: Self::Acc) -> Self::Out {
        (self.0.finish_owned(acc.0), self.1.finish_owned(acc.1), self.2.finish_owned(acc.2))
    }

    fn kind(&self) -> Cow<'static, str> {
        format!("({}, {}, {})", self.0.kind(), self.1.kind(), self.2.kind()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::super::{Count, Max, Min, Sum};

    #[test]
    fn every_part_sees_every_value() {
        assert_eq!(run(&(Count, Sum), [2_i32, 3]), (2, 5));
        assert_eq!(run(&(Min, (Max, Count)), [5, 9]), (Some(5), (Some(9), 2)));
        assert_eq!(run(&(Min, Max, Count), [5, 9, 7]), (Some(5), Some(9), 3));
    }
}
