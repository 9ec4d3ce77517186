//! A list that grows by pieces of one size.
//!
//! A vector that is full is copied to one of twice the length: for a moment three times the memory is taken, and half
//! of it stays empty. Tables of many key groups, among which keys are spread evenly, all do so at the same time. Here
//! nothing is copied, hardly anything is empty, and what is given back is of a size that everyone can use again.

/// Bytes of a piece, at most.
const PIECE: usize = 16 << 10;

/// Items by their position.
// In this order: small tables need the beginning only.
#[repr(C)]
pub(crate) struct Pieces<T> {
    /// The first piece, which grows as vectors do: small tables are found in one step.
    first: Vec<T>,
    len: usize,
    /// The others, made as a whole. All before the last that has items are full; empty ones are kept for what comes.
    others: Vec<Vec<T>>,
}

impl<T> Pieces<T> {
    const BITS: u32 = {
        let bytes = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
        let fit = PIECE / bytes;
        // However large the items are, pieces are worth having.
        if fit < 16 { 4 } else { fit.ilog2() }
    };
    /// Items of a piece, a power of two.
    const LENGTH: usize = 1 << Self::BITS;

    pub(crate) const fn new() -> Self {
        Self { first: Vec::new(), len: 0, others: Vec::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// # Panics
    /// If there are fewer items.
    #[inline]
    pub(crate) fn at(&self, at: usize) -> &T {
        if at < Self::LENGTH {
            return &self.first[at];
        }
        &self.others[(at >> Self::BITS) - 1][at & (Self::LENGTH - 1)]
    }

    /// # Panics
    /// If there are fewer items.
    #[inline]
    pub(crate) fn at_mut(&mut self, at: usize) -> &mut T {
        if at < Self::LENGTH {
            return &mut self.first[at];
        }
        &mut self.others[(at >> Self::BITS) - 1][at & (Self::LENGTH - 1)]
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        if at < Self::LENGTH {
            return self.first.get(at);
        }
        self.others.get((at >> Self::BITS) - 1)?.get(at & (Self::LENGTH - 1))
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        if self.len < Self::LENGTH {
            self.first.push(item);
        } else {
            let piece = (self.len >> Self::BITS) - 1;
            if piece == self.others.len() {
                self.others.push(Vec::with_capacity(Self::LENGTH));
            }
            self.others[piece].push(item);
        }
        self.len += 1;
    }

    /// Makes room for this many items in the first piece, as far as it has room.
    pub(crate) fn make_room_for(&mut self, items: usize) {
        self.first.reserve_exact(items.min(Self::LENGTH).saturating_sub(self.first.len()));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(self.others.iter().flatten())
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.first.iter_mut().chain(self.others.iter_mut().flatten())
    }

    fn pieces_mut(&mut self) -> impl Iterator<Item = &mut Vec<T>> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }

    /// Drops all items from `length` on, and keeps their room.
    pub(crate) fn truncate(&mut self, length: usize) {
        if length >= self.len {
            return;
        }
        let (last, within) = (length >> Self::BITS, length & (Self::LENGTH - 1));
        for (number, piece) in self.pieces_mut().enumerate().skip(last) {
            piece.truncate(if number == last { within } else { 0 });
        }
        self.len = length;
    }

    /// Removes the last item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        if last < Self::LENGTH { self.first.pop() } else { self.others[(last >> Self::BITS) - 1].pop() }
    }

    /// Hands all items over, front to back, and keeps their room.
    pub(crate) fn take_each(&mut self, take: impl FnMut(T)) {
        self.len = 0;
        self.pieces_mut().flat_map(|piece| piece.drain(..)).for_each(take);
    }

    /// Empties a list that will be filled again. Of the room it had, it gives back what it has not used this time.
    pub(crate) fn reuse(&mut self) {
        let used = self.len.div_ceil(Self::LENGTH);
        // One more, so that a list that varies a little need not ask again and again.
        self.others.truncate(used);
        self.pieces_mut().for_each(Vec::clear);
        self.len = 0;
    }

    /// Drops the items that `keep` does not want, and gives back the room that is not needed for the others.
    pub(crate) fn retain_mut(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let Self { first, others, .. } = std::mem::replace(self, Self::new());
        let mut kept = Self::new();
        // Pieces that were read are filled again.
        let mut read: Vec<Vec<T>> = Vec::new();
        for mut piece in std::iter::once(first).chain(others) {
            for mut item in piece.drain(..) {
                if keep(&mut item) {
                    if kept.len >> Self::BITS == kept.others.len() + 1
                        && let Some(room) = read.pop()
                    {
                        kept.others.push(room);
                    }
                    kept.push(item);
                }
            }
            read.push(piece);
        }
        if kept.others.is_empty() {
            kept.first.shrink_to(kept.len.next_power_of_two());
        }
        *self = kept;
    }

    /// How many items there is room for.
    pub(crate) fn room(&self) -> usize {
        self.first.capacity() + self.others.len() * Self::LENGTH
    }

    /// Bytes that are allocated, without what items own.
    pub(crate) fn allocated(&self) -> usize {
        self.room() * size_of::<T>() + self.others.capacity() * size_of::<Vec<T>>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// As large as makes pieces of sixteen.
    type Large = [u64; 512];

    fn check(pieces: &Pieces<Large>, expected: &[u64]) {
        assert_eq!(pieces.len(), expected.len());
        assert_eq!(pieces.iter().map(|item| item[0]).collect::<Vec<_>>(), expected);
        for (at, item) in expected.iter().enumerate() {
            assert_eq!(pieces.at(at)[0], *item);
            assert_eq!(pieces.get(at).map(|item| item[0]), Some(*item));
        }
        assert!(pieces.get(expected.len()).is_none());
    }

    proptest! {
        #[test]
        fn it_is_what_a_vector_is(steps in vec((0..6u8, 0..80usize), 0..30)) {
            let (mut pieces, mut expected, mut next) = (Pieces::<Large>::new(), Vec::new(), 0);
            for (step, number) in steps {
                match step {
                    0 | 1 => for _ in 0..number {
                        pieces.push([next; 512]);
                        expected.push(next);
                        next += 1;
                    },
                    2 => {
                        let length = expected.len() * number / 80;
                        pieces.truncate(length);
                        expected.truncate(length);
                    }
                    3 => prop_assert_eq!(pieces.pop().map(|item| item[0]), expected.pop()),
                    4 => {
                        let wanted = |item: u64| item * 7 % 80 >= number as u64;
                        pieces.retain_mut(|item| { item[1] += 1; wanted(item[0]) });
                        expected.retain(|item| wanted(*item));
                        let most = (expected.len() + 16 + 16) * size_of::<Large>() + 64 * 24;
                        prop_assert!(pieces.allocated() <= most, "{} for {}", pieces.allocated(), expected.len());
                    }
                    _ => {
                        let mut taken = Vec::new();
                        pieces.take_each(|item| taken.push(item[0]));
                        prop_assert_eq!(taken, std::mem::take(&mut expected));
                    }
                }
                check(&pieces, &expected);
            }
        }
    }

    #[test]
    fn little_room_stays_empty() {
        let mut pieces = Pieces::new();
        for item in 0..5_000u64 {
            pieces.push(item);
            let needed = pieces.len() * size_of::<u64>();
            assert!(pieces.allocated() <= needed * 2 + PIECE + 256, "{} for {needed}", pieces.allocated());
        }
        assert!(pieces.allocated() <= 5_000 * 8 + PIECE + 256);
        pieces.reuse();
        let before = pieces.allocated();
        (0..5_000).for_each(|item| pieces.push(item));
        assert_eq!(pieces.allocated(), before, "the room is used again");
        pieces.reuse();
        pieces.push(1);
        pieces.reuse();
        assert!(pieces.allocated() <= 2 * PIECE + 256, "and given back where it is not");
    }
}
