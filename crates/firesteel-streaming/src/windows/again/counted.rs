//! Accumulators that count their records beside.

use std::borrow::Cow;
use std::sync::Arc;

use firesteel_window::Aggregator;

/// What an aggregator makes of values, and how many they were: by that, firings by number are known.
///
/// It is also what tells the state of windows that may fire again from that of others.
pub(crate) struct Counted<A>(pub(crate) Arc<A>);

impl<V, A: Aggregator<V>> Aggregator<V> for Counted<A> {
    type Acc = (A::Acc, u64);
    type Out = A::Out;

    fn create(&self) -> Self::Acc {
        (self.0.create(), 0)
    }

    #[inline]
    fn start(&self, value: V) -> Self::Acc {
        (self.0.start(value), 1)
    }

    #[inline]
    fn add(&self, (acc, count): &mut Self::Acc, value: V) {
        self.0.add(acc, value);
        *count += 1;
    }

    #[inline]
    fn merge(&self, (acc, count): &mut Self::Acc, (other, more): Self::Acc) {
        self.0.merge(acc, other);
        *count += more;
    }

    fn finish(&self, (acc, _): &Self::Acc) -> A::Out {
        self.0.finish(acc)
    }

    fn finish_owned(&self, (acc, _): Self::Acc) -> A::Out {
        self.0.finish_owned(acc)
    }

    fn kind(&self) -> Cow<'static, str> {
        Cow::Owned(format!("changing {}", self.0.kind()))
    }
}
