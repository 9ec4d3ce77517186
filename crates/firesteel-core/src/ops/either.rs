//! One of two iterators.

pub(crate) enum Either<A, B> {
    Left(A),
    Right(B),
}

impl<T, A: Iterator<Item = T>, B: Iterator<Item = T>> Iterator for Either<A, B> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match self {
            Self::Left(records) => records.next(),
            Self::Right(records) => records.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Left(records) => records.size_hint(),
            Self::Right(records) => records.size_hint(),
        }
    }

    #[inline]
    fn fold<C, F: FnMut(C, T) -> C>(self, start: C, each: F) -> C {
        match self {
            Self::Left(records) => records.fold(start, each),
            Self::Right(records) => records.fold(start, each),
        }
    }
}
