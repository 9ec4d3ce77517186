//! How wide the columns of a table may be.

/// A column is not made narrower than this for the sake of others; it is left out.
const NARROWEST: usize = 8;

/// What a column asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    /// Columns of the screen that its widest cell takes.
    pub(super) width: usize,
    /// Whether its cells may be cut. A number that is cut is another number.
    pub(super) cuttable: bool,
}

/// The widths of the columns that fit into `room`, from the first on. Each takes a space on both sides. The widest give
/// way first; the last are left out if that is not enough.
pub(super) fn fit(wishes: &[Wish], room: Option<usize>) -> Vec<usize> {
    let Some(room) = room else { return wishes.iter().map(|wish| wish.width).collect() };
    let fits = |kept: &usize| total(&wishes[..*kept], NARROWEST) <= room;
    let kept = (1..=wishes.len()).rev().find(fits).unwrap_or(1).min(wishes.len());
    let wishes = &wishes[..kept];
    let widest = wishes.iter().map(|wish| wish.width).max().unwrap_or(0);
    let limit = (NARROWEST..=widest).rev().find(|limit| total(wishes, *limit) <= room).unwrap_or(NARROWEST);
    wishes.iter().map(|wish| limited(wish, limit)).collect()
}

fn limited(wish: &Wish, limit: usize) -> usize {
    if wish.cuttable { wish.width.min(limit) } else { wish.width }
}

fn total(wishes: &[Wish], limit: usize) -> usize {
    wishes.iter().map(|wish| limited(wish, limit) + 2).sum()
}

#[cfg(test)]
mod tests {
    use super::{Wish, fit};

    #[track_caller]
    fn check(wishes: &[(usize, bool)], room: Option<usize>, expected: &[usize]) {
        let wishes = wishes.iter().map(|(width, cuttable)| Wish { width: *width, cuttable: *cuttable });
        let fitted = fit(&wishes.collect::<Vec<_>>(), room);
        assert_eq!(fitted, expected);
        let taken: usize = fitted.iter().map(|width| width + 2).sum();
        assert!(fitted.len() == 1 || room.is_none_or(|room| taken <= room), "{taken} columns");
    }

    #[test]
    fn the_widest_texts_give_way() {
        check(&[(10, true), (20, true), (5, false)], None, &[10, 20, 5]);
        check(&[(10, true), (20, true), (5, false)], Some(41), &[10, 20, 5]);
        check(&[(10, true), (20, true), (5, false)], Some(40), &[10, 19, 5]);
        check(&[(90, true), (90, true), (20, false)], Some(80), &[27, 27, 20]);
        check(&[], Some(80), &[]);
    }

    #[test]
    fn the_last_columns_are_left_out_where_all_are_narrow() {
        check(&[(30, true), (30, true), (30, true)], Some(25), &[10, 10]);
        check(&[(15, false), (15, false)], Some(20), &[15]);
        check(&[(60, true), (3, true)], Some(5), &[8]);
    }
}
